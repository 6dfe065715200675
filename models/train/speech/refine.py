# SPDX-License-Identifier: MIT
"""Train a whole network on texts, to make fewer errors in what it hears today.

usage: python -m speech.refine OUT --checkpoint DIR --keep FILE --corpus DIR --words DIR

Segments are heard as in hearken: a second of silence and stand-ins behind them. The embedding stays
as it is in the model file, in Q5_0. OUT is a folder; a run that was stopped goes on from what is
in it. WORDS is made by speech.cut.
"""

import argparse
import copy
import re
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from torch.nn import functional
from voice.sounds import RATE, LogMel

from . import whisper
from .checkpoint import read_checkpoint
from .corpus import Clip, Vocabulary, labels_of, read_set
from .distil import KEPT_OUT, text_batch
from .examples import Example
from .hearing import Silence, hear
from .label import chosen
from .network import Network
from .short import Cut, ShortExamples, Silent, is_held_out, read_cuts, read_words, rows_of
from .training import Training, train

SPEECH = [
    "train-librispeech",
    "train-librispeech-2",
    "train-commonvoice",
    "train-commonvoice-1",
    "train-read",
    "train-ocean",
    "train-picovoice",
]
# Of sets of few speakers only some.
SHARE = {
    "train-commonvoice-1": 0.6,
    "train-read": 0.5,
    "train-ocean": 0.6,
    "train-picovoice": 0.5,
}
NO_SPEECH = "<|nospeech|>", "<|nocaptions|>"  # the latter in models for English alone
# Of texts whose marks nobody would write so.
ILL_MARKED = re.compile(r"[,;:]\.|\bmister\.", re.IGNORECASE)
SKIPPED = -100  # no guess is to be learned there


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="speech.refine", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add("--checkpoint", type=Path, required=True, help="folder of a CTranslate2 Whisper")
    add("--keep", type=Path, required=True, help="the tokens that the model file keeps")
    add("--corpus", type=Path, required=True, help="packed sets")
    add("--words", type=Path, required=True, help="folder of speech.cut")
    add("--cache", type=Path, default=Path("/tmp/pcm"), help="for decoded packs")
    add("--set", action="append", help="of sentences, instead of all; one named twice counts twice")
    add("--labels", type=Path, help="texts for sets that have none, from speech.label")
    add("--minutes", type=float, default=60.0, help="of training, all runs together")
    add("--padding", type=float, default=1.0, help="seconds of silence behind a segment")
    add("--stand-ins", type=int, default=8, help="that stand for the rest of the window")
    add("--seconds", type=float, default=50.0, help="of sound in a batch")
    add("--rate", type=float, default=2e-5, help="the learning rate's highest value")
    add("--short", type=float, default=0.4, help="share of words and phrases")
    add("--coded", type=float, default=0.25, help="share of what was spoken that was an MP3 once")
    add("--teacher-weight", type=float, default=0.3, help="of the guesses of the network as it was")
    add("--silence-weight", type=float, default=0.7, help="more, where nobody speaks")
    add("--heat", type=float, default=2.0, help="temperature of its guesses there")
    add("--silent", type=float, default=0.12, help="share of recordings where nobody speaks")
    add("--taught", type=float, default=0.25, help="share of the batches in which it is asked")
    add("--smooth", type=float, default=0.02, help="of a label's probability, for all tokens")
    add("--decay", type=float, default=0.99, help="of the average of weights that is exported")
    add("--threads", type=int, default=1, help="on a busy machine, one")
    add("--seed", type=int, default=1)
    return parser.parse_args()


def rounded(values: torch.Tensor, kind: Type) -> torch.Tensor:
    """As a model file has them."""
    array = gguf.quants.quantize(values.float().numpy(), kind)
    return torch.from_numpy(gguf.quants.dequantize(array, kind))


