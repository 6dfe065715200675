// SPDX-License-Identifier: MIT
// Ties the parts of the page together.

import { announce, byId, clock, make, notify } from './dom.js';
import { explainMicrophone, listMicrophones, openMicrophone, whyNoMicrophone } from './microphone.js';
import { AttentionPicture } from './picture.js';
import { formats, save } from './save.js';
import { LiveSession } from './session.js';
import { FileTake, LiveTake } from './take.js';
import { Transcript } from './transcript.js';
import { transcribe } from './upload.js';

const QUIET_SECONDS = 5; // without any sound: the microphone is muted

const transcript = new Transcript(byId('text'), onText);
const picture = new AttentionPicture(byId('picture'));
let models = [];
let live; // {microphone, take, session} while the microphone is open
let opening = false;
let unfinished = 0; // sessions whose text is still to come
let saved = true; // nobody loses text that was not

/* ---- Settings ---- */

const kept = ['model', 'language', 'words', 'microphone', 'processing', 'colours', 'drawing'];

function valueOf(id, value) {
  const field = byId(id);
  const property = field.type === 'checkbox' ? 'checked' : 'value';
  if (value !== undefined) field[property] = value;
  return field[property];
}

function storeSettings() {
  const values = Object.fromEntries(kept.map((id) => [id, valueOf(id)]));
  localStorage.setItem('settings', JSON.stringify(values));
}

const stored = JSON.parse(localStorage.getItem('settings') ?? '{}');

function settings() {
  const words = valueOf('words').split(/[\n,]/);
  return {
    model: valueOf('model'),
    language: valueOf('language'),
    words: words.map((word) => word.trim()).filter(Boolean),
  };
}

let key = sessionStorage.getItem('key') ?? '';
let asked; // a promise while the key is asked for

function askKey() {
  const dialog = byId('ask');
  asked ??= new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        key = byId('key').value.trim();
        sessionStorage.setItem('key', key);
        asked = undefined;
        resolve(key);
      },
      { once: true },
    );
    byId('key').value = '';
    dialog.showModal();
  });
  return asked;
}

// Of hearkend, with a key if it wants one.
async function fetchModels() {
  for (;;) {
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const answer = await fetch('v1/models', { headers });
    if (answer.status !== 401) return (await answer.json()).data;
    await askKey();
  }
}

function option(value, text = value) {
  return make('option', { value }, text);
}

function languageName(code) {
  try {
    return new Intl.DisplayNames([navigator.language], { type: 'language' }).of(code);
  } catch {
    return code;
  }
}

function showLanguages() {
  const model = models.find(({ id }) => id === valueOf('model')) ?? models[0];
  const codes = model?.language ?? [];
  const names = codes.map((code) => [code, languageName(code)]);
  names.sort(([, a], [, b]) => a.localeCompare(b));
  const choices = names.map(([code, name]) => option(code, name));
  const several = codes.length > 1 ? [option('', 'As configured'), option('auto', 'Detect it')] : [];
  const wanted = valueOf('language') || stored.language;
  byId('language').replaceChildren(...several, ...choices);
  byId('language').disabled = codes.length < 2;
  const known = ['', 'auto', ...codes].includes(wanted) ? wanted : undefined;
  valueOf('language', codes.length > 1 ? (known ?? '') : (codes[0] ?? ''));
}

async function showModels() {
  try {
    models = (await fetchModels()).filter(({ id, root }) => id === root);
    byId('model').replaceChildren(...models.map(({ id }) => option(id)));
    valueOf('model', models.some(({ id }) => id === stored.model) ? stored.model : models[0].id);
    showLanguages();
  } catch {
    setTimeout(showModels, 3000);
    showState('waiting', 'hearkend cannot be reached; trying again.');
    return;
  }
  showState('');
}

async function showMicrophones(current = valueOf('microphone') || stored.microphone) {
  const devices = (await listMicrophones()).filter(({ deviceId }) => deviceId !== 'default');
  const choices = devices.map(({ deviceId, label }, i) => option(deviceId, label || `Microphone ${i + 1}`));
  byId('microphone').replaceChildren(option('', 'Default'), ...choices);
  valueOf('microphone', devices.some(({ deviceId }) => deviceId === current) ? current : '');
}

/* ---- What is shown ---- */

const names = { connecting: 'Connecting…', live: 'Listening', done: '' };

function showState(name, message = names[name]) {
  byId('state').className = name;
  byId('state').textContent = message ?? '';
}

