// A stock CometD client whose way to the server is cut for a while, or lets no WebSocket pass:
// node cuts.mjs TRANSPORT URL cut|expire|refuse
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { cometd, check, deadline } from './stock.mjs';

const CHANNEL = '/service/chatV2/customer-support';
const [transport, address, mode] = process.argv.slice(2);
const server = new URL(address);
deadline();

let passable = true;
const ways = new Set();
const way = net.createServer(carry);
await new Promise((listening) => way.listen(0, '127.0.0.1', listening));
const { client } = await cometd('cometd', transport, `http://127.0.0.1:${way.address().port}${server.pathname}`, mode === 'refuse');

const texts = [];
let handshakes = 0;
let chat;
client.addListener('/meta/handshake', (reply) => {
  if (!reply.successful) return;
  handshakes += 1;
  client.subscribe(CHANNEL, onData);
  client.publish(CHANNEL, chat ? { operation: 'requestNotifications', ...chat } : { operation: 'requestChat', nickname: 'Ana' });
});
client.handshake();

async function onData({ data }) {
  check(data.statusCode === 0, JSON.stringify(data));
  const first = !chat;
  for (const event of data.messages ?? []) {
    // After a broken connection an event may come twice, by the same index.
    if (chat && event.index < chat.transcriptPosition) continue;
    if (event.type === 'Message') texts.push(event.text);
  }
  chat = { secureKey: data.secureKey, transcriptPosition: Math.max(data.nextPosition, chat?.transcriptPosition ?? 0) };
  if (first) await (mode === 'refuse' ? tell('hello') : cut());
  if (texts.length) finish();
}

async function cut() {
  passable = false;
  for (const socket of ways) socket.resetAndDestroy();
  await sleep(300);
  await tell('while you were away');
  // The server of that story forgets a client after a second and a half.
  if (mode === 'expire') await sleep(4_000);
  passable = true;
}

/** Says something in the same chat from elsewhere, straight to the server. */
async function tell(message) {
  const hello = await fetch(address, { method: 'POST', body: '[{"channel":"/meta/handshake","version":"1.0"}]' });
  const headers = { cookie: hello.headers.get('set-cookie').split(';')[0] };
  const [{ clientId }] = await hello.json();
  const data = { operation: 'sendMessage', secureKey: chat.secureKey, message };
  const replies = await ask([{ id: '1', channel: CHANNEL, clientId, data }], headers);
  check(replies.some((reply) => reply.id === '1' && reply.successful), JSON.stringify(replies));
}

async function ask(messages, headers) {
  const reply = await fetch(address, { method: 'POST', headers, body: JSON.stringify(messages) });
  return reply.json();
}

function finish() {
  check(texts.length === 1, texts.join());
  check((handshakes > 1) === (mode === 'expire'), `${handshakes} handshakes`);
  check(mode !== 'refuse' || client.getTransport().type === 'long-polling', 'it fell back');
  console.log('done');
  process.exit(0);
}

function carry(near) {
  if (!passable) return near.resetAndDestroy();
  const far = net.connect(Number(server.port), server.hostname);
  for (const [socket, other] of [[near, far], [far, near]]) {
    ways.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      ways.delete(socket);
      other.destroy();
    });
  }
  near.once('data', (request) => {
    if (mode === 'refuse' && /^upgrade: websocket/im.test(request.toString('latin1'))) {
      return near.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    }
    far.write(request);
    near.pipe(far);
  });
  far.pipe(near);
}
