# SPDX-License-Identifier: MIT
"""Whisper small and large-v3-turbo in hearken and in faster-whisper, with random weights.

What users of the real checkpoints will see, where there are none: networks of the same shapes,
which write as many tokens as people speak whatever they hear (peer_synthetic.py). Each program has
its model loaded and two threads; they take turns on the same sound, and who goes first changes
from round to round. Without voice activity, timestamps and temperatures on either side. The sound
fits in one window, so either program hears it as one piece.

usage: tests/bench/synthetic_whisper [OPTION...]   (--help lists them)
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from packed import RATE, Clip, read_clips, read_sound
from peers import peak_of
from recognise import ask, daemon

REPOSITORY = Path(__file__).resolve().parents[2]
SHAPES = ("small", "large-v3-turbo")
TOKENS = 3.5  # a second of speech, as Whisper counts them in read English
PAUSE = 0.5  # seconds, after which the threads of who worked before spin no more
FORMS = {
    "q8_0": "model.gguf",
    "ggml-f16": "ggml-f16.bin",
    "ggml-q5_0": "ggml-q5_0.bin",
}
"""What hearken opens."""


@dataclass
class Contender:
    """A program with its model loaded."""

    name: str
    recognise: Callable[[np.ndarray], tuple[str, float]]
    load: float  # seconds
    peak: Callable[[], int]  # KiB
    seconds: list[float] = field(default_factory=list)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/synthetic_whisper", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech", help="where the speech is from")
    add("--build", type=Path, default=REPOSITORY / "build", metavar="DIR")
    add("--shape", action="append", choices=SHAPES, help="default: both")
    add("--seconds", type=int, action="append", metavar="N", help="of speech (10, 27)")
    add("--beam", type=int, action="append", metavar="N", help="of both programs (1, 5)")
    add("--form", action="append", choices=FORMS, help="what hearken opens (q8_0)")
    add("--rounds", type=int, default=5, metavar="N", help="(default 5)")
    add("--only-ours", action="store_true", help="without faster-whisper")
    add("--keep", action="store_true", help="keep the checkpoints in build/synthetic")
    arguments = parser.parse_args()
    arguments.shape = arguments.shape or list(SHAPES)
    arguments.seconds = arguments.seconds or [10, 27]
    arguments.beam = arguments.beam or [1, 5]
    arguments.form = arguments.form or ["q8_0"]
    return arguments


# ---- Checkpoints and sound ----


def peer_command(*words: object) -> list[str]:
    python = REPOSITORY / "build" / "peers-venv" / "bin" / "python"
    return [str(python), str(Path(__file__).with_name("peer_synthetic.py")), *map(str, words)]


def made(arguments: argparse.Namespace, shape: str, tokens: int) -> Path:
    """The folder with the checkpoint in all forms."""
    folder = REPOSITORY / "build" / "synthetic" / f"{shape}-{tokens}"
    if not (folder / "model.gguf").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(peer_command("make", shape, tokens, folder), check=True)
        convert = [str(arguments.build / "bin" / "hearken-convert"), "--voice", "none"]
        output = str(folder / "model.gguf")
        subprocess.run(
            [*convert, "-o", output, str(folder / "hf")], check=True, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(folder / "hf")
    return folder


def speech(arguments: argparse.Namespace, seconds: int) -> np.ndarray:
    """So much of the set's recordings, one behind the other."""
    parts: list[np.ndarray] = []
    for _, samples in read_sound(arguments.corpus, arguments.set, clips_of(arguments, seconds)):
        parts.append(samples)
    return np.concatenate(parts)[: seconds * RATE]


def clips_of(arguments: argparse.Namespace, seconds: int) -> list[Clip]:
    chosen: list[Clip] = []
    for clip in read_clips(arguments.corpus, arguments.set):
        if sum(c.seconds for c in chosen) >= seconds:
            break
        chosen.append(clip)
    return chosen


# ---- Programs ----


def newest_child() -> int:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(children[-1])


def hearken(
    stack: ExitStack, arguments: argparse.Namespace, folder: Path, form: str, beam: int
) -> Contender:
    settings = {
        "server.workers": "1",
        "compute.threads": "2",
        "compute.backend": "cpu",
        "model.file": str(folder / FORMS[form]),
        "recognition.beam_width": str(beam),
        "recognition.voice": "off",
    }
    began = time.monotonic()
    path = stack.enter_context(daemon(arguments.build, settings))
    load = time.monotonic() - began
    number = newest_child()

    def recognise(samples: np.ndarray) -> tuple[str, float]:
        began = time.monotonic()
        text = ask(path, Clip("speech", "", 0, len(samples) / RATE, None), samples).text
        return text, time.monotonic() - began

    return Contender(f"hearken, {form}", recognise, load, lambda: peak_of(number))


def faster_whisper(stack: ExitStack, folder: Path, beam: int) -> Contender:
    process = stack.enter_context(
        subprocess.Popen(
            peer_command("serve", folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    assert process.stdin and process.stdout
    into, out = process.stdin, process.stdout
    peak = 0

    def answer() -> dict[str, str]:
        line = out.readline()
        if not line:
            raise RuntimeError("faster-whisper ended")
        return json.loads(line)

    def recognise(samples: np.ndarray) -> tuple[str, float]:
        nonlocal peak
        encoded = base64.b64encode(samples.tobytes()).decode()
        into.write(json.dumps({"samples": encoded, "beam": beam}) + "\n")
        into.flush()
        found = answer()
        peak = int(found["peak"])
        return found["text"], float(found["seconds"])

    load = float(answer()["seconds"])
    return Contender("faster-whisper, int8", recognise, load, lambda: peak)


# ---- Both ----


def race(contenders: list[Contender], samples: np.ndarray, text: str, rounds: int) -> None:
    """Round 0 warms up and is not counted."""
    for number in range(rounds + 1):
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            time.sleep(PAUSE)
            found, seconds = contender.recognise(samples)
            if found != text:
                raise RuntimeError(f"{contender.name} wrote {found!r}, expected {text!r}")
            if number > 0:
                contender.seconds.append(seconds)


def show(shape: str, seconds: int, beam: int, contenders: list[Contender]) -> None:
    ours = contenders[0]
    for contender in contenders:
        pairs = zip(contender.seconds, ours.seconds, strict=True)
        ratios = [theirs / own for theirs, own in pairs]
        print(
            f"| {shape} | {seconds} s | {beam} | {contender.name} "
            f"| {statistics.median(contender.seconds):.2f} s | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {contender.load:.1f} s | {contender.peak() // 1024} |",
            flush=True,
        )


def compare(arguments: argparse.Namespace, shape: str, seconds: int) -> None:
    folder = made(arguments, shape, round(TOKENS * seconds))
    text = (folder / "text").read_text()
    samples = speech(arguments, seconds)
    for beam in arguments.beam:
        with ExitStack() as stack:
            contenders = [hearken(stack, arguments, folder, form, beam) for form in arguments.form]
            if not arguments.only_ours:
                contenders.append(faster_whisper(stack, folder, beam))
            race(contenders, samples, text, arguments.rounds)
            show(shape, seconds, beam, contenders)
    if not arguments.keep:
        shutil.rmtree(folder)


def main() -> int:
    arguments = parse_arguments()
    print("| shape | speech | beam | program | median | time / hearken's | load | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for shape in arguments.shape:
        for seconds in arguments.seconds:
            compare(arguments, shape, seconds)
    return 0
