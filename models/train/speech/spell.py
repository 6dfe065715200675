# SPDX-License-Identifier: MIT
"""Train a recurrent speller to write what a transformer's does, from what a listener remembers.

usage: python -m speech.spell OUT --checkpoint DIR --keep FILE --memories DIR ... --watch DIR

The teacher's guesses and the known texts are both matched; the listener is frozen, so its memories
are read from disk (remembered.py). OUT is a folder; a run that was stopped goes on from what is
in it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from . import whisper
from .checkpoint import read_checkpoint
from .corpus import Vocabulary, add_checkpoint
from .recurrent import RecurrentSpeller, begin_with, write
from .remembered import Batch, Store, batch_of
from .training import Training, train

POOL = 512  # examples that are sorted by length together


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speech.spell", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add_checkpoint(parser)
    add("--memories", type=Path, nargs="+", required=True, help="made by speech.remembered")
    add("--watch", type=Path, required=True, help="memories to measure by")
    add("--layers", type=int, nargs="+", help="of the transformer's, to begin with: its last two")
    add("--stand-ins", type=int, default=8, help="that each memory ends with")
    add("--minutes", type=float, default=90.0, help="of training, all runs together")
    add("--seconds", type=float, default=300.0, help="of sound in a batch")
    add("--rate", type=float, default=1e-3, help="the learning rate's highest value, of the LSTMs")
    add("--known-rate", type=float, default=4e-4, help="of what began with the transformer's")
    add("--text-weight", type=float, default=0.3, help="of the known text beside the guesses")
    add("--state-weight", type=float, default=0.3, help="of what the logits are made of")
    add("--dropout", type=float, default=0.1)
    add("--deaf", type=float, default=0.03, help="share of the memory's steps that are wiped")
    add("--decay", type=float, default=0.995, help="of the average of weights that is exported")
    add("--seed", type=int, default=1)
    return parser.parse_args()


class Spelling(Training):
    """`layers`: of the transformer's, those that the speller began with."""

    name, figures, warm_up = "speller", ("divergence", "text", "state"), 100

    def __init__(
        self,
        speller: RecurrentSpeller,
        layers: list[int],
        arguments: argparse.Namespace,
        vocabulary: Vocabulary,
    ) -> None:
        self.layers, self.vocabulary = layers, vocabulary
        fresh, known = [], []
        for name, weight in speller.named_parameters():
            if weight.requires_grad:
                (fresh if ".lstm." in name else known).append(weight)
        groups = [(fresh, arguments.rate), (known, arguments.known_rate)]
        super().__init__(speller, groups, arguments, weight_decay=0.01)

    def deafened(self, batch: Batch) -> torch.Tensor:
        """Short parts of the memory wiped: the speller is to trust the text before it, too."""
        memory = batch.memory.clone()
        for row in memory:
            for _ in range(int(len(row) * self.arguments.deaf / 6 + torch.rand(1).item())):
                at, count = int(torch.randint(len(row), (1,))), int(torch.randint(1, 12, (1,)))
                row[at : at + count] = 0
        return memory

    def losses(self, speller: RecurrentSpeller, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
        """[3]: of the teacher's guesses, of the text, both in nats a token, and of the state."""
        memory = self.deafened(batch) if dropout else batch.memory
        x = speller(batch.tokens, memory, batch.mask, dropout=dropout)[batch.valid]
        guessed = speller.logits(x).log_softmax(1)
        with torch.no_grad():
            wanted = functional.linear(batch.taught, speller.embedding.weight).log_softmax(1)
        divergence = functional.kl_div(guessed, wanted, reduction="batchmean", log_target=True)
        text = functional.nll_loss(guessed, batch.wanted[batch.valid], ignore_index=-100)
        if self.spread is None:
            self.spread = batch.taught.var(0)
        state = ((x - batch.taught).square() / self.spread).mean()
        return torch.stack([divergence, text, state])

    def loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        a = self.arguments
        losses = self.losses(self.network, batch, a.dropout)
        weights = torch.tensor([1 - a.text_weight, a.text_weight, a.state_weight])
        return (losses * weights).sum(), losses

    def seconds(self, batch: Batch) -> float:
        return batch.seconds

    @torch.no_grad()
    def measure(self, batches: list[Batch]) -> dict:
        """The average's losses, and how many of 100 tokens it writes wrong, all by itself."""
        losses = torch.stack([self.losses(self.average, batch) for batch in batches]).mean(0)
        wrong = right = 0
        prompt = self.vocabulary.prompt
        for batch in batches:
            longest = batch.tokens.shape[1] + 10
            texts = write(
                self.average, batch.memory, batch.mask, prompt, self.vocabulary.end, longest
            )
            for row, text in enumerate(texts):
                count = int(batch.valid[row].sum())
                known = batch.tokens[row, len(prompt) : count].tolist()
                wrong += distance(known, text)
                right += len(known)
        return {**self.named(losses), "wrong": round(100 * wrong / right, 2)}

    def state(self) -> dict:
        return super().state() | {"layers": self.layers}


def distance(a: list[int], b: list[int]) -> int:
    """Levenshtein's."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


class Memories:
    """Batches of several stores: each example once, then all again in another order."""

    def __init__(
        self, folders: list[Path], arguments: argparse.Namespace, vocabulary: Vocabulary, width: int
    ):
        self.stores = [Store(folder, width).open() for folder in folders]
        self.stand_ins, self.vocabulary = arguments.stand_ins, vocabulary
        self.examples = [
            (store, number, row["steps"])
            for store in self.stores
            for number, row in enumerate(store.index)
        ]

    def batch(self, examples: list) -> Batch:
        remembered = [store[number] for store, number, _ in examples]
        prompt, end = len(self.vocabulary.prompt), self.vocabulary.end
        return batch_of(remembered, self.stand_ins, prompt, end)

    def groups(self, examples: list, seconds: float) -> list[list]:
        groups: list[list] = []
        for example in sorted(examples, key=lambda e: e[2]):
            if not groups or (len(groups[-1]) + 1) * example[2] > seconds * 50:
                groups.append([])
            groups[-1].append(example)
        return groups

    def all(self, seconds: float) -> list[Batch]:
        return [self.batch(group) for group in self.groups(self.examples, seconds)]

    def forever(self, seconds: float, seed: int):
        random = np.random.default_rng(seed)
        while True:
            order = random.permutation(len(self.examples))
            for part in np.split(order, range(POOL, len(order), POOL)):
                groups = self.groups([self.examples[n] for n in part], seconds)
                random.shuffle(groups)
                for group in groups:
                    yield self.batch(group)


def main() -> None:
    arguments = arguments_of()
    torch.set_num_threads(2)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary(arguments.checkpoint, arguments.keep)
    teacher = whisper.load(read_checkpoint(arguments.checkpoint / "model.bin"), vocabulary.kept)
    heads, count = teacher.speller.layers[0].attention.heads, len(teacher.speller.layers)
    # The attention of the last ones follows the sound, in tiny and base alike.
    layers = arguments.layers or [count - 2, count - 1]
    speller = begin_with(teacher.speller, heads, layers).train()
    run = Spelling(speller, layers, arguments, vocabulary)
    if (arguments.out / "last.pt").exists():
        run.resume(arguments.out / "last.pt")
    width = speller.embedding.embedding_dim
    memories = Memories(arguments.memories, arguments, vocabulary, width)
    watched = Memories([arguments.watch], arguments, vocabulary, width).all(arguments.seconds)
    hours = sum(steps for _, _, steps in memories.examples) / 50 / 3600
    print(f"{len(memories.examples)} examples, {hours:.1f} h", flush=True)
    batches = memories.forever(arguments.seconds, arguments.seed + run.steps)
    train(run, batches, watched)


if __name__ == "__main__":
    main()
