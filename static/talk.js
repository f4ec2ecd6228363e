// What both pages share: the log of a conversation, and the field one writes in.

const TYPING_EVERY = 5_000;

export const $ = (id) => document.getElementById(id);

// What people write decides its own direction.
export function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, dir: 'auto', textContent: text });
}

export function clock(time) {
  return time ? new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : '';
}

/** Something that somebody said. */
export function bubble({ name, text, time, own }) {
  const item = document.createElement('article');
  item.className = own ? 'message own' : 'message';
  item.append(element('p', 'meta', name), element('p', 'text', text ?? ''), element('p', 'when', clock(time)));
  return item;
}

/** Something that I say, and that nobody has yet: `confirmed` or `notSent` says what became of it. */
export function unsent(text) {
  const item = bubble({ name: 'You', text, own: true });
  item.classList.add('unsent');
  item.querySelector('.when').textContent = 'Sending…';
  return item;
}

/** Everybody sees it at this place: after what came before it, even where that was learnt of later than it was typed. */
export function confirmed(item, time) {
  item.classList.remove('unsent');
  item.querySelector('.when').textContent = clock(time);
  const last = [...item.parentNode.children].findLast((other) => !other.classList.contains('unsent'));
  if (last !== item) last.after(item);
}

export function notSent(item) {
  item.querySelector('.when').textContent = 'Not sent';
}

/** A line of somebody's words. */
export function line(text) {
  return element('p', 'line', text);
}

/** A line of ours about something that happened. A name in it is to be `isolated`. */
export function sentence(text) {
  return Object.assign(line(text), { dir: 'ltr' });
}

/** A name keeps its direction to itself, whatever stands around it. */
export function isolated(name) {
  return `\u2068${name}\u2069`;
}

/** The log on the screen. It follows its end as long as the reader is there. */
export class Log {
  #node;
  #atEnd = true;
  #size = '';

  constructor(node) {
    this.#node = node;
    // A log that shrinks (the window, a phone's keyboard, a line below it) stays at its end if it was there.
    // Scrolling that comes of another size is nobody's wish, and says nothing.
    node.addEventListener('scroll', () => { if (this.#size === this.#measure()) this.#atEnd = this.#nearEnd(); });
    new ResizeObserver(() => {
      this.#size = this.#measure();
      if (this.#atEnd) this.#toEnd();
    }).observe(node);
  }

  append(item) {
    const follow = this.#nearEnd() || item.classList.contains('own');
    this.#node.append(item);
    if (follow) this.#toEnd();
  }

  /** Shows these and nothing else, without reading them all aloud. */
  replace(items) {
    this.busy(true);
    this.#node.replaceChildren(...items);
    this.#toEnd();
    this.busy(false);
  }

  busy(busy) {
    if (busy) this.#node.setAttribute('aria-busy', 'true');
    else this.#node.removeAttribute('aria-busy');
  }

  #measure() {
    return `${this.#node.clientWidth} ${this.#node.clientHeight}`;
  }

  #nearEnd() {
    return this.#node.scrollHeight - this.#node.scrollTop - this.#node.clientHeight < 80;
  }

  #toEnd() {
    this.#node.scrollTop = this.#node.scrollHeight;
  }
}

/**
 * The field one writes in: it grows, and Enter sends. `send(text)` says whether the text was taken;
 * `typing(started)` is told at most every few seconds while somebody writes, and once when they stop.
 */
export class Composer {
  #text;
  #options;
  #since = 0;
  #ends = 0;

  constructor(form, text, options) {
    this.#text = text;
    this.#options = options;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    text.addEventListener('input', () => { this.#grow(); this.#typed(); });
    text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  /** Nobody writes here any more. */
  stopped() {
    clearTimeout(this.#ends);
    if (!this.#since) return;
    this.#since = 0;
    this.#options.typing(false);
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text || !this.#options.send(text)) return;
    // The message itself says that the typing is over.
    this.#since = 0;
    clearTimeout(this.#ends);
    this.#text.value = '';
    this.#grow();
    this.#text.focus();
  }

  #typed() {
    clearTimeout(this.#ends);
    if (this.#text.value.trim() === '') return this.stopped();
    this.#ends = setTimeout(() => this.stopped(), TYPING_EVERY);
    if (Date.now() - this.#since < TYPING_EVERY || !this.#options.mayType()) return;
    this.#since = Date.now();
    this.#options.typing(true);
  }

  #grow() {
    this.#text.rows = 1;
    while (this.#text.scrollHeight > this.#text.clientHeight + 2 && this.#text.rows < 6) this.#text.rows += 1;
  }
}
