// A stock CometD client is an agent: node agent.mjs URL TOKEN SESSION
import { cometd, check, deadline, fail } from './stock.mjs';

const CHANNEL = '/service/agent';
const [url, token, session] = process.argv.slice(2);
deadline();

const { client } = await cometd('cometd', 'websocket', url);
client.addListener('/meta/unsuccessful', (message) => fail(`${message.channel}: ${message.error ?? message.failure?.reason}`));
client.addListener(CHANNEL, ({ data }) => {
  if (!data.requestId) return;
  check(data.ok, JSON.stringify(data));
  STEPS[data.operation](data);
});
client.handshake({ ext: { authentication: { token } } }, (reply) => {
  check(reply.successful, 'the handshake');
  client.publish(CHANNEL, { operation: 'sessions', requestId: '1', watch: true });
});

const STEPS = {
  sessions({ sessions }) {
    check(sessions.some((one) => one.session === session && one.state === 'waiting'), 'the chat waits');
    client.publish(CHANNEL, { operation: 'join', requestId: '2', session, visibility: 'ALL' });
  },
  join({ transcript, nextPosition }) {
    check(transcript.at(-1).index === nextPosition - 1, 'the transcript holds the joining');
    client.publish(CHANNEL, { operation: 'message', requestId: '3', session, text: 'hello from a stock client' });
  },
  message({ index }) {
    check(Number.isInteger(index), 'the index of the message');
    client.disconnect(() => {
      console.log('done');
      process.exit(0);
    });
  },
};
