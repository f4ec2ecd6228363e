// The console: an agent sees who waits, joins, reads and writes.
//
// The token comes in the address's fragment, which no server sees, and leaves the address bar at once. A page that
// is loaded again goes on with its Bayeux session, so that the agent does not leave its chats meanwhile.

import { Bayeux } from '/assets/bayeux.js';
import { List, nameOf } from '/assets/list.js';
import { $, Composer, Log, bubble, clock, confirmed, element, isolated, line, notSent, sentence, unsent } from '/assets/talk.js';

const CHANNEL = '/service/agent';
const TYPING_FADES = 30_000;

const STATES = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Connection lost. Trying again…',
  refused: 'Not signed in',
  stopped: 'Not signed in',
};

const store = {
  load(name) { try { return JSON.parse(sessionStorage.getItem(`parlor.${name}`)); } catch { return null; } },
  save(name, value) {
    try {
      if (value === null) sessionStorage.removeItem(`parlor.${name}`);
      else sessionStorage.setItem(`parlor.${name}`, JSON.stringify(value));
    } catch { /* storage is blocked: signing in again is all it costs */ }
  },
};

let bayeux = null;
let loaded = false;
let after = null; // where the rest of the list begins
let selected = null;
let serial = 0;
// Answers to an earlier load of this page may still come to the same client: they are not taken for ours.
const page = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const calls = new Map(); // requestId -> { resolve, reject }
const list = new List(select);
const log = new Log($('log'));
const chats = new Map(); // id -> what this page knows of a chat that was opened

// ---- signing in ----

function signIn(token, clientId) {
  store.save('token', token);
  bayeux = new Bayeux({
    url: '/cometd',
    clientId,
    ext: { authentication: { token } },
    onSession: (fresh) => (fresh || !loaded) && load(fresh),
    onMessage: (channel, data) => channel === CHANNEL && received(data),
    onState: showState,
    onRefused: () => signedOut('That token was not accepted.'),
  });
  $('login').hidden = true;
  $('desk').hidden = false;
  $('logout').hidden = false;
  bayeux.start();
}

function signedOut(reason = '') {
  for (const name of ['token', 'client', 'joined']) store.save(name, null);
  list.keep([]);
  chats.clear();
  selected = null;
  loaded = false;
  showChat();
  $('desk').hidden = true;
  $('logout').hidden = true;
  $('login').hidden = false;
  $('login-problem').textContent = reason;
  $('token').value = '';
  $('token').focus();
  showState('stopped');
}

// ---- the conversation with the server ----

function call(operation, fields = {}) {
  const requestId = `${page}-${++serial}`;
  return new Promise((resolve, reject) => {
    calls.set(requestId, { resolve, reject });
    bayeux.publish(CHANNEL, { operation, requestId, ...fields }).catch((error) => {
      calls.delete(requestId);
      reject(error);
    });
  });
}

const UNASKED = {
  session: (data) => changed(data),
  event: (data) => chats.has(data.session) && heard(chats.get(data.session), data.event),
  removed: (data) => removed(data),
};

function received(data) {
  const waiting = calls.get(data.requestId);
  if (!waiting) return UNASKED[data.operation]?.(data);
  calls.delete(data.requestId);
  if (data.ok) waiting.resolve(data);
  else waiting.reject(Object.assign(new Error(data.error?.advice ?? 'refused'), { code: data.error?.code }));
}

// A session that is new to the server knows neither the list we watch nor the chats we are in.
async function load(fresh) {
  if (fresh) abandonCalls();
  loaded = true;
  // Stock clients subscribe to what they listen to; so do we.
  bayeux.subscribe(CHANNEL).catch(() => {});
  try {
    const page = await call('sessions', { watch: true });
    list.keep(page.sessions);
    listed(page);
    for (const id of store.load('joined') ?? []) await join(id).catch(() => gone(id));
  } catch (error) {
    if (bayeux.state === 'connected') news(`The list could not be read: ${error.message}`);
  }
}

function abandonCalls() {
  for (const { reject } of calls.values()) reject(new Error('the session is gone'));
  calls.clear();
}

function listed(page) {
  for (const session of page.sessions) list.put(session);
  after = page.next ?? null;
  $('more').hidden = after === null;
}

async function join(id) {
  const chat = chats.get(id) ?? newChat(id);
  chats.set(id, chat);
  chat.busy = true;
  try {
    const answer = await call('join', { session: id, visibility: 'ALL' });
    chat.mine.add(answer.participantId);
    chat.joined = true;
    for (const event of [...answer.transcript, ...chat.early.splice(0)]) happened(chat, event);
    for (const entry of chat.outbox) if (!entry.underWay) deliver(chat, entry);
    rememberJoined();
  } finally {
    chat.busy = false;
    if (selected === id) showChat();
  }
}

function rememberJoined() {
  store.save('joined', [...chats.values()].filter((chat) => chat.joined).map((chat) => chat.id));
}

// ---- the list ----

