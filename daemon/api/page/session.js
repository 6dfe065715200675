// SPDX-License-Identifier: MIT
/*
 * A take's way to hearkend and back, by OpenAI's realtime transcription over a WebSocket
 * (docs/realtime.md). Sound is kept until its text is final: where the connection breaks, another
 * one begins there, so that nothing is lost and nothing is said twice.
 */

const AHEAD_BYTES = 1 << 20; // handed to the browser and not sent yet
const PART_SECONDS = 0.5; // of sound in a message
const RETRY_SECONDS = [0.3, 1, 2, 4, 8];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function base64(samples) {
  const bytes = new Uint8Array(samples.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

// Pages cannot set headers of a WebSocket; not every key is allowed as a subprotocol.
function openSocket(key) {
  const url = new URL('v1/realtime?intent=transcription', document.baseURI);
  const protocols = ['realtime'];
  url.protocol = url.protocol.replace('http', 'ws');
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(key)) protocols.push(`openai-insecure-api-key.${key}`);
  else if (key) url.searchParams.set('api_key', key);
  return new WebSocket(url, protocols);
}

// A browser does not say why a WebSocket was refused; a request to the same place is told.
async function whyRefused(key) {
  try {
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const answer = await fetch('v1/realtime', { headers });
    if (answer.status === 401) return { key: true, message: 'A key is needed.' };
    const { error } = await answer.json();
    return { message: answer.status === 426 ? 'The connection broke.' : error.message };
  } catch {
    return { message: 'hearkend cannot be reached.' };
  }
}

/*
 * listener: text(item) while somebody speaks, final(segments) once a sentence is over, dropped()
 * where what was shown as text will come again, state(name, message) and needKey() -> a promise.
 */
export class LiveSession {
  constructor(take, settings, key, listener) {
    this.take = take;
    this.settings = settings;
    this.key = key;
    this.listener = listener;
    this.settled = 0; // samples whose text is final
    this.updates = 0; // makes ids of them
    this.tries = 0;
    this.over = new Promise((resolve) => (this.resolve = resolve));
    this.connect();
  }

  connect() {
    this.items = new Map();
    this.pending = []; // ids of updates that were not answered yet
    this.ready = this.ended = this.opened = false;
    this.listener.state('connecting');
    this.socket = openSocket(this.key);
    this.socket.onmessage = ({ data }) => this.handle(JSON.parse(data));
    this.socket.onclose = () => this.reconnect();
  }

  async reconnect() {
    clearTimeout(this.timer);
    if (this.done) return;
    this.ready = false;
    this.listener.dropped();
    const why = this.opened ? { message: 'The connection broke.' } : await whyRefused(this.key);
    if (this.done) return;
    if (why.key) {
      this.listener.state('waiting', why.message);
      this.key = await this.listener.needKey();
      if (!this.done) this.connect();
      return;
    }
    const seconds = RETRY_SECONDS[Math.min(this.tries++, RETRY_SECONDS.length - 1)];
    this.listener.state('waiting', `${why.message} The sound is kept; trying again.`);
    this.retry = setTimeout(() => this.connect(), seconds * 1000);
  }

  send(event) {
    this.socket.send(JSON.stringify(event));
  }

  update(session) {
    const id = `update_${++this.updates}`;
    this.pending.push(id);
    this.send({ type: 'session.update', event_id: id, session });
  }

  // They count for what is said from now on.
  configure(settings = this.settings) {
    this.settings = settings;
    if (this.socket.readyState !== WebSocket.OPEN || !this.opened || this.ended) return;
    const { model, language, words } = settings;
    const transcription = { model, language: language || null, keywords: words };
    const input = { format: { type: 'audio/pcm', rate: this.take.rate }, transcription };
    const hearken = { partial: true, words: true, alignment: true };
    this.update({ type: 'transcription', audio: { input }, hearken });
  }

  // To be called when the take has more sound.
  pump() {
    clearTimeout(this.timer);
    if (!this.ready) return;
    const part = Math.round(PART_SECONDS * this.take.rate);
    while (this.sent < this.take.end && this.socket.bufferedAmount < AHEAD_BYTES) {
      const end = Math.min(this.sent + part, this.take.end);
      const audio = base64(this.take.slice(this.sent, end));
      this.send({ type: 'input_audio_buffer.append', audio });
      this.sent = end;
    }
    if (this.sent < this.take.end) this.timer = setTimeout(() => this.pump(), 50);
    else if (this.finishing && !this.ended) this.end();
  }

  // hearkend reads the second event once all texts have come, and answers it.
  end() {
    this.ended = true;
    this.send({ type: 'input_audio_buffer.commit' });
    this.update({});
  }

  // No more sound comes; the promise is kept when all of it is text.
  finish() {
    this.finishing = true;
    this.pump();
    return this.over;
  }

  close() {
    this.done = true;
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    this.socket.close();
    this.resolve();
  }

  /* ---- Events of the daemon ---- */

  handle(event) {
    switch (event.type) {
      case 'session.created':
        this.opened = true;
        return this.configure();
      case 'session.updated':
        return this.updated();
      case 'conversation.item.input_audio_transcription.delta':
        return this.delta(event);
      case 'conversation.item.input_audio_transcription.completed':
        return this.completed(event);
      case 'conversation.item.input_audio_transcription.failed':
      case 'error':
        return this.failed(event.error);
    }
  }

  updated() {
    this.pending.shift();
    if (this.ended && this.pending.length === 0) {
      this.close();
      this.listener.state('done');
    } else if (!this.ready) {
      this.ready = true;
      this.tries = 0;
      // What waited too long may be gone.
      this.origin = this.sent = Math.max(this.settled, this.take.first);
      this.listener.state('live');
      this.pump();
    }
  }

  // Times of the connection to those of the take.
  shift(segment) {
    const origin = this.origin / this.take.rate;
    const moved = (part) => ({ ...part, start: part.start + origin, end: part.end + origin });
    const shifted = moved(segment);
    if (segment.words) shifted.words = segment.words.map(moved);
    if (segment.alignment)
      shifted.alignment = { ...segment.alignment, start: segment.alignment.start + origin };
    return shifted;
  }

  // `committed` counts bytes. What is behind it may change.
  delta(event) {
    const item = this.items.get(event.item_id) ?? { committed: '' };
    const segment = event.hearken && this.shift(event.hearken);
    item.added = event.delta;
    item.committed += event.delta;
    item.segment = segment;
    item.tail = segment ? decoder.decode(encoder.encode(segment.text).subarray(segment.committed)) : '';
    if (item.tail && segment.committed === 0 && item.committed) item.tail = ` ${item.tail}`;
    this.items.set(event.item_id, item);
    this.listener.text(item);
  }

  completed(event) {
    const segments = (event.hearken?.segments ?? []).map((segment) => this.shift(segment));
    this.items.delete(event.item_id);
    for (const segment of segments)
      this.settled = Math.min(
        Math.max(this.settled, Math.round(segment.end * this.take.rate)),
        this.sent,
      );
    this.listener.final(segments.filter((segment) => segment.text));
  }

  failed(error) {
    this.pending = this.pending.filter((id) => id !== error.event_id);
    if (error.code === 'input_audio_buffer_commit_empty') return;
    this.listener.state('problem', error.message);
    if (!this.ready) {
      this.close(); // what is asked for is wrong, and would be again
      this.listener.state('done');
    }
  }
}
