// What a page of a stranger can do to ours in a real browser, and what can be done inside of ours: nothing.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { browser, internalUrl, open, openConsole, openCustomer, publicUrl, token } from './pages.mjs';

/** A page of another origin on this machine, and what its requests come to. */
async function stranger() {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title><body></body>'));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return { page, close: () => server.close() };
}

async function metric(name) {
  const text = await (await fetch(`${internalUrl}/metrics`)).text();
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ').at(-1));
}

/** Sends from the page as its scripts can: `null` where the answer is kept from them. */
const read = (page, url, options) => page.evaluate(([url, options]) => fetch(url, options).then((reply) => reply.status, () => null), [url, options]);
const loads = (page, kind, url) => page.evaluate(([kind, url]) => new Promise((told) => {
  const element = document.createElement(kind);
  element.onload = () => told(true);
  element.onerror = () => told(false);
  element.src = url;
  document.body.append(element);
}), [kind, url]);
const upgrades = (page, url) => page.evaluate((url) => new Promise((told) => {
  const socket = new WebSocket(url);
  socket.onopen = () => told(true);
  socket.onerror = () => told(false);
}), url);

export async function strangers() {
  const { page, close } = await stranger();
  const hello = JSON.stringify([{ id: '1', channel: '/meta/handshake', version: '1.0', ext: { authentication: { token } } }]);
  const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'nickname=Mallory' };
  const simple = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: hello };
  const chat = `${publicUrl}/genesys/2/chat/customer-support`;

  // Framing: no click on our pages is somebody else's.
  for (const url of [`${internalUrl}/console`, `${publicUrl}/`]) {
    await page.evaluate((url) => new Promise((loaded) => {
      const frame = document.createElement('iframe');
      frame.onload = loaded;
      frame.src = url;
      document.body.append(frame);
    }), url);
    await page.waitForFunction(() => [...document.querySelectorAll('iframe')].every((frame) => frame.contentDocument === null));
    const frame = page.frames().at(-1);
    assert.equal(await frame.locator('main').count(), 0, `${url} is shown in a frame`);
  }

  // Reading, and asking without being able to read (CSRF).
  for (const url of [`${internalUrl}/metrics`, `${internalUrl}/console`, `${publicUrl}/`]) assert.equal(await read(page, url), null, url);
  for (const credentials of ['omit', 'include']) {
    assert.equal(await read(page, chat, { ...form, credentials }), null);
    assert.equal(await read(page, `${internalUrl}/cometd`, { ...simple, credentials }), null);
    await read(page, chat, { ...form, credentials, mode: 'no-cors' });
    await read(page, `${internalUrl}/cometd`, { ...simple, credentials, mode: 'no-cors' });
  }
  for (const url of [`${internalUrl}/cometd`, `${publicUrl}/genesys/cometd`]) assert.equal(await upgrades(page, url.replace('http', 'ws')), false, url);
  assert.equal(await metric('parlor_sessions_open'), 0, 'a strange page has begun a chat');
  assert.equal(await metric('parlor_bayeux_sessions{listener="internal"}'), 0, 'a strange page has come in as an agent');

  // Our files are no scripts, pictures or styles of theirs, and what is no script is never taken for one.
  for (const [kind, url] of [
    ['script', `${internalUrl}/assets/console.js`], ['script', `${publicUrl}/assets/customer.js`], ['script', `${internalUrl}/metrics`],
    ['script', `${internalUrl}/readyz`], ['img', `${internalUrl}/assets/icon.svg`],
  ]) assert.equal(await loads(page, kind, url), false, `${kind} ${url}`);
  close();
}

export async function inside() {
  for (const opened of [openCustomer, openConsole]) {
    const page = await opened();
    // In a task of its own: what is evaluated by the developers' tools themselves may do more.
    const done = await page.evaluate(() => new Promise((told) => setTimeout(() => {
      const tries = {
        inline: () => { const script = document.createElement('script'); script.textContent = 'window.owned = 1'; document.body.append(script); },
        evaluated: () => { (0, eval)('window.owned = 2'); },
        markup: () => { document.body.innerHTML += '<img src=x onerror="window.owned = 3">'; },
        styled: () => { const style = document.createElement('style'); style.textContent = 'body { --owned: 1 }'; document.head.append(style); },
      };
      for (const name of Object.keys(tries)) try { tries[name](); } catch { /* refused: as it should be */ }
      setTimeout(() => told({ owned: window.owned ?? null, styled: getComputedStyle(document.body).getPropertyValue('--owned') }), 200);
    })));
    assert.deepEqual(done, { owned: null, styled: '' });
    assert.equal(await loads(page, 'iframe', 'data:text/html,<p>x').catch(() => false), true, 'a frame that is refused is empty');
    assert.equal(await read(page, 'http://127.0.0.1:9/'), null);
    assert.ok(await page.evaluate(() => window.violations.length) > 3, 'and the policy said so');
    assert.equal(await page.evaluate(() => window.opener), null);
  }
  // The token of the console is not left in the address, where histories and screenshots have it.
  const desk = await openConsole();
  await desk.getByText('Nobody is waiting.').waitFor();
  assert.ok(!desk.url().includes(token), desk.url());

  const page = await open(`${publicUrl}/`);
  const hello = [{ channel: '/meta/handshake', version: '1.0' }];
  assert.equal(await read(page, '/genesys/cometd', { method: 'POST', body: JSON.stringify(hello) }), 200);
  assert.equal(await page.evaluate(() => document.cookie), '', 'scripts see no cookie');
  const [cookie, ...more] = (await page.context().cookies()).filter(({ name }) => name === 'BAYEUX_BROWSER');
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path, more.length], [true, 'Lax', '/', 0]);
}
