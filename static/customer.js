// The demonstration page: a person chats as a customer over CometD v2.
//
// What this tab keeps is the chat's key; the transcript is read again from the server, so that nobody finds it
// on the disk of a shared computer. A chat belongs to its tab: two tabs are two chats, unless one was opened from the
// other. Of those the one that is looked at is told what happens.

import { Bayeux } from '/assets/bayeux.js';
import { $, Composer, Log, bubble, confirmed, isolated, line, notSent, sentence, unsent } from '/assets/talk.js';

const CHANNEL = '/service/chatV2/customer-support';
const KEPT = 'parlor.chat';
const TYPING_FADES = 30_000;
const SETTLED_AFTER = 500;
const COMES_BACK_WITHIN = 2_000;

const STATES = {
  connecting: 'Connecting…',
  'catching-up': 'Catching up…',
  waiting: 'Connected. Somebody will be with you soon.',
  served: 'Connected',
  reconnecting: 'Connection lost. Trying again…',
  refused: 'The server refused the connection.',
  ended: 'Ended',
};

/** The chat's key, kept as long as the tab lives; in memory only where storage is blocked. */
const keeper = {
  memory: null,
  load() {
    try { return JSON.parse(sessionStorage.getItem(KEPT)) ?? this.memory; } catch { return this.memory; }
  },
  save(value) {
    this.memory = value;
    try {
      if (value) sessionStorage.setItem(KEPT, JSON.stringify(value));
      else sessionStorage.removeItem(KEPT);
    } catch { /* storage is blocked: memory has it */ }
  },
};

let chat = null; // { key, position, ended, agents: Map(participantId -> nickname), outbox: [] }
let connected = 'connecting';
let subscribed = false;
let catchingUp = false;
let settled = 0;
const typists = new Map(); // participantId -> timer

const log = new Log($('log'));
const bayeux = new Bayeux({
  url: '/genesys/cometd',
  onSession: (fresh) => fresh && enter(),
  onMessage: (channel, data) => channel === CHANNEL && received(data),
  onState: (state) => { connected = state; showState(); },
  onRefused: () => showState(),
});

// ---- the chat's life ----

async function enter() {
  subscribed = false;
  try {
    await bayeux.subscribe(CHANNEL);
  } catch (error) {
    return bayeux.state === 'connected' && refused({ errors: [{ advice: `This chat is not offered (${error.message}).` }] });
  }
  subscribed = true;
  if (chat?.key) resume();
  else if (chat?.wanted) request();
}

function begin(name, subject) {
  chat = newChat({ wanted: { nickname: name, ...(subject ? { subject } : {}) } });
  $('start-button').disabled = true;
  if (subscribed) request();
  else bayeux.start();
}

function request() {
  bayeux.publish(CHANNEL, { operation: 'requestChat', ...chat.wanted }).catch(() => {
    if (!chat?.key) startFailed('The chat could not be started. Please try again.');
  });
}

// Everything from the position on comes again; what came before stays as it is on the screen.
function resume() {
  catchingUp = true;
  log.busy(true);
  showState();
  publish({ operation: 'requestNotifications', transcriptPosition: chat.position }).catch(() => {});
}

// Of several clients with one chat the newest to ask is told its events; a tab that is looked at asks again.
function look() {
  if (!chat?.key || chat.ended || !subscribed || catchingUp || bayeux.state !== 'connected') return;
  publish({ operation: 'requestNotifications', transcriptPosition: chat.position }).catch(() => {});
}

function caughtUp() {
  if (!catchingUp) return;
  catchingUp = false;
  log.busy(false);
  showState();
  // What the transcript does not hold never happened.
  for (const entry of chat?.outbox ?? []) if (!entry.underWay) deliver(entry);
}

function received(data) {
  if (!chat || (chat.key && data.secureKey && data.secureKey !== chat.key)) return;
  if (data.statusCode !== 0) return refused(data);
  if (!chat.key && data.secureKey) opened(data.secureKey);
  for (const event of data.messages ?? []) if (isNew(event)) show(event);
  if (data.chatEnded) return ended();
  if (catchingUp) {
    clearTimeout(settled);
    settled = setTimeout(caughtUp, SETTLED_AFTER);
  }
  showState();
}

