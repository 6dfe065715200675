# SPDX-License-Identifier: MIT
"""Words with times of another recogniser: see word_times.py, which starts it.

usage: peer_words.py NAME FOLDER FILE...

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


def moonshine() -> Callable[[np.ndarray], Words]:
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber
    from moonshine_voice.utils import get_model_path

    transcriber = Transcriber(
        str(get_model_path("tiny-en")), ModelArch.TINY, options={"word_timestamps": "true"}
    )

    def recognise(sound: np.ndarray) -> Words:
        lines = transcriber.transcribe_without_streaming(sound.tolist()).lines
        return [(w.word.strip(), w.start, w.end) for line in lines for w in line.words or []]

    return recognise


def main() -> None:
    name, folder, files = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    recognise = moonshine() if name == "moonshine tiny" else faster_whisper(folder)
    for file in files:
        sound, _ = soundfile.read(file, dtype="float32")
        print(json.dumps(recognise(sound)), flush=True)


if __name__ == "__main__":
    main()