// Follows the text, unless somebody has scrolled up to read.
const scroller = byId('scroller');
let follows = true;
let extent = 0; // how far it scrolls
const measure = () => (extent = scroller.scrollHeight - scroller.clientHeight);
scroller.addEventListener('scroll', () => {
  // The event comes up to a frame late. By then, text that was added may have moved the end away.
  const before = extent;
  if (measure() === before) follows = extent - scroller.scrollTop < 60;
});
function follow() {
  measure();
  if (follows) scroller.scrollTop = extent;
}
const sizes = new ResizeObserver(follow); // the picture takes room, too
[scroller, byId('text')].forEach((box) => sizes.observe(box));

function onText() {
  const empty = transcript.isEmpty;
  byId('empty').hidden = byId('text').childElementCount > 0;
  for (const id of ['copy', 'save', 'clear']) byId(id).disabled = empty;
}

function showRecording() {
  const button = byId('record');
  button.setAttribute('aria-pressed', Boolean(live));
  button.querySelector('.label').textContent = live ? 'Stop' : 'Start';
  document.body.classList.toggle('recording', Boolean(live));
  if (!live) byId('level').firstElementChild.style.transform = 'scaleX(0)';
}

// Linear in decibels, from -60.
function showLevel(peak) {
  const bar = byId('level').firstElementChild;
  const share = Math.max(0, 1 + (20 * Math.log10(peak + 1e-6)) / 60);
  bar.style.transform = `scaleX(${Math.min(1, share)})`;
  bar.classList.toggle('clips', peak > 0.98);
}

function showLatency(take, end) {
  const seconds = (performance.now() - take.moment(end)) / 1000;
  if (seconds >= 0 && seconds < 100) byId('latency').textContent = `${seconds.toFixed(1)} s behind`;
}

/* ---- Live text ---- */

function listenerOf(take) {
  return {
    text(item) {
      transcript.showCurrent(take, item);
      if (!item.segment) return;
      showLatency(take, item.segment.end);
      if (valueOf('drawing')) picture.show(take, item.segment);
    },
    final(segments) {
      transcript.addFinal(take, segments);
      saved &&= segments.length === 0;
      const last = segments[segments.length - 1];
      if (last && valueOf('drawing')) picture.show(take, last);
    },
    dropped() {
      transcript.dropCurrent(take);
    },
    state(name, message) {
      if (name === 'problem') notify(message);
      else if (live?.take === take || !live) showState(name, message);
      if (name === 'done' && live?.take === take) stop();
    },
    needKey: askKey,
  };
}

// Tells of a muted microphone, once.
function watchSilence(peak) {
  if (live.heard) return;
  live.heard = peak > 1e-4;
  if (live.heard || live.take.seconds < QUIET_SECONDS || live.warned) return;
  live.warned = true;
  notify('No sound comes from the microphone. Is it muted, or is it another one?', 'hint');
}

function onSound({ samples, peak }) {
  live.take.append(samples);
  live.session.pump();
  showLevel(peak);
  watchSilence(peak);
  const time = clock(live.take.seconds);
  if (byId('time').value !== time) byId('time').value = time;
}

async function start() {
  const why = whyNoMicrophone();
  if (why) return notify(why);
  notify('');
  opening = true;
  let early = []; // sound that comes before there is a take
  try {
    const choice = { device: valueOf('microphone'), processing: valueOf('processing') };
    const microphone = await openMicrophone(choice, {
      sound: (block) => (live ? onSound(block) : early.push(block)),
      lost() {
        notify('The microphone was taken away. What it gave is kept.');
        stop();
      },
    });
    const take = new LiveTake(microphone.rate);
    transcript.add(take);
    unfinished++;
    live = { microphone, take };
    live.session = new LiveSession(take, settings(), key, listenerOf(take));
    early.forEach(onSound);
    live.awake = await navigator.wakeLock?.request('screen').catch(() => {});
    announce('Listening');
    showMicrophones(valueOf('microphone') && microphone.device);
  } catch (error) {
    notify(explainMicrophone(error));
  }
  opening = false;
  showRecording();
}

// The text of the last words is still to come.
async function stop() {
  if (!live || live.stopping) return;
  live.stopping = true;
  const { microphone, take, session } = live;
  await microphone.close();
  live.awake?.release();
  live = undefined;
  showRecording();
  if (!session.done) showState('finishing', 'Finishing…');
  await session.finish();
  unfinished--;
  if (take.segments.length === 0) transcript.remove(take);
  announce('Stopped');
}

