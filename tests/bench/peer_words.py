# SPDX-License-Identifier: MIT
"""Words with times of faster-whisper: see word_times.py, which starts it.

usage: peer_words.py FOLDER FILE...

Prints a line of JSON for each file: [[word, start, end], ...]. Runs in the environment that
tests/bench/peers makes.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from peer import THREADS, whole_base

Words = list[tuple[str, float, float]]


def faster_whisper(folder: Path) -> Callable[[np.ndarray], Words]:
    from faster_whisper import WhisperModel

    model = str(whole_base(folder))
    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=THREADS)

    def recognise(sound: np.ndarray) -> Words:
        segments, _ = whisper.transcribe(sound, language="en", beam_size=5, word_timestamps=True)
        return [(w.word.strip(), w.start, w.end) for segment in segments for w in segment.words]

    return recognise


def main() -> None:
    recognise = faster_whisper(Path(sys.argv[1]))
    for file in sys.argv[2:]:
        sound, _ = soundfile.read(file, dtype="float32")
        print(json.dumps(recognise(sound)), flush=True)


if __name__ == "__main__":
    main()
