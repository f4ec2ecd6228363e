// What people may write.
import assert from 'node:assert/strict';
import { internalUrl, joinChat, open, openConsole, openCustomer, said, say, shot, shows, sound, startChat, token } from './pages.mjs';
import { chatOf } from './rest.mjs';

export async function hostile(text) {
  const desk = await openConsole();
  await desk.getByRole('navigation', { name: 'Chats' }).getByRole('button').first().click();
  await desk.getByRole('button', { name: 'Join' }).click();
  await shows(desk, text);
  await say(desk, 'I see');
  await shows(desk, 'I see');
  assert.doesNotMatch(await desk.title(), /owned/);
  assert.equal(await desk.locator('.log img, .log script, .log a[href^="javascript"]').count(), 0);
  await sound(desk, 'console');
  const wrong = await open(`${internalUrl}/console#token=guess`);
  await wrong.getByText('That token was not accepted.').waitFor();
  await shot(wrong, 'console-login');
  await wrong.getByLabel('Token').fill(token);
  await wrong.keyboard.press('Enter');
  await wrong.getByRole('navigation', { name: 'Chats' }).waitFor();
}

export async function languages() {
  const [customer, desk] = [await openCustomer(), await openConsole()];
  const name = 'مريم';
  await startChat(customer, name, 'جهاز التوجيه لا يعمل');
  await joinChat(desk, name);
  const texts = [
    'W'.repeat(3000),
    `https://shop.example/${'a'.repeat(400)}?q=${'b'.repeat(400)}`,
    'مرحبا، هل من أحد هنا؟',
    'שלום, router 7000, שלום',
    '👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇮🇹',
    'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘',
    '<img src=x onerror="document.title=\'owned\'">',
    'first line\nsecond line\n\n    indented',
  ];
  for (const text of texts) {
    await customer.getByLabel('Your message').fill(text);
    await customer.keyboard.press('Enter');
  }
  await desk.waitForFunction((count) => document.querySelectorAll('.log .message').length === count, texts.length);
  await say(desk, texts[2]);
  await shows(customer, texts[2]);
  assert.deepEqual((await said(desk)).slice(0, texts.length), texts);
  for (const [page, where] of [[customer, 'customer'], [desk, 'console']]) {
    assert.doesNotMatch(await page.title(), /owned/);
    const directions = await page.locator('.log .message .text').evaluateAll((all) => all.map((one) => getComputedStyle(one).direction));
    assert.deepEqual(directions.slice(1, 4), ['ltr', 'rtl', 'rtl'], 'each text in its own direction');
    await sound(page, where);
    await shot(page, `${where}-languages`);
    await page.setViewportSize({ width: 320, height: 640 });
    await sound(page, `${where} at 320 px`);
    await shot(page, `${where}-languages-320`);
  }
}

export async function many() {
  const customer = await openCustomer();
  await startChat(customer, 'Alice');
  const chat = chatOf(customer.chat());
  const COUNT = 500;
  for (let number = 0; number < COUNT; number += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, more) => chat.say(`number ${number + more}`)));
  }
  const order = (await chat.events()).filter(({ type }) => type === 'Message').map(({ text }) => text);
  assert.equal(order.length, COUNT);
  const desk = await openConsole();
  await joinChat(desk, 'Alice');
  await customer.reload();
  for (const [page, where] of [[customer, 'customer'], [desk, 'console']]) {
    await page.waitForFunction((count) => document.querySelectorAll('.log .message').length === count, COUNT);
    assert.deepEqual(await said(page), order, `${where}: each once, in order`);
    await sound(page, where);
    await shot(page, `${where}-many`);
  }
  // Whoever reads further up is left there; whoever writes sees what was written.
  await desk.getByRole('log').evaluate((log) => { log.scrollTop = 0; });
  await say(customer, 'the last one');
  await shows(desk, 'the last one');
  assert.equal(await desk.getByRole('log').evaluate((log) => log.scrollTop), 0);
  await say(desk, 'and an answer');
  await shows(customer, 'and an answer');
  await sound(desk, 'console, after writing');
}
