// A customer and an agent talk, page to page.
import assert from 'node:assert/strict';
import { openConsole, openCustomer, said, say, sent, shot, shows, sound } from './pages.mjs';

export async function conversation() {
  const customer = await openCustomer();
  await shot(customer, 'customer-welcome');
  await customer.getByRole('button', { name: 'Start the chat' }).click();
  assert.equal(await customer.getByLabel('Your name').evaluate((field) => field === document.activeElement), true, 'asks for the name');

  const desk = await openConsole();
  await desk.getByText('Nobody is waiting.').waitFor();
  assert.equal(new URL(desk.url()).hash, '', 'the token has left the address bar');
  await shot(desk, 'console-empty');

  // From here on by keyboard alone: Enter submits, Tab walks.
  await customer.getByLabel('Your name').focus();
  await customer.keyboard.type('Alice');
  await customer.keyboard.press('Tab');
  await customer.keyboard.type('My router blinks');
  await customer.keyboard.press('Enter');
  await shows(customer, 'The chat has begun.');
  assert.equal(await customer.getByLabel('Your message').evaluate((field) => field === document.activeElement), true);
  await customer.keyboard.type('Hello, is anybody there?');
  await customer.keyboard.press('Enter');
  await sent(customer);

  const waiting = desk.getByRole('navigation', { name: 'Chats' }).getByRole('button', { name: 'Alice' });
  await waiting.waitFor();
  await desk.waitForFunction(() => document.title.startsWith('(1)'));
  await waiting.focus();
  await desk.keyboard.press('Enter');
  await desk.getByRole('button', { name: 'Join' }).focus();
  await desk.keyboard.press('Enter');
  await shows(desk, 'Hello, is anybody there?');
  assert.equal(await desk.getByLabel('Your message').evaluate((field) => field === document.activeElement), true);

  await desk.keyboard.type('Good morning Alice');
  await customer.getByText('is typing…').waitFor();
  await shot(customer, 'customer-typing');
  await desk.keyboard.press('Enter');
  await shows(customer, 'Good morning Alice');
  await customer.waitForFunction(() => document.getElementById('typing').textContent === '');
  await customer.keyboard.type('It is the');
  await desk.getByText(/Alice.? is typing/).waitFor();
  await shot(desk, 'console-chat');
  await customer.keyboard.press('Enter');
  await shows(desk, 'It is the');

  await customer.reload();
  await shows(customer, 'Good morning Alice');
  assert.deepEqual(await said(customer), ['Hello, is anybody there?', 'Good morning Alice', 'It is the'], 'reload keeps the chat');
  await say(customer, 'second one, after the reload');
  await shows(desk, 'second one, after the reload');

  await desk.reload();
  await waiting.click();
  await shows(desk, 'second one, after the reload');
  await say(desk, 'I have reloaded too');
  await shows(customer, 'I have reloaded too');
  assert.equal(await customer.getByText('has joined.').count(), 1, 'a reload is no leaving');

  for (const [page, name] of [[customer, 'customer'], [desk, 'console']]) {
    await sound(page, name);
    await page.setViewportSize({ width: 320, height: 640 });
    await sound(page, `${name} at 320 px`);
    await shot(page, `${name}-320`);
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 1100, height: 760 });
    await shot(page, `${name}-dark`);
  }

  await customer.getByRole('button', { name: 'End chat' }).click();
  await customer.getByText('This chat has ended.').waitFor();
  await sound(customer, 'the ended chat');
  await shot(customer, 'customer-ended');
  await customer.getByRole('button', { name: 'Start a new chat' }).click();
  await customer.reload();
  await customer.getByLabel('Your name').waitFor();
}
