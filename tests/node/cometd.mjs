// A stock CometD client holds a chat: node cometd.mjs PACKAGE TRANSPORT|any URL [ack]
import { cometd, check, deadline, fail } from './stock.mjs';

const CHANNEL = '/service/chatV2/customer-support';
const [version, transport, url, ack] = process.argv.slice(2);
deadline();

const { client } = await cometd(version, transport, url, transport === 'any');
if (ack) {
  const { AckExtension } = await import('cometd/AckExtension.js');
  client.registerExtension('ack', new AckExtension());
}
const seen = [];
let key;

// Subscriptions belong into a listener: they are made again after every handshake.
client.addListener('/meta/handshake', (reply) => {
  if (!reply.successful) return;
  client.subscribe(CHANNEL, onData, (subscribed) => {
    check(subscribed.successful, 'the subscription');
    publish({ operation: 'requestChat', firstName: 'Alice', lastName: 'Rossi', userData: { from: version } });
  });
});
client.addListener('/meta/unsuccessful', (message) => fail(`${message.channel}: ${message.error ?? message.failure?.reason}`));
client.handshake();

function publish(data) {
  client.publish(CHANNEL, key ? { ...data, secureKey: key } : data, (reply) => {
    check(reply.successful, `${data.operation} is acknowledged`);
  });
}

function onData({ data }) {
  check(data.statusCode === 0, JSON.stringify(data));
  for (const event of data.messages ?? []) {
    check(!seen.some((other) => other.index === event.index), 'each event once');
    check(event.index > (seen.at(-1)?.index ?? 0), 'in order');
    seen.push(event);
    if (event.type === 'Message' && event.text === 'three') publish({ operation: 'disconnect' });
  }
  if (!key) {
    key = data.secureKey;
    client.batch(() => ['one', 'two', 'three'].forEach((message) => publish({ operation: 'sendMessage', message })));
  }
  if (data.chatEnded) finish();
}

function finish() {
  const texts = seen.filter(({ type }) => type === 'Message').map(({ text }) => text);
  check(texts.join() === 'one,two,three', texts.join());
  const used = client.getTransport();
  const type = used.type ?? used.getType();
  check(type === (transport === 'any' ? 'websocket' : transport), `it comes by ${type}`);
  client.disconnect((reply) => {
    check(reply.successful, 'the disconnection');
    console.log('done');
    process.exit(0);
  });
}