const toggle = () => (opening ? undefined : live ? stop() : start());

/* ---- Files ---- */

async function upload(file) {
  const abort = new AbortController();
  const bar = make('progress', { max: 1, value: 0, 'aria-label': `Sending ${file.name}` });
  const note = make('span', {}, 'Sending');
  const cancel = make('button', { type: 'button' }, 'Cancel');
  const row = make('div', { class: 'upload' }, make('strong', {}, file.name), note, bar, cancel);
  cancel.onclick = () => abort.abort();
  byId('uploads').append(row);
  const progress = (share) => {
    note.textContent = share < 1 ? `Sending, ${Math.round(share * 100)} %` : 'Recognising…';
    if (share < 1) bar.value = share;
    else bar.removeAttribute('value');
  };
  try {
    const take = new FileTake(file);
    Object.assign(take, await transcribeWithKey(file, progress, abort.signal));
    const { segments } = take;
    take.segments = [];
    transcript.add(take, file.name);
    transcript.addFinal(take, segments);
    saved = false;
    announce(`${file.name} is transcribed.`);
    if (segments.length === 0) notify(`${file.name}: no speech was found.`, 'hint');
  } catch (error) {
    if (!abort.signal.aborted) notify(`${file.name}: ${error.message}`);
  }
  row.remove();
}

async function transcribeWithKey(file, progress, signal) {
  try {
    return await transcribe(file, settings(), key, progress, signal);
  } catch (error) {
    if (error.status !== 401) throw error;
    await askKey();
    return transcribeWithKey(file, progress, signal);
  }
}

// One at a time, in their order.
let queue = Promise.resolve();
const uploadAll = (files) => [...files].forEach((file) => (queue = queue.then(() => upload(file))));

function watchDrops() {
  const target = byId('target');
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    target.hidden = false;
  });
  addEventListener('dragleave', (event) => (target.hidden ||= !event.relatedTarget));
  addEventListener('drop', (event) => {
    target.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    uploadAll(event.dataTransfer.files);
  });
}

/* ---- Buttons and keys ---- */

async function copy() {
  const text = formats.txt.write(transcript.takes);
  saved = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Where the page is not secure there is no clipboard, but there is the old way.
    const area = make('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  byId('copy').textContent = 'Copied';
  setTimeout(() => (byId('copy').textContent = 'Copy'), 1500);
}

function clear() {
  if (!saved && !confirm('The text was neither copied nor saved. Clear it?')) return;
  picture.clear();
  const takes = transcript.takes.filter((take) => take !== live?.take);
  for (const take of takes) {
    take.forget();
    transcript.remove(take);
  }
  saved = true;
}

function onSpace(event) {
  const used = event.target.closest('button, input, select, textarea, dialog, [role=button]');
  if (event.key !== ' ' || event.repeat || used || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  toggle();
}

function onSettings(event) {
  if (!kept.includes(event.target.id)) return;
  if (event.target.id === 'model') showLanguages();
  document.body.classList.toggle('coloured', valueOf('colours'));
  if (!valueOf('drawing')) picture.clear();
  if (['model', 'language', 'words'].includes(event.target.id)) live?.session.configure(settings());
  storeSettings();
}

function listenToUser() {
  byId('record').onclick = toggle;
  byId('copy').onclick = copy;
  byId('clear').onclick = clear;
  byId('save').onchange = ({ target }) => {
    save(transcript.takes, target.value);
    saved = true;
    target.value = '';
  };
  byId('choose').onclick = () => byId('file').click();
  byId('file').onchange = ({ target }) => {
    uploadAll(target.files);
    target.value = '';
  };
  byId('notice').querySelector('button').onclick = () => notify('');
  addEventListener('keydown', onSpace);
  addEventListener('change', onSettings);
  addEventListener('beforeunload', (event) => (live || unfinished || !saved) && event.preventDefault());
  navigator.mediaDevices?.addEventListener('devicechange', () => showMicrophones());
  watchDrops();
}

for (const id of kept) if (stored[id] !== undefined) valueOf(id, stored[id]);
document.body.classList.toggle('coloured', valueOf('colours'));
listenToUser();
showRecording();
showModels();
showMicrophones();
if (whyNoMicrophone()) notify(whyNoMicrophone(), 'hint');
