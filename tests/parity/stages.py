# SPDX-License-Identifier: MIT
"""From a recording to every tensor that an implementation can be compared with."""

from typing import NamedTuple

import network
import numpy as np
import torch
import vocabulary
from features import log_mel, scale
from model_file import Model

Tensors = dict[str, np.ndarray]


class Search(NamedTuple):
    """How an utterance is heard and spelled."""

    chunk: int  # frames of 50 Hz
    padding: int  # zero samples after the utterance
    limit: int  # tokens, the end of sentence among them


def start_tokens(model: Model) -> list[int]:
    if "hearken.speller.start" in model.keys:
        return list(model.keys["hearken.speller.start"])  # type: ignore[call-overload]
    return [model.number("tokenizer.ggml.bos_token_id")]


def greedy_tokens(model: Model, memory: torch.Tensor, limit: int) -> list[int]:
    """The most probable token each time, with nothing suppressed."""
    start, tokens = start_tokens(model), []
    while len(tokens) < limit:
        logits, _ = network.spell(model, memory, start + tokens)
        tokens.append(int(logits[-1].argmax()))
        if tokens[-1] == model.number("tokenizer.ggml.eos_token_id"):
            break
    return tokens


def greedy_ctc_tokens(model: Model, log_probabilities: torch.Tensor) -> list[int]:
    """The most probable token of each step, repeats and then blanks removed."""
    path = log_probabilities.argmax(-1).unique_consecutive().tolist()
    return [token for token in path if token != model.number("tokenizer.ggml.blank_token_id")]


def listened(model: Model, pcm: np.ndarray, search: Search) -> dict[str, torch.Tensor]:
    raw = log_mel(model, torch.from_numpy(pcm).to(model.dtype), search.padding)
    features = scale(model, raw)
    memory, layers = network.listen(model, features)
    chunked, _ = network.listen(model, features, search.chunk)
    stages = {"log_mel": raw, "features": features, **layers}
    return {**stages, "memory": memory, "memory_chunked": chunked}


def spelled(model: Model, memory: torch.Tensor, tokens: list[int]) -> dict[str, torch.Tensor]:
    """Logits and alignments of each of `tokens`, which may come from another search."""
    start = start_tokens(model)
    logits, alignment = network.spell(model, memory, start + tokens[:-1])
    first = len(start) - 1  # the last start token's logits are the first token's
    stages = {"logits": logits[first:], "alignment": alignment[first:]}
    if first:
        stages["start_logits"] = logits[0]
    return stages


@torch.no_grad()
def stages_of(
    model: Model, pcm: np.ndarray, search: Search, tokens: list[int] | None = None
) -> Tensors:
    """Every stage of one utterance; `tokens` are spelled instead of the greedy ones if given."""
    stages = listened(model, pcm, search)
    found: dict[str, list[int]] = {}
    if "ctc.weight" in model.tensors:
        stages["ctc_log_probabilities"] = network.ctc_log_probabilities(model, stages["memory"])
        found["ctc_tokens"] = greedy_ctc_tokens(model, stages["ctc_log_probabilities"])
    found["tokens"] = tokens or greedy_tokens(model, stages["memory"], search.limit)
    stages |= spelled(model, stages["memory"], found["tokens"])
    arrays = {name: stage.numpy() for name, stage in stages.items()}
    arrays |= {name: np.array(ids, np.int32) for name, ids in found.items()}
    return {"pcm": pcm, **arrays}


def text_of(model: Model, tokens: np.ndarray) -> str:
    pieces = [model.tokens[token] for token in tokens]
    if model.kind() == "lstm":
        return vocabulary.recurrent_text(pieces)
    return vocabulary.byte_level_text(pieces)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference relative to the largest value; infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(found.astype(np.float64) - expected).max(initial=0))
    return largest / max(float(np.abs(expected).max(initial=0)), 1e-30)
