// A way to the server that can be cut, or lets no WebSocket pass; and a voice from elsewhere.
import net from 'node:net';
import { check } from './stock.mjs';

const CHANNEL = '/service/chatV2/customer-support';

/** Listens, and carries bytes to the server at `address` and back. WebSockets are refused with `status`, if there is one. */
export async function open(address, status) {
  const server = new URL(address);
  const ways = new Set();
  let passable = true;
  let refusals = 0;
  const listening = net.createServer((near) => {
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
      if (status && /^upgrade: websocket/im.test(request.toString('latin1'))) {
        refusals += 1;
        return near.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      }
      far.write(request);
      near.pipe(far);
    });
    far.pipe(near);
  });
  await new Promise((done) => listening.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${listening.address().port}${server.pathname}`,
    refusals: () => refusals,
    cut() {
      passable = false;
      for (const socket of ways) socket.resetAndDestroy();
    },
    mend() { passable = true; },
  };
}

/** Says something in the chat of this key, straight to the server at `address`. */
export async function tell(address, secureKey, message) {
  const hello = await fetch(address, { method: 'POST', body: '[{"channel":"/meta/handshake","version":"1.0"}]' });
  const headers = { cookie: hello.headers.get('set-cookie').split(';')[0] };
  const [{ clientId }] = await hello.json();
  const ask = async (more) => {
    const reply = await fetch(address, { method: 'POST', headers, body: JSON.stringify([{ id: '1', clientId, ...more }]) });
    const replies = await reply.json();
    check(replies.some((one) => one.id === '1' && one.successful), JSON.stringify(replies));
  };
  await ask({ channel: CHANNEL, data: { operation: 'sendMessage', secureKey, message } });
  await ask({ channel: '/meta/disconnect' });
}