function changed(data) {
  const before = list.get(data.session);
  if (data.state === 'closed') list.forget(data.session);
  else list.put({ ...before, ...data });
  if (!before && data.state === 'waiting') news(`${nameOf(data)} is waiting.`);
  if (selected === data.session) showActions();
}

function news(text) {
  $('news').textContent = text;
}

// ---- one chat ----

function newChat(id) {
  const { customer, subject, service, createdAt } = list.get(id) ?? {};
  return {
    id, customer, subject, service, createdAt,
    joined: false, over: false, busy: false, position: 1, unread: 0,
    mine: new Set(), nodes: [], early: [], outbox: [], typists: new Map(),
  };
}

function select(id) {
  composer.stopped();
  if (!chats.has(id)) chats.set(id, newChat(id));
  selected = id;
  chats.get(id).unread = 0;
  list.unread(id, 0);
  showChat();
  $('chat-title').focus();
}

// What comes before the answer to the joining comes after the transcript that the answer holds.
function heard(chat, event) {
  if (chat.busy) chat.early.push(event);
  else happened(chat, event);
}

function happened(chat, event) {
  if (typeof event.index === 'number') {
    if (event.index < chat.position) return;
    chat.position = event.index + 1;
  }
  SHOWN[event.type]?.(chat, event);
}

const SHOWN = {
  Message: showMessage,
  ParticipantJoined: (chat, event) => tell(chat, `${whoever(chat, event)} joined.`),
  ParticipantLeft: left,
  TypingStarted: typingStarted,
  TypingStopped: typingStopped,
  NicknameUpdated: (chat, event) => tell(chat, `${isolated(event.from.nickname)} is now called ${isolated(event.text)}.`),
  PushUrl: (chat, event) => append(chat, message(chat, event, event.text)),
  CustomNotice: (chat, event) => event.text && append(chat, line(event.text)),
  IdleAlert: (chat, event) => append(chat, line(event.text)),
  IdleClose: (chat, event) => append(chat, line(event.text)),
  FileUploaded: (chat, event) => tell(chat, `${whoever(chat, event)} sent a file: ${isolated(event.text ?? '')}`),
};

const WAYS_TO_LEAVE = { HOLD: 'put the chat on hold.', TRANSFER: 'left for somebody else to take over.' };

function left(chat, event) {
  typingStopped(chat, event);
  const reason = event.eventAttributes?.['general-properties']?.['reason-for-leave'];
  tell(chat, `${whoever(chat, event)} ${WAYS_TO_LEAVE[reason] ?? 'left.'}`);
}

function showMessage(chat, event) {
  typingStopped(chat, event);
  if (chat.mine.has(event.from.participantId)) {
    const index = chat.outbox.findIndex((entry) => entry.text === event.text);
    if (index >= 0) return confirmed(chat.outbox.splice(index, 1)[0].item, event.utcTime);
  }
  append(chat, message(chat, event, event.text));
  if (selected !== chat.id) {
    chat.unread += 1;
    list.unread(chat.id, chat.unread);
  }
}

function typingStarted(chat, event) {
  const { participantId, nickname } = event.from;
  if (chat.mine.has(participantId) || Date.now() - event.utcTime > TYPING_FADES) return;
  clearTimeout(chat.typists.get(participantId)?.timer);
  const timer = setTimeout(() => typingStopped(chat, event), TYPING_FADES);
  chat.typists.set(participantId, { nickname, text: event.text, timer });
  if (selected === chat.id) showTypists(chat);
}

function typingStopped(chat, event) {
  const typist = chat.typists.get(event.from.participantId);
  clearTimeout(typist?.timer);
  if (chat.typists.delete(event.from.participantId) && selected === chat.id) showTypists(chat);
}

function showTypists(chat) {
  $('typing').textContent = [...chat.typists.values()]
    .map(({ nickname, text }) => `${isolated(nickname)} is typing${text ? `: ${isolated(text)}` : '…'}`).join(' ');
}

// Whoever was released has read so already, in the event.
const WAYS_TO_END = { closed: 'The chat has ended.', lost: 'The connection was lost for too long: you have left the chat.' };

function removed({ session, reason }) {
  const chat = chats.get(session);
  if (!chat) return;
  gone(session);
  if (reason === 'closed') chat.over = true;
  if (WAYS_TO_END[reason]) tell(chat, WAYS_TO_END[reason]);
  if (selected === session) showChat();
}

function gone(id) {
  const chat = chats.get(id);
  if (!chat) return;
  chat.joined = false;
  rememberJoined();
  if (selected === id) showChat();
}

function sender(chat, event) {
  if (chat.mine.has(event.from.participantId)) return 'You';
  const bot = event.eventAttributes?.GCTI_SYSTEM?.['party-info']?.style === 'BOT';
  return `${event.from.nickname || event.from.type}${bot ? ' (bot)' : ''}`;
}

function whoever(chat, event) {
  const name = sender(chat, event);
  return name === 'You' ? name : isolated(name);
}

