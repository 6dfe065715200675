# SPDX-License-Identifier: MIT
"""Train a recurrent speller to write what a transformer's does, from what a listener remembers.

usage: python -m speech.spell OUT --checkpoint DIR --keep FILE --memories DIR ... --watch DIR

The teacher's guesses and the known texts are both matched; the listener is frozen, so its memories
are read from disk (remembered.py). OUT is a folder; a run that was stopped goes on from what is
in it.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from . import whisper
from .checkpoint import read_checkpoint
from .corpus import Vocabulary
from .recurrent import RecurrentSpeller, begin_with, write
from .remembered import Batch, Store, batch_of
from .stop import Stop

SAVE_SECONDS = 300
SHOW_SECONDS = 30
POOL = 512  # examples that are sorted by length together


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speech.spell", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add("--checkpoint", type=Path, required=True, help="folder of a CTranslate2 Whisper")
    add("--keep", type=Path, required=True, help="the tokens that the model file keeps")
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


class Training:
    """`layers`: of the transformer's, those that the speller began with."""

    def __init__(
        self,
        speller: RecurrentSpeller,
        layers: list[int],
        arguments: argparse.Namespace,
        vocabulary: Vocabulary,
    ) -> None:
        self.speller, self.layers = speller, layers
        self.arguments, self.vocabulary = arguments, vocabulary
        self.average = copy.deepcopy(speller).eval().requires_grad_(False)
        fresh, known = [], []
        for name, weight in speller.named_parameters():
            if weight.requires_grad:
                (fresh if ".lstm." in name else known).append(weight)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": fresh, "highest": arguments.rate},
                {"params": known, "highest": arguments.known_rate},
            ],
            betas=(0.9, 0.98),
            weight_decay=0.01,
        )
        self.trained = [p for p in speller.parameters() if p.requires_grad]
        names = {id(p): n for n, p in speller.named_parameters()}
        of_average = dict(self.average.named_parameters())
        self.averaged = [of_average[names[id(p)]] for p in self.trained]
        self.spread: torch.Tensor | None = None  # [width]: variance of what the teacher gives
        self.steps, self.elapsed = 0, 0.0

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

    def rate(self) -> float:
        """Rises over the first steps, then falls along a cosine by the clock."""
        done = min(self.elapsed / (60 * self.arguments.minutes), 1)
        return min((self.steps + 1) / 100, 1) * max(0.5 * (1 + math.cos(math.pi * done)), 0.01)

    def step(self, batch: Batch) -> torch.Tensor:
        begun = time.monotonic()
        losses = self.losses(self.speller, batch, self.arguments.dropout)
        a = self.arguments
        weights = torch.tensor([1 - a.text_weight, a.text_weight, a.state_weight])
        (losses * weights).sum().backward()
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * self.rate()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        decay = min(a.decay, self.steps / (self.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.trained, 1 - decay)
        self.elapsed += time.monotonic() - begun
        return losses.detach()

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
        return {**named(losses), "wrong": round(100 * wrong / right, 2)}

    def save(self, path: Path) -> None:
        state = {
            "speller": self.speller.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "elapsed": self.elapsed,
            "spread": self.spread,
            "layers": self.layers,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.speller.load_state_dict(state["speller"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.elapsed, self.spread = state["steps"], state["elapsed"], state["spread"]


def named(losses: torch.Tensor) -> dict:
    names = ("divergence", "text", "state")
    return dict(zip(names, (round(float(x), 4) for x in losses), strict=True))


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


def train(run: Training, memories: Memories, watched: list[Batch]) -> None:
    arguments, stop = run.arguments, Stop()
    checkpoint, log = arguments.out / "last.pt", (arguments.out / "log.jsonl").open("a")
    shown = saved = time.monotonic()
    losses, seconds = [], 0.0

    def note(**figures) -> None:
        line = json.dumps({"steps": run.steps, "minutes": round(run.elapsed / 60, 2), **figures})
        print(line, flush=True)
        log.write(line + "\n")
        log.flush()

    if run.steps == 0:
        note(watched=run.measure(watched))
    for batch in memories.forever(arguments.seconds, arguments.seed + run.steps):
        losses.append(run.step(batch))
        seconds += batch.seconds
        if time.monotonic() - shown > SHOW_SECONDS:
            speed = seconds / (time.monotonic() - shown)
            note(**named(torch.stack(losses).mean(0)), speed=round(speed, 1))
            shown, losses, seconds = time.monotonic(), [], 0.0
        over = stop.asked or run.elapsed > 60 * arguments.minutes
        if over or time.monotonic() - saved > SAVE_SECONDS:
            run.save(checkpoint)
            if not stop.asked:
                note(watched=run.measure(watched))
            saved = shown = time.monotonic()
            losses, seconds = [], 0.0
        if over:
            return


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
    run = Training(speller, layers, arguments, vocabulary)
    if (arguments.out / "last.pt").exists():
        run.resume(arguments.out / "last.pt")
    width = run.speller.embedding.embedding_dim
    memories = Memories(arguments.memories, arguments, vocabulary, width)
    watched = Memories([arguments.watch], arguments, vocabulary, width).all(arguments.seconds)
    hours = sum(steps for _, _, steps in memories.examples) / 50 / 3600
    print(f"{len(memories.examples)} examples, {hours:.1f} h", flush=True)
    train(run, memories, watched)


if __name__ == "__main__":
    main()