class Refinement(Training):
    name = "student"
    figures = ("text", "divergence")
    warm_up = 20

    def __init__(
        self, network: Network, arguments: argparse.Namespace, vocabulary: Vocabulary
    ) -> None:
        network.train().requires_grad_(True)
        network.speller.embedding.requires_grad_(False)
        learning = [weight for weight in network.parameters() if weight.requires_grad]
        super().__init__(network, [(learning, arguments.rate)], arguments, 0.0)
        self.teacher = copy.deepcopy(network).to(torch.bfloat16).eval().requires_grad_(False)
        self.logmel = LogMel()
        self.silence = Silence(arguments.padding, arguments.stand_ins)
        self.end, self.no_speech = vocabulary.end, vocabulary.control(*NO_SPEECH)
        self.prompt = len(vocabulary.prompt)
        self.random = np.random.default_rng(arguments.seed)

    # ---- One batch ----

    def wanted(
        self, examples: list[Example], tokens: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        """The token after each, or SKIPPED: within the prompt, and in texts of silence. After the
        prompt's first token a network says whether it hears speech."""
        out = functional.pad(tokens[:, 1:], (0, 1), value=self.end).clone()
        for row, example in enumerate(examples):
            length = len(example.tokens)
            out[row, length - 1] = self.end
            out[row, 1 : self.prompt - 1] = SKIPPED
            if isinstance(example, Silent):
                out[row] = SKIPPED
                out[row, 0] = self.no_speech
        return out.masked_fill(~valid, SKIPPED)

    def guesses(self, network: Network, segments, tokens, valid) -> torch.Tensor:
        """[guesses, vocabulary]: log-probabilities where `valid`."""
        with torch.autocast("cpu", torch.bfloat16):
            memory = hear(network.listener, self.logmel, segments, self.silence)
            hidden = network.speller(tokens, memory.rows, memory.mask)[valid]
            return network.speller.logits(hidden).float().log_softmax(1)

    def losses(
        self, network: Network, examples: list[Example], ask: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the texts, in nats a token; the divergence from the teacher, where it is asked: of
        silence always, and there from a teacher that is less sure."""
        segments = [torch.from_numpy(e.samples) for e in examples]
        tokens, valid = text_batch(examples, self.end)
        wanted = self.wanted(examples, tokens, valid)[valid]
        guessed = self.guesses(network, segments, tokens, valid)
        text = functional.nll_loss(guessed, wanted, ignore_index=SKIPPED)
        if self.arguments.smooth:
            spread = -guessed[wanted != SKIPPED].mean()
            text = text.lerp(spread, self.arguments.smooth)
        asked = torch.tensor([ask or isinstance(e, Silent) for e in examples])
        if not asked.any():
            return text, torch.zeros(())
        rows = asked.nonzero()[:, 0].tolist()
        with torch.no_grad():
            taught = self.guesses(
                self.teacher, [segments[n] for n in rows], tokens[asked], valid[asked]
            )
        # What stands after the prompt's first token is learned from the examples alone.
        later = torch.arange(tokens.shape[1]).expand_as(valid) >= self.prompt - 1
        ours = guessed[(later & asked[:, None])[valid]]
        silent = torch.tensor([isinstance(e, Silent) for e in examples])
        silent = silent[:, None].expand_as(valid)[valid & later & asked[:, None]]
        theirs = taught[later[asked][valid[asked]]]
        heat = 1 + (self.arguments.heat - 1) * silent[:, None]
        theirs = (theirs / heat).log_softmax(1)
        weight = self.arguments.teacher_weight + self.arguments.silence_weight * silent
        return text, ((theirs.exp() * (theirs - ours)).sum(1) * weight).mean()

    # ---- Training ----

    def loss(self, batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        ask = self.random.random() < self.arguments.taught
        text, divergence = self.losses(self.network, batch, ask)
        return text + divergence, torch.stack([text, divergence])

    def measure(self, batches: list) -> dict:
        """Nothing: models are chosen by what hearken makes of held-out clips."""
        return {}

    def seconds(self, batch: list[Example]) -> float:
        return sum(len(example.samples) for example in batch) / RATE


def is_taught(name: str, row: dict, text: str | None) -> bool:
    return not is_held_out(name, row) and not ILL_MARKED.search(text or "")


def read_sentences(
    arguments: argparse.Namespace, vocabulary: Vocabulary
) -> tuple[list[Clip], list[Cut]]:
    """Clips with a text that are not held out, and the words in them."""
    clips, cuts = [], []
    for name in arguments.set or SPEECH:
        found = read_set(arguments.corpus, name, arguments.cache, vocabulary, arguments.labels)
        rows = rows_of(arguments.corpus, name)
        texts = labels_of(arguments.corpus / name, rows, arguments.labels)
        own = [
            Clip(clip.dataset, clip.samples, clip.tokens if is_taught(name, row, text) else None)
            for clip, row, text in zip(found, rows, texts, strict=True)
        ]
        cuts += read_cuts(arguments.words, name, own, vocabulary)
        known = [clip for clip in own if clip.tokens]
        clips += [known[n] for n in chosen(len(known), SHARE.get(name, 1.0))]
    return clips, cuts


def main() -> None:
    arguments = arguments_of()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary(arguments.checkpoint, arguments.keep)
    network = whisper.load(read_checkpoint(arguments.checkpoint / "model.bin"), vocabulary.kept)
    embedding = network.speller.embedding.weight
    embedding.data = rounded(embedding.data, Type.Q5_0)
    speech, cuts = read_sentences(arguments, vocabulary)
    words = read_words(arguments.corpus, "train-words", arguments.cache, vocabulary)
    noise = [
        clip
        for clip in read_set(arguments.corpus, "noise", arguments.cache, vocabulary)
        if clip.dataset not in KEPT_OUT
    ]
    print(
        f"{len(speech)} clips, {sum(c.seconds for c in speech) / 3600:.2f} h; {len(words)} words"
        f" alone, {len(cuts)} cut out; {len(noise)} of noise",
        flush=True,
    )
    run = Refinement(network, arguments, vocabulary)
    if (arguments.out / "last.pt").exists():
        run.resume(arguments.out / "last.pt")
    seed = arguments.seed + run.steps
    examples = ShortExamples(
        speech,
        noise,
        vocabulary,
        seed,
        words,
        cuts,
        arguments.short,
        arguments.silent,
        coded=arguments.coded,
    )
    train(run, examples.batches(arguments.seconds, 64), [])


if __name__ == "__main__":
    main()
