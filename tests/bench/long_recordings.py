# SPDX-License-Identifier: MIT
"""Long recordings: those of a set, one after the other, with pauses of soft noise between them.

usage: python tests/bench/long_recordings.py FILE [OPTION...]   (--help lists them)
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from packed import RATE, Clip, read_clips, read_sound, spread

REPOSITORY = Path(__file__).resolve().parents[2]
PAUSES = (0.3, 1.5)  # seconds
FLOOR = 10 ** (-66 / 20)  # noise in the pauses, as a share of full scale
SEED = 1


def long_recordings(
    corpus: Path, name: str, minutes: float, count: int
) -> Iterator[tuple[Clip, np.ndarray]]:
    """`count` of about so many minutes each, of different clips; speakers as they follow in the set."""
    clips = [clip for clip in read_clips(corpus, name) if clip.text]
    wanted, mean_pause = 60 * minutes * count, sum(PAUSES) / 2
    there = sum(clip.seconds + mean_pause for clip in clips)
    if there < wanted:
        raise ValueError(f"{name}: {there / 60:.0f} minutes, expected {wanted / 60:.0f}")
    clips = spread(clips, round(len(clips) * wanted / there))
    random = np.random.default_rng(SEED)
    sounds = read_sound(corpus, name, clips)
    for number in range(count):
        share = len(clips) * (number + 1) // count - len(clips) * number // count
        yield join([next(sounds) for _ in range(share)], f"{name} {number + 1}", random)


def join(
    sounds: list[tuple[Clip, np.ndarray]], name: str, random: np.random.Generator
) -> tuple[Clip, np.ndarray]:
    parts: list[np.ndarray] = []
    for _, samples in sounds:
        quiet = random.standard_normal(round(random.uniform(*PAUSES) * RATE)) * FLOOR * 32768
        parts += [samples, quiet.round().astype(np.int16)]
    whole = np.concatenate(parts)
    text = " ".join(clip.text or "" for clip, _ in sounds)
    return Clip(name, sounds[0][0].dataset, 0, len(whole) / RATE, text), whole


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a long recording, and beside it its text.")
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="a .wav or .flac")
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--minutes", type=float, default=30, metavar="N", help="about so many (default 30)")
    arguments = parser.parse_args()
    clip, samples = next(long_recordings(arguments.corpus, arguments.set, arguments.minutes, 1))
    soundfile.write(arguments.file, samples, RATE, subtype="PCM_16")
    arguments.file.with_suffix(".txt").write_text(f"{clip.text}\n")
    print(f"{arguments.file}: {clip.seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main()
