// What the scripts of stock clients share: a CometD client by version and transport, and a deadline.
import * as cometdNodejsClient from 'cometd-nodejs-client';

const PATIENCE = 60_000;

/** Ends the process with a complaint if the script has not ended by then. */
export function deadline() {
  setTimeout(() => fail('out of patience'), PATIENCE).unref();
}

export function fail(reason) {
  console.error(reason);
  process.exit(1);
}

export function check(condition, what) {
  if (!condition) fail(`not so: ${what}`);
}

/** A CometD client that has one transport left (or all), with its cookies kept as a browser keeps them. */
export async function cometd(version, transport, url, all = false) {
  (cometdNodejsClient.adapt ?? cometdNodejsClient.default.adapt)();
  const module = await import(version);
  const CometD = module.CometD ?? module.default.CometD;
  const client = new CometD();
  client.configure({ url, logLevel: 'warn' });
  if (all) return { client, module };
  for (const name of client.getTransportTypes()) if (name !== transport) client.unregisterTransport(name);
  check(client.getTransportTypes().join() === transport, `${version} has the transport ${transport}`);
  return { client, module };
}
