# SPDX-License-Identifier: MIT
"""The tokens that faster-whisper writes: see same_tokens.py, which starts it.

usage: peer_tokens.py MODEL BEAM PADDING

PADDING is "silence": recordings are given with silence up to 30 s, as OpenAI's Whisper hears them;
or "zeros": as faster-whisper does it by itself, with features of zero, a steady hiss.

Reads lines of JSON, {"samples": 16-bit PCM at 16 kHz in base 64}, and answers each with one:
"tokens", a list of [id, text], "text", and "log_probability", their mean; at first {"ready": true}.
"""

import base64
import json
import sys

import numpy as np
from faster_whisper import WhisperModel

THREADS = 2
WINDOW = 30 * 16000


def main() -> None:
    model, beam, padding = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    whisper = WhisperModel(model, device="cpu", compute_type="float32", cpu_threads=THREADS)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        samples = np.frombuffer(base64.b64decode(json.loads(line)["samples"]), dtype=np.int16)
        if padding == "silence":
            samples = np.pad(samples, (0, max(0, WINDOW - len(samples))))
        segments, _ = whisper.transcribe(
            samples.astype(np.float32) / 32768,
            language="en",
            beam_size=beam,
            temperature=0,
            without_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
        )
        found = list(segments)
        tokens = [token for segment in found for token in segment.tokens]
        answer = {
            "tokens": [[token, whisper.hf_tokenizer.decode([token])] for token in tokens],
            "text": "".join(segment.text for segment in found).strip(),
            "log_probability": found[0].avg_logprob if found else 0,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
