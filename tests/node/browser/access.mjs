// The pages by keyboard and for a screen reader: axe-core looks at every state of both, light and dark, wide and narrow.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { internalUrl, joinChat, open, openConsole, openCustomer, say, shot, shows, startChat } from './pages.mjs';
import { beginAsync } from './rest.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LOOKS = [
  ['wide', { width: 1100, height: 760 }, 'light'],
  ['wide-dark', { width: 1100, height: 760 }, 'dark'],
  ['narrow', { width: 320, height: 640 }, 'light'],
  ['narrow-dark', { width: 320, height: 640 }, 'dark'],
];

/** No violation in any look, and nothing that needs sideways scrolling. */
export async function accessible(page, state) {
  for (const [look, size, colorScheme] of LOOKS) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await shot(page, `access-${state}-${look}`);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run());
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('; ')}`);
    assert.deepEqual(told, [], `${state}, ${look}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `${state}, ${look}`);
  }
  await page.setViewportSize(LOOKS[0][1]);
}

/** What Tab comes to from the beginning of the page, by name, until it leaves the page. */
async function tabs(page) {
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  const names = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === document.body || at === null) return null;
      return at.labels?.[0]?.textContent.trim() || at.ariaLabel || at.textContent.trim();
    });
    if (name === null || names.length > 30) return names;
    names.push(name);
  }
}

export async function states() {
  const customer = await openCustomer();
  await accessible(customer, 'customer-welcome');
  assert.deepEqual(await tabs(customer), ['Skip to the chat', 'Your name', 'What is it about? (optional)', 'Start the chat']);
  await customer.getByLabel('Your name').fill(' ');
  await customer.keyboard.press('Enter');
  await customer.getByText('Please tell us your name.').waitFor();
  await accessible(customer, 'customer-problem');

  const stranger = await open(`${internalUrl}/console#token=guess`);
  await stranger.getByText('That token was not accepted.').waitFor();
  await accessible(stranger, 'console-login');
  const desk = await openConsole();
  await desk.getByText('Nobody is waiting.').waitFor();
  await accessible(desk, 'console-empty');

  await startChat(customer, 'Alice');
  await accessible(customer, 'customer-waiting');
  const chats = desk.getByRole('navigation', { name: 'Chats' });
  await chats.getByRole('button', { name: 'Alice' }).waitFor();
  await beginAsync({ nickname: 'Ben', subject: 'An invoice', 'userData[Order]': '4711' });
  await chats.getByRole('button', { name: 'Ben' }).waitFor();
  await accessible(desk, 'console-list');
  await chats.getByRole('button', { name: 'Ben' }).click();
  await accessible(desk, 'console-not-joined');
  await joinChat(desk, 'Ben');
  await say(desk, 'Good morning Ben');
  await accessible(desk, 'console-joined');
  await desk.getByRole('button', { name: 'Hold' }).click();
  await shows(desk, 'You put the chat on hold.');
  await accessible(desk, 'console-held');

  await joinChat(desk, 'Alice');
  await say(customer, 'Hello');
  await shows(desk, 'Hello');
  await desk.getByLabel('Your message').fill('Good');
  await customer.getByText('is typing…').waitFor();
  await accessible(customer, 'customer-served');
  assert.deepEqual(await tabs(customer), ['Skip to the chat', 'End chat', 'Conversation', 'Your message', 'Send']);
  const order = await tabs(desk);
  assert.deepEqual(order.slice(0, 2), ['Skip to the chats', 'Sign out']);
  assert.deepEqual(order.slice(-6), ['Leave', 'Transfer', 'End chat', 'Conversation', 'Your message', 'Send']);

  await desk.getByRole('button', { name: 'End chat' }).click();
  await customer.getByText('This chat has ended.').waitFor();
  await accessible(customer, 'customer-ended');
  await shows(desk, 'The chat has ended.');
  await accessible(desk, 'console-ended');
}

export async function keyboard() {
  const chat = await beginAsync({ nickname: 'Ben', subject: 'An invoice' });
  const desk = await openConsole();
  const ben = desk.getByRole('navigation', { name: 'Chats' }).getByRole('button', { name: 'Ben' });
  await ben.waitFor();
  const press = async (name) => {
    await desk.getByRole('button', { name, exact: true }).focus();
    await desk.keyboard.press('Enter');
  };
  const focused = () => desk.evaluate(() => document.activeElement.id);
  const held = desk.getByRole('region', { name: 'On hold' }).getByRole('button', { name: 'Ben' });
  const waiting = desk.getByRole('region', { name: 'Waiting' }).getByRole('button', { name: 'Ben' });

  await ben.focus();
  await desk.keyboard.press('Enter');
  await press('Join');
  await desk.getByLabel('Your message').waitFor();
  await press('Hold');
  await shows(desk, 'You put the chat on hold.');
  await held.waitFor();
  assert.equal(await focused(), 'chat-title', 'the button is gone, the focus is not');
  assert.equal((await chat.events()).at(-1).eventAttributes['general-properties']['reason-for-leave'], 'HOLD');

  await press('Join');
  await desk.getByLabel('Your message').waitFor();
  await press('Transfer');
  await shows(desk, 'You left for somebody else to take over.');
  await waiting.waitFor();
  assert.equal((await chat.events()).at(-1).eventAttributes['general-properties']['reason-for-leave'], 'TRANSFER');

  await press('Join');
  await desk.getByLabel('Your message').waitFor();
  await press('Leave');
  await waiting.waitFor();
  assert.equal((await chat.events()).at(-1).eventAttributes, undefined, 'for good');
}
