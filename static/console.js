// The console: an agent sees who waits, joins, reads and writes.
//
// The token comes in the address's fragment, which no server sees, and leaves the address bar at once. A page that
// is loaded again goes on with its Bayeux session, so that the agent does not leave its chats meanwhile.

import { Bayeux } from '/assets/bayeux.js';

const CHANNEL = '/service/agent';
const TYPING_EVERY = 5_000;
const TYPING_FADES = 30_000;
const LISTS = ['waiting', 'served', 'held'];

const $ = (id) => document.getElementById(id);

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
let typingSince = 0;
let typingEnds = 0;
let serial = 0;
// Answers to an earlier load of this page may still come to the same client: they are not taken for ours.
const page = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, '0')).join('');
const calls = new Map(); // requestId -> { resolve, reject }
const sessions = new Map(); // id -> SESSION of the contract
const items = new Map(); // id -> its <li>
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
  for (const id of [...sessions.keys()]) forget(id);
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
    const list = await call('sessions', { watch: true });
    for (const id of [...sessions.keys()]) if (!list.sessions.some((session) => session.session === id)) forget(id);
    listed(list);
    for (const id of store.load('joined') ?? []) await join(id).catch(() => gone(id));
  } catch (error) {
    if (bayeux.state === 'connected') news(`The list could not be read: ${error.message}`);
  }
}

function abandonCalls() {
  for (const { reject } of calls.values()) reject(new Error('the session is gone'));
  calls.clear();
}

function listed(list) {
  for (const session of list.sessions) put(session);
  after = list.next ?? null;
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
  const before = sessions.get(data.session);
  if (data.state === 'closed') forget(data.session);
  else put({ ...before, ...data });
  if (!before && data.state === 'waiting') news(`${nameOf(data)} is waiting.`);
  if (selected === data.session) showActions();
}

function put(session) {
  sessions.set(session.session, session);
  const item = items.get(session.session) ?? newItem(session.session);
  const parts = item.firstChild.children;
  parts[0].textContent = nameOf(session);
  parts[1].textContent = session.subject || session.service || '';
  parts[2].textContent = `since ${clock(session.createdAt)}${session.agents?.length ? `, with ${session.agents.join(', ')}` : ''}`;
  place(item, session);
  count();
}

function place(item, session) {
  const list = $(LISTS.includes(session.state) ? session.state : 'waiting');
  item.dataset.created = session.createdAt ?? 0;
  if (item.parentNode === list) return;
  const focused = item.contains(document.activeElement);
  const next = [...list.children].find((other) => Number(other.dataset.created) > Number(item.dataset.created));
  list.insertBefore(item, next ?? null);
  if (focused) item.firstChild.focus();
}

function newItem(id) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.append(element('span', 'name', ''), element('span', 'about', ''), element('span', 'since', ''), element('span', 'unread', ''));
  button.addEventListener('click', () => select(id));
  item.append(button);
  items.set(id, item);
  return item;
}

function forget(id) {
  sessions.delete(id);
  items.get(id)?.remove();
  items.delete(id);
  count();
}

function count() {
  for (const name of LISTS) $(`${name}-count`).textContent = $(name).children.length;
  const waiting = $('waiting').children.length;
  $('waiting-empty').hidden = waiting > 0;
  document.title = waiting ? `(${waiting}) Console · Parlor` : 'Console · Parlor';
}

function news(text) {
  $('news').textContent = text;
}

function nameOf(session) {
  return session.customer?.nickname || 'A customer';
}

// ---- one chat ----

function newChat(id) {
  const { customer, subject, service, createdAt } = sessions.get(id) ?? {};
  return {
    id, customer, subject, service, createdAt,
    joined: false, over: false, busy: false, position: 1, unread: 0,
    mine: new Set(), nodes: [], early: [], outbox: [], typists: new Map(),
  };
}

function select(id) {
  stoppedTyping();
  if (!chats.has(id)) chats.set(id, newChat(id));
  selected = id;
  chats.get(id).unread = 0;
  showUnread(chats.get(id));
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
  ParticipantJoined: (chat, event) => line(chat, `${sender(chat, event)} joined.`),
  ParticipantLeft: (chat, event) => (typingStopped(chat, event), line(chat, `${sender(chat, event)} left.`)),
  TypingStarted: typingStarted,
  TypingStopped: typingStopped,
  NicknameUpdated: (chat, event) => line(chat, `${event.from.nickname} is now called ${event.text}.`),
  PushUrl: (chat, event) => append(chat, bubble(chat, event, event.text)),
  CustomNotice: (chat, event) => event.text && line(chat, event.text),
  IdleAlert: (chat, event) => line(chat, event.text),
  IdleClose: (chat, event) => line(chat, event.text),
  FileUploaded: (chat, event) => line(chat, `${sender(chat, event)} sent a file: ${event.text ?? ''}`),
};

function showMessage(chat, event) {
  typingStopped(chat, event);
  if (chat.mine.has(event.from.participantId)) {
    const index = chat.outbox.findIndex((entry) => entry.text === event.text);
    if (index >= 0) return confirmed(chat.outbox.splice(index, 1)[0], event);
  }
  append(chat, bubble(chat, event, event.text));
  if (selected !== chat.id) {
    chat.unread += 1;
    showUnread(chat);
  }
}

function showUnread(chat) {
  const badge = items.get(chat.id)?.querySelector('.unread');
  if (badge) badge.textContent = chat.unread ? `${chat.unread} new` : '';
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
    .map(({ nickname, text }) => `${nickname} is typing${text ? `: ${text}` : '…'}`).join(' ');
}

