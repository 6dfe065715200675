// SPDX-License-Identifier: MIT
// The attention picture of a sentence (docs/attention.md): the sound above, and below, for each
// token, where the network listened as it wrote it. Drawn while the sentence is spoken.

import { BANDS, FRAMES_A_SECOND, Spectrogram } from './spectrogram.js';

const SHORTEST = 4; // seconds that it shows at least
const SOUND_HEIGHT = 88;
const GAP = 8;
const AXIS = 22;
const RANGE = 6; // log10 of power between the palest and the loudest: 60 dB
const ROW = 17; // height of a word with its name, if there is room
const NAME = 11; // height of a name at least

// Magma by S. van der Walt and N. Smith, Blues of ColorBrewer; as `hearken transcribe --attention`.
const magma = ['1d1147', '51127c', '832681', 'b73779', 'e75263', 'fc8961', 'fec488'];
const blues = ['deebf7', 'c6dbef', '9ecae1', '6baed6', '4292c6', '2171b5', '08519c', '08306b'];
const ramps = {
  light: { sound: ['ffffff', ...[...magma].reverse(), '000004'], weight: ['ffffff', ...blues] },
  dark: { sound: ['14171b', ...magma, 'fcfdbf'], weight: ['14171b', ...[...blues].reverse()] },
};

const darkness = window.matchMedia('(prefers-color-scheme: dark)');

// 256 colours, as the bytes of an image.
function table(stops) {
  const colours = stops.map((text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (colours.length - 1);
    const low = Math.min(Math.floor(place), colours.length - 2);
    return colours[low].map((value, c) => value + (colours[low + 1][c] - value) * (place - low));
  });
}

// value(x, y) in 0..1, y from the top.
function image(width, height, colours, value) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(width, height);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at += 4) {
      const level = Math.round(255 * Math.max(0, Math.min(1, value(x, y))));
      pixels.data.set(colours[level], at);
      pixels.data[at + 3] = 255;
    }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// Little-endian floats [tokens, steps] in base64.
