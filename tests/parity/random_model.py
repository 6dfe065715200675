# SPDX-License-Identifier: MIT
"""Random weights for both kinds of speller, and the keys of their files.

The matrices are scaled so that no stage is nearly constant: attention scores spread over a few
units, each block writes as much into the residual stream as it finds there, and the logits
differ by several units. Every bias is random too, so that a forgotten one shows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import vocabulary
from features import FFT, HOP, MELS, SAMPLE_RATE, mel_filters, periodic_hann
from gguf import GGMLQuantizationType as TensorType
from gguf import GGUFValueType as KeyType
from model_file import Keys, Weights, array, real, text, unsigned

QUANTISED_BLOCK = 32  # values under one scale: a row of a Q8_0 matrix is a multiple of it


class Seeds(NamedTuple):
    """Two, so that a speller can be looked for behind a good listener."""

    listener: int
    speller: int


@dataclass(frozen=True)
class Shape:
    """Sizes that differ wherever the format lets them, so that none can pass for another."""

    width: int
    heads: int
    layers: int
    mlp: int
    pyramid: int
    memory_width: int
    chunk: int  # frames of 50 Hz
    speller_width: int
    speller_heads: int
    speller_layers: int
    speller_mlp: int = 0
    speller_positions: int = 0
    positions: int = 1500


RECURRENT = Shape(
    width=32, heads=2, layers=2, mlp=96, pyramid=2, memory_width=96, chunk=8,
    speller_width=64, speller_heads=4, speller_layers=2,
)  # fmt: skip
TRANSFORMER = Shape(
    width=48, heads=3, layers=2, mlp=96, pyramid=1, memory_width=48, chunk=10,
    speller_width=32, speller_heads=2, speller_layers=2, speller_mlp=96, speller_positions=44,
)  # fmt: skip


class Draw:
    """Random parameters under their names in the file."""

    def __init__(self, seed: int) -> None:
        self.reseed(seed)
        self.weights: Weights = {
            "features.mel_filters": (mel_filters(), TensorType.F32),
            "features.window": (periodic_hann(), TensorType.F32),
        }

    def reseed(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def tensor(self, name: str, values: np.ndarray, kind: TensorType = TensorType.F32) -> None:
        self.weights[name] = (values.astype(np.float32), kind)

    def normal(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape)

    def norm(self, name: str, width: int) -> None:
        self.tensor(name + ".weight", 1 + 0.2 * self.normal(width))
        self.tensor(name + ".bias", 0.2 * self.normal(width))

    def linear(
        self,
        name: str,
        rows: int,
        columns: int,
        gain: float = 1.0,
        kind: TensorType = TensorType.Q8_0,
    ) -> None:
        """Input of variance 1 gives output of variance gain². F16 where Q8_0 does not fit."""
        if kind == TensorType.Q8_0 and columns % QUANTISED_BLOCK:
            kind = TensorType.F16
        self.tensor(name + ".weight", gain / columns**0.5 * self.normal(rows, columns), kind)
        self.tensor(name + ".bias", 0.2 * self.normal(rows))

    def convolution(self, name: str, outputs: int, inputs: int, gain: float) -> None:
        scale = gain / (3 * inputs) ** 0.5
        self.tensor(name + ".weight", scale * self.normal(outputs, inputs, 3), TensorType.F16)
        self.tensor(name + ".bias", 0.2 * self.normal(outputs))

    def clear(self, name: str, part: slice) -> None:
        """Whisper's keys have no bias; files hold zeros in its place."""
        self.weights[name][0][part] = 0


def draw_listener(draw: Draw, shape: Shape) -> None:
    width = shape.width
    draw.convolution("listener.conv1", width, MELS, gain=2.0)
    draw.convolution("listener.conv2", width, width, gain=2.0)
    for layer in range(shape.layers):
        prefix = f"listener.block.{layer}."
        draw.norm(prefix + "attention_norm", width)
        draw.norm(prefix + "mlp_norm", width)
        draw.linear(prefix + "qkv", 3 * width, width, gain=1.3)
        draw.linear(prefix + "attention_out", width, width, gain=1.2)
        draw.linear(prefix + "mlp_up", shape.mlp, width, gain=1.5)
        draw.linear(prefix + "mlp_down", width, shape.mlp)
    draw.norm("listener.norm", width)


