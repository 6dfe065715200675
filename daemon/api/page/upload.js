// SPDX-License-Identifier: MIT
// Files: sent as they are, and recognised by hearkend.

function formOf(file, { model, language, words }) {
  const form = new FormData();
  const fields = [
    ['model', model],
    ['language', language],
    ['response_format', 'verbose_json'],
    ['timestamp_granularities[]', 'word'],
    ...words.map((word) => ['keywords[]', word]),
  ];
  for (const [name, value] of fields) if (value) form.append(name, value);
  form.append('file', file, file.name);
  return form;
}

// The answer has words and segments side by side: each segment gets its own.
function segmentsOf(answer) {
  const words = (answer.words ?? []).map(({ word, ...rest }) => ({ text: word, ...rest }));
  let next = 0;
  return (answer.segments ?? []).map(({ start, end, text, confidence }) => {
    const first = next;
    for (let at = 0; next < words.length; next++) {
      const found = text.indexOf(words[next].text, at);
      if (found < 0) break;
      at = found + words[next].text.length;
    }
    return { start, end, text, confidence, words: words.slice(first, next) };
  });
}

function problemOf(request) {
  if (request.status === 0) return 'hearkend cannot be reached.';
  return request.response?.error?.message ?? `hearkend answered ${request.status}`;
}

/*
 * progress(share) while it is sent: 1 from then until the answer is there. Gives {seconds,
 * segments}, or throws an error, with `status`, that says why not.
 */
export function transcribe(file, settings, key, progress, signal) {
  const request = new XMLHttpRequest(); // fetch tells of no progress
  return new Promise((resolve, reject) => {
    request.open('POST', 'v1/audio/transcriptions');
    request.responseType = 'json';
    if (key) request.setRequestHeader('Authorization', `Bearer ${key}`);
    request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
    request.upload.onload = () => progress(1);
    request.onloadend = () => {
      if (request.status === 200 && request.response)
        resolve({ seconds: request.response.duration, segments: segmentsOf(request.response) });
      else reject(Object.assign(new Error(problemOf(request)), { status: request.status }));
    };
    signal.addEventListener('abort', () => request.abort());
    request.send(formOf(file, settings));
  });
}
