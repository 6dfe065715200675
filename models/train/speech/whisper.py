# SPDX-License-Identifier: MIT
"""Whisper's weights under this network's names, and back."""

from collections.abc import Iterator

import numpy as np
import torch

from .checkpoint import Checkpoint
from .network import Network, Shape


def pieces_of(shape: Shape) -> Iterator[tuple[str, str, int | None]]:
    """Of each weight: its name here, in the checkpoint, and which part of that (None: all)."""

    def linear(ours: str, theirs: str, part: int | None = None):
        yield f"{ours}.weight", f"{theirs}/weight", part
        yield f"{ours}.bias", f"{theirs}/bias", part

    def norm(ours: str, theirs: str):
        yield f"{ours}.weight", f"{theirs}/gamma", None
        yield f"{ours}.bias", f"{theirs}/beta", None

    for name in ("conv1", "conv2"):
        yield from linear(f"listener.{name}", f"encoder/{name}")
    yield from norm("listener.norm", "encoder/layer_norm")
    yield from norm("speller.norm", "decoder/layer_norm")
    yield "speller.embedding.weight", "decoder/embeddings/weight", None
    yield "speller.positions", "decoder/position_encodings/encodings", None
    counts = {"listener": shape.listener_layers, "speller": shape.speller_layers}
    for side, coder in (("listener", "encoder"), ("speller", "decoder")):
        for layer in range(counts[side]):
            ours, theirs = f"{side}.layers.{layer}", f"{coder}/layer_{layer}"
            yield from norm(f"{ours}.self_norm", f"{theirs}/self_attention/layer_norm")
            yield from linear(f"{ours}.self_attention.qkv", f"{theirs}/self_attention/linear_0")
            yield from linear(f"{ours}.self_attention.out", f"{theirs}/self_attention/linear_1")
            yield from norm(f"{ours}.mlp_norm", f"{theirs}/ffn/layer_norm")
            yield from linear(f"{ours}.mlp.up", f"{theirs}/ffn/linear_0")
            yield from linear(f"{ours}.mlp.down", f"{theirs}/ffn/linear_1")
            if side == "speller":
                attention = f"{theirs}/attention"
                yield from norm(f"{ours}.attention_norm", f"{attention}/layer_norm")
                yield from linear(f"{ours}.attention.query", f"{attention}/linear_0")
                yield from linear(f"{ours}.attention.key", f"{attention}/linear_1", 0)
                yield from linear(f"{ours}.attention.value", f"{attention}/linear_1", 1)
                yield from linear(f"{ours}.attention.out", f"{attention}/linear_2")


def shape_of(checkpoint: Checkpoint) -> Shape:
    def count(coder: str) -> int:
        layer = 0
        while f"{coder}/layer_{layer}/ffn/linear_0/weight" in checkpoint.tensors:
            layer += 1
        return layer

    mlp, width = checkpoint["encoder/layer_0/ffn/linear_0/weight"].shape
    return Shape(
        mels=checkpoint["encoder/conv1/weight"].shape[1],
        width=width,
        heads=width // 64,
        mlp=mlp,
        listener_layers=count("encoder"),
        listener_positions=1500,
        speller_layers=count("decoder"),
        speller_positions=len(checkpoint["decoder/position_encodings/encodings"]),
        vocabulary=len(checkpoint["decoder/embeddings/weight"]),
    )


def part_of(values: np.ndarray, part: int | None) -> np.ndarray:
    if part is None:
        return values
    half = len(values) // 2
    return values[part * half : (part + 1) * half]


def load(checkpoint: Checkpoint, kept: list[int] | None = None) -> Network:
    """`kept`: the rows of the vocabulary that the network gets, all if None."""
    network = Network(shape_of(checkpoint))
    weights = {}
    for ours, theirs, part in pieces_of(shape_of(checkpoint)):
        weights[ours] = torch.from_numpy(part_of(checkpoint[theirs], part).astype(np.float32))
    if kept is not None:
        rows = weights["speller.embedding.weight"][kept]
        network.speller.embedding = torch.nn.Embedding(len(kept), rows.shape[1])
        weights["speller.embedding.weight"] = rows
    missing = network.load_state_dict(weights, strict=False).missing_keys
    if missing != ["listener.positions"]:
        raise ValueError(f"the checkpoint lacks {missing}")
    return network


def store(weights: dict[str, torch.Tensor], checkpoint: Checkpoint) -> None:
    """Writes a network's weights, but for the vocabulary, over those of the checkpoint."""
    fresh: dict[str, np.ndarray] = {}
    for ours, theirs, part in pieces_of(shape_of(checkpoint)):
        if ours == "speller.embedding.weight":
            continue
        name = checkpoint.aliases.get(theirs, theirs)
        values = fresh.setdefault(name, checkpoint.tensors[name].copy())
        part_of(values, part)[...] = weights[ours].float().numpy().astype(values.dtype)
    checkpoint.tensors.update(fresh)