const NARROW = { INT: ' (agents only)', VIP: ' (supervisors only)' };

function message(chat, event, text) {
  const seenBy = NARROW[event.visibility] ?? '';
  return bubble({ name: sender(chat, event) + seenBy, text, time: event.utcTime, own: chat.mine.has(event.from.participantId) });
}

function tell(chat, text) {
  append(chat, sentence(text));
}

function append(chat, node) {
  chat.nodes.push(node);
  if (selected === chat.id) log.append(node);
}

function showChat() {
  const chat = chats.get(selected);
  $('blank').hidden = Boolean(chat);
  $('open').hidden = !chat;
  $('desk').dataset.view = chat ? 'chat' : 'list';
  list.mark(selected);
  log.replace(chat?.nodes ?? []);
  problem('');
  if (chat) showActions();
}

function showActions() {
  const chat = chats.get(selected);
  const session = list.get(selected) ?? chat;
  $('chat-title').textContent = nameOf(session);
  const about = [session.subject, session.service].filter(Boolean).map(isolated);
  $('chat-about').textContent = [...about, `since ${clock(session.createdAt)}`].join(' · ');
  showFacts(session.customer?.userData ?? {});
  showTypists(chat);
  const focused = $('open').contains(document.activeElement) ? document.activeElement : null;
  $('join').hidden = chat.joined || chat.over;
  $('join').disabled = chat.busy;
  for (const id of ['leave', 'transfer', 'close', 'composer']) $(id).hidden = !chat.joined;
  $('hold').hidden = !chat.joined || !session.async;
  if (focused?.closest('[hidden]')) (chat.joined ? $('text') : $('chat-title')).focus();
}

function showFacts(userData) {
  const facts = Object.entries(userData).map(([name, value]) => {
    const fact = document.createElement('div');
    fact.append(element('dt', '', name), element('dd', '', String(value)));
    return fact;
  });
  $('facts').replaceChildren(...facts);
  $('facts').hidden = facts.length === 0;
}

function showState(state) {
  $('state').dataset.state = state;
  $('state').textContent = STATES[state] ?? '';
}

function problem(text) {
  $('problem').textContent = text;
}

// ---- what the agent does ----

function send(chat, text) {
  const item = unsent(text);
  append(chat, item);
  const entry = { text, item, underWay: false };
  chat.outbox.push(entry);
  deliver(chat, entry);
}

// A refusal has a code; without one the session was lost, and joining again sends what did not arrive.
function deliver(chat, entry) {
  entry.underWay = true;
  call('message', { session: chat.id, text: entry.text }).catch((error) => {
    entry.underWay = false;
    if (!error.code) return;
    chat.outbox = chat.outbox.filter((other) => other !== entry);
    notSent(entry.item);
    if (selected === chat.id) problem(`Your message was not sent. ${error.message}`);
  });
}

async function release(fields) {
  const id = selected;
  composer.stopped();
  try {
    await call('release', { session: id, ...fields });
    gone(id);
  } catch (error) {
    if (selected === id) problem(error.message);
  }
}

$('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = $('token').value.trim();
  if (token) signIn(token);
});

$('logout').addEventListener('click', () => {
  bayeux?.stop();
  signedOut();
});

$('join').addEventListener('click', async () => {
  const id = selected;
  $('join').disabled = true;
  try {
    await join(id);
    if (selected === id) $('text').focus();
  } catch (error) {
    if (selected === id) problem(error.message);
  }
});

$('leave').addEventListener('click', () => release({}));
$('hold').addEventListener('click', () => release({ reason: 'hold' }));
$('transfer').addEventListener('click', () => release({ reason: 'transfer' }));
$('close').addEventListener('click', () => release({ afterAction: 'force-close' }));
$('back').addEventListener('click', () => {
  const id = selected;
  composer.stopped();
  selected = null;
  showChat();
  list.focus(id);
});

$('more').addEventListener('click', async () => {
  try { listed(await call('sessions', { after })); } catch (error) { news(error.message); }
});

const composer = new Composer($('composer'), $('text'), {
  send(text) {
    const chat = chats.get(selected);
    if (!chat?.joined) return false;
    problem('');
    send(chat, text);
    return true;
  },
  mayType: () => bayeux.state === 'connected',
  typing(started) {
    if (!chats.get(selected)?.joined || bayeux.state !== 'connected') return;
    call('notice', { session: selected, notice: started ? 'typing-started' : 'typing-stopped' }).catch(() => {});
  },
});

// Written when the page goes and taken when it comes: a duplicated tab finds none, and gets a session of its own.
window.addEventListener('pagehide', () => bayeux?.clientId && store.save('client', bayeux.clientId));

function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (location.hash) history.replaceState(null, '', location.pathname);
  return token;
}

const given = tokenFromAddress();
const token = given ?? store.load('token');
const clientId = given ? null : store.load('client');
store.save('client', null);
if (token) signIn(token, clientId);
else signedOut();
