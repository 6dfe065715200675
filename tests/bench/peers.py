# SPDX-License-Identifier: MIT
"""hearken beside others: the same recordings on the same machine, in turn.

Each recogniser is a process of its own with its model loaded and two threads; only one works at a
time, and who goes first changes from turn to turn. A turn is one recording, or with --clients as
many as there are clients: hearken gets these at the same time, the others one after the other. A
speed ratio is the quotient of two times for the same turn.
"""

import argparse
import base64
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from long_recordings import long_recordings
from normalise import Errors, word_errors, words
from packed import Clip, read_clips, read_sound
from peer import WHISPER_CPP
from recognise import ask, daemon, processor_seconds

REPOSITORY = Path(__file__).resolve().parents[2]
SEARCHES = tuple(
    f"faster-whisper base{batch}{search}"
    for batch in ("", " batch 8", " batch 16")
    for search in ("", " greedy")
)
OTHERS = (*SEARCHES, "faster-whisper tiny.en", "moonshine tiny", "pocketsphinx")
# Unless --only says otherwise. A batch is of a recording's segments, so it takes a long one.
OF_SHORT = ("faster-whisper base", "faster-whisper tiny.en", "moonshine tiny", "pocketsphinx")
OF_LONG = (*SEARCHES[2:], "moonshine tiny")
OURS = "hearken"

Sound = tuple[Clip, np.ndarray]
Row = dict[str, Any]


@dataclass
class Answer:
    """To one turn."""

    texts: list[str]
    seconds: float
    processor: float  # seconds, user and system, all threads


@dataclass
class Contender:
    """A recogniser that is ready, and what it has done."""

    name: str
    recognise: Callable[[list[Sound]], Answer]
    peak: Callable[[], int]  # KiB
    seconds: list[float] = field(default_factory=list)
    processor: float = 0
    errors: Errors = field(default_factory=Errors)
    words: int = 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/peers", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--build", type=Path, default=REPOSITORY / "build", metavar="DIR")
    add("--seconds", default="8-12", metavar="FROM-TO", help="length of recordings (8-12)")
    add("--minutes", type=float, metavar="N", help="such long ones instead, joined with pauses")
    add("--limit", type=int, metavar="N", help="recordings (default 30, long ones 1)")
    add("--rounds", type=int, default=1, metavar="N", help="times all of them (default 1)")
    add("--clients", type=int, default=1, metavar="N", help="recordings in a turn (default 1)")
    add("--only", action="append", choices=OTHERS, help="these of the others")
    add("--whisper-cpp", type=Path, action="append", metavar="FILE", help="a ggml-*.bin for it")
    add("--model", type=Path, metavar="FILE", help="of hearken (default: the installed one)")
    add("--beam", type=int, metavar="N", help="of hearken (default 4); faster-whisper's is 5")
    add("--output", type=Path, metavar="FILE", help="write JSON there as well")
    arguments = parser.parse_args()
    arguments.limit = arguments.limit or (1 if arguments.minutes else 30)
    return arguments


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
    settings = {
        "server.workers": str(arguments.clients),
        "compute.threads": "2",
        "compute.backend": "cpu",
    }
    if arguments.model:
        settings["model.file"] = str(arguments.model.resolve())
    if arguments.beam:
        settings["recognition.beam_width"] = str(arguments.beam)
    path = stack.enter_context(daemon(arguments.build, settings))
    number = process_of("hearkend", os.getpid())
    pool = stack.enter_context(ThreadPoolExecutor(arguments.clients))

    def recognise(sounds: list[Sound]) -> Answer:
        began, used = time.monotonic(), processor_seconds(number)
        results = list(pool.map(lambda sound: ask(path, *sound), sounds))
        seconds, used = time.monotonic() - began, processor_seconds(number) - used
        return Answer([result.text for result in results], seconds, used)

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

    def answer() -> dict[str, Any]:
        line = out.readline()
        if not line:
            raise RuntimeError(f"{name} ended")
        return json.loads(line)

    def recognise(sounds: list[Sound]) -> Answer:
        nonlocal peak
        whole = Answer([], 0, 0)
        for _, samples in sounds:
            encoded = base64.b64encode(samples.tobytes()).decode()
            into.write(json.dumps({"samples": encoded}) + "\n")
            into.flush()
            found = answer()
            whole.texts.append(found["text"])
            whole.seconds += found["seconds"]
            whole.processor += found["processor"]
            peak = found["peak"]
        return whole

    answer()
    return Contender(re.sub(" /.*/", " ", name), recognise, lambda: peak)


