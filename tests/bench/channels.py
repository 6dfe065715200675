# SPDX-License-Identifier: MIT
"""One speaker a channel: what is recognised of each, and what that costs.

Clips of a set are put into the two channels of recordings: two speakers at once, the same with
cross-talk (each channel holds the other one too, delayed and softer), and conversations in which
they take turns. The text of each channel is compared with that of the same channel alone, as mono.
Mono in two channels has to give the mono text, for hardly more processor time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from normalise import Errors, word_errors, words
from packed import RATE, Clip, read_clips, read_sound, spread

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP_SECONDS = (3.0, 15.0)
TURNS = 4  # clips of a conversation
PAUSE = 0.5  # seconds between turns
DELAY = 37  # samples of cross-talk
MODES = ("each", "auto")


@dataclass(frozen=True)
class Recording:
    """Two channels, and what is said in them."""

    samples: np.ndarray  # [count, 2], of 16 bits
    texts: tuple[list[str], list[str]]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/channels", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--build", type=Path, default=Path(os.environ.get("HEARKEN_BUILD", "build")), metavar="DIR")
    add("--limit", type=int, default=200, metavar="N", help="clips (default 200)")
    add("--crosstalk", type=float, default=-20, metavar="DB", help="(default -20)")
    add("--rounds", type=int, default=5, metavar="N", help="of measuring the time (default 5)")
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="for hearken -s")
    add("--seed", type=int, default=1, metavar="N", help="of the pairs (default 1)")
    add("-v", "--verbose", action="store_true", help="show the texts that differ")
    arguments = parser.parse_args()
    arguments.build = REPOSITORY / arguments.build
    return arguments


# ---- Recordings ----


def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    samples = np.zeros((max(len(left), len(right)), 2), np.int16)
    samples[: len(left), 0] = left
    samples[: len(right), 1] = right
    return samples


def at_once(clips: list[tuple[Clip, np.ndarray]]) -> list[Recording]:
    pairs = zip(clips[::2], clips[1::2], strict=False)
    return [
        Recording(both(left, right), (words(a.text or ""), words(b.text or "")))
        for (a, left), (b, right) in pairs
    ]


def in_turns(clips: list[tuple[Clip, np.ndarray]]) -> list[Recording]:
    recordings = []
    for i in range(0, len(clips) - TURNS + 1, TURNS):
        parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        texts: tuple[list[str], list[str]] = ([], [])
        for turn, (clip, samples) in enumerate(clips[i : i + TURNS]):
            pause = np.zeros(round(PAUSE * RATE), np.int16)
            texts[turn % 2].extend(words(clip.text or ""))
            parts[turn % 2].extend([samples, pause])
            parts[1 - turn % 2].extend([np.zeros_like(samples), pause])
        recordings.append(
            Recording(both(np.concatenate(parts[0]), np.concatenate(parts[1])), texts)
        )
    return recordings


def with_crosstalk(recording: Recording, decibels: float) -> Recording:
    exact = recording.samples.astype(np.float64)
    leaked = np.zeros_like(exact)
    leaked[DELAY:] = exact[:-DELAY, ::-1] * 10 ** (decibels / 20)
    mixed = np.clip(np.rint(exact + leaked), -32768, 32767)
    return Recording(mixed.astype(np.int16), recording.texts)


# ---- Recognition ----


def transcribe(
    arguments: argparse.Namespace, sounds: list[np.ndarray], mode: str
) -> tuple[list[dict[int, str]], float]:
    """The text of each channel of each sound, and the processor time in seconds."""
    with tempfile.TemporaryDirectory(prefix="channels-") as folder:
        files = [Path(folder) / f"{i:04}.wav" for i in range(len(sounds))]
        for file, samples in zip(files, sounds, strict=True):
            soundfile.write(file, samples, RATE)
        command = [str(arguments.build / "bin" / "hearken"), "transcribe", "--local", "-f", "json"]
        command += ["-s", f"channels={mode}"]
        for option in arguments.option:
            command += ["-s", option]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run(
            [*command, *map(str, files)], check=False, capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode:
        raise RuntimeError(result.stderr)
    texts: list[dict[int, str]] = []
    for line in result.stdout.splitlines():
        texts.append({})
        for segment in json.loads(line)["segments"]:
            channel = segment.get("channel", 0)
            texts[-1][channel] = f"{texts[-1].get(channel, '')} {segment['text']}"
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return texts, spent


# ---- Scores ----


def rate(pairs: list[tuple[list[str], str]]) -> float:
    """Word errors, per cent."""
    errors = Errors()
    for reference, text in pairs:
        errors = errors.plus(word_errors(reference, words(text)))
    return 100 * errors.total() / max(1, sum(len(reference) for reference, _ in pairs))


def compare(
    arguments: argparse.Namespace,
    name: str,
    recordings: list[Recording],
    change: Callable[[Recording], Recording],
) -> None:
    alone: list[tuple[list[str], str]] = []
    for channel in (0, 1):
        texts, _ = transcribe(arguments, [r.samples[:, channel] for r in recordings], "mix")
        alone += [
            (recording.texts[channel], text.get(0, ""))
            for recording, text in zip(recordings, texts, strict=True)
        ]
    print(f"{name:34} {'alone':6} {rate(alone):6.2f} %")
    changed = [change(recording).samples for recording in recordings]
    for mode in MODES:
        texts, _ = transcribe(arguments, changed, mode)
        found = [
            (recording.texts[channel], text.get(channel + 1, ""))
            for channel in (0, 1)
            for recording, text in zip(recordings, texts, strict=True)
        ]
        same = sum(words(a) == words(b) for (_, a), (_, b) in zip(alone, found, strict=True))
        mixed = sum(0 in text for text in texts)
        print(
            f"{'':34} {mode:6} {rate(found):6.2f} % {rate(found) - rate(alone):+6.2f}"
            f"   {same} of {len(found)} texts the same"
            + (f", {mixed} recordings mixed at least in part" if mixed else ""),
            flush=True,
        )
        for (_, a), (_, b) in zip(alone, found, strict=True) if arguments.verbose else []:
            if words(a) != words(b):
                print(f"    alone: {a.strip()}\n    {mode:>5}: {b.strip()}")


def compare_mono(arguments: argparse.Namespace, sounds: list[np.ndarray]) -> None:
    """Mono in two channels beside mono, in turn."""
    doubled = [np.stack([samples, samples], 1) for samples in sounds]
    known, _ = transcribe(arguments, sounds, "mix")
    for mode in MODES:
        texts, _ = transcribe(arguments, doubled, mode)
        same = sum(list(a.values()) == list(b.values()) for a, b in zip(known, texts, strict=True))
        ratios = []
        for _ in range(arguments.rounds):
            _, mono = transcribe(arguments, sounds, "mix")
            _, double = transcribe(arguments, doubled, mode)
            ratios.append(double / mono)
        print(
            f"{'mono in two channels':34} {mode:6} {same} of {len(sounds)} texts the same,"
            f" processor time {100 * (statistics.median(ratios) - 1):+.1f} % (median of"
            f" {arguments.rounds}, {min(ratios):.3f} to {max(ratios):.3f} times)",
            flush=True,
        )


def measure(arguments: argparse.Namespace) -> None:
    low, high = CLIP_SECONDS
    chosen = [
        clip
        for clip in read_clips(arguments.corpus, arguments.set)
        if low <= clip.seconds <= high and clip.text
    ]
    clips = list(read_sound(arguments.corpus, arguments.set, spread(chosen, arguments.limit)))
    np.random.default_rng(arguments.seed).shuffle(clips)  # type: ignore[arg-type]
    print(f"{arguments.set}, {len(clips)} clips; word errors, and the difference to each alone")
    cross = f"{arguments.crosstalk:g} dB of the other one"

    def leak(recording: Recording) -> Recording:
        return with_crosstalk(recording, arguments.crosstalk)

    compare(arguments, "two at once", at_once(clips), lambda recording: recording)
    compare(arguments, f"two at once, {cross}", at_once(clips), leak)
    compare(arguments, f"in turns, {cross}", in_turns(clips), leak)
    compare_mono(arguments, [samples for _, samples in clips[:40]])


def main() -> int:
    arguments = parse_arguments()
    try:
        measure(arguments)
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"tests/bench/channels: {problem}", file=sys.stderr)
        return 1
    return 0
