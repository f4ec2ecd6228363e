// A stock Faye client holds a chat: node faye.mjs TRANSPORT URL
import faye from 'faye';
import { check, deadline, fail } from './stock.mjs';

const CHANNEL = '/service/chatV2/customer-support';
const [transport, url] = process.argv.slice(2);
deadline();

const client = new faye.Client(url);
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
    for (const message of ['one', 'two']) publish({ operation: 'sendMessage', message });
  }
  if (data.chatEnded) finish();
}

function finish() {
  const texts = seen.filter(({ type }) => type === 'Message').map(({ text }) => text);
  check(texts.join() === 'one,two', texts.join());
  check(client._dispatcher.connectionType === transport, `${transport} is what was used`);
  client.disconnect();
  console.log('done');
  process.exit(0);
}