def note(contender: Contender, sounds: list[Sound], answer: Answer) -> None:
    for (clip, _), text in zip(sounds, answer.texts, strict=True):
        reference = words(clip.text or "")
        contender.errors = contender.errors.plus(word_errors(reference, words(text)))
        contender.words += len(reference)
    contender.seconds.append(answer.seconds)
    contender.processor += answer.processor


def row(contender: Contender, ours: Contender, heard: float) -> Row:
    ratios = [a / b for a, b in zip(contender.seconds, ours.seconds, strict=True)]
    quarters = (
        statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    )
    return {
        "recogniser": contender.name,
        "wer": round(100 * contender.errors.total() / contender.words, 2),
        "times_real_time": round(heard / sum(contender.seconds), 1),
        "median_ms": round(1000 * statistics.median(contender.seconds)),
        "ratio": [round(q, 2) for q in quarters],
        "processor_seconds_an_hour": round(3600 * contender.processor / heard, 1),
        "peak_mib": contender.peak() // 1024,
    }


def show(rows: list[Row]) -> None:
    print(
        "| recogniser | WER % | times real time | median ms | time / hearken's "
        "| processor s for 1 h | peak MiB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        low, middle, high = r["ratio"]
        print(
            f"| {r['recogniser']} | {r['wer']} | {r['times_real_time']} | {r['median_ms']} "
            f"| {middle} ({low} to {high}) | {r['processor_seconds_an_hour']} | {r['peak_mib']} |"
        )


def chosen_sounds(arguments: argparse.Namespace) -> Iterator[Sound]:
    if arguments.minutes:
        return long_recordings(arguments.corpus, arguments.set, arguments.minutes, arguments.limit)
    shortest, longest = map(float, arguments.seconds.split("-"))
    clips = read_clips(arguments.corpus, arguments.set, None)
    fitting = [clip for clip in clips if shortest <= clip.seconds <= longest]
    step = max(1, len(fitting) // arguments.limit)
    return read_sound(arguments.corpus, arguments.set, fitting[::step][: arguments.limit])


def chosen_names(arguments: argparse.Namespace) -> list[str]:
    names = [*(arguments.only or (OF_LONG if arguments.minutes else OF_SHORT))]
    return names + [f"{WHISPER_CPP}{file.resolve()}" for file in arguments.whisper_cpp or ()]


def describe(arguments: argparse.Namespace, sounds: list[Sound]) -> str:
    heard = sum(clip.seconds for clip, _ in sounds)
    turns = f", {arguments.clients} clients" if arguments.clients > 1 else ""
    times = f", {arguments.rounds} times" if arguments.rounds > 1 else ""
    return f"{len(sounds)} recordings, {heard:.0f} s, {arguments.set}{turns}{times}"


def main() -> int:
    arguments = parse_arguments()
    sounds = list(chosen_sounds(arguments))
    with ExitStack() as stack:
        contenders = [hearken(stack, arguments)]
        contenders += [other(stack, name) for name in chosen_names(arguments)]
        step = arguments.clients
        turns = [sounds[i : i + step] for i in range(0, len(sounds), step)]
        for number, turn in enumerate(turns * arguments.rounds):
            first = number % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                note(contender, turn, contender.recognise(turn))
        heard = arguments.rounds * sum(clip.seconds for clip, _ in sounds)
        rows = [row(contender, contenders[0], heard) for contender in contenders]
    print(f"{describe(arguments, sounds)}\n")
    show(rows)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
    return 0
