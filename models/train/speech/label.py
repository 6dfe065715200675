# SPDX-License-Identifier: MIT
"""Texts for sets that have none, written by hearken itself.

usage: python -m speech.label OUT --corpus DIR --set NAME [--hearken FILE]

OUT gets `NAME.labels.jsonl`, a line for each clip: its text, or null where hearken was not sure.
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
    arguments = parser.parse_args()
    clips = read_pack(arguments.corpus, arguments.set, arguments.cache)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / f"{arguments.set}.labels.jsonl").open("w") as out:
        for at in range(0, len(clips), TOGETHER):
            for result in transcribe(arguments.hearken, clips[at : at + TOGETHER]):
                out.write(json.dumps({"label": label_of(result, arguments.confidence)}) + "\n")
            print(f"{min(at + TOGETHER, len(clips))} of {len(clips)} clips", flush=True)


if __name__ == "__main__":
    main()
