# SPDX-License-Identifier: MIT
"""Adapt a listener to hear segments without the silence that it was trained with.

usage: python -m speech.distil OUT --checkpoint DIR --keep FILE --corpus DIR [--minutes M]

The teacher is the network as it was, hearing each segment in a window of 30 s; the student hears
the segment alone. OUT is a folder; a run that was stopped goes on from what is in it.
"""

import argparse
import copy
from pathlib import Path

import torch
from voice.sounds import RATE, LogMel

from . import whisper
from .checkpoint import read_checkpoint
from .corpus import Clip, Vocabulary, add_checkpoint, add_corpus, read_set
from .examples import Example, Examples, as_float
from .hearing import Memory, Silence, hear
from .network import Network
from .training import Training, train

SPEECH = [
    "train-librispeech",
    "train-librispeech-2",
    "train-commonvoice",
    "train-commonvoice-1",
    "train-read",
    "train-ocean",
    "train-picovoice",
    "train-words",
    "train-cv-unlabelled",
]
# Of long sets by one speaker, and of single words, only some.
SHARE = {"train-commonvoice-1": 0.5, "train-words": 0.12, "train-cv-unlabelled": 0.15}
# moodist and blanket measure invented text.
KEPT_OUT = ("moodist", "blanket")


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speech.distil", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add_checkpoint(parser)
    add_corpus(parser)
    add("--minutes", type=float, default=90.0, help="of training, all runs together")
    add("--tail", type=float, default=0.0, help="seconds of silence that the student gets")
    add("--window-padding", type=float, default=0.5, help="seconds of the teacher's silence")
    add("--chunk", type=int, default=0, help="steps of a chunk, 20 ms each, in half of the batches")
    add("--stand-ins", type=int, default=32, help="that stand for the rest of the teacher's window")
    add("--seconds", type=float, default=40.0, help="of sound in a batch")
    add("--rate", type=float, default=1e-4, help="the learning rate's highest value")
    add("--attention-rate", type=float, default=3e-5, help="of the speller's attention")
    add("--speller-weight", type=float, default=1.0, help="of its loss beside the memory's")
    add("--decay", type=float, default=0.98, help="of the average of weights that is exported")
    add("--seed", type=int, default=1)
    add("--rehearse", action="store_true", help="a minute or two, on little data")
    arguments = parser.parse_args()
    if arguments.rehearse:
        arguments.minutes, arguments.seconds, arguments.stand_ins = 0.5, 6.0, 4
    return arguments


def read_clips(arguments: argparse.Namespace, vocabulary: Vocabulary, names) -> list[Clip]:
    clips = []
    for name in names:
        found = read_set(arguments.corpus, name, arguments.cache, vocabulary)
        stride = SHARE.get(name, 1.0)
        clips += [clip for n, clip in enumerate(found) if int((n + 1) * stride) > int(n * stride)]
    return clips


