// SPDX-License-Identifier: MIT
// Runs in the thread of the sound. It is called for 128 samples; as many messages a second would
// keep the page from its work, so they go in blocks.

const BLOCK = 2048; // 43 ms at 48 kHz

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ended = false;
    this.begin();
    this.port.onmessage = () => {
      this.send();
      this.ended = true;
    };
  }

  begin() {
    this.samples = new Int16Array(BLOCK);
    this.count = 0;
    this.peak = 0;
  }

  send() {
    const samples = this.count < BLOCK ? this.samples.slice(0, this.count) : this.samples;
    const last = this.count < BLOCK;
    this.port.postMessage({ samples, peak: this.peak, last }, [samples.buffer]);
    this.begin();
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      const bounded = Math.max(-1, Math.min(1, sample));
      this.samples[this.count++] = Math.round(bounded * 32767);
      this.peak = Math.max(this.peak, Math.abs(bounded));
      if (this.count === BLOCK) this.send();
    }
    return !this.ended;
  }
}

registerProcessor('capture', Capture);
