// SPDX-License-Identifier: MIT
// The microphone, and why there is none.

// Browsers hide it from pages that are not secure: then navigator.mediaDevices is undefined.
export function whyNoMicrophone() {
  if (navigator.mediaDevices?.getUserMedia) return '';
  if (window.isSecureContext)
    return 'This browser has no access to microphones. You can still transcribe files.';
  const port = location.port || '80';
  return (
    `Browsers give a page the microphone only over HTTPS or on the machine itself, and this one ` +
    `came from ${location.origin}. Open http://localhost:${port} on the machine where hearkend ` +
    `runs, forward its port to yours (ssh -L ${port}:localhost:${port} ${location.hostname}), or ` +
    `put HTTPS in front of it. You can still transcribe files.`
  );
}

const sentences = {
  NotAllowedError:
    'The browser may not use the microphone. Allow it in the site settings, beside the address, ' +
    'or in the privacy settings of the system, and start again.',
  NotFoundError: 'There is no microphone. Plug one in, or drop a recording here.',
  OverconstrainedError: 'The chosen microphone is gone. Choose another one and start again.',
  NotReadableError:
    'The microphone is there but gives no sound: another program may hold it. Close that one, ' +
    'or choose another microphone.',
};

export function explainMicrophone(error) {
  return sentences[error.name] ?? `The microphone cannot be used: ${error.message}`;
}

// Names are empty until the microphone was allowed once.
export async function listMicrophones() {
  if (!navigator.mediaDevices?.enumerateDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === 'audioinput' && device.deviceId);
}

function constraints({ device, processing }) {
  const audio = {
    channelCount: 1,
    // Made for calls; they change what the network hears.
    echoCancellation: processing,
    noiseSuppression: processing,
    autoGainControl: processing,
  };
  if (device) audio.deviceId = { exact: device };
  return { audio };
}

/*
 * Opens it and calls listener.sound({samples, peak}) with 16-bit samples at the rate it returns,
 * which is the browser's own: hearkend converts it better. listener.lost() when the device goes.
 * To be called from a click, for a browser starts no sound without one.
 */
export async function openMicrophone(choice, listener) {
  const context = new AudioContext();
  try {
    const loaded = context.audioWorklet.addModule(new URL('capture.js', import.meta.url));
    const stream = await navigator.mediaDevices.getUserMedia(constraints(choice));
    await loaded;
    await context.resume();
    return connect(context, stream, listener);
  } catch (error) {
    context.close();
    throw error;
  }
}

function connect(context, stream, listener) {
  const [track] = stream.getAudioTracks();
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, 'capture', {
    channelCount: 1,
    channelCountMode: 'explicit',
  });
  let closed;
  const ended = new Promise((resolve) => (closed = resolve));
  node.port.onmessage = ({ data }) => {
    if (data.samples.length > 0) listener.sound(data);
    if (data.last) closed();
  };
  track.addEventListener('ended', () => listener.lost());
  context.onstatechange = () => context.state !== 'closed' && context.resume();
  source.connect(node);
  node.connect(context.destination); // silence; some browsers skip what leads nowhere

  async function close() {
    node.port.postMessage('end');
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 500))]);
    track.stop();
    await context.close();
  }
  return { rate: context.sampleRate, label: track.label, device: track.getSettings().deviceId, close };
}