def text_batch(examples: list[Example], end: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens [batch, length] and which of them are followed by a guess worth matching."""
    length = max(len(e.tokens) for e in examples)
    tokens = torch.full((len(examples), length), end)
    valid = torch.zeros(len(examples), length, dtype=torch.bool)
    for row, e in enumerate(examples):
        tokens[row, : len(e.tokens)] = torch.tensor(e.tokens)
        valid[row, : len(e.tokens) if e.ended else max(len(e.tokens) - 1, 1)] = True
    return tokens, valid


class Distillation(Training):
    """A teacher that stays and a student that learns to hear what it hears."""

    name, figures, warm_up = "student", ("memory", "speller"), 20

    def __init__(self, teacher: Network, arguments: argparse.Namespace, end: int) -> None:
        student = copy.deepcopy(teacher).train().requires_grad_(False)
        self.teacher = teacher.to(torch.bfloat16).eval().requires_grad_(False)
        self.logmel, self.end = LogMel(), end
        self.full = Silence(arguments.window_padding, arguments.stand_ins)
        self.bare = Silence(arguments.tail)
        listener = list(student.listener.parameters())
        attention = [
            p
            for layer in student.speller.layers
            for p in (*layer.attention.parameters(), *layer.attention_norm.parameters())
        ]
        for weight in (*listener, *attention):
            weight.requires_grad_(True)
        groups = [(listener, arguments.rate), (attention, arguments.attention_rate)]
        super().__init__(student, groups, arguments, weight_decay=0.0)

    def taught(self, segments: list[torch.Tensor], tokens: torch.Tensor, valid: torch.Tensor):
        """The teacher's memory and log-probabilities of the guesses [guesses, vocabulary]."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            memory = hear(self.teacher.listener, self.logmel, segments, self.full)
            hidden = self.teacher.speller(tokens, memory.rows, memory.mask)[valid]
            return memory, self.teacher.speller.logits(hidden).float().log_softmax(1)

    def losses(
        self, network: Network, examples: list[Example], chunk: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the memory, as a share of its spread, and of the speller's guesses, in nats."""
        segments = [torch.from_numpy(e.samples) for e in examples]
        tokens, valid = text_batch(examples, self.end)
        taught, wanted = self.taught(segments, tokens, valid)
        with torch.autocast("cpu", torch.bfloat16):
            memory = hear(network.listener, self.logmel, segments, self.bare, chunk)
            hidden = network.speller(tokens, memory.rows, memory.mask)[valid]
            guessed = network.speller.logits(hidden).float().log_softmax(1)
        divergence = (wanted.exp() * (wanted - guessed)).sum(1).mean()
        return self.distance(memory, taught), divergence

    def distance(self, memory: Memory, taught: Memory) -> torch.Tensor:
        spoken = [int(n) for n in taught.spoken]
        ours = torch.cat([row[:n] for row, n in zip(memory.rows, spoken, strict=True)]).float()
        theirs = torch.cat([row[:n] for row, n in zip(taught.rows, spoken, strict=True)]).float()
        spread = theirs.var(0)
        self.spread = spread if self.spread is None else self.spread.lerp(spread, 0.05)
        return ((ours - theirs).square() / self.spread).mean()

    def loss(self, batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        chunk = self.arguments.chunk if self.steps % 2 else 0
        memory, divergence = self.losses(self.network, batch, chunk)
        total = memory + self.arguments.speller_weight * divergence
        return total, torch.stack([memory, divergence])

    def seconds(self, batch: list[Example]) -> float:
        return sum(len(e.samples) for e in batch) / RATE

    @torch.no_grad()
    def measure(self, batches: list[list[Example]]) -> dict[str, float]:
        figures = {}
        for mode, chunk in (("", 0), ("chunked ", self.arguments.chunk)):
            if chunk or not mode:
                losses = [self.losses(self.average, batch, chunk) for batch in batches]
                memory, divergence = torch.tensor(losses).mean(0).tolist()
                figures |= {mode + "memory": memory, mode + "divergence": divergence}
        return {name: round(figure, 4) for name, figure in figures.items()}

    def state(self) -> dict:
        halves = {n: p.half() for n, p in self.average.state_dict().items()}
        return super().state() | {"average": halves}


def held_out(arguments: argparse.Namespace, vocabulary: Vocabulary) -> list[list[Example]]:
    """Some clips of the dev sets, to watch by: nothing is learned from them."""
    clips = read_clips(arguments, vocabulary, ["dev-commonvoice"])[
        :: 60 if arguments.rehearse else 9
    ]
    examples = [
        Example(as_float(c.samples), vocabulary.prompt + c.tokens, True) for c in clips if c.tokens
    ]
    examples.sort(key=lambda e: len(e.samples))
    return [examples[n : n + 4] for n in range(0, len(examples), 4)]


def main() -> None:
    arguments = arguments_of()
    torch.set_num_threads(2)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary(arguments.checkpoint, arguments.keep)
    teacher = whisper.load(read_checkpoint(arguments.checkpoint / "model.bin"), vocabulary.kept)
    speech = read_clips(arguments, vocabulary, SPEECH[2:3] if arguments.rehearse else SPEECH)
    noise = [
        clip
        for clip in read_clips(arguments, vocabulary, ["noise"])
        if clip.dataset not in KEPT_OUT
    ]
    print(
        f"{len(speech)} clips, {sum(c.seconds for c in speech) / 3600:.2f} h;"
        f" {len(noise)} of noise, {sum(c.seconds for c in noise) / 3600:.2f} h",
        flush=True,
    )
    run = Distillation(teacher, arguments, vocabulary.end)
    if (arguments.out / "last.pt").exists():
        run.resume(arguments.out / "last.pt")
    examples = Examples(speech, noise, vocabulary, arguments.seed + run.steps)
    batches = examples.batches(arguments.seconds, 64)
    train(run, batches, held_out(arguments, vocabulary))


if __name__ == "__main__":
    main()