def draw_attention(
    draw: Draw, prefix: str, shape: Shape, gain: float, query: TensorType = TensorType.Q8_0
) -> None:
    width = shape.speller_width
    draw.norm(prefix + "attention_norm", width)
    draw.linear(prefix + "attention_query", width, width, gain=1.8, kind=query)
    draw.linear(prefix + "attention_key", width, shape.memory_width, gain=1.8)
    draw.linear(prefix + "attention_value", width, shape.memory_width)
    draw.linear(prefix + "attention_out", width, width, gain)


def shared_keys(name: str, seeds: Seeds, kind: str, shape: Shape) -> Keys:
    features = {"sample_rate": SAMPLE_RATE, "fft": FFT, "hop": HOP, "mels": MELS}
    listener = ("width", "heads", "layers", "mlp", "positions", "pyramid", "memory_width", "chunk")
    keys = {
        "general.name": text(name),
        "general.description": text(
            f"Random weights for tests, it knows no words; seeds {seeds.listener}, {seeds.speller}"
        ),
        "general.license": text("MIT"),
        "hearken.speller.kind": text(kind),
        "hearken.features.shift": real(4.0),
        "hearken.features.scale": real(4.0),
    }
    keys |= {f"hearken.features.{key}": unsigned(value) for key, value in features.items()}
    keys |= {f"hearken.listener.{key}": unsigned(getattr(shape, key)) for key in listener}
    for key in ("width", "layers", "heads"):
        keys[f"hearken.speller.{key}"] = unsigned(getattr(shape, f"speller_{key}"))
    return keys


def recurrent(seeds: Seeds, shape: Shape = RECURRENT) -> tuple[Keys, Weights]:
    tokens, width = vocabulary.RECURRENT, shape.speller_width
    draw = Draw(seeds.listener)
    draw_listener(draw, shape)
    draw.linear("listener.pyramid", shape.memory_width, shape.pyramid * shape.width, gain=1.2)
    draw.linear("ctc", len(tokens), shape.memory_width, gain=4.0)
    draw.weights["ctc.bias"][0][tokens.index(vocabulary.BLANK)] += 8  # said at many steps
    draw.reseed(seeds.speller)
    for layer in range(shape.speller_layers):
        prefix = f"speller.layer.{layer}."
        draw.norm(prefix + "lstm_norm", width)
        for side, gain in (("input", 4.0), ("hidden", 9.0)):
            draw.linear(prefix + "lstm_" + side, 4 * width, width, gain)
        draw_attention(draw, prefix, shape, gain=0.6)
    embedding = 0.5 * draw.normal(len(tokens), width) / width**0.5
    draw.tensor("speller.embedding.weight", embedding, TensorType.Q8_0)
    draw.norm("speller.norm", width)
    draw.linear("speller.projection", width, width, gain=9.0)
    bias = 0.5 * draw.normal(len(tokens))
    for name in (vocabulary.BLANK, vocabulary.START, vocabulary.UNKNOWN):
        bias[tokens.index(name)] -= 6  # a trained speller never says these
    bias[tokens.index(vocabulary.END)] += 1.5
    draw.tensor("speller.bias", bias)
    return recurrent_keys(seeds, shape), draw.weights


def recurrent_keys(seeds: Seeds, shape: Shape) -> Keys:
    tokens = vocabulary.RECURRENT
    names = {
        "blank": vocabulary.BLANK,
        "bos": vocabulary.START,
        "eos": vocabulary.END,
        "unknown": vocabulary.UNKNOWN,
    }
    keys = shared_keys("hearken-test-recurrent", seeds, "lstm", shape)
    keys["hearken.features.floor"] = real(-7.0)
    keys["tokenizer.ggml.model"] = text("hearken-bpe")
    keys["tokenizer.ggml.tokens"] = array(tokens, KeyType.STRING)
    for key, name in names.items():
        keys[f"tokenizer.ggml.{key}_token_id"] = unsigned(tokens.index(name))
    return keys


