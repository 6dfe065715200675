# SPDX-License-Identifier: MIT
"""Partial texts: how late words are shown and committed, what that costs, what it changes.

usage: tests/bench/streaming [OPTION...]   (--help lists them)
"""

import argparse
import difflib
import json
import os
import statistics
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from normalise import words
from packed import read_clips, read_sound

REPOSITORY = Path(__file__).resolve().parents[2]
CLASS_SECONDS = 4  # segments are told apart by length in such steps


@dataclass
class Recording:
    """What a stream told of one recording."""

    events: list[dict[str, Any]] = field(default_factory=list)  # partial and final
    costs: list[tuple[float, float]] = field(default_factory=list)  # seconds of the segment, work
    ends: list[float] = field(default_factory=list)  # work at the end of a segment

    @property
    def partials(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == "partial"]

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == "final"]

    def text(self) -> str:
        return " ".join(final["text"] for final in self.finals)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/streaming", description="Partial texts of a packed set."
    )
    add = parser.add_argument
    add("--set", default="dev-librispeech")
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--build", type=Path, default=Path(os.environ.get("HEARKEN_BUILD", "build")), metavar="DIR")
    add("--model", default="", metavar="FILE", help="default: the installed one")
    add("--limit", type=int, default=64, metavar="N", help="clips, spread over the set (64)")
    add("--partial-seconds", type=float, default=0.64, metavar="X", help="from look to look")
    add("-v", "--verbose", action="store_true", help="show the texts that differ")
    return parser.parse_args()


# ---- Running ----


def pack(arguments: argparse.Namespace) -> bytes:
    clips = read_clips(arguments.corpus, arguments.set, arguments.limit)
    packed = bytearray()
    for _, samples in read_sound(arguments.corpus, arguments.set, clips):
        packed += struct.pack("=I", len(samples)) + samples.tobytes()
    return bytes(packed)


def add_cost(recording: Recording, at: float, cost: float) -> None:
    """To the segment of the last event."""
    last = recording.events[-1] if recording.events else {"type": "partial", "start": 0.0}
    if last["type"] == "final":
        if len(recording.ends) < len(recording.finals):
            recording.ends.append(cost)
    else:
        recording.costs.append((at - last["start"], cost))


def run(arguments: argparse.Namespace, clips: bytes, partial_seconds: float) -> list[Recording]:
    program = REPOSITORY / arguments.build / "bin" / "stream-bench"
    command = [str(program), arguments.model, f"partial_seconds={partial_seconds}"]
    lines = subprocess.run(command, input=clips, capture_output=True, check=True).stdout
    recordings: list[Recording] = []
    for line in lines.splitlines():
        item = json.loads(line)
        if "clip" in item:
            recordings.append(Recording())
        elif "cost" in item:
            add_cost(recordings[-1], item["at"], item["cost"])
        elif item["type"] != "end":
            recordings[-1].events.append(item)
    return recordings


# ---- Figures ----


def spread(values: list[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    return (
        f"median {statistics.median(ordered):.2f} s, p95 {ordered[int(0.95 * len(ordered))]:.2f} s"
    )


def broken_promises(recordings: list[Recording]) -> int:
    """Texts that do not begin with what was committed in their segment before."""
    broken = 0
    for recording in recordings:
        committed = b""
        for event in recording.events:
            text = event["text"].encode()
            broken += not text.startswith(committed)
            committed = b"" if event["type"] == "final" else text[: event["committed"]]
    return broken


def print_differences(found: list[Recording], expected: list[Recording], verbose: bool) -> None:
    other_words = other_marks = 0
    for a, b in zip(found, expected, strict=True):
        if words(a.text()) != words(b.text()):
            other_words += 1
        elif a.text() != b.text():
            other_marks += 1
        if verbose and a.text() != b.text():
            print(f"\n  without partials  {b.text()}\n  with partials     {a.text()}")
    print(
        f"finals that partial texts change: {other_words} of {len(found)} in words, "
        f"{other_marks} more in marks and capitals"
    )


def seen_at(recording: Recording, final: dict[str, Any], committed: bool) -> list[float | None]:
    """For each word of a final text: when it was first shown (or committed) to stay."""
    spoken = [word[0] for word in final["words"]]
    times: list[float | None] = [None] * len(spoken)
    for event in recording.partials:
        if not final["start"] <= event["start"] < final["end"]:
            continue
        shown = [word[0] for word in event["words"]]
        if committed:
            shown = shown[: event["committed_words"]]
        matcher = difflib.SequenceMatcher(a=plain(shown), b=plain(spoken), autojunk=False)
        there = {b + i for _, b, size in matcher.get_matching_blocks() for i in range(size)}
        for i in range(len(spoken)):
            if i not in there:
                times[i] = None
            elif times[i] is None:
                times[i] = event["end"]
    return times


def plain(texts: list[str]) -> list[str]:
    return ["".join(c for c in text.lower() if c.isalnum()) for text in texts]


def print_delays(recordings: list[Recording], committed: bool) -> None:
    """From the end of a word, as the final text has it."""
    delays: list[float] = []
    count = 0
    for recording in recordings:
        for final in recording.finals:
            count += len(final["words"])
            times = seen_at(recording, final, committed)
            delays += [
                max(at - word[2], 0)
                for at, word in zip(times, final["words"], strict=True)
                if at is not None
            ]
    name = "committed" if committed else "shown"
    print(f"{name} before the final text: {len(delays)} of {count} words; {spread(delays)}")


def print_costs(recordings: list[Recording]) -> None:
    """Processor seconds a second of sound, by how long the segment was by then."""
    classes: dict[int, tuple[float, float]] = {}
    ends: list[float] = []
    for recording in recordings:
        before = 0.0
        for at, cost in recording.costs:
            before = before if before < at else 0.0
            sound, work = classes.get(int(at / CLASS_SECONDS), (0.0, 0.0))
            classes[int(at / CLASS_SECONDS)] = (sound + at - before, work + cost)
            before = at
        ends += recording.ends
    for index, (sound, work) in sorted(classes.items()):
        low = index * CLASS_SECONDS
        print(
            f"  {low:2} to {low + CLASS_SECONDS:2} s: "
            f"{work / max(sound, 1e-9):.3f} processor seconds a second"
        )
    print(f"at the end of a segment: {spread(ends)} of processor time")


def measure(arguments: argparse.Namespace) -> None:
    clips = pack(arguments)
    with_partials = run(arguments, clips, arguments.partial_seconds)
    without = run(arguments, clips, 0)
    print(f"{len(with_partials)} recordings, a look every {arguments.partial_seconds} s")
    print_differences(with_partials, without, arguments.verbose)
    print(f"texts that change what was committed: {broken_promises(with_partials)}")
    print_delays(with_partials, committed=False)
    print_delays(with_partials, committed=True)
    print("work, by the length of the segment:")
    print_costs(with_partials)


def main() -> int:
    arguments = parse_arguments()
    try:
        measure(arguments)
    except (OSError, subprocess.CalledProcessError, ValueError) as problem:
        print(f"tests/bench/streaming: {problem}", file=sys.stderr)
        return 1
    return 0
