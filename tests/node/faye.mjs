// A stock Faye client holds a chat: node faye.mjs TRANSPORT URL [cut]
// With `cut` its way to the server is cut for a moment, and something is said meanwhile.
import faye from 'faye';
import { check, deadline, fail } from './stock.mjs';
import { open, tell } from './way.mjs';

const CHANNEL = '/service/chatV2/customer-support';
const [transport, address, mode] = process.argv.slice(2);
deadline();

const way = await open(address);
const client = new faye.Client(way.url);
// It shakes hands over HTTP in any case, and goes over to a WebSocket where that passes.
if (transport !== 'websocket') client.disable('websocket');
const seen = [];
let key;

client.subscribe(CHANNEL, onData).then(
  () => publish({ operation: 'requestChat', nickname: 'Alice' }),
  (error) => fail(`the subscription: ${error.message}`),
);

function publish(data) {
  client.publish(CHANNEL, key ? { ...data, secureKey: key } : data).then(
    () => {},
    (error) => fail(`${data.operation}: ${error.message}`),
  );
}

function onData(data) {
  check(data.statusCode === 0, JSON.stringify(data));
  for (const event of data.messages ?? []) {
    if (seen.some((other) => other.index === event.index)) continue;
    check(event.index > (seen.at(-1)?.index ?? 0), 'in order');
    seen.push(event);
    if (event.type === 'Message' && event.text === 'two') publish({ operation: 'disconnect' });
  }
  if (!key) {
    key = data.secureKey;
    if (mode === 'cut') cut();
    else for (const message of ['one', 'two']) publish({ operation: 'sendMessage', message });
  }
  if (data.chatEnded) finish();
}

async function cut() {
  way.cut();
  await tell(address, key, 'one');
  way.mend();
  await tell(address, key, 'two');
}

function finish() {
  const texts = seen.filter(({ type }) => type === 'Message').map(({ text }) => text);
  check(texts.join() === 'one,two', texts.join());
  check(client._dispatcher.connectionType === transport, `${transport} is what was used`);
  client.disconnect();
  console.log('done');
  process.exit(0);
}
