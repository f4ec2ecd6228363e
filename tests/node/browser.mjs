// Both pages in headless Chromium: node browser.mjs SCENARIO PUBLIC INTERNAL TOKEN SCREENSHOTS [more]
import assert from 'node:assert/strict';
import { keyboard, states } from './browser/access.mjs';
import * as content from './browser/content.mjs';
import * as conversation from './browser/conversation.mjs';
import * as fences from './browser/fences.mjs';
import { browser, complaints, shot } from './browser/pages.mjs';
import * as trouble from './browser/trouble.mjs';

const SCENARIOS = { keyboard, states, ...content, ...conversation, ...fences, ...trouble };
const [scenario, , , , , ...more] = process.argv.slice(2);

try {
  await SCENARIOS[scenario](...more);
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
