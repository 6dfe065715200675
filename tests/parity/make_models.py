# SPDX-License-Identifier: MIT
"""Write small random models of both kinds, each with its parity tensors.

usage: make_models.py [--out FOLDER] [--search]

Random models are seldom worth testing with (see the complaints), so the seeds of good ones are
kept below. After a change to the random weights or the sounds, --search finds others.
"""

import argparse
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import random_model
import torch
from model_file import Keys, Model, Weights, read_model, text, unsigned, write_model, write_parity
from random_model import Seeds
from stages import Search, Tensors, difference, stages_of, text_of
from utterances import utterance

SMALLEST_GAP = 0.05  # between best and second logit: rounding must not decide a token
PRECISION = 1e-5  # of float32 against float64
Judge: TypeAlias = Callable[[Model, Tensors], list[str]]  # what is wrong with an utterance
FIRST_ONLY = ("conv1", "block.")  # stages that only the first utterance's tensors hold
SILENCE = 720  # samples of zeros at each utterance's end


class Recipe(NamedTuple):
    """One model and the sounds it hears."""

    name: str
    draw: Callable[[Seeds], tuple[Keys, Weights]]
    search: Search
    samples: tuple[int, ...]  # of each utterance
    seeds: Seeds  # found with --search


RECURRENT = Recipe(
    "recurrent",
    random_model.recurrent,
    Search(chunk=random_model.RECURRENT.chunk, padding=0, limit=16),
    samples=(8003, 12709, 4973),
    seeds=Seeds(listener=7, speller=2710),
)
TRANSFORMER = Recipe(
    "transformer",
    random_model.transformer,
    Search(chunk=random_model.TRANSFORMER.chunk, padding=3300, limit=12),
    samples=(4973, 8003, 6257),
    seeds=Seeds(listener=1, speller=1526),
)


def smallest_gap(scores: np.ndarray) -> float:
    """Between the best and the second of any row."""
    best = np.sort(scores, axis=-1)[:, -2:]
    return float((best[:, 1] - best[:, 0]).min())


def listener_complaints(model: Model, stages: Tensors) -> list[str]:
    """Why this utterance would let errors in hearing pass, or fail without one."""
    found = []
    if difference(stages["memory_chunked"], stages["memory"]) < 0.1:
        found.append("chunks make no difference")
    if "ctc_tokens" in stages:
        log_probabilities = stages["ctc_log_probabilities"]
        blank = model.number("tokenizer.ggml.blank_token_id")
        blanks = (log_probabilities.argmax(-1) == blank).mean()
        if smallest_gap(log_probabilities) < SMALLEST_GAP:
            found.append("two CTC tokens nearly tie")
        if not 0.05 < blanks < 0.85 or len(stages["ctc_tokens"]) < 3:
            found.append("too many blanks or too few")
    return found


def speller_complaints(model: Model, stages: Tensors) -> list[str]:
    """The same for spelling."""
    found, tokens = [], stages["tokens"]
    if smallest_gap(stages["logits"]) < SMALLEST_GAP:
        found.append("two tokens nearly tie")
    if len(tokens) < 5 or len(set(tokens)) < 0.6 * len(tokens):
        found.append("too short or too uniform")
    try:
        words = text_of(model, tokens)
        if words != words.strip() or "  " in words or not words.isprintable():
            found.append("text with odd spaces")
    except UnicodeDecodeError:
        found.append("not UTF-8")
    sharpest = stages["alignment"].max(-1)
    if not 0.15 < sharpest.mean() < 0.7 or stages["alignment"].std(0).max() < 0.1:
        found.append("attention is flat, fixed on one step or the same for every token")
    return found


def complaints(model: Model, utterances: list[Tensors], search: Search) -> list[str]:
    """Why the utterances together are not worth testing with."""
    found = []
    ended = model.number("tokenizer.ggml.eos_token_id")
    lengths = [len(stages["tokens"]) for stages in utterances]
    if not any(stages["tokens"][-1] == ended for stages in utterances):
        found.append("no utterance ends")
    if len(set(lengths)) < 2 or max(lengths) < 0.7 * search.limit:
        found.append("lengths vary too little")
    if len({int(stages["tokens"][0]) for stages in utterances}) < 2:
        found.append("all begin alike")
    return found


