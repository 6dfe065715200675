# SPDX-License-Identifier: MIT
"""What a frozen listener made of examples, kept on disk: a speller is trained on it many times.

usage: python -m speech.remembered OUT --checkpoint DIR --keep FILE --corpus DIR

OUT gets `memory.f16` [steps, width] and `taught.f16` [tokens, width], what the transformer's logits
are made of, with all examples one behind the other, and `index.jsonl`, a line for each. A pass
that was stopped goes on where it was.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from voice.sounds import RATE, LogMel

from . import whisper
from .checkpoint import read_checkpoint
from .corpus import Clip, Vocabulary, add_checkpoint, add_corpus, read_set
from .examples import Example, Examples, as_float
from .hearing import Silence, hear
from .network import Network

POOL = 256  # examples that are sorted by length together


@dataclass(frozen=True)
class Remembered:
    """One example. `far`: weight of each of the stand-ins that its memory ends with."""

    memory: torch.Tensor  # [steps, width]
    taught: torch.Tensor  # [tokens, width]
    tokens: list[int]
    ended: bool
    far: float


@dataclass(frozen=True)
class Batch:
    memory: torch.Tensor  # [batch, steps, width]
    mask: torch.Tensor  # [batch, 1, 1, steps]: to be added to scores
    tokens: torch.Tensor  # [batch, length], with the prompt
    wanted: torch.Tensor  # [batch, length]: the next token, -100 where it is not known
    valid: torch.Tensor  # [batch, length]: guesses worth matching
    taught: torch.Tensor  # [valid guesses, width]
    seconds: float


def batch_of(examples: list[Remembered], stand_ins: int, prompt: int, end: int) -> Batch:
    memory = pad_sequence([e.memory for e in examples], batch_first=True)
    length = max(len(e.tokens) for e in examples)
    mask = torch.full(memory.shape[:2], -math.inf)
    tokens = torch.full((len(examples), length), end)
    wanted = torch.full((len(examples), length), -100)
    valid = torch.zeros(len(examples), length, dtype=torch.bool)
    for row, e in enumerate(examples):
        steps, count = len(e.memory), len(e.tokens)
        mask[row, : steps - stand_ins] = 0
        mask[row, steps - stand_ins : steps] = math.log(e.far)
        tokens[row, :count] = torch.tensor(e.tokens)
        following = torch.tensor([*e.tokens[1:], end if e.ended else -100])
        wanted[row, prompt - 1 : count] = following[prompt - 1 :]
        valid[row, :count] = True
    taught = torch.cat([e.taught for e in examples])
    seconds = sum(len(e.memory) for e in examples) / 50
    return Batch(memory, mask[:, None, None], tokens, wanted, valid, taught, seconds)


class Store:
    """The files of one pass."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        folder.mkdir(parents=True, exist_ok=True)
        self.index = self.read_index()
        self.memory = self.taught = np.empty((0, width), np.float16)

    def read_index(self) -> list[dict]:
        path = self.folder / "index.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def open(self) -> "Store":
        self.index = self.read_index()
        self.memory, self.taught = (
            np.memmap(self.folder / name, np.float16, "r").reshape(-1, self.width)
            for name in ("memory.f16", "taught.f16")
        )
        return self

    def add(self, examples: list[Example], memory: list, taught: list, far: list[float]) -> None:
        last = self.index[-1] if self.index else {"at": 0, "steps": 0, "from": 0, "tokens": []}
        at, begin = last["at"] + last["steps"], last["from"] + len(last["tokens"])
        rows = []
        for e, heard, weight in zip(examples, memory, far, strict=True):
            row = {"at": at, "steps": len(heard), "from": begin, "tokens": e.tokens}
            rows.append({**row, "ended": e.ended, "far": round(weight, 3)})
            at, begin = at + len(heard), begin + len(e.tokens)
        self.write("memory.f16", rows[0]["at"], memory)
        self.write("taught.f16", rows[0]["from"], taught)
        with (self.folder / "index.jsonl").open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        self.index += rows

    def write(self, name: str, at: int, parts: list[torch.Tensor]) -> None:
        """Behind what the index knows of: a pass may have been stopped in the middle."""
        path = self.folder / name
        path.touch()
        with path.open("r+b") as out:
            out.seek(at * self.width * 2)
            for part in parts:
                out.write(part.half().numpy().tobytes())

    def __getitem__(self, number: int) -> Remembered:
        row = self.index[number]
        rows = slice(row["at"], row["at"] + row["steps"])
        guesses = slice(row["from"], row["from"] + len(row["tokens"]))
        return Remembered(
            torch.from_numpy(self.memory[rows].astype(np.float32)),
            torch.from_numpy(self.taught[guesses].astype(np.float32)),
            row["tokens"],
            row["ended"],
            row["far"],
        )