function opened(key) {
  chat.key = key;
  delete chat.wanted;
  keeper.save({ key });
  showChat();
  $('text').focus();
}

function refused(data) {
  const advice = data.errors?.[0]?.advice ?? 'The server could not do that.';
  if (!chat?.key) return startFailed(advice);
  if (data.chatEnded) {
    problem('This chat is no longer available.');
    return ended();
  }
  // An answer does not say which request it is of; they come in order, and a message is what matters.
  if (chat.outbox.length) givenUp(chat.outbox[0]);
  problem(advice);
}

function startFailed(advice) {
  chat = null;
  $('start-button').disabled = false;
  $('start-problem').textContent = advice;
  $('name').focus();
}

function ended() {
  chat.ended = true;
  keeper.save(null);
  catchingUp = false;
  log.busy(false);
  for (const participant of [...typists.keys()]) typingStopped(participant);
  const focused = $('composer').contains(document.activeElement) || document.activeElement === $('end');
  $('composer').hidden = $('end').hidden = true;
  $('ended').hidden = false;
  if (focused) $('again').focus();
  subscribed = false;
  bayeux.stop();
  showState();
}

// ---- what happened, on the screen ----

// Indexes count every event, also those not shown here, so there may be gaps; none comes twice.
function isNew(event) {
  if (typeof event.index !== 'number') return true;
  if (event.index < chat.position) return false;
  chat.position = event.index + 1;
  return true;
}

const SHOWN = {
  Message: showMessage,
  ParticipantJoined: (event) => (mine(event) ? happened('The chat has begun.') : joined(event)),
  ParticipantLeft: left,
  TypingStarted: typingStarted,
  TypingStopped: (event) => typingStopped(event.from.participantId),
  NicknameUpdated: renamed,
  PushUrl: showLink,
  IdleAlert: (event) => log.append(line(event.text)),
  IdleClose: (event) => log.append(line(event.text)),
  CustomNotice: (event) => event.text && log.append(line(event.text)),
  FileUploaded: (event) => happened(`${whoever(event)} sent a file: ${isolated(event.text ?? '')}`),
};

function show(event) {
  SHOWN[event.type]?.(event);
}

function showMessage(event) {
  typingStopped(event.from.participantId);
  if (mine(event)) {
    const index = chat.outbox.findIndex((entry) => entry.text === event.text);
    if (index >= 0) return confirmed(chat.outbox.splice(index, 1)[0].item, event.utcTime);
  }
  log.append(message(event, event.text));
}

function message(event, text) {
  return bubble({ name: nameOf(event), text, time: event.utcTime, own: mine(event) });
}

function joined(event) {
  if (event.from.type === 'External' || event.from.type === 'System') return;
  chat.agents.set(event.from.participantId, event.from.nickname);
  happened(`${whoever(event)} has joined.`);
}

const WAYS_TO_LEAVE = {
  HOLD: 'has put this chat on hold. Write whenever you like.',
  TRANSFER: 'has left, and somebody else will take over.',
};

function left(event) {
  typingStopped(event.from.participantId);
  const reason = event.eventAttributes?.['general-properties']?.['reason-for-leave'];
  if (chat.agents.delete(event.from.participantId)) happened(`${whoever(event)} ${WAYS_TO_LEAVE[reason] ?? 'has left.'}`);
  else if (mine(event)) happened('You have left the chat.');
}

function renamed(event) {
  if (chat.agents.has(event.from.participantId)) chat.agents.set(event.from.participantId, event.text);
  showTypists();
}

// Only addresses a browser opens as a page: never script.
function showLink(event) {
  let address;
  try { address = new URL(event.text); } catch { return log.append(line(event.text ?? '')); }
  if (!['http:', 'https:'].includes(address.protocol)) return log.append(line(event.text));
  const link = Object.assign(document.createElement('a'), {
    href: address.href, target: '_blank', rel: 'noopener noreferrer', textContent: address.href,
  });
  const item = message(event, '');
  item.querySelector('.text').append(link);
  log.append(item);
}