function decodeWeights(alignment) {
  const bytes = Uint8Array.from(atob(alignment.weights), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

const letters = (text) => [...text.replaceAll(' ', '')].length;

// Each word gets as many tokens as its text needs: {text, first, count, word}.
function rowsOf({ alignment, words }) {
  const rows = [];
  let token = 0;
  let missing = 0; // letters of the words that have no token yet
  for (const word of words) {
    const row = { text: word.text, first: token, count: 0, word };
    missing += letters(word.text);
    for (; token < alignment.tokens && missing > 0; token++) missing -= letters(alignment.texts[token]);
    row.count = token - row.first;
    rows.push(row);
  }
  return rows;
}

export class AttentionPicture {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector('canvas');
    this.caption = figure.querySelector('figcaption');
    this.tallest = 0;
    const again = () => this.schedule();
    addEventListener('resize', () => (this.tallest = 0));
    new ResizeObserver(again).observe(this.canvas.parentElement);
    darkness.addEventListener('change', again);
  }

  // `segment` of a live take, with an alignment.
  show(take, segment) {
    const { alignment } = segment;
    if (!alignment?.weights || alignment.tokens === 0 || !segment.words?.length) return;
    if (this.take !== take) this.spectrogram = new Spectrogram(take);
    this.take = take;
    this.segment = segment;
    this.weights = decodeWeights(alignment);
    this.rows = rowsOf(segment);
    this.schedule();
  }

  clear() {
    this.segment = this.take = undefined;
    this.tallest = 0;
    this.figure.hidden = true;
  }

  schedule() {
    if (!this.segment || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.segment) this.draw();
    });
  }

  draw() {
    this.figure.hidden = false;
    const width = this.canvas.parentElement.clientWidth;
    if (width === 0) return;
    const room = Math.max(window.innerHeight * 0.52 - SOUND_HEIGHT - AXIS - 40, 8 * ROW);
    const height = Math.min(room, Math.max(this.rows.length * ROW, 4 * ROW));
    const ratio = window.devicePixelRatio || 1;
    const whole = SOUND_HEIGHT + GAP + height + AXIS;
    this.canvas.width = width * ratio;
    this.canvas.height = whole * ratio;
    this.canvas.style.height = `${whole}px`;
    this.tallest = Math.max(this.tallest, whole); // so that the text above does not jump
    this.canvas.parentElement.style.minHeight = `${this.tallest}px`;
    this.context = this.canvas.getContext('2d');
    this.context.scale(ratio, ratio);
    this.layout(width, height);
    this.drawSound();
    this.drawWeights();
    this.drawAxis();
    const text = this.segment.text.trim();
    this.canvas.setAttribute('aria-label', `Where the network listened as it wrote: ${text}`);
  }

  layout(width, height) {
    const { start, alignment } = this.segment;
    this.start = start;
    const end = Math.max(this.segment.end, start + SHORTEST);
    const margin = 1;
    this.box = { left: margin, width: width - 2 * margin, top: SOUND_HEIGHT + GAP, height };
    this.scale = this.box.width / (end - start); // pixels a second
    this.seconds = end - start;
    this.alignmentEnd = alignment.start + alignment.steps * alignment.step_seconds;
    this.theme = darkness.matches ? 'dark' : 'light';
    const style = getComputedStyle(this.canvas);
    this.ink = style.color;
    this.family = style.fontFamily;
    this.line = style.getPropertyValue('--line');
    this.outline = style.getPropertyValue('--outline');
    this.paper = `#${ramps[this.theme].weight[0]}`;
  }

  x(seconds) {
    return this.box.left + (seconds - this.start) * this.scale;
  }

  frame(top, height) {
    this.context.strokeStyle = this.line;
    this.context.strokeRect(this.box.left - 0.5, top - 0.5, this.box.width + 1, height + 1);
  }

  drawSound() {
    const { context, box } = this;
    const from = Math.floor(this.start * FRAMES_A_SECOND);
    const columns = [];
    this.spectrogram.forgetBefore(from);
    for (let i = 0; i < this.seconds * FRAMES_A_SECOND; i++) {
      const column = this.spectrogram.column(from + i);
      if (!column) break;
      columns.push(column);
    }
    context.fillStyle = `#${ramps[this.theme].sound[0]}`;
    context.fillRect(box.left, 1, box.width, SOUND_HEIGHT);
    if (columns.length > 0) {
      const loudest = Math.max(...columns.map((column) => Math.max(...column)));
      const picture = image(columns.length, BANDS, table(ramps[this.theme].sound), (x, y) => {
        return 1 + (columns[x][BANDS - 1 - y] - loudest) / RANGE;
      });
      const width = (columns.length / FRAMES_A_SECOND) * this.scale;
      context.drawImage(picture, box.left, 1, Math.min(width, box.width), SOUND_HEIGHT);
    }
    this.frame(1, SOUND_HEIGHT);
  }

  drawWeights() {
    const { context, box, weights } = this;
    const { tokens, steps, start } = this.segment.alignment;
    const strongest = weights.reduce((most, weight) => Math.max(most, weight), 1e-6);
    const colours = table(ramps[this.theme].weight);
    const picture = image(steps, tokens, colours, (x, y) => weights[y * steps + x] / strongest);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.fillStyle = this.paper;
    context.fill();
    context.clip();
    context.imageSmoothingEnabled = false;
    const left = this.x(start);
    context.drawImage(picture, left, box.top, this.x(this.alignmentEnd) - left, box.height);
    this.drawWords();
    context.restore();
    this.frame(box.top, box.height);
  }

  // A word's box is its time; its name stands beside it, on the side where there is room.
  drawWords() {
    const { context, box } = this;
    const stripe = box.height / this.segment.alignment.tokens;
    const row = box.height / this.rows.length;
    const every = Math.ceil(NAME / row); // name, where there is no room for all
    context.font = `${Math.max(NAME, Math.min(13, row - 3))}px ${this.family}`;
    context.textBaseline = 'middle';
    this.rows.forEach(({ text, first, count, word }, index) => {
      const y = box.top + first * stripe;
      const height = count * stripe;
      const [from, to] = [this.x(word.start), this.x(word.end)];
      context.strokeStyle = this.outline;
      context.strokeRect(from, y + 0.5, to - from, Math.max(height - 1, 0));
      if (index % every > 0) return;
      const width = context.measureText(text).width;
      const right = to + 5 + width < box.left + box.width;
      this.write(text, right ? to + 5 : from - 5 - width, y + height / 2);
    });
  }

  // Readable on every colour.
  write(text, x, y) {
    this.context.lineWidth = 3;
    this.context.lineJoin = 'round';
    this.context.strokeStyle = this.paper;
    this.context.strokeText(text, x, y);
    this.context.lineWidth = 1;
    this.context.fillStyle = this.ink;
    this.context.fillText(text, x, y);
  }

  drawAxis() {
    const { context, box } = this;
    const step = [1, 2, 5, 10].find((seconds) => seconds * this.scale >= 44) ?? 20;
    const y = box.top + box.height;
    context.font = `11px ${this.family}`;
    context.textBaseline = 'top';
    context.fillStyle = this.ink;
    context.strokeStyle = this.line;
    for (let second = Math.ceil(this.start); second <= this.start + this.seconds; second += step) {
      const x = this.x(second);
      const label = `${second} s`;
      const width = context.measureText(label).width;
      context.strokeRect(x, y, 0, 4);
      if (x + width / 2 < box.left + box.width) context.fillText(label, Math.max(box.left, x - width / 2), y + 7);
    }
  }
}
