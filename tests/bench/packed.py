# SPDX-License-Identifier: MIT
"""Packed sets of recordings: NAME.opus holds the clips one after the other, NAME.jsonl says where."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


@dataclass(frozen=True)
class Clip:
    """One recording of a set."""

    name: str
    dataset: str
    start: float  # seconds into the pack
    seconds: float
    text: str | None


def read_clips(corpus: Path, name: str, limit: int | None = None) -> list[Clip]:
    lines = (corpus / f"{name}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line]
    clips = [
        Clip(str(row["id"]), row["dataset"], row["start"], row["seconds"], row.get("text"))
        for row in rows
    ]
    clips.sort(key=lambda clip: clip.start)
    return spread(clips, limit)


def spread(clips: list[Clip], limit: int | None) -> list[Clip]:
    """All, or `limit` of them spread evenly over the set, so that no speaker is left out."""
    if limit is None or limit >= len(clips):
        return clips
    return [clips[i * len(clips) // limit] for i in range(limit)]


def read_sound(corpus: Path, name: str, clips: list[Clip]) -> Iterator[tuple[Clip, np.ndarray]]:
    """Each clip with its samples, 16 bits each; the pack is read once, from front to back."""
    with soundfile.SoundFile(corpus / f"{name}.opus") as pack:
        if pack.samplerate != RATE or pack.channels != 1:
            raise ValueError(f"{pack.name}: expected {RATE} Hz mono")
        position = 0
        for clip in clips:
            start, count = round(clip.start * RATE), round(clip.seconds * RATE)
            while position < start:
                position += len(pack.read(min(start - position, 1 << 20), dtype="int16"))
            samples = pack.read(count, dtype="int16")
            if len(samples) < count:
                raise ValueError(f"{pack.name}: ends within {clip.name}")
            position += count
            yield clip, samples
