// What the stories in the browser share: both pages, each in a browser profile of its own, and what people do there.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE = 30_000;
const [publicUrl, internalUrl, token, screenshots] = process.argv.slice(3);
const complaints = [];

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync),
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

export { complaints, publicUrl, internalUrl, token };

/** A page of its own browser profile, whose errors and policy violations fail the story. */
export async function open(url, { init, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  if (init) await page.addInitScript(init);
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on('pageerror', (error) => complaints.push(`${url}: ${error.message}`));
  page.chat = chatOf(page);
  await page.goto(url);
  return page;
}

/** Says which chat the page was last told of on its WebSocket. */
function chatOf(page) {
  let last = null;
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
    for (const { data } of JSON.parse(payload)) if (data?.chatId) last = data;
  }));
  return () => last;
}

export const openCustomer = (options) => open(`${publicUrl}/`, options);
export const openConsole = (options) => open(`${internalUrl}/console#token=${token}`, options);

export async function startChat(page, name = 'Alice', subject = 'My router blinks') {
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('What is it about?').fill(subject);
  await page.getByRole('button', { name: 'Start the chat' }).click();
  await shows(page, 'The chat has begun.');
}

export async function joinChat(page, name = 'Alice') {
  await page.getByRole('navigation', { name: 'Chats' }).getByRole('button', { name }).first().click();
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByLabel('Your message').waitFor();
}

export async function say(page, text) {
  await page.getByLabel('Your message').fill(text);
  await page.keyboard.press('Enter');
}

export function shows(page, text) {
  return page.getByRole('log').getByText(text, { exact: true }).first().waitFor();
}

export function said(page) {
  return page.locator('.log .message .text').allTextContents();
}

export async function sent(page) {
  await page.waitForFunction(() => !document.querySelector('.unsent'));
}

export async function shot(page, name) {
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** No sideways scrolling, the newest line in sight, no complaint, no field without a name, no word of the policy broken. */
export async function sound(page, where) {
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
