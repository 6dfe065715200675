# SPDX-License-Identifier: MIT
"""Packed sets of recordings with the tokens of their texts."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from voice.sounds import RATE, decode

END = "<|endoftext|>"
MULTILINGUAL = 51865  # tokens of the smallest Whisper that knows more than English


def names_of(checkpoint: Path) -> list[str]:
    """The tokens by their numbers. CTranslate2 writes them as JSON or as lines."""
    listed = checkpoint / "vocabulary.json"
    if listed.exists():
        return json.loads(listed.read_text())
    return (checkpoint / "vocabulary.txt").read_text().removesuffix("\n").split("\n")


def prompt_of(names: list[str]) -> tuple[str, ...]:
    """A model for English alone is not told what to write."""
    task = ("<|en|>", "<|transcribe|>") if len(names) >= MULTILINGUAL else ()
    return ("<|startoftranscript|>", *task, "<|notimestamps|>")


@dataclass(frozen=True)
class Clip:
    """`samples` are 16 bits each; `tokens` is None where no text is known."""

    dataset: str
    samples: np.ndarray
    tokens: list[int] | None

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


class Vocabulary:
    """The tokens of a checkpoint that a model file keeps, numbered as in that file."""

    def __init__(self, checkpoint: Path, keep: Path) -> None:
        names = names_of(checkpoint)
        wanted = set(keep.read_text().splitlines())
        self.kept = [number for number, name in enumerate(names) if name in wanted]
        self.numbers = {old: new for new, old in enumerate(self.kept)}
        self.tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self.prompt = [self.control(name) for name in prompt_of(names)]
        self.end = self.control(END)

    def control(self, *names: str) -> int:
        """Of the first of these names that the tokenizer knows."""
        known = (self.tokenizer.token_to_id(name) for name in names)
        return self.numbers[next(number for number in known if number is not None)]

    def tokens(self, text: str) -> list[int] | None:
        """None where the text needs a token that is not kept."""
        ids = self.tokenizer.encode(" " + text.strip(), add_special_tokens=False).ids
        if any(number not in self.numbers for number in ids):
            return None
        return [self.numbers[number] for number in ids]


def labels_of(pack: Path, rows: list[dict], more: Path | None) -> list[str | None]:
    """`more`: a folder of labels for sets that have none."""
    for folder in (pack.parent, *([more] if more else [])):
        labels = folder / f"{pack.name}.labels.jsonl"
        if labels.exists():
            return [json.loads(line)["label"] for line in labels.read_text().splitlines()]
    return [row.get("text") for row in rows]


def read_set(
    corpus: Path, name: str, cache: Path, vocabulary: Vocabulary, labels: Path | None = None
) -> list[Clip]:
    pack = corpus / name
    rows = [json.loads(line) for line in pack.with_suffix(".jsonl").read_text().splitlines()]
    samples = decode(pack, cache)
    clips = []
    for row, label in zip(rows, labels_of(pack, rows, labels), strict=True):
        start, count = round(row["start"] * RATE), round(row["seconds"] * RATE)
        tokens = vocabulary.tokens(label) if label else None
        clips.append(Clip(row["dataset"], samples[start : start + count], tokens))
    return clips


# ---- Options of the programs ----


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="folder of a CTranslate2 Whisper")
    add("--keep", type=Path, required=True, help="the tokens that the model file keeps")


def add_corpus(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--corpus", type=Path, required=True, help="packed sets")
    add("--cache", type=Path, default=Path("/tmp/pcm"), help="for decoded packs")
