// The console's list: who waits, who is served, who is on hold.

import { $, clock, element } from '/assets/talk.js';

const LISTS = ['waiting', 'served', 'held'];

export function nameOf(session) {
  return session.customer?.nickname || 'A customer';
}

export class List {
  #sessions = new Map(); // id -> SESSION of the contract
  #items = new Map(); // id -> its <li>
  #select;

  /** `select(id)` is called when a session is chosen. */
  constructor(select) {
    this.#select = select;
  }

  get(id) {
    return this.#sessions.get(id);
  }

  /** A session is new, or has changed. */
  put(session) {
    this.#sessions.set(session.session, session);
    const item = this.#items.get(session.session) ?? this.#newItem(session.session);
    const parts = item.firstChild.children;
    parts[0].textContent = nameOf(session);
    parts[1].textContent = session.subject || session.service || '';
    parts[2].textContent = `since ${clock(session.createdAt)}${session.agents?.length ? `, with ${session.agents.join(', ')}` : ''}`;
    this.#place(item, session);
    this.#count();
  }

  forget(id) {
    this.#sessions.delete(id);
    this.#items.get(id)?.remove();
    this.#items.delete(id);
    this.#count();
  }

  /** Forgets all but these. */
  keep(sessions) {
    const kept = new Set(sessions.map(({ session }) => session));
    for (const id of [...this.#sessions.keys()]) if (!kept.has(id)) this.forget(id);
  }

  /** Marks the session that is on the screen. */
  mark(selected) {
    for (const [id, item] of this.#items) item.firstChild.ariaCurrent = id === selected ? 'true' : null;
  }

  focus(id) {
    this.#items.get(id)?.firstChild.focus();
  }

  unread(id, count) {
    const badge = this.#items.get(id)?.querySelector('.unread');
    if (badge) badge.textContent = count ? `${count} new` : '';
  }

  #place(item, session) {
    const list = $(LISTS.includes(session.state) ? session.state : 'waiting');
    item.dataset.created = session.createdAt ?? 0;
    if (item.parentNode === list) return;
    const focused = item.contains(document.activeElement);
    const next = [...list.children].find((other) => Number(other.dataset.created) > Number(item.dataset.created));
    list.insertBefore(item, next ?? null);
    if (focused) item.firstChild.focus();
  }

  #newItem(id) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...['name', 'about', 'since', 'unread'].map((part) => element('span', part, '')));
    button.addEventListener('click', () => this.#select(id));
    item.append(button);
    this.#items.set(id, item);
    return item;
  }

  #count() {
    for (const name of LISTS) $(`${name}-count`).textContent = $(name).children.length;
    const waiting = $('waiting').children.length;
    $('waiting-empty').hidden = waiting > 0;
    document.title = waiting ? `(${waiting}) Console · Parlor` : 'Console · Parlor';
  }
}
