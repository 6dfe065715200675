# SPDX-License-Identifier: MIT
"""The network's mathematics, plainly: one utterance, no batch, no cache, every step written out.

Shapes are [time, width]. The weights' type (float32 or float64) decides the precision.
"""

import math

import torch
import torch.nn.functional as F
from model_file import Model

EPSILON = 1e-5  # of every layer norm


def linear(model: Model, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, model[name + ".weight"], model[name + ".bias"])


def layer_norm(model: Model, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], model[name + ".weight"], model[name + ".bias"], EPSILON)


def attend(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    heads: int,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """[n, width], 2 x [t, width], [n, t] -> contexts [n, width], alignment [heads, n, t]"""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (queries, keys, values))
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    alignment = scores.softmax(-1)
    return (alignment @ v).transpose(0, 1).flatten(1), alignment


def self_attend(
    model: Model, qkv: str, x: torch.Tensor, heads: int, mask: torch.Tensor | None
) -> torch.Tensor:
    """[t, width] -> contexts [t, width]; one matrix gives queries, keys and values."""
    return attend(*linear(model, qkv, x).chunk(3, -1), heads, mask)[0]


def feed_forward(model: Model, prefix: str, x: torch.Tensor) -> torch.Tensor:
    hidden = F.gelu(linear(model, prefix + "mlp_up", layer_norm(model, prefix + "mlp_norm", x)))
    return linear(model, prefix + "mlp_down", hidden)


# --- listener ---


def sinusoids(length: int, width: int, dtype: torch.dtype) -> torch.Tensor:
    """[length, width]: sines, then cosines."""
    half = width // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1).to(dtype)


def chunk_mask(frames: int, chunk: int) -> torch.Tensor:
    """[frames, frames]: which frame (row) may hear which (column)."""
    chunks = torch.arange(frames) // chunk
    return chunks[None, :] <= chunks[:, None]


def listen(
    model: Model, features: torch.Tensor, chunk: int = 0
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """[frames, mels] -> memory [steps, memory width], and the layers on the way to it.

    chunk: in frames of 50 Hz; 0 lets every frame hear every frame.
    """
    stages = {}
    conv = [(model[f"listener.conv{n}.weight"], model[f"listener.conv{n}.bias"]) for n in (1, 2)]
    x = F.gelu(F.conv1d(features.T[None], *conv[0], padding=1))
    stages["conv1"] = x[0].T
    x = F.gelu(F.conv1d(x, *conv[1], stride=2, padding=1))[0].T
    if len(x) > model.number("hearken.listener.positions"):
        raise ValueError("more frames than the listener has positions")
    x = x + sinusoids(len(x), x.shape[1], x.dtype)
    mask = chunk_mask(len(x), chunk) if chunk else None
    for layer in range(model.number("hearken.listener.layers")):
        prefix = f"listener.block.{layer}."
        heard = layer_norm(model, prefix + "attention_norm", x)
        heads = model.number("hearken.listener.heads")
        context = self_attend(model, prefix + "qkv", heard, heads, mask)
        x = x + linear(model, prefix + "attention_out", context)
        x = x + feed_forward(model, prefix, x)
        stages[f"block.{layer}"] = x
    x = layer_norm(model, "listener.norm", x)
    group = model.number("hearken.listener.pyramid")
    if group > 1:
        x = F.pad(x, (0, 0, 0, -len(x) % group)).reshape(-1, group * x.shape[1])
        x = linear(model, "listener.pyramid", x)
    return x, stages


def ctc_log_probabilities(model: Model, memory: torch.Tensor) -> torch.Tensor:
    return linear(model, "ctc", memory).log_softmax(-1)


# --- spellers ---


def remember(model: Model, memory: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each speller layer's keys and values of the memory, 2 x [steps, width]."""
    names = [
        f"speller.layer.{layer}.attention_"
        for layer in range(model.number("hearken.speller.layers"))
    ]
    return [(linear(model, n + "key", memory), linear(model, n + "value", memory)) for n in names]


def look(
    model: Model, prefix: str, x: torch.Tensor, kept: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """x [n, width], a layer's keys and values -> what it read [n, width], alignment [heads, n, t]"""
    query = linear(
        model, prefix + "attention_query", layer_norm(model, prefix + "attention_norm", x)
    )
    context, alignment = attend(query, *kept, model.number("hearken.speller.heads"))
    return linear(model, prefix + "attention_out", context), alignment


def lstm(
    model: Model, prefix: str, x: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hochreiter and Schmidhuber (1997) with forget gates; gates: input, forget, cell, output."""
    gates = linear(model, prefix + "lstm_input", x) + linear(model, prefix + "lstm_hidden", hidden)
    write, forget, candidate, read = gates.chunk(4, -1)
    cell = forget.sigmoid() * cell + write.sigmoid() * candidate.tanh()
    return read.sigmoid() * cell.tanh(), cell


def spell_recurrent(
    model: Model, memory: torch.Tensor, tokens: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, <s> first -> logits [n, vocabulary], alignment [n, layer, head, steps]"""
    width, layers = (model.number(f"hearken.speller.{k}") for k in ("width", "layers"))
    kept = remember(model, memory)
    embedding = model["speller.embedding.weight"]
    states = [(memory.new_zeros(1, width), memory.new_zeros(1, width)) for _ in range(layers)]
    logits, alignments = [], []
    for token in tokens:
        x = embedding[token][None] * math.sqrt(width)
        steps = []
        for layer in range(layers):
            prefix = f"speller.layer.{layer}."
            heard = layer_norm(model, prefix + "lstm_norm", x)
            states[layer] = lstm(model, prefix, heard, *states[layer])
            x = x + states[layer][0]
            read, alignment = look(model, prefix, x, kept[layer])
            x = x + read
            steps.append(alignment[:, 0])
        said = linear(model, "speller.projection", layer_norm(model, "speller.norm", x))
        logits.append(F.linear(said, embedding, model["speller.bias"])[0])
        alignments.append(torch.stack(steps))
    return torch.stack(logits), torch.stack(alignments)


def spell_transformer(
    model: Model, memory: torch.Tensor, tokens: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, start tokens first -> logits [n, vocabulary], alignment [n, layer, head, steps]

    The decoder of Whisper (Radford et al., 2022): pre-norm blocks, learned positions.
    """
    heads = model.number("hearken.speller.heads")
    kept = remember(model, memory)
    embedding = model["speller.embedding.weight"]
    x = embedding[tokens] + model["speller.positions"][: len(tokens)]
    causal = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
    alignments = []
    for layer in range(model.number("hearken.speller.layers")):
        prefix = f"speller.layer.{layer}."
        heard = layer_norm(model, prefix + "self_norm", x)
        context = self_attend(model, prefix + "self_qkv", heard, heads, causal)
        x = x + linear(model, prefix + "self_out", context)
        read, alignment = look(model, prefix, x, kept[layer])
        x = x + read
        x = x + feed_forward(model, prefix, x)
        alignments.append(alignment)
    logits = F.linear(layer_norm(model, "speller.norm", x), embedding)
    return logits, torch.stack(alignments).permute(2, 0, 1, 3)


def spell(
    model: Model, memory: torch.Tensor, tokens: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """All of a hypothesis at once, by the model's kind of speller."""
    kinds = {"lstm": spell_recurrent, "transformer": spell_transformer}
    return kinds[model.kind()](model, memory, tokens)