@torch.no_grad()
def remember(
    store: Store, network: Network, logmel: LogMel, examples: list[Example], silence: Silence
) -> None:
    memory = hear(
        network.listener, logmel, [torch.from_numpy(e.samples) for e in examples], silence
    )
    length = max(len(e.tokens) for e in examples)
    tokens = torch.zeros(len(examples), length, dtype=torch.long)
    for row, e in enumerate(examples):
        tokens[row, : len(e.tokens)] = torch.tensor(e.tokens)
    taught = network.speller(tokens, memory.rows, memory.mask)
    steps = torch.isfinite(memory.mask[:, 0, 0]).sum(1).tolist()
    far = [math.exp(float(memory.mask[row, 0, 0, count - 1])) for row, count in enumerate(steps)]
    rows = [memory.rows[row, :count] for row, count in enumerate(steps)]
    guesses = [taught[row, : len(e.tokens)] for row, e in enumerate(examples)]
    store.add(examples, rows, guesses, far)


def like_lengths(examples: list[Example], seconds: float) -> list[list[Example]]:
    batches: list[list[Example]] = []
    for e in sorted(examples, key=lambda e: len(e.samples)):
        if not batches or (len(batches[-1]) + 1) * len(e.samples) > seconds * RATE:
            batches.append([])
        batches[-1].append(e)
    return batches


def clips_of(arguments: argparse.Namespace, vocabulary: Vocabulary, names: list[str]) -> list[Clip]:
    clips = []
    for name in names:
        clips += read_set(arguments.corpus, name, arguments.cache, vocabulary, arguments.labels)
    return clips


def plain(clips: list[Clip], vocabulary: Vocabulary) -> list[Example]:
    return [
        Example(as_float(c.samples), vocabulary.prompt + c.tokens, True) for c in clips if c.tokens
    ]


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speech.remembered", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add_checkpoint(parser)
    add_corpus(parser)
    add("--labels", type=Path, help="folder of texts for sets that have none")
    add("--set", action="append", required=True, help="may be repeated")
    add("--plain", action="store_true", help="clips as they are, to measure by")
    add("--padding", type=float, default=1.0, help="seconds of silence behind a segment")
    add("--stand-ins", type=int, default=8)
    add("--share", type=float, default=1.0, help="of the clips")
    add("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    arguments = arguments_of()
    torch.set_num_threads(2)
    vocabulary = Vocabulary(arguments.checkpoint, arguments.keep)
    weights = read_checkpoint(arguments.checkpoint / "model.bin")
    network = whisper.load(weights, vocabulary.kept).eval()
    clips = clips_of(arguments, vocabulary, arguments.set)
    clips = clips[:: round(1 / arguments.share)]
    noise = clips_of(arguments, vocabulary, ["noise"])
    examples = Examples(clips, noise, vocabulary, arguments.seed)
    store = Store(arguments.out, network.listener.norm.normalized_shape[0])
    silence, logmel = Silence(arguments.padding, arguments.stand_ins), LogMel()
    if arguments.plain:
        whole = plain(clips, vocabulary)
        pools = [whole[n : n + POOL] for n in range(0, len(whole), POOL)]
    else:
        groups = examples.groups()
        parts = [groups[n : n + POOL] for n in range(0, len(groups), POOL)]
        pools = ([examples.of_group(group) for group in part] for part in parts)
    for number, pool in enumerate(pools):
        if number * POOL >= len(store.index):
            for batch in like_lengths(pool, 120):
                remember(store, network, logmel, batch, silence)
            print(f"{len(store.index)} examples", flush=True)


if __name__ == "__main__":
    main()
