// The README's JavaScript, word by word but for the addresses: node readme.mjs README PUBLIC INTERNAL HOOK_PORT SECRET TOKEN FOLDER
//
// A receiver of pushes, an agent and a customer run as a newcomer would run them; then each must have said what the
// README promises.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PATIENCE = 60_000;
const [readme, publicUrl, internalUrl, port, secret, token, folder] = process.argv.slice(2);
symlinkSync(fileURLToPath(new URL('node_modules', import.meta.url)), join(folder, 'node_modules'));

const [chat, agent, hook] = [...readFileSync(readme, 'utf8').matchAll(/```js\n([^]*?)```/g)].map(([, script]) => script);
const children = [];

/** Runs a script of the README; `says(words)` waits for what it prints. */
function run(name, script, environment = {}) {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, script
    .replace('http://127.0.0.1:8080', publicUrl).replace('http://127.0.0.1:8081', internalUrl).replace('listen(9000)', `listen(${port})`));
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  return async (...words) => {
    const until = Date.now() + PATIENCE;
    while (!words.every((word) => said.includes(word))) {
      assert.ok(child.exitCode === null && Date.now() < until, `${name} does not say ${words}, but:\n${said}`);
      await new Promise((resolve) => { child.stdout.once('data', resolve); setTimeout(resolve, 500); });
    }
  };
}

async function answers(url) {
  const until = Date.now() + PATIENCE;
  while (!(await fetch(url).catch(() => null))) assert.ok(Date.now() < until, `${url} does not answer`);
}

try {
  const hookSays = run('hook', hook, { SECRET: secret });
  await answers(`http://127.0.0.1:${port}/`);
  const agentSays = run('agent', agent, { TOKEN: token });
  await agentSays('"sessions":[]');
  await run('chat', chat)('1 ParticipantJoined', '3 Message Hello, this is Bob.');
  await agentSays('"state":"served"');
  const fields = [...readFileSync(readme, 'utf8').matchAll(/-d '?((?:nickname=Ana|userData\[GCTI_[^']*))'?/g)].map(([, field]) => field);
  const begun = await fetch(`${publicUrl}/genesys/2/chat/customer-support`, { method: 'POST', body: new URLSearchParams(fields.join('&')) });
  assert.equal((await begun.json()).statusCode, 0);
  await hookSays('Hello, this is Bob.', 'device-42');
  console.log('done');
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const child of children) child.kill();
}
