# SPDX-License-Identifier: MIT
"""What a list of custom words does for the rare words on it, and to all others.

usage: tests/bench/custom_words [OPTION...]   (--help lists them)

The words are those that at most two clips of the set hold and that the model gets wrong without a
list; the rest of the list are rare words of another set, which are not said here.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from measure import REPOSITORY, Progress, Row, add_places, errors_of, rate, score
from normalise import words
from packed import Clip, read_clips, read_sound
from recognise import daemon, recognise

RARE = 2  # clips that hold a rare word, at most
SHORTEST = 4  # letters of a word on the list


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/custom_words", description="Recall of listed words, and errors."
    )
    add = parser.add_argument
    add("--set", default="dev-librispeech")
    add("--others", default="train-librispeech", help="the set that the other words are from")
    add_places(parser)
    add("--limit", type=int, metavar="N", help="only so many clips, spread over the set")
    add("--only-affected", action="store_true", help="only the clips that hold a missed word")
    add("--jobs", type=int, default=2, metavar="N", help="clips at a time (default 2)")
    add("--beam", type=int, default=4, metavar="N")
    add("--boosts", default="0.2,0.4,0.6", help="that are tried (default 0.2,0.4,0.6)")
    add("--distractors", type=int, default=500, metavar="N", help="other words (default 500)")
    add("--only-distractors", action="store_true", help="nothing on the list is said in the clips")
    add("--base", type=Path, metavar="FILE", help="what tests/bench/wer --output wrote, no list")
    add("--seed", type=int, default=1)
    add("-v", "--verbose", action="store_true", help="show the clips that change")
    arguments = parser.parse_args()
    arguments.build = REPOSITORY / arguments.build
    return arguments


def run(arguments: argparse.Namespace, clips: list[Clip], extra: dict[str, str]) -> list[Row]:
    settings = {
        "server.workers": str(arguments.jobs),
        "recognition.beam_width": str(arguments.beam),
    } | extra
    if arguments.model:
        settings["model.file"] = str(arguments.model.resolve())
    sounds = read_sound(arguments.corpus, arguments.set, clips)
    with daemon(arguments.build, settings) as path:
        return [score(r) for r in recognise(path, sounds, arguments.jobs, Progress(clips, 1))]


def rare_words(texts: list[str]) -> set[str]:
    clips = Counter(word for text in texts for word in set(words(text)))
    return {word for word, count in clips.items() if count <= RARE and len(word) >= SHORTEST}


def missed(row: Row, rare: set[str]) -> set[str]:
    """Rare words that were said and not written."""
    said = Counter(words(str(row["reference"])))
    written = Counter(words(str(row["hypothesis"])))
    return {word for word in said if word in rare and written[word] < said[word]}


def other_words(arguments: argparse.Namespace, said: set[str]) -> list[str]:
    texts = [clip.text or "" for clip in read_clips(arguments.corpus, arguments.others, None)]
    rare = sorted(rare_words(texts) - said)
    random.Random(arguments.seed).shuffle(rare)
    return rare[: arguments.distractors]


def count_found(rows: list[Row], targets: set[str]) -> tuple[int, int, int]:
    """Of the targets' occurrences: how many were written, were said, were written and not said."""
    found = said_in_all = invented = 0
    for row in rows:
        said = Counter(words(str(row["reference"])))
        written = Counter(words(str(row["hypothesis"])))
        for word in targets:
            found += min(said[word], written[word])
            said_in_all += said[word]
            invented += max(0, written[word] - said[word])
    return found, said_in_all, invented


def print_changes(base: list[Row], rows: list[Row]) -> None:
    for before, now in zip(base, rows, strict=True):
        if before["hypothesis"] != now["hypothesis"]:
            difference = errors_of(now).total() - errors_of(before).total()
            print(f"\n{now['id']}  {difference:+}\n  said   {now['reference']}")
            print(f"  before {before['hypothesis']}\n  now    {now['hypothesis']}")


def report(
    name: str, base: list[Row], rows: list[Row], targets: set[str], listed: set[str]
) -> None:
    found, said, _ = count_found(rows, targets)
    invented = count_found(rows, listed)[2] - count_found(base, listed)[2]
    changed = sum(a["hypothesis"] != b["hypothesis"] for a, b in zip(base, rows, strict=True))
    errors = sum(errors_of(row).total() for row in rows)
    seconds = sum(float(str(row["worker_seconds"])) for row in rows)
    print(
        f"{name:10} {found:4} of {said} {100 * found / max(said, 1):6.1f} % "
        f"{rate(rows):6.2f} % ({errors}) {changed:5} changed {invented:+4} wrong "
        f"{seconds:7.0f} s of workers",
        flush=True,
    )


def read_base(arguments: argparse.Namespace, clips: list[Clip]) -> list[Row]:
    if not arguments.base:
        return run(arguments, clips, {})
    lines = arguments.base.read_text().splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    return [rows[clip.name] for clip in clips]


def measure(arguments: argparse.Namespace) -> None:
    everything = read_clips(arguments.corpus, arguments.set, None)
    clips = read_clips(arguments.corpus, arguments.set, arguments.limit)
    said = {word for clip in everything for word in words(clip.text or "")}
    rare = rare_words([clip.text or "" for clip in everything])
    base = read_base(arguments, clips)
    targets = {word for row in base for word in missed(row, rare)}
    if arguments.only_affected:
        kept = [i for i, row in enumerate(base) if missed(row, rare)]
        clips, base = [clips[i] for i in kept], [base[i] for i in kept]
    listed = set(other_words(arguments, said))
    if not arguments.only_distractors:
        listed |= targets
    print(f"{len(clips)} clips; {len(targets)} words missed; {len(listed)} on the list")
    report("none", base, base, targets, listed)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(sorted(listed)))
        file.flush()
        for boost in arguments.boosts.split(","):
            extra = {
                "recognition.custom_words_file": file.name,
                "recognition.custom_words_boost": boost,
            }
            rows = run(arguments, clips, extra)
            report(f"boost {boost}", base, rows, targets, listed)
            if arguments.verbose:
                print_changes(base, rows)


def main() -> int:
    arguments = parse_arguments()
    try:
        measure(arguments)
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"tests/bench/custom_words: {problem}", file=sys.stderr)
        return 1
    return 0