class Candidate(NamedTuple):
    """A model with what it hears and spells."""

    seeds: Seeds
    keys: Keys
    weights: Weights
    model: Model
    utterances: list[Tensors]


def judged_model(recipe: Recipe, seeds: Seeds, judge: Judge) -> tuple[Candidate, list[str]]:
    """The model of these seeds; utterances after the first with complaints are left out."""
    keys, weights = recipe.draw(seeds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_model(path, keys, weights)
        found = Candidate(seeds, keys, weights, read_model(path), [])
    for number, samples in enumerate(recipe.samples):
        pcm = utterance(number, samples, SILENCE)
        found.utterances.append(stages_of(found.model, pcm, recipe.search))
        if wrong := judge(found.model, found.utterances[-1]):
            return found, wrong
    return found, []


def judged_speller(recipe: Recipe, seeds: Seeds) -> tuple[Candidate, list[str]]:
    found, wrong = judged_model(recipe, seeds, speller_complaints)
    return found, wrong or complaints(found.model, found.utterances, recipe.search)


def search_seeds(recipe: Recipe) -> Seeds:
    """The first listener without complaints, then the first such speller behind it. Minutes."""
    listener = next(
        n for n in count(1) if not judged_model(recipe, Seeds(n, 1), listener_complaints)[1]
    )
    return next(
        seeds
        for seeds in (Seeds(listener, n) for n in count(1))
        if not judged_speller(recipe, seeds)[1]
    )


def known_model(recipe: Recipe, seeds: Seeds) -> Candidate:
    found, wrong = judged_speller(recipe, seeds)
    for stages in found.utterances:
        wrong += listener_complaints(found.model, stages)
    if wrong:
        raise ValueError(f"{recipe.name}: {', '.join(wrong)}; look for seeds with --search")
    return found


def check_precision(model: Model, utterances: list[Tensors], search: Search) -> float:
    """Largest difference between float32 and float64 of any stage, or ValueError."""
    worst = 0.0
    for number, stages in enumerate(utterances):
        precise = stages_of(model.to(torch.float64), stages["pcm"], search)
        for name, expected in precise.items():
            relative = difference(stages[name], expected)
            if relative > PRECISION:
                raise ValueError(f"{number}.{name}: float32 is off by {relative:.1e}")
            worst = max(worst, relative)
    return worst


def parity_keys(found: Candidate, search: Search) -> Keys:
    keys = {"parity.utterances": unsigned(len(found.utterances))}
    keys |= {f"parity.{name}": unsigned(value) for name, value in search._asdict().items()}
    for number, stages in enumerate(found.utterances):
        keys[f"parity.{number}.text"] = text(text_of(found.model, stages["tokens"]))
    return keys


def make(recipe: Recipe, folder: Path, search: bool) -> None:
    found = known_model(recipe, search_seeds(recipe) if search else recipe.seeds)
    worst = check_precision(found.model, found.utterances, recipe.search)
    tensors = {
        f"{number}.{name}": stage
        for number, stages in enumerate(found.utterances)
        for name, stage in stages.items()
        if number == 0 or not name.startswith(FIRST_ONLY)
    }
    model_path, parity_path = (folder / f"{recipe.name}{end}.gguf" for end in ("", "-parity"))
    write_model(model_path, found.keys, found.weights)
    write_parity(parity_path, parity_keys(found, recipe.search), tensors)
    for path in (model_path, parity_path):
        print(f"{path}: {path.stat().st_size} bytes")
    gap = min(smallest_gap(stages["logits"]) for stages in found.utterances)
    print(f"{found.seeds}, float32 within {worst:.1e} of float64, smallest gap {gap:.2f}")
    for stages in found.utterances:
        print(f"  {len(stages['tokens'])} tokens: {text_of(found.model, stages['tokens'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--search", action="store_true", help="look for seeds first: minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for recipe in (RECURRENT, TRANSFORMER):
        make(recipe, arguments.out, arguments.search)


if __name__ == "__main__":
    main()
