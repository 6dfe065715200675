// SPDX-License-Identifier: MIT
// The strength of mel bands every 10 ms of a take, as frontend/features/ has them for the picture
// of a recording; computed once for each frame, as the picture grows.

export const BANDS = 80;
export const FRAMES_A_SECOND = 100;
const HIGHEST = 8000; // Hz
const FLOOR = 1e-12; // of power: digital silence

const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const hertz = (value) => 700 * (10 ** (value / 2595) - 1);

// Radix 2, in place; the imaginary part of the input is 0.
class Fourier {
  constructor(size) {
    this.size = size;
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
    this.cosine = Float32Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.sine = Float32Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    const bits = Math.log2(size);
    this.reversed = Uint16Array.from({ length: size }, (_, i) => {
      let out = 0;
      for (let bit = 0; bit < bits; bit++) out |= ((i >> bit) & 1) << (bits - 1 - bit);
      return out;
    });
  }

  transform() {
    const { size, real, imaginary, cosine, sine } = this;
    for (let half = 1; half < size; half *= 2)
      for (let start = 0; start < size; start += 2 * half)
        for (let k = 0; k < half; k++) {
          const step = (k * size) / (2 * half);
          const a = start + k;
          const b = a + half;
          const re = real[b] * cosine[step] - imaginary[b] * sine[step];
          const im = real[b] * sine[step] + imaginary[b] * cosine[step];
          real[b] = real[a] - re;
          imaginary[b] = imaginary[a] - im;
          real[a] += re;
          imaginary[a] += im;
        }
  }
}

export class Spectrogram {
  constructor(take) {
    this.take = take;
    // Means of neighbours: at 48 kHz of three, which leaves enough for the eye.
    this.factor = Math.max(1, Math.floor(take.rate / (2 * HIGHEST)));
    this.rate = take.rate / this.factor;
    this.width = Math.round(0.025 * this.rate);
    this.fourier = new Fourier(2 ** Math.ceil(Math.log2(this.width)));
    this.window = Float32Array.from(
      { length: this.width },
      (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (this.width - 1)),
    );
    this.edges = Array.from({ length: BANDS + 2 }, (_, i) => {
      const frequency = hertz((mel(HIGHEST) * i) / (BANDS + 1));
      return (frequency * this.fourier.size) / this.rate;
    });
    this.columns = new Map();
  }

  // [BANDS] log10 of power of the frame that begins `frame` / 100 seconds into the take.
  column(frame) {
    let column = this.columns.get(frame);
    if (!column) {
      const begin = Math.round((frame / FRAMES_A_SECOND) * this.take.rate);
      const count = this.width * this.factor;
      if (begin + count > this.take.end) return undefined;
      column = this.measure(this.take.slice(begin, begin + count));
      this.columns.set(frame, column);
    }
    return column;
  }

  forgetBefore(frame) {
    for (const known of this.columns.keys()) if (known < frame) this.columns.delete(known);
  }

  measure(samples) {
    const { fourier, factor } = this;
    fourier.real.fill(0);
    fourier.imaginary.fill(0);
    for (let i = 0; i < this.width; i++) {
      let sum = 0;
      for (let j = 0; j < factor; j++) sum += samples[i * factor + j] || 0;
      fourier.real[fourier.reversed[i]] = (sum / factor / 32768) * this.window[i];
    }
    fourier.transform();
    return Float32Array.from({ length: BANDS }, (_, band) => Math.log10(this.power(band) + FLOOR));
  }

  // A triangle over the bins around a band; the lowest bands are narrower than a bin.
  power(band) {
    const [low, centre, high] = this.edges.slice(band, band + 3);
    const { real, imaginary } = this.fourier;
    let sum = 0;
    let weights = 0;
    for (let bin = Math.floor(low); bin <= Math.min(Math.ceil(high), real.length / 2); bin++) {
      const rise = (bin - low) / (centre - low);
      const fall = (high - bin) / (high - centre);
      const weight = Math.max(Math.min(rise, fall), bin === Math.round(centre) ? 0.1 : 0);
      sum += weight * (real[bin] ** 2 + imaginary[bin] ** 2);
      weights += weight;
    }
    return sum / (weights || 1);
  }
}
