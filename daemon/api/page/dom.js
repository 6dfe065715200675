// SPDX-License-Identifier: MIT
// Elements of the page, and what its parts say to who uses it.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A sentence that stays until the next one or a click; `kind`: "problem" or "hint".
export function notify(text, kind = 'problem') {
  const notice = byId('notice');
  notice.className = kind;
  notice.querySelector('p').textContent = text;
  notice.hidden = !text;
}

// To screen readers alone. Old sentences go, so that nobody finds them while reading the page.
export function announce(text) {
  const spoken = byId('spoken');
  while (spoken.childElementCount > 20) spoken.firstChild.remove();
  spoken.append(make('span', {}, text));
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const pad = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}
