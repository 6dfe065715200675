# SPDX-License-Identifier: MIT
"""Where hearken heard which words: single words and short phrases are cut out by that.

usage: python -m speech.cut OUT --corpus DIR --set NAME ... [--share S] [--hearken FILE]

OUT gets `NAME.words.jsonl`, a line for each clip: its words as [text, start, end, confidence], or
null where it was not heard.
"""

import argparse
import json
from pathlib import Path

from voice.sounds import read_pack

from .label import HEARKEN, TOGETHER, chosen, transcribe


def words_of(result: dict) -> list[list]:
    return [
        [word["text"], word["start"], word["end"], word["confidence"]]
        for segment in result["segments"]
        for word in segment["words"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.cut", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add("--corpus", type=Path, required=True, help="packed sets")
    add("--cache", type=Path, default=Path("/tmp/pcm"), help="for decoded packs")
    add("--set", action="append", required=True)
    add("--share", type=float, default=1.0, help="of the clips that is heard")
    add("--hearken", type=Path, default=HEARKEN, help="the program that hears")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.set:
        clips = read_pack(arguments.corpus, name, arguments.cache)
        lines: list[list[list] | None] = [None] * len(clips)
        numbers = chosen(len(clips), arguments.share)
        for at in range(0, len(numbers), TOGETHER):
            part = numbers[at : at + TOGETHER]
            results = transcribe(arguments.hearken, [clips[number] for number in part])
            for number, result in zip(part, results, strict=True):
                lines[number] = words_of(result)
            print(f"{name}: {at + len(part)} of {len(numbers)} clips", flush=True)
        path = arguments.out / f"{name}.words.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
