// Both pages in headless Chromium: node browser.mjs SCENARIO PUBLIC INTERNAL TOKEN SCREENSHOTS [more]
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE = 30_000;
const [scenario, publicUrl, internalUrl, token, screenshots, ...more] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync),
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const complaints = [];

/** A page of its own browser profile, whose errors and policy violations fail the story. */
async function open(url, { init, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  if (init) await page.addInitScript(init);
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on('pageerror', (error) => complaints.push(`${url}: ${error.message}`));
  await page.goto(url);
  return page;
}

const openCustomer = (options) => open(`${publicUrl}/`, options);
const openConsole = (options) => open(`${internalUrl}/console#token=${token}`, options);

async function startChat(page, name = 'Alice', subject = 'My router blinks') {
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('What is it about?').fill(subject);
  await page.getByRole('button', { name: 'Start the chat' }).click();
  await shows(page, 'The chat has begun.');
}

async function joinChat(page, name = 'Alice') {
  await page.getByRole('navigation', { name: 'Chats' }).getByRole('button', { name }).first().click();
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByLabel('Your message').waitFor();
}

async function say(page, text) {
  await page.getByLabel('Your message').fill(text);
  await page.keyboard.press('Enter');
}

function shows(page, text) {
  return page.getByRole('log').getByText(text, { exact: true }).first().waitFor();
}

function said(page) {
  return page.locator('.log .message .text').allTextContents();
}

async function sent(page) {
  await page.waitForFunction(() => !document.querySelector('.unsent'));
}

async function shot(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** No sideways scrolling, the newest line in sight, no complaint, no field without a name, no word of the policy broken. */
async function sound(page, where) {
  await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
  const found = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    hidden: [...document.querySelectorAll('.log > :last-child')]
      .filter((last) => last.getBoundingClientRect().bottom > last.parentNode.getBoundingClientRect().bottom + 1).map((last) => last.textContent),
    problems: [...document.querySelectorAll('.problem')].map((problem) => problem.textContent).filter(Boolean),
    nameless: [...document.querySelectorAll('input, textarea, button')]
      .filter((field) => !field.labels?.length && !field.textContent.trim() && !field.ariaLabel).map((field) => field.outerHTML),
    violations: window.violations,
  }));
  assert.deepEqual(found, { overflow: 0, hidden: [], problems: [], nameless: [], violations: [] }, where);
}

const SCENARIOS = {
  async conversation() {
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
    await desk.getByText('Alice is typing').waitFor();
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
  },

  async polling() {
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
  },

  async hostile() {
    const [text] = more;
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
  },

  async restart() {
    const [ready, cut] = more;
    const [customer, desk] = [await openCustomer(), await openConsole()];
    await startChat(customer);
    await joinChat(desk);
    await say(customer, 'before');
    await shows(desk, 'before');
    writeFileSync(ready, '');
    await customer.getByText('Connection lost. Trying again…').waitFor();
    await desk.getByText('Connection lost. Trying again…').waitFor();
    await say(customer, 'while it was down');
    await shot(customer, 'customer-reconnecting');
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
  },
};

try {
  await SCENARIOS[scenario]();
  assert.deepEqual(complaints, []);
  console.log('done');
} catch (error) {
  for (const [number, context] of browser.contexts().entries()) {
    for (const page of context.pages()) await shot(page, `failed-${scenario}-${number}`).catch(() => {});
  }
  console.error(complaints.join('\n'));
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
