// What a network and a server can do to the pages.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { accessible } from './access.mjs';
import { joinChat, openConsole, openCustomer, said, say, sent, shows, startChat } from './pages.mjs';

export async function polling() {
  // As behind a proxy that lets no upgrade through.
  const init = () => {
    const Real = window.WebSocket;
    window.WebSocket = class extends Real {
      constructor() { super(`${location.origin.replace('http', 'ws')}/no-such-place`); }
    };
  };
  const [customer, desk] = [await openCustomer({ init }), await openConsole({ init })];
  await startChat(customer);
  await joinChat(desk);
  for (const number of [1, 2, 3]) {
    await say(customer, `question ${number}`);
    await shows(desk, `question ${number}`);
    await say(desk, `answer ${number}`);
    await shows(customer, `answer ${number}`);
  }
  await customer.reload();
  await shows(customer, 'answer 3');
  assert.equal((await said(customer)).length, 6);
}

export async function restart(ready, cut) {
  const [customer, desk] = [await openCustomer(), await openConsole()];
  await startChat(customer);
  await joinChat(desk);
  await say(customer, 'before');
  await shows(desk, 'before');
  writeFileSync(ready, '');
  await customer.getByText('Connection lost. Trying again…').waitFor();
  await desk.getByText('Connection lost. Trying again…').waitFor();
  await say(customer, 'while it was down');
  await accessible(customer, 'customer-reconnecting');
  await accessible(desk, 'console-reconnecting');
  writeFileSync(cut, '');
  await shows(desk, 'while it was down');
  await sent(customer);
  await say(desk, 'and you?');
  await shows(customer, 'and you?');
  await say(customer, 'after');
  await shows(desk, 'after');
  for (const page of [customer, desk]) {
    assert.deepEqual(await said(page), ['before', 'while it was down', 'and you?', 'after'], 'each once, in order');
  }
}

// What a page opens has a copy of its session storage, and so the same chat.
export async function tabs() {
  const first = await openCustomer();
  await startChat(first);
  const [second] = await Promise.all([
    first.context().waitForEvent('page'),
    first.evaluate(() => { window.open('/'); }),
  ]);
  await shows(second, 'The chat has begun.');
  await say(second, 'from the second');
  await sent(second);
  await say(first, 'from the first');
  await sent(first);
  await shows(first, 'from the second');
  assert.deepEqual(await said(first), ['from the second', 'from the first'], 'each once, in order');
}
