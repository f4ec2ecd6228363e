// A small Bayeux client: WebSocket first, long-polling where that does not pass, and back again after
// every kind of interruption. It knows nothing of chats; https://docs.cometd.org describes the protocol.
//
//   const bayeux = new Bayeux({ url: '/genesys/cometd', onSession, onMessage, onState, onRefused });
//   bayeux.start();
//   await bayeux.publish('/service/echo', { text: 'hello' });
//
// onSession(fresh)        a session stands; fresh: subscriptions of an earlier one are gone
// onMessage(channel, data)
// onState(state)          'connecting' | 'connected' | 'reconnecting' | 'refused' | 'stopped'
// onRefused(error)        the server does not want this client: nothing is tried again
//
// A publish without an answer is sent again, with the same id, on the next connection of the same session:
// the server recognises it. If the session itself is gone its promise is rejected, and the caller decides.

const REPLY_TIMEOUT = 10_000;
const BACK_OFF = [250, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

export class Bayeux {
  #options;
  #clientId;
  #transport = null;
  #state = 'stopped';
  #advice = { reconnect: 'retry', interval: 0, timeout: 30_000 };
  #pending = new Map();
  #serial = 0;
  #prefix = randomHex();
  #failures = 0;
  #retry = 0;
  #nextConnect = 0;
  #socketWanted = 'WebSocket' in window;
  #socketProven = false;
  #fresh;

  constructor(options) {
    this.#options = options;
    this.#clientId = options.clientId ?? null;
    this.#fresh = this.#clientId === null;
    const awake = () => document.visibilityState === 'visible' && this.#hurry();
    document.addEventListener('visibilitychange', awake);
    window.addEventListener('online', awake);
    window.addEventListener('pageshow', awake);
  }

  /** The id of the session, by which a page that is loaded again goes on with it. */
  get clientId() {
    return this.#clientId;
  }

  get state() {
    return this.#state;
  }

  start() {
    if (this.#state !== 'stopped' && this.#state !== 'refused') return;
    this.#failures = 0;
    this.#become('connecting');
    this.#attempt();
  }

  /** Ends the session. `ext` rides along, e.g. the position a chat was read to. */
  stop(ext) {
    if (this.#state === 'stopped') return;
    if (this.#transport && this.#clientId) {
      this.#transport.send([this.#meta('disconnect', ext ? { ext } : {})]);
    }
    this.#quit('stopped');
  }

  subscribe(subscription) {
    return this.#request({ channel: '/meta/subscribe', subscription });
  }

  publish(channel, data) {
    return this.#request({ channel, data });
  }

  #request(message) {
    message.id = this.#newId();
    return new Promise((resolve, reject) => {
      this.#pending.set(message.id, { message, resolve, reject, sent: false, timer: 0 });
      if (this.#transport?.ready) this.#dispatch(message.id);
    });
  }

  #dispatch(id) {
    const entry = this.#pending.get(id);
    const transport = this.#transport;
    entry.sent = true;
    entry.timer = setTimeout(() => this.#lost(transport), REPLY_TIMEOUT);
    transport.send([{ ...entry.message, clientId: this.#clientId }]);
  }

  async #attempt() {
    const socket = this.#socketWanted;
    const handlers = {
      receive: (messages) => this.#receive(transport, messages),
      lost: () => this.#lost(transport),
    };
    const transport = socket ? new Socket(this.#options.url, handlers) : new Polling(this.#options.url, handlers);
    this.#transport = transport;
    try {
      await transport.open();
    } catch {
      return this.#lost(transport);
    }
    if (this.#transport !== transport) return;
    if (this.#clientId) this.#connect({ advice: { timeout: 0 } });
    else this.#handshake();
  }

  #handshake() {
    this.#fresh = true;
    this.#clientId = null;
    this.#send(this.#meta('handshake', {
      version: '1.0',
      minimumVersion: '1.0',
      supportedConnectionTypes: this.#socketWanted ? ['websocket', 'long-polling'] : ['long-polling'],
      ...(this.#options.ext ? { ext: this.#options.ext } : {}),
    }), REPLY_TIMEOUT);
  }

  #connect(extra = {}) {
    const held = extra.advice ? 0 : this.#advice.timeout;
    this.#send(this.#meta('connect', { connectionType: this.#transport.kind, ...extra }), held + REPLY_TIMEOUT);
  }

  #send(message, patience) {
    const transport = this.#transport;
    transport.watch(message.channel, setTimeout(() => this.#lost(transport), patience));
    transport.send([message]);
  }

  #meta(verb, fields) {
    const message = { id: this.#newId(), channel: `/meta/${verb}`, ...fields };
    if (this.#clientId) message.clientId = this.#clientId;
    return message;
  }

  #receive(transport, messages) {
    for (const message of messages) {
      if (this.#transport !== transport) return;
      this.#handle(message);
    }
  }

  #handle(message) {
    const meta = message.channel?.startsWith('/meta/');
    // Advice counts in replies only: in an event it would be the advice of whoever sent the event.
    if (message.advice && (meta || 'successful' in message)) this.#advice = { ...this.#advice, ...message.advice };
    if (message.channel === '/meta/handshake') this.#shaken(message);
    else if (message.channel === '/meta/connect') this.#answered(message);
    else if (message.channel === '/meta/disconnect') this.#dismissed(message);
    else if ('successful' in message) this.#settle(message);
    else if ('data' in message) this.#options.onMessage(message.channel, message.data);
  }

  #shaken(reply) {
    this.#transport.unwatch('/meta/handshake');
    if (!reply.successful) return this.#unsuccessful(reply);
    this.#proven();
    this.#clientId = reply.clientId;
    this.#abandon(new Error('the session is gone'), (entry) => entry.sent);
    this.#tellSession();
    this.#connect({ advice: { timeout: 0 } });
  }

  #answered(reply) {
    this.#transport.unwatch('/meta/connect');
    if (!reply.successful) return this.#unsuccessful(reply);
    this.#proven();
    this.#failures = 0;
    if (this.#state !== 'connected') this.#resumed();
    clearTimeout(this.#nextConnect);
    const transport = this.#transport;
    this.#nextConnect = setTimeout(() => this.#transport === transport && this.#connect(), this.#advice.interval ?? 0);
  }

  #resumed() {
    this.#become('connected');
    if (!this.#fresh) this.#tellSession();
    this.#fresh = false;
  }

  #tellSession() {
    this.#transport.ready = true;
    this.#options.onSession?.(this.#fresh);
    for (const [id, entry] of this.#pending) if (!entry.timer) this.#dispatch(id);
  }

  #proven() {
    if (this.#transport.kind === 'websocket') this.#socketProven = true;
    this.#transport.proven = true;
  }

  #dismissed(message) {
    if (message.id && !message.successful) return;
    this.#clientId = null;
    this.#lost(this.#transport);
  }

  #settle(reply) {
    const entry = this.#pending.get(reply.id);
    if (entry) {
      this.#pending.delete(reply.id);
      clearTimeout(entry.timer);
      if (reply.successful) entry.resolve(reply);
      else entry.reject(new Error(reply.error ?? 'refused'));
    }
    if (!reply.successful && reply.advice?.reconnect === 'handshake') this.#unsuccessful(reply);
  }

  #unsuccessful(reply) {
    const reconnect = reply.advice?.reconnect ?? this.#advice.reconnect;
    // The next advice starts from nothing: a refusal must not colour the session after it.
    this.#advice = { ...this.#advice, reconnect: 'retry' };
    if (reconnect === 'none') {
      this.#quit('refused');
      return this.#options.onRefused?.(reply.error ?? '');
    }
    if (reconnect === 'handshake' && this.#clientId) {
      this.#clientId = null;
      if (this.#failures === 0) {
        this.#failures = 1;
        this.#become('reconnecting');
        this.#transport.ready = false;
        return this.#handshake();
      }
    }
    this.#lost(this.#transport);
  }

  // The connection is of no use any more, whoever noticed. The session may still be.
  #lost(transport) {
    if (transport !== this.#transport || transport === null) return;
    this.#drop();
    if (!transport.proven && this.#otherTransport(transport)) return void this.#attempt();
    if (this.#state === 'connected') this.#become('reconnecting');
    const delay = BACK_OFF[Math.min(this.#failures++, BACK_OFF.length - 1)];
    this.#retry = setTimeout(() => this.#again(), delay * (0.5 + Math.random() / 2));
  }

  // A WebSocket that never passed gives way at once, one that did after some failures; polling that
  // fails too shows that it was not the WebSocket's fault.
  #otherTransport(failed) {
    const socket = failed.kind === 'websocket';
    if (socket && this.#socketProven && this.#failures < 3) return false;
    this.#socketWanted = !socket && 'WebSocket' in window;
    return socket;
  }

  #again() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#attempt();
  }

  // The network or the person came back: no reason to sit out the rest of a wait.
  #hurry() {
    if (this.#retry) this.#again();
  }

  #drop() {
    this.#transport?.close();
    this.#transport = null;
    clearTimeout(this.#nextConnect);
    for (const entry of this.#pending.values()) {
      clearTimeout(entry.timer);
      entry.timer = 0;
    }
  }

  #quit(state) {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#drop();
    this.#clientId = null;
    this.#fresh = true;
    this.#abandon(new Error('disconnected'), () => true);
    this.#become(state);
  }

  // What was sent in a session that is gone may have happened or not; what was never sent waits on.
  #abandon(error, which) {
    for (const [id, entry] of this.#pending) {
      if (!which(entry)) continue;
      clearTimeout(entry.timer);
      this.#pending.delete(id);
      entry.reject(error);
    }
  }

  #become(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  // Unlike any id an earlier page used in the same session.
  #newId() {
    return `${this.#prefix}x${++this.#serial}`;
  }
}

class Transport {
  ready = false;
  proven = false;
  #timers = new Map();

  constructor(url, handlers) {
    this.url = url.replace(/\/$/, '');
    this.handlers = handlers;
  }

  watch(channel, timer) {
    this.unwatch(channel);
    this.#timers.set(channel, timer);
  }

  unwatch(channel) {
    clearTimeout(this.#timers.get(channel));
    this.#timers.delete(channel);
  }

  close() {
    for (const channel of [...this.#timers.keys()]) this.unwatch(channel);
  }
}

class Socket extends Transport {
  kind = 'websocket';
  #socket = null;

  open() {
    const address = new URL(this.url, location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(address);
      this.#socket = socket;
      const patience = setTimeout(() => reject(new Error('timeout')), REPLY_TIMEOUT);
      socket.onopen = () => (clearTimeout(patience), resolve());
      socket.onmessage = (event) => this.handlers.receive(parse(event.data));
      socket.onclose = () => (clearTimeout(patience), reject(new Error('closed')), this.handlers.lost());
    });
  }

  send(messages) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(messages));
  }

  close() {
    super.close();
    if (!this.#socket) return;
    this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close();
  }
}

// Two requests at a time: the held connect, and one with everything that was said meanwhile, so that order is kept.
class Polling extends Transport {
  kind = 'long-polling';
  #abort = new AbortController();
  #queue = [];
  #busy = false;

  async open() {}

  send(messages) {
    const [{ channel }] = messages;
    const verb = /^\/meta\/(handshake|connect|disconnect)$/.exec(channel)?.[1];
    if (verb) return void this.#post(`/${verb}`, messages, verb === 'disconnect');
    this.#queue.push(...messages);
    if (!this.#busy) this.#flush();
  }

  async #flush() {
    this.#busy = true;
    while (this.#queue.length > 0 && !this.#abort.signal.aborted) {
      await this.#post('/', this.#queue.splice(0, 20));
    }
    this.#busy = false;
  }

  async #post(path, messages, last = false) {
    try {
      const response = await fetch(this.url + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(messages),
        credentials: 'same-origin',
        keepalive: last,
        signal: last ? undefined : this.#abort.signal,
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.handlers.receive(parse(await response.text()));
    } catch {
      if (!last && !this.#abort.signal.aborted) this.handlers.lost();
    }
  }

  close() {
    super.close();
    this.#abort.abort();
  }
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch {
    return [];
  }
}

function randomHex() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return number.toString(16);
}