function removed({ session, reason }) {
  const chat = chats.get(session);
  if (!chat) return;
  gone(session);
  if (reason === 'closed') chat.over = true;
  line(chat, { closed: 'The chat has ended.', lost: 'The connection was lost for too long: you have left the chat.' }[reason]
    ?? 'You have left the chat.');
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

function bubble(chat, event, text) {
  const own = chat.mine.has(event.from.participantId);
  const item = document.createElement('article');
  item.className = own ? 'message own' : 'message';
  const narrow = event.visibility && event.visibility !== 'ALL' ? ` (${event.visibility === 'INT' ? 'agents only' : 'supervisors only'})` : '';
  item.append(element('p', 'meta', sender(chat, event) + narrow), element('p', 'text', text ?? ''), element('p', 'when', clock(event.utcTime)));
  return item;
}

function line(chat, text) {
  append(chat, element('p', 'line', text));
}

function append(chat, node) {
  chat.nodes.push(node);
  if (selected !== chat.id) return;
  const log = $('log');
  const follow = nearEnd(log) || node.classList.contains('own');
  log.append(node);
  if (follow) log.scrollTop = log.scrollHeight;
}

// A log that shrinks (the window, a phone's keyboard, a line below it) stays at its end if it was there.
// Scrolling that comes of another size is nobody's wish, and says nothing.
let atEnd = true;
let size = '';
$('log').addEventListener('scroll', () => { if (size === sizeOf($('log'))) atEnd = nearEnd($('log')); });
new ResizeObserver(() => {
  size = sizeOf($('log'));
  if (atEnd) $('log').scrollTop = $('log').scrollHeight;
}).observe($('log'));

function sizeOf(log) {
  return `${log.clientWidth} ${log.clientHeight}`;
}

function nearEnd(log) {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function showChat() {
  const chat = chats.get(selected);
  $('blank').hidden = Boolean(chat);
  $('open').hidden = !chat;
  $('desk').dataset.view = chat ? 'chat' : 'list';
  for (const [id, item] of items) item.firstChild.ariaCurrent = id === selected ? 'true' : null;
  $('log').setAttribute('aria-busy', 'true');
  $('log').replaceChildren(...(chat?.nodes ?? []));
  $('log').scrollTop = $('log').scrollHeight;
  $('log').removeAttribute('aria-busy');
  problem('');
  if (chat) showActions();
}

function showActions() {
  const chat = chats.get(selected);
  const session = sessions.get(selected) ?? chat;
  $('chat-title').textContent = nameOf(session);
  $('chat-about').textContent = [session.subject, session.service, `since ${clock(session.createdAt)}`].filter(Boolean).join(' · ');
  showFacts(session.customer?.userData ?? {});
  showTypists(chat);
  const focused = $('open').contains(document.activeElement) ? document.activeElement : null;
  $('join').hidden = chat.joined || chat.over;
  $('join').disabled = chat.busy;
  for (const id of ['leave', 'close', 'composer']) $(id).hidden = !chat.joined;
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

function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function clock(time) {
  return time ? new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : '';
}

// ---- what the agent does ----

function send(chat, text) {
  const [me] = [...chat.mine].slice(-1);
  const item = bubble(chat, { from: { participantId: me } }, text);
  item.classList.add('unsent');
  item.querySelector('.when').textContent = 'Sending…';
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
    entry.item.querySelector('.when').textContent = 'Not sent';
    if (selected === chat.id) problem(`Your message was not sent. ${error.message}`);
  });
}

function confirmed(entry, event) {
  entry.item.classList.remove('unsent');
  entry.item.querySelector('.when').textContent = clock(event.utcTime);
}

function notice(name) {
  call('notice', { session: selected, notice: name }).catch(() => {});
}

// Told at most every few seconds while somebody writes, and once when they stop.
function typed() {
  clearTimeout(typingEnds);
  if ($('text').value.trim() === '') return stoppedTyping();
  typingEnds = setTimeout(stoppedTyping, TYPING_EVERY);
  if (Date.now() - typingSince < TYPING_EVERY || bayeux.state !== 'connected') return;
  typingSince = Date.now();
  notice('typing-started');
}

function stoppedTyping() {
  clearTimeout(typingEnds);
  if (!typingSince) return;
  typingSince = 0;
  if (chats.get(selected)?.joined && bayeux.state === 'connected') notice('typing-stopped');
}

async function release(fields) {
  const id = selected;
  stoppedTyping();
  try {
    await call('release', { session: id, ...fields });
    gone(id);
  } catch (error) {
    if (selected === id) problem(error.message);
  }
}

function grow() {
  const text = $('text');
  text.rows = 1;
  while (text.scrollHeight > text.clientHeight + 2 && text.rows < 6) text.rows += 1;
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
$('close').addEventListener('click', () => release({ afterAction: 'force-close' }));
$('back').addEventListener('click', () => {
  const id = selected;
  stoppedTyping();
  selected = null;
  showChat();
  items.get(id)?.firstChild.focus();
});

$('more').addEventListener('click', async () => {
  try { listed(await call('sessions', { after })); } catch (error) { news(error.message); }
});

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  const chat = chats.get(selected);
  if (!text || !chat?.joined) return;
  problem('');
  typingSince = 0;
  clearTimeout(typingEnds);
  send(chat, text);
  $('text').value = '';
  grow();
  $('text').focus();
});

$('text').addEventListener('input', () => { grow(); typed(); });
$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
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
