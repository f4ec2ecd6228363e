// A customer without a page: over REST.
import assert from 'node:assert/strict';
import { publicUrl } from './pages.mjs';

const SERVICE = `${publicUrl}/genesys/2/chat/customer-support`;

/** Begins an async chat. */
export async function beginAsync(fields) {
  return chatOf(await post(SERVICE, { 'userData[GCTI_Chat_AsyncMode]': 'true', ...fields }));
}

/** A chat by what its beginning answered, or by the key and id that a CometD client was told. */
export function chatOf({ chatId, secureKey, userId = 'deprecated' }) {
  const call = (operation, fields = {}) => post(`${SERVICE}/${chatId}/${operation}`, { secureKey, userId, alias: '1', ...fields });
  return {
    say: (message) => call('send', { message }),
    events: async () => (await call('refresh', { transcriptPosition: 1 })).messages,
  };
}

async function post(url, fields) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
  const reply = await response.json();
  assert.equal(reply.statusCode, 0, JSON.stringify(reply));
  return reply;
}
