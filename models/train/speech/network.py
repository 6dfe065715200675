# SPDX-License-Identifier: MIT
"""Listener and transformer speller: what models/network/listener.h and models/network/speller.c compute.

Names of the parts are those of the model file (docs/model-format.md).
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    mels: int = 80
    width: int = 512
    heads: int = 8
    mlp: int = 2048
    listener_layers: int = 6
    listener_positions: int = 1500
    speller_layers: int = 6
    speller_positions: int = 448
    vocabulary: int = 51865


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """[positions, width]: sines, then cosines."""
    rates = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(positions)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def heads_of(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[batch, steps, width] -> [batch, heads, steps, width / heads]"""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`mask`: added to the scores; None: each step sees itself and those before it."""
        q, k, v = (heads_of(part, self.heads) for part in self.qkv(x).chunk(3, 2))
        mask = None if mask is None else mask.to(q.dtype)
        heard = functional.scaled_dot_product_attention(q, k, v, mask, is_causal=mask is None)
        return self.out(heard.transpose(1, 2).flatten(2))


class MemoryAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q = heads_of(self.query(x), self.heads)
        k, v = heads_of(self.key(memory), self.heads), heads_of(self.value(memory), self.heads)
        heard = functional.scaled_dot_product_attention(q, k, v, mask.to(q.dtype))
        return self.out(heard.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(functional.gelu(self.up(x)))


class ListenerLayer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_norm, self.mlp_norm = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.self_attention = SelfAttention(shape.width, shape.heads)
        self.mlp = Mlp(shape.width, shape.mlp)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attention(self.self_norm(x), mask)
        return x + self.mlp(self.mlp_norm(x))


class Listener(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.register_buffer("positions", sinusoids(shape.listener_positions, shape.width))
        self.layers = nn.ModuleList(ListenerLayer(shape) for _ in range(shape.listener_layers))
        self.norm = nn.LayerNorm(shape.width)

    def embed(self, features: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """[batch, longest, mels], of which `frames` [batch] count -> [batch, ceil(longest / 2),
        width], without positions"""
        inside = torch.arange(features.shape[1]) < frames[:, None]
        x = (features * inside[:, :, None]).transpose(1, 2)
        x = functional.gelu(self.conv1(x)) * inside[:, None]
        return functional.gelu(self.conv2(x)).transpose(1, 2)

    def transform(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`x` with positions; `mask` is added to the scores, -inf where nobody looks."""
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)


class SpellerLayer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.self_norm, self.attention_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.self_attention = SelfAttention(width, shape.heads)
        self.attention = MemoryAttention(width, shape.heads)
        self.mlp = Mlp(width, shape.mlp)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attention(self.self_norm(x), None)
        x = x + self.attention(self.attention_norm(x), memory, mask)
        return x + self.mlp(self.mlp_norm(x))


class Speller(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Parameter(torch.zeros(shape.speller_positions, shape.width))
        self.layers = nn.ModuleList(SpellerLayer(shape) for _ in range(shape.speller_layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, tokens: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor):
        """tokens [batch, length] -> [batch, length, width], of which `logits` are made"""
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, memory, mask)
        return self.norm(x)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.embedding.weight)


class Network(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.listener, self.speller = Listener(shape), Speller(shape)
