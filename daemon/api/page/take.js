// SPDX-License-Identifier: MIT
// What was spoken from start to stop, or a file: its sound and its text. Times are seconds from its
// beginning.

const KEPT_SECONDS = 30 * 60; // of sound, for words that are clicked on; 96 kB each

let player; // one word at a time

function playFrom(url, start, seconds, onend) {
  player?.stop();
  const audio = new Audio(url);
  let timer;
  const stop = () => {
    clearTimeout(timer);
    audio.pause();
    player = undefined;
    onend();
  };
  audio.currentTime = start;
  audio.onplaying = () => (timer = setTimeout(stop, seconds * 1000));
  audio.onended = audio.onerror = stop;
  player = { stop };
  audio.play().catch(stop);
}

// 16-bit mono as a WAV file.
function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (at, letters) =>
    [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  const bytes = samples.byteLength;
  text(0, 'RIFF');
  view.setUint32(4, 36 + bytes, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // linear PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, bytes, true);
  return new Blob([view, samples], { type: 'audio/wav' });
}

export class FileTake {
  constructor(file) {
    this.name = file.name;
    this.url = URL.createObjectURL(file);
    this.segments = [];
    this.seconds = 0;
  }

  play(start, end, onend) {
    playFrom(this.url, start, end - start, onend);
    return true;
  }

  forget() {
    URL.revokeObjectURL(this.url);
  }
}

export class LiveTake {
  constructor(rate) {
    this.rate = rate;
    this.blocks = []; // {start, samples}, in order
    this.kept = 0; // samples in them
    this.end = 0; // samples
    this.began = Infinity; // performance.now() of the first sample
    this.segments = [];
  }

  get seconds() {
    return this.end / this.rate;
  }

  append(samples) {
    this.blocks.push({ start: this.end, samples });
    this.end += samples.length;
    this.kept += samples.length;
    // The block that was delayed least says when; but clocks drift, and a busy machine loses sound.
    this.began = Math.min(this.began + 1, performance.now() - this.seconds * 1000);
    while (this.kept > KEPT_SECONDS * this.rate) this.kept -= this.blocks.shift().samples.length;
  }

  // performance.now() when what lies at `seconds` was spoken.
  moment(seconds) {
    return this.began + seconds * 1000;
  }

  // The first sample that is still there.
  get first() {
    return this.end - this.kept;
  }

  // A copy of samples [from, to); what was dropped is missing at its beginning.
  slice(from, to) {
    from = Math.max(from, this.first);
    to = Math.min(to, this.end);
    const out = new Int16Array(Math.max(to - from, 0));
    for (let i = this.find(from); i < this.blocks.length && this.blocks[i].start < to; i++) {
      const { start, samples } = this.blocks[i];
      const part = samples.subarray(Math.max(from - start, 0), Math.max(to - start, 0));
      out.set(part, Math.max(start - from, 0));
    }
    return out;
  }

  // The block of a sample.
  find(position) {
    let low = 0;
    let high = this.blocks.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.blocks[middle].start <= position) low = middle;
      else high = middle;
    }
    return low;
  }

  // False: its sound is no longer there.
  play(start, end, onend) {
    if (start * this.rate < this.first) return false;
    const samples = this.slice(Math.round(start * this.rate), Math.round(end * this.rate));
    const url = URL.createObjectURL(wav(samples, this.rate));
    playFrom(url, 0, end - start, () => {
      URL.revokeObjectURL(url);
      onend();
    });
    return true;
  }

  forget() {
    this.blocks = [];
    this.kept = 0;
  }
}
