// Verifies recorded pushes with the published library: node webhooks.mjs FILE
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const { secrets, posts } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let verified = 0;
let refused = 0;
for (const secret of secrets) {
  const webhook = new Webhook(secret);
  for (const { headers, body } of posts) {
    const text = Buffer.from(body, 'base64').toString('utf8');
    webhook.verify(text, headers);
    verified += 1;
    try {
      webhook.verify(`${text} `, headers);
    } catch {
      refused += 1;
    }
  }
}
console.log(`verified ${verified}, refused ${refused}`);
