// A stock CometD client whose way to the server is cut for a while, or that gets no WebSocket, by the way or by the server:
// node cuts.mjs TRANSPORT URL cut | expire METRICS | refuse [STATUS]
import { setTimeout as sleep } from 'node:timers/promises';
import { cometd, check, deadline } from './stock.mjs';
import { open, tell } from './way.mjs';

const CHANNEL = '/service/chatV2/customer-support';
const EXPECTED = { cut: ['during'], expire: ['during', 'after'], refuse: ['hello'] };
const [transport, address, mode, more] = process.argv.slice(2);
deadline();

const way = await open(address, mode === 'refuse' ? more : undefined);
const { client } = await cometd('cometd', transport, way.url, mode === 'refuse');
const texts = [];
let handshakes = 0;
let unknown = 0;
let chat;
let fellBackIn;
const begun = performance.now();
client.addListener('/meta/handshake', (reply) => {
  if (!reply.successful) return;
  handshakes += 1;
  fellBackIn ??= performance.now() - begun;
  client.subscribe(CHANNEL, onData);
  client.publish(CHANNEL, chat ? { operation: 'requestNotifications', ...chat } : { operation: 'requestChat', nickname: 'Ana' });
});
client.addListener('/meta/connect', (reply) => { if (reply.error?.startsWith('402:')) unknown += 1; });
client.handshake();

async function onData({ data }) {
  check(data.statusCode === 0, JSON.stringify(data));
  const first = !chat;
  for (const event of data.messages ?? []) {
    // After a broken connection an event may come twice, by the same index.
    if (chat && event.index < chat.transcriptPosition) continue;
    if (event.type !== 'Message') continue;
    texts.push(event.text);
    if (mode === 'expire' && event.text === 'during') say('after');
  }
  chat = { secureKey: data.secureKey, transcriptPosition: Math.max(data.nextPosition, chat?.transcriptPosition ?? 0) };
  if (first) await (mode === 'refuse' ? say('hello') : cut());
  if (texts.length === EXPECTED[mode].length) finish();
}

function say(message) {
  return tell(address, chat.secureKey, message);
}

async function cut() {
  way.cut();
  await say('during');
  if (mode === 'expire') while (!(await forgotten())) await sleep(50);
  way.mend();
}

/** Whether the server knows no client any more. */
async function forgotten() {
  const metrics = await fetch(more);
  return /^parlor_bayeux_sessions\{listener="public"\} 0$/m.test(await metrics.text());
}

function finish() {
  check(texts.join() === EXPECTED[mode].join(), texts.join());
  check(handshakes === (mode === 'expire' ? 2 : 1), `${handshakes} handshakes`);
  check(unknown === (mode === 'expire' ? 1 : 0), `${unknown} times unknown`);
  if (mode === 'refuse') {
    check(client.getTransport().type === 'long-polling', 'it fell back');
    check(!more || way.refusals() === 1, `it tried a WebSocket ${way.refusals()} times`);
    console.log(Math.round(fellBackIn));
  }
  console.log('done');
  process.exit(0);
}
