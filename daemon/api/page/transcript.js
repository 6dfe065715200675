// SPDX-License-Identifier: MIT
// The text on the page: a section for each take, a paragraph for each sentence.

import { announce, clock, make } from './dom.js';

const levels = [0.5, 0.7, 0.9]; // of confidence

const percent = (share) => `${Math.round(share * 100)} %`;

// Words with what stands between them: nothing in some languages.
function* spacedWords(segment) {
  let at = 0;
  for (const word of segment.words) {
    const found = segment.text.indexOf(word.text, at);
    yield [found > at ? segment.text.slice(at, found) : '', word];
    if (found >= 0) at = found + word.text.length;
  }
}

export class Transcript {
  constructor(container, onchange) {
    this.container = container;
    this.onchange = onchange;
    this.takes = [];
    this.sections = new Map();
    this.targets = new WeakMap(); // of a click: {take, start, end}
    container.addEventListener('click', (event) => this.playAt(event.target));
    container.addEventListener('keydown', (event) => this.onKey(event));
    // A word that was clicked on must not take the space bar.
    container.addEventListener('mousedown', (event) => event.detail > 0 && event.preventDefault());
  }

  add(take, heading) {
    const section = make('section');
    if (heading) section.append(make('h2', {}, heading));
    this.container.append(section);
    this.takes.push(take);
    this.sections.set(take, section);
    this.onchange();
  }

  remove(take) {
    this.sections.get(take)?.remove();
    this.sections.delete(take);
    this.takes = this.takes.filter((other) => other !== take);
    if (!this.container.contains(this.stop)) this.stopAt(this.container.querySelector('[tabindex]'));
    this.onchange();
  }

  get isEmpty() {
    return this.takes.every((take) => take.segments.length === 0);
  }

  clear() {
    for (const take of this.takes) take.forget();
    for (const take of [...this.takes]) this.remove(take);
  }

  /* ---- Text that comes ---- */

  // What is said now: committed text, and what may still change.
  showCurrent(take, item) {
    const section = this.sections.get(take);
    if (!section) return;
    let paragraph = section.querySelector('.current');
    if (!paragraph) {
      paragraph = make('p', { class: 'current' });
      section.append(paragraph);
    }
    const tail = make('span', { class: 'tail', 'aria-hidden': 'true' }, item.tail);
    paragraph.replaceChildren(item.committed, tail);
    if (item.added) announce(item.added);
    this.onchange();
  }

  dropCurrent(take) {
    this.sections.get(take)?.querySelector('.current')?.remove();
  }

  addFinal(take, segments) {
    const section = this.sections.get(take);
    if (!section) return;
    this.dropCurrent(take);
    for (const segment of segments) {
      take.segments.push(segment);
      section.append(this.paragraph(take, segment));
    }
    this.onchange();
  }

  paragraph(take, segment) {
    const first = segment.words?.[0]?.start ?? segment.start;
    const when = make('span', { class: 'when', role: 'button', title: 'Play the sentence' });
    when.textContent = clock(first);
    const paragraph = make('p', {}, this.target(when, take, first, segment.end));
    const text = make('span');
    for (const [space, word] of spacedWords(segment)) {
      const level = levels.filter((bound) => word.confidence >= bound).length;
      const title = `${clock(word.start)}, ${percent(word.confidence)} sure`;
      const element = make('span', { class: `word c${level}`, role: 'button', title }, word.text);
      text.append(space, this.target(element, take, word.start, word.end));
    }
    if (!segment.words?.length) text.append(segment.text);
    paragraph.append(text);
    return paragraph;
  }

  /* ---- Playing ---- */

  // The whole text is one stop of the tabulator; arrows lead through its words.
  target(element, take, start, end) {
    this.targets.set(element, { take, start, end });
    element.tabIndex = -1;
    if (!this.stop) this.stopAt(element);
    return element;
  }

  stopAt(element) {
    if (this.stop) this.stop.tabIndex = -1;
    this.stop = element;
    if (element) element.tabIndex = 0;
  }

  playAt(element) {
    const target = this.targets.get(element);
    if (!target) return;
    const { take, start, end } = target;
    const margin = 0.05; // seconds: words run into each other
    element.classList.add('playing');
    const stop = () => element.classList.remove('playing');
    if (take.play(Math.max(start - margin, 0), end + margin, stop)) return;
    stop();
    announce('The sound of this word is no longer kept.');
  }

  onKey(event) {
    const targets = [...this.container.querySelectorAll('[tabindex]')];
    const at = targets.indexOf(event.target);
    const goals = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: targets.length - 1 };
    if (at < 0) return;
    if (event.key === 'Enter' || event.key === ' ') {
      this.playAt(event.target);
    } else if (targets[goals[event.key]]) {
      this.stopAt(targets[goals[event.key]]);
      this.stop.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
