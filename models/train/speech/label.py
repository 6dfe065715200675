# SPDX-License-Identifier: MIT
"""Texts for sets that have none, written by hearken itself.

usage: python -m speech.label OUT --corpus DIR --set NAME [--share S] [--hearken FILE]

OUT gets `NAME.labels.jsonl`, a line for each clip: its text, or null where hearken was not sure or
not asked.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import soundfile
from voice.sounds import RATE, Recording, read_pack

TOGETHER = 500  # clips that are handed over at once
HEARKEN = Path(__file__).resolve().parents[3] / "build/bin/hearken"


def transcribe(hearken: Path, clips: list[Recording]) -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.wav") for number in range(len(clips))]
        for path, clip in zip(paths, clips, strict=True):
            soundfile.write(path, clip.samples, RATE, subtype="PCM_16")
        command = [str(hearken), "transcribe", "--quiet", "--local", "--format", "json", *paths]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            yield json.loads(line)


def chosen(count: int, share: float) -> list[int]:
    """Which of so many clips, spread evenly."""
    return [n for n in range(count) if int((n + 1) * share) > int(n * share)]


def label_of(result: dict, confidence: float) -> str | None:
    segments = result["segments"]
    sure = segments and min(segment["confidence"] for segment in segments) > confidence
    return result["text"].strip() if sure else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.label", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add("--corpus", type=Path, required=True, help="packed sets")
    add("--cache", type=Path, default=Path("/tmp/pcm"), help="for decoded packs")
    add("--set", required=True)
    add("--hearken", type=Path, default=HEARKEN, help="the program that hears")
    add("--confidence", type=float, default=0.45, help="that each segment has at least")
    add("--share", type=float, default=1.0, help="of the clips that is heard")
    arguments = parser.parse_args()
    clips = read_pack(arguments.corpus, arguments.set, arguments.cache)
    arguments.out.mkdir(parents=True, exist_ok=True)
    labels: list[str | None] = [None] * len(clips)
    numbers = chosen(len(clips), arguments.share)
    for at in range(0, len(numbers), TOGETHER):
        part = numbers[at : at + TOGETHER]
        results = transcribe(arguments.hearken, [clips[number] for number in part])
        for number, result in zip(part, results, strict=True):
            labels[number] = label_of(result, arguments.confidence)
        print(f"{at + len(part)} of {len(numbers)} clips", flush=True)
    path = arguments.out / f"{arguments.set}.labels.jsonl"
    path.write_text("".join(json.dumps({"label": label}) + "\n" for label in labels))


if __name__ == "__main__":
    main()