def transformer(seeds: Seeds, shape: Shape = TRANSFORMER) -> tuple[Keys, Weights]:
    width, listened = shape.speller_width, shape.width
    draw = Draw(seeds.listener)
    draw_listener(draw, shape)
    for layer in range(shape.layers):
        draw.clear(f"listener.block.{layer}.qkv.bias", slice(listened, 2 * listened))
    draw.reseed(seeds.speller)
    for layer in range(shape.speller_layers):
        prefix = f"speller.layer.{layer}."
        draw.norm(prefix + "self_norm", width)
        draw.linear(prefix + "self_qkv", 3 * width, width, gain=1.4, kind=TensorType.F16)
        draw.linear(prefix + "self_out", width, width, gain=1.5, kind=TensorType.F16)
        draw_attention(draw, prefix, shape, gain=2.0, query=TensorType.F32)
        draw.norm(prefix + "mlp_norm", width)
        draw.linear(prefix + "mlp_up", shape.speller_mlp, width, gain=2.0)
        draw.linear(prefix + "mlp_down", width, shape.speller_mlp, gain=2.0)
        draw.clear(prefix + "self_qkv.bias", slice(width, 2 * width))
        draw.clear(prefix + "attention_key.bias", slice(0, width))
    draw.tensor("speller.positions", draw.normal(shape.speller_positions, width))
    draw.tensor("speller.embedding.weight", byte_level_embedding(draw, width), TensorType.F16)
    draw.norm("speller.norm", width)
    # Half of the signs turned: a shared embedding would else say again what it just read.
    draw.weights["speller.norm.weight"][0][::2] *= -1
    return transformer_keys(seeds, shape), draw.weights


def byte_level_embedding(draw: Draw, width: int) -> np.ndarray:
    """[vocabulary, width]; bytes that are no text alone, and control tokens, are seldom said."""
    tokens = vocabulary.BYTE_LEVEL
    embedding = draw.normal(len(tokens), width)
    for row, token in enumerate(tokens):
        if not token.isascii() or token in vocabulary.CONTROL:
            embedding[row] *= 0.5
    embedding[tokens.index(vocabulary.END_OF_TEXT)] *= 2.2
    return embedding


def transformer_keys(seeds: Seeds, shape: Shape) -> Keys:
    tokens = vocabulary.BYTE_LEVEL
    start = [
        vocabulary.START_OF_TRANSCRIPT,
        vocabulary.ENGLISH,
        vocabulary.TRANSCRIBE,
        vocabulary.NO_TIMESTAMPS,
    ]
    suppressed = ["#", "*", "@", "~", *start, vocabulary.NO_SPEECH]
    at_begin = [vocabulary.BYTE_LEVEL[vocabulary.BYTES.index(0x20)], vocabulary.END_OF_TEXT]
    ids = {name: tokens.index(name) for name in (*suppressed, *at_begin)}
    control, normal = 3, 1  # token types of GGUF
    kinds = [control if token in vocabulary.CONTROL else normal for token in tokens]
    keys = shared_keys("hearken-test-transformer", seeds, "transformer", shape)
    keys |= {
        "hearken.features.below_maximum": real(8.0),
        "hearken.features.window": unsigned(3000),
        "hearken.speller.mlp": unsigned(shape.speller_mlp),
        "hearken.speller.positions": unsigned(shape.speller_positions),
        "hearken.speller.alignment_heads": array([1, shape.speller_heads], KeyType.UINT32),
        "hearken.speller.suppress": array([ids[t] for t in suppressed], KeyType.INT32),
        "hearken.speller.suppress_at_begin": array([ids[t] for t in at_begin], KeyType.INT32),
        "hearken.speller.start": array([ids[t] for t in start], KeyType.UINT32),
        "hearken.speller.no_speech_token": unsigned(ids[vocabulary.NO_SPEECH]),
        "tokenizer.ggml.model": text("gpt2"),
        "tokenizer.ggml.tokens": array(tokens, KeyType.STRING),
        "tokenizer.ggml.token_type": array(kinds, KeyType.INT32),
        "tokenizer.ggml.bos_token_id": unsigned(ids[vocabulary.START_OF_TRANSCRIPT]),
        "tokenizer.ggml.eos_token_id": unsigned(ids[vocabulary.END_OF_TEXT]),
    }
    return keys
