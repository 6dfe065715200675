// SPDX-License-Identifier: MIT
// The text as a file. Subtitles follow daemon/transcript/subtitle.c in short: two lines of 42
// characters, seven seconds, and an end where a sentence or a pause is.

const LINE = 42;
const LONGEST = 7; // seconds
const PAUSE = 1;

// All takes, one behind the other.
function lineUp(takes) {
  const segments = [];
  let offset = 0;
  for (const take of takes) {
    for (const segment of take.segments) {
      const moved = (part) => ({ ...part, start: part.start + offset, end: part.end + offset });
      segments.push({ ...moved(segment), words: (segment.words ?? []).map(moved) });
    }
    offset += take.seconds;
  }
  return segments;
}

function plain(takes) {
  const parts = takes.map((take) => take.segments.map((segment) => segment.text).join('\n'));
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function endsCue(cue, word, next) {
  if (!next) return true;
  const length = cue.text.length + 1 + next.text.length;
  return (
    (/[.?!]$/.test(word.text) && cue.text.length > LINE / 2) ||
    next.start - word.end > PAUSE ||
    length > 2 * LINE - 8 || // what two lines hold for certain
    next.end - cue.start > LONGEST
  );
}

function cuesOf(takes) {
  const cues = [];
  for (const { words } of lineUp(takes)) {
    let cue;
    words.forEach((word, i) => {
      cue ??= { start: word.start, text: '' };
      cue.text += (cue.text ? ' ' : '') + word.text;
      cue.end = word.end;
      if (!endsCue(cue, word, words[i + 1])) return;
      cues.push(cue);
      cue = undefined;
    });
  }
  return cues;
}

// In two lines of nearly the same width, if it does not fit one.
function wrap(text) {
  if (text.length <= LINE) return text;
  const spaces = [...text.matchAll(/ /g)].map(({ index }) => index);
  const middle = text.length / 2;
  const nearest = spaces.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0];
  return nearest ? `${text.slice(0, nearest)}\n${text.slice(nearest + 1)}` : text;
}

function stamp(seconds, mark) {
  const time = new Date(Math.max(0, Math.round(seconds * 1000)));
  const hours = String(Math.floor(time / 3.6e6)).padStart(2, '0');
  return hours + time.toISOString().slice(13, 23).replace('.', mark);
}

function subtitles(takes, mark, begin) {
  return cuesOf(takes)
    .map(({ start, end, text }, i) => `${begin(i)}${stamp(start, mark)} --> ${stamp(end, mark)}\n${wrap(text)}\n`)
    .join('\n');
}

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function json(takes) {
  const round = (name, value) => (typeof value === 'number' ? Math.round(value * 1e3) / 1e3 : value);
  const segments = lineUp(takes).map(({ start, end, text, language, confidence, words }) => {
    return { start, end, text, language, confidence, words };
  });
  const text = segments.map((segment) => segment.text).join(' ');
  return `${JSON.stringify({ text, segments }, round, 2)}\n`;
}

export const formats = {
  txt: { type: 'text/plain', write: plain },
  srt: { type: 'application/x-subrip', write: (takes) => subtitles(takes, ',', (i) => `${i + 1}\n`) },
  vtt: {
    type: 'text/vtt',
    write: (takes) => `WEBVTT\n\n${escape(subtitles(takes, '.', () => '')).replaceAll('--&gt;', '-->')}`,
  },
  json: { type: 'application/json', write: json },
};

export function save(takes, format) {
  const { type, write } = formats[format];
  const url = URL.createObjectURL(new Blob([write(takes)], { type: `${type};charset=utf-8` }));
  const link = document.createElement('a');
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000);
  link.href = url;
  link.download = `hearken-${now.toISOString().slice(0, 16).replace(/[T:]/g, '-')}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