function typingStarted(event) {
  const { participantId } = event.from;
  if (mine(event) || Date.now() - event.utcTime > TYPING_FADES) return;
  clearTimeout(typists.get(participantId));
  typists.set(participantId, setTimeout(() => typingStopped(participantId), TYPING_FADES));
  chat.agents.set(participantId, event.from.nickname);
  showTypists();
}

function typingStopped(participantId) {
  clearTimeout(typists.get(participantId));
  if (typists.delete(participantId)) showTypists();
}

function showTypists() {
  const names = [...typists.keys()].map((id) => isolated(chat.agents.get(id) ?? 'Somebody'));
  $('typing').textContent = names.length ? `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} typing…` : '';
}

function mine(event) {
  return event.from.type === 'Client';
}

function nameOf(event) {
  if (mine(event)) return 'You';
  const bot = event.eventAttributes?.GCTI_SYSTEM?.['party-info']?.style === 'BOT';
  return `${event.from.nickname || 'Parlor'}${bot ? ' (bot)' : ''}`;
}

function whoever(event) {
  return mine(event) ? 'You' : isolated(nameOf(event));
}

function happened(text) {
  log.append(sentence(text));
}

function showState() {
  let state = connected;
  if (chat?.ended) state = 'ended';
  else if (state === 'connected') state = catchingUp ? 'catching-up' : chat?.agents.size ? 'served' : 'waiting';
  $('state').dataset.state = state;
  if ($('state').textContent !== STATES[state]) $('state').textContent = STATES[state] ?? '';
}

function problem(text) {
  $('problem').textContent = text;
}

// ---- what the person does ----

function publish(data) {
  return bayeux.publish(CHANNEL, { ...data, secureKey: chat.key });
}

function send(text) {
  const item = unsent(text);
  log.append(item);
  const entry = { text, item, underWay: false };
  chat.outbox.push(entry);
  if (!catchingUp) deliver(entry);
}

// A refusal leaves the words on the screen, marked; a lost session leaves the entry to `caughtUp`.
function deliver(entry) {
  entry.underWay = true;
  const overdue = () => chat?.outbox.includes(entry) && look();
  publish({ operation: 'sendMessage', message: entry.text }).then(() => setTimeout(overdue, COMES_BACK_WITHIN), (error) => {
    entry.underWay = false;
    if (bayeux.state !== 'connected' || catchingUp) return;
    givenUp(entry);
    problem(`Your message was not sent (${error.message}).`);
  });
}

function givenUp(entry) {
  chat.outbox = chat.outbox.filter((other) => other !== entry);
  notSent(entry.item);
}

function newChat(fields) {
  return { key: null, position: 1, ended: false, agents: new Map(), outbox: [], ...fields };
}

function showChat() {
  $('welcome').hidden = true;
  $('chat').hidden = false;
  $('composer').hidden = $('end').hidden = false;
  $('ended').hidden = true;
  showState();
}

function showWelcome() {
  chat = null;
  log.replace([]);
  problem('');
  $('start-problem').textContent = '';
  $('start-button').disabled = false;
  $('chat').hidden = true;
  $('welcome').hidden = false;
}

$('start').addEventListener('submit', (event) => {
  event.preventDefault();
  $('start-problem').textContent = '';
  const name = $('name').value.trim();
  if (name) begin(name, $('subject').value.trim());
  else startFailed('Please tell us your name.');
});

new Composer($('composer'), $('text'), {
  send(text) {
    if (!chat || chat.ended) return false;
    problem('');
    send(text);
    return true;
  },
  mayType: () => bayeux.state === 'connected',
  typing(started) {
    if (!chat || chat.ended || bayeux.state !== 'connected') return;
    publish({ operation: started ? 'startTyping' : 'stopTyping' }).catch(() => {});
  },
});

$('end').addEventListener('click', () => {
  // The end itself may come before the acknowledgement, which nobody waits for then.
  publish({ operation: 'disconnect' }).catch(() => {
    if (chat && !chat.ended) problem('The chat could not be ended. Please try again.');
  });
});

$('again').addEventListener('click', () => {
  showWelcome();
  $('name').focus();
});

window.addEventListener('focus', look);
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && look());

const kept = keeper.load();
if (kept?.key) {
  chat = newChat({ key: kept.key });
  showChat();
  bayeux.start();
} else {
  showWelcome();
}
