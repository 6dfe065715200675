# SPDX-License-Identifier: MIT
"""Word error rate and speed of a model on a packed set; or what it invents in noise.

usage: tests/bench/wer [OPTION...]   (--help lists them)
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from normalise import Errors, word_errors, words
from packed import RATE, Clip, read_clips, read_sound, spread
from recognise import Result, daemon, recognise

REPOSITORY = Path(__file__).resolve().parents[2]
WORST = 20  # clips shown with -v
LOST = 0.4  # share of a clip's words; what loses more of them ended too early

Row = dict[str, object]


def add_places(parser: argparse.ArgumentParser) -> None:
    """Options that say what is measured, and on what."""
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--build", type=Path, default=Path(os.environ.get("HEARKEN_BUILD", "build")), metavar="DIR")
    add("--model", type=Path, metavar="FILE", help="default: the installed one")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/wer", description="Word error rate of a model on a packed set."
    )
    add = parser.add_argument
    add("--set", help="dev-librispeech (default), dev-commonvoice; with --noise: noise")
    add("--noise", action="store_true", help="count words invented in recordings without speech")
    add_places(parser)
    add("--backend", metavar="NAME", help="default: auto")
    add("--limit", type=int, metavar="N", help="only so many clips, spread over the set")
    add("--only", metavar="DATASET", action="append", help="a part of the set: moodist, fsdd ...")
    add(
        "--leads",
        metavar="MS,...",
        default="0",
        help="each clip once for each of these, with so much silence in front of it (default 0)",
    )
    add("--jobs", type=int, default=2, metavar="N", help="clips at a time (default 2)")
    add("--beam", type=int, metavar="N")
    add(
        "--set-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of [recognition] in hearkend.conf(5), or SECTION.NAME=VALUE",
    )
    add("--output", type=Path, metavar="FILE", help="write a line of JSON for each clip")
    add("--compare", type=Path, metavar="FILE", help="with what --output wrote another time")
    add("-v", "--verbose", action="store_true", help=f"show the {WORST} worst clips")
    arguments = parser.parse_args()
    arguments.set = arguments.set or ("noise" if arguments.noise else "dev-librispeech")
    arguments.build = REPOSITORY / arguments.build
    return arguments


def settings(arguments: argparse.Namespace) -> dict[str, str]:
    """For the daemon, as "section.name"."""
    chosen = {"server.workers": str(arguments.jobs)}
    if arguments.model:
        chosen["model.file"] = str(arguments.model.resolve())
    if arguments.backend:
        chosen["compute.backend"] = arguments.backend
    if arguments.beam:
        chosen["recognition.beam_width"] = str(arguments.beam)
    for option in arguments.set_option:
        name, _, value = option.partition("=")
        chosen[name if "." in name else f"recognition.{name}"] = value
    return chosen


# ---- Running ----


class Progress:
    """A line on standard error, if that is a terminal."""

    def __init__(self, clips: list[Clip], leads: int) -> None:
        self.total, self.count, self.heard = len(clips) * leads, 0, 0.0
        self.begun = time.monotonic()
        self.shown = sys.stderr.isatty()

    def __call__(self, result: Result) -> None:
        self.count += 1
        self.heard += result.clip.seconds
        if self.shown:
            speed = self.heard / (time.monotonic() - self.begun)
            end = "\n" if self.count == self.total else ""
            line = f"\r{self.count}/{self.total} clips  {self.heard:.0f} s  {speed:.1f}x {end}"
            sys.stderr.write(line)
            sys.stderr.flush()


def run(arguments: argparse.Namespace) -> tuple[list[Result], float]:
    """The results, and how long they took."""
    clips = read_clips(arguments.corpus, arguments.set)
    if arguments.only:
        clips = [clip for clip in clips if clip.dataset in arguments.only]
    clips = spread(clips, arguments.limit)
    leads = [int(lead) for lead in arguments.leads.split(",")]
    sounds = with_leads(read_sound(arguments.corpus, arguments.set, clips), leads)
    with daemon(arguments.build, settings(arguments)) as path:
        begun = time.monotonic()
        results = recognise(path, sounds, arguments.jobs, Progress(clips, len(leads)))
        return results, time.monotonic() - begun


def with_leads(
    sounds: Iterator[tuple[Clip, np.ndarray]], leads: list[int]
) -> Iterator[tuple[Clip, np.ndarray]]:
    """Each clip once for each lead, with so many milliseconds of silence in front of it."""
    for clip, samples in sounds:
        for lead in leads:
            name = f"{clip.name}+{lead}" if lead else clip.name
            silence = np.zeros(lead * RATE // 1000, samples.dtype)
            seconds = clip.seconds + lead / 1000
            yield replace(clip, name=name, seconds=seconds), np.concatenate((silence, samples))


def describe_program(arguments: argparse.Namespace) -> str:
    command = [str(arguments.build / "bin" / "hearken"), "version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def print_speed(results: list[Result], elapsed: float, jobs: int) -> None:
    heard = sum(result.clip.seconds for result in results)
    worked = sum(result.worker_seconds for result in results)
    print(
        f"{len(results)} clips, {heard:.0f} s: {elapsed:.0f} s with {jobs} at a time; "
        f"real-time factor {worked / heard:.3f} of a worker"
    )


# ---- Speech ----


def score(result: Result) -> Row:
    reference, hypothesis = words(result.clip.text or ""), words(result.text)
    errors = word_errors(reference, hypothesis)
    return {
        "id": result.clip.name,
        "seconds": result.clip.seconds,
        "worker_seconds": round(result.worker_seconds, 4),
        "reference": result.clip.text,
        "hypothesis": result.text,
        "words": len(reference),
        **errors._asdict(),
    }


def errors_of(row: Row) -> Errors:
    return Errors(*(int(str(row[name])) for name in Errors._fields))


def total(rows: list[Row]) -> tuple[Errors, int]:
    errors = Errors()
    for row in rows:
        errors = errors.plus(errors_of(row))
    return errors, sum(int(str(row["words"])) for row in rows)


def rate(rows: list[Row]) -> float:
    """Per cent."""
    errors, count = total(rows)
    return 100 * errors.total() / max(count, 1)


def print_rate(rows: list[Row]) -> None:
    errors, count = total(rows)
    print(
        f"WER {rate(rows):.2f} %: {errors.total()} errors in {count} words "
        f"(S {errors.substitutions}, D {errors.deletions}, I {errors.insertions})"
    )


def print_clips(rows: list[Row]) -> None:
    right = sum(errors_of(row).total() == 0 for row in rows)
    empty = sum(not words(str(row["hypothesis"])) for row in rows)
    lost = sum(errors_of(row).deletions > LOST * int(str(row["words"])) for row in rows)
    print(
        f"clips: {right} right, {len(rows) - right - empty} wrong, {empty} empty; "
        f"{lost} lose over {LOST:.0%} of their words"
    )


def print_row(row: Row) -> None:
    errors = errors_of(row)
    print(f"\n{row['id']}  S {errors.substitutions} D {errors.deletions} I {errors.insertions}")
    print(f"  said   {' '.join(words(str(row['reference'])))}")
    print(f"  heard  {' '.join(words(str(row['hypothesis'])))}")


def print_worst(rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda row: -errors_of(row).total())
    for row in ordered[:WORST]:
        if errors_of(row).total() > 0:
            print_row(row)


def print_comparison(rows: list[Row], file: Path, verbose: bool) -> None:
    """With other results, on the clips that are in both."""
    lines = file.read_text().splitlines()
    others = {row["id"]: row for row in map(json.loads, lines)}
    common = [row for row in rows if row["id"] in others]
    before = [others[row["id"]] for row in common]
    pairs = list(zip(common, before, strict=True))
    better = sum(errors_of(a).total() < errors_of(b).total() for a, b in pairs)
    worse = [(a, b) for a, b in pairs if errors_of(a).total() > errors_of(b).total()]
    changed = sum(a["hypothesis"] != b["hypothesis"] for a, b in pairs)
    print(
        f"{file.name}: WER {rate(before):.2f} %, now {rate(common):.2f} % on {len(common)} clips; "
        f"{changed} differ, {better} are better, {len(worse)} worse"
    )
    for now, then in worse[:WORST] if verbose else []:
        print_row(now)
        print(f"  before {' '.join(words(str(then['hypothesis'])))}")


# ---- Noise ----


def count_invented(result: Result) -> Row:
    return {
        "id": result.clip.name,
        "dataset": result.clip.dataset,
        "seconds": result.clip.seconds,
        "worker_seconds": round(result.worker_seconds, 4),
        "hypothesis": result.text,
        "words": len(words(result.text)),
    }


def print_invented(rows: list[Row], verbose: bool) -> None:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[str(row["dataset"])].append(row)
    groups["all"] = rows
    print(
        f"{'dataset':22} {'clips':>6} {'minutes':>8} {'with text':>10} {'words':>6} {'a minute':>9}"
    )
    for name, group in groups.items():
        minutes = sum(float(str(row["seconds"])) for row in group) / 60
        invented = sum(int(str(row["words"])) for row in group)
        speaking = sum(row["hypothesis"] != "" for row in group)
        print(
            f"{name:22} {len(group):6} {minutes:8.1f} {speaking:10} {invented:6} "
            f"{invented / minutes:9.2f}"
        )
    loudest = sorted(rows, key=lambda row: -int(str(row["words"])))
    for row in loudest[:WORST] if verbose else []:
        if row["hypothesis"]:
            print(f"\n{row['dataset']} {row['id']}, {row['seconds']:.0f} s\n  {row['hypothesis']}")


def measure(arguments: argparse.Namespace) -> None:
    results, elapsed = run(arguments)
    rows = [count_invented(r) if arguments.noise else score(r) for r in results]
    print(f"{describe_program(arguments)}, {arguments.set}")
    if arguments.noise:
        print_invented(rows, arguments.verbose)
    else:
        print_rate(rows)
        print_clips(rows)
    print_speed(results, elapsed, arguments.jobs)
    if arguments.compare:
        print_comparison(rows, arguments.compare, arguments.verbose)
    if arguments.verbose and not arguments.noise:
        print_worst(rows)
    if arguments.output:
        arguments.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> int:
    arguments = parse_arguments()
    try:
        measure(arguments)
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"tests/bench/wer: {problem}", file=sys.stderr)
        return 1
    return 0
