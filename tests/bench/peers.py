# SPDX-License-Identifier: MIT
"""hearken beside others: the same recordings on the same machine, in turn.

Each recogniser is a process of its own with its model loaded and two threads; only one works at a
time, and who goes first changes from recording to recording. A speed ratio is the quotient of two
times for the same recording.
"""

import argparse
import base64
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from normalise import Errors, word_errors, words
from packed import Clip, read_clips, read_sound
from peer import WHISPER_CPP
from recognise import ask, daemon

REPOSITORY = Path(__file__).resolve().parents[2]
OTHERS = ("faster-whisper base", "faster-whisper tiny.en", "moonshine tiny", "pocketsphinx")
OURS = "hearken"


@dataclass
class Contender:
    """A recogniser that is ready, and what it has done."""

    name: str
    recognise: Callable[[Clip, np.ndarray], tuple[str, float]]
    peak: Callable[[], int]  # KiB
    seconds: list[float] = field(default_factory=list)
    errors: Errors = field(default_factory=lambda: Errors(0, 0, 0))
    words: int = 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/peers", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--build", type=Path, default=REPOSITORY / "build", metavar="DIR")
    add("--seconds", default="8-12", metavar="FROM-TO", help="length of recordings (8-12)")
    add("--limit", type=int, default=30, metavar="N", help="recordings (default 30)")
    add("--only", action="append", choices=OTHERS, help="not all of the others")
    add("--whisper-cpp", type=Path, action="append", metavar="FILE", help="a ggml-*.bin for it")
    add("--model", type=Path, metavar="FILE", help="of hearken (default: the installed one)")
    add("--beam", type=int, metavar="N", help="of hearken (default 4); faster-whisper's is 5")
    add("--output", type=Path, metavar="FILE", help="write JSON there as well")
    return parser.parse_args()


def peak_of(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) if found else 0


def process_of(name: str, parent: int) -> int:
    """The child of ours that is called so."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in map(int, children):
        if Path(f"/proc/{child}/comm").read_text().strip() == name:
            return child
    raise RuntimeError(f"{name} does not run")


def hearken(stack: ExitStack, arguments: argparse.Namespace) -> Contender:
    settings = {"server.workers": "1", "compute.threads": "2", "compute.backend": "cpu"}
    if arguments.model:
        settings["model.file"] = str(arguments.model.resolve())
    if arguments.beam:
        settings["recognition.beam_width"] = str(arguments.beam)
    path = stack.enter_context(daemon(arguments.build, settings))
    number = process_of("hearkend", os.getpid())

    def recognise(clip: Clip, samples: np.ndarray) -> tuple[str, float]:
        began = time.monotonic()
        text = ask(path, clip, samples).text
        return text, time.monotonic() - began

    return Contender(OURS, recognise, lambda: peak_of(number))


def other(stack: ExitStack, name: str) -> Contender:
    python = REPOSITORY / "build" / "peers-venv" / "bin" / "python"
    command = [str(python), str(Path(__file__).with_name("peer.py")), name, "build/peers"]
    process = stack.enter_context(
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
    )
    stack.callback(process.kill)
    assert process.stdin and process.stdout
    into, out = process.stdin, process.stdout
    peak = 0

    def answer() -> dict[str, object]:
        line = out.readline()
        if not line:
            raise RuntimeError(f"{name} ended")
        return json.loads(line)

    def recognise(_: Clip, samples: np.ndarray) -> tuple[str, float]:
        nonlocal peak
        into.write(json.dumps({"samples": base64.b64encode(samples.tobytes()).decode()}) + "\n")
        into.flush()
        found = answer()
        peak = int(str(found["peak"]))
        return str(found["text"]), float(str(found["seconds"]))

    answer()
    return Contender(re.sub(" /.*/", " ", name), recognise, lambda: peak)


def note(contender: Contender, clip: Clip, text: str, seconds: float) -> None:
    reference = words(clip.text or "")
    errors = word_errors(reference, words(text))
    contender.errors = Errors(*(a + b for a, b in zip(contender.errors, errors, strict=True)))
    contender.words += len(reference)
    contender.seconds.append(seconds)


def row(contender: Contender, ours: Contender, heard: float) -> dict[str, object]:
    ratios = [a / b for a, b in zip(contender.seconds, ours.seconds, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "recogniser": contender.name,
        "wer": round(100 * sum(contender.errors) / contender.words, 2),
        "times_real_time": round(heard / sum(contender.seconds), 1),
        "median_ms": round(1000 * statistics.median(contender.seconds)),
        "ratio": [round(q, 2) for q in quarters],
        "peak_mib": contender.peak() // 1024,
    }


def show(rows: list[dict[str, object]]) -> None:
    print("| recogniser | WER % | times real time | median ms | time / hearken's | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for r in rows:
        low, middle, high = r["ratio"]  # type: ignore[misc]
        print(
            f"| {r['recogniser']} | {r['wer']} | {r['times_real_time']} | {r['median_ms']} "
            f"| {middle} ({low} to {high}) | {r['peak_mib']} |"
        )


def chosen_clips(arguments: argparse.Namespace) -> list[Clip]:
    shortest, longest = map(float, arguments.seconds.split("-"))
    clips = read_clips(arguments.corpus, arguments.set, None)
    fitting = [clip for clip in clips if shortest <= clip.seconds <= longest]
    step = max(1, len(fitting) // arguments.limit)
    return fitting[::step][: arguments.limit]


def main() -> int:
    arguments = parse_arguments()
    clips = chosen_clips(arguments)
    heard = sum(clip.seconds for clip in clips)
    with ExitStack() as stack:
        contenders = [hearken(stack, arguments)]
        names = [*(arguments.only or OTHERS)]
        names += [f"{WHISPER_CPP}{file.resolve()}" for file in arguments.whisper_cpp or ()]
        contenders += [other(stack, name) for name in names]
        sounds = read_sound(arguments.corpus, arguments.set, clips)
        for number, (clip, samples) in enumerate(sounds):
            first = number % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                note(contender, clip, *contender.recognise(clip, samples))
        rows = [row(contender, contenders[0], heard) for contender in contenders]
    print(f"{len(clips)} recordings, {heard:.0f} s, {arguments.set}\n")
    show(rows)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
    return 0
