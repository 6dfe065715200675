# SPDX-License-Identifier: MIT
"""The recurrent speller: what models/network/speller.c computes.

A layer is one of the transformer's with an LSTM in the place of its self-attention, and can begin
with all the rest of one.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from .network import MemoryAttention, Mlp, Speller, SpellerLayer


@dataclass
class State:
    """Of hypotheses: h and c [1, hypotheses, width] of each layer; None: nothing was written."""

    layers: list[tuple[torch.Tensor, torch.Tensor] | None]


class RecurrentLayer(nn.Module):
    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.lstm_norm, self.attention_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.attention = MemoryAttention(width, heads)
        self.mlp = Mlp(width, mlp)

    def begin_with(self, layer: SpellerLayer) -> None:
        for name in ("attention_norm", "mlp_norm", "attention", "mlp"):
            getattr(self, name).load_state_dict(getattr(layer, name).state_dict())
        self.lstm_norm.load_state_dict(layer.self_norm.state_dict())


class RecurrentSpeller(nn.Module):
    """The embedding is not trained: it is the transformer's, of which both know the tokens."""

    def __init__(self, embedding: torch.Tensor, layers: int, heads: int, mlp: int) -> None:
        super().__init__()
        vocabulary, width = embedding.shape
        self.embedding = nn.Embedding.from_pretrained(embedding.clone(), freeze=True)
        self.layers = nn.ModuleList(RecurrentLayer(width, heads, mlp) for _ in range(layers))
        self.norm, self.projection = nn.LayerNorm(width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.scale = math.sqrt(width)

    def forward(
        self,
        tokens: torch.Tensor,
        memory: torch.Tensor,
        mask: torch.Tensor,
        state: State | None = None,
        dropout: float = 0.0,
    ) -> torch.Tensor:
        """tokens [batch, length] -> [batch, length, width], of which `logits` are made. With a
        state they go on from it, and it is updated."""

        def drop(x: torch.Tensor) -> torch.Tensor:
            return functional.dropout(x, dropout, self.training)

        x = drop(self.embedding(tokens) * self.scale)
        for n, layer in enumerate(self.layers):
            before = state.layers[n] if state else None
            written, after = layer.lstm(layer.lstm_norm(x), before)
            if state:
                state.layers[n] = after
            x = x + drop(written)
            x = x + drop(layer.attention(layer.attention_norm(x), memory, mask))
            x = x + drop(layer.mlp(layer.mlp_norm(x)))
        return self.projection(self.norm(x))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.embedding.weight, self.bias)


def begin_with(speller: Speller, heads: int, layers: list[int]) -> RecurrentSpeller:
    """A recurrent speller that has all it can have of those layers of a transformer's."""
    mlp = speller.layers[0].mlp.up.out_features
    out = RecurrentSpeller(speller.embedding.weight.detach(), len(layers), heads, mlp)
    for ours, theirs in zip(out.layers, layers, strict=True):
        ours.begin_with(speller.layers[theirs])
    out.norm.load_state_dict(speller.norm.state_dict())
    with torch.no_grad():
        nn.init.eye_(out.projection.weight)
        nn.init.zeros_(out.projection.bias)
    return out


@torch.no_grad()
def write(
    speller: RecurrentSpeller,
    memory: torch.Tensor,
    mask: torch.Tensor,
    prompt: list[int],
    end: int,
    longest: int,
) -> list[list[int]]:
    """The likeliest token, one after the other: tokens behind the prompt, without the end."""
    batch = len(memory)
    state = State([None] * len(speller.layers))
    tokens = torch.tensor(prompt).expand(batch, -1)
    texts: list[list[int]] = [[] for _ in range(batch)]
    going = [True] * batch
    for _ in range(longest):
        x = speller(tokens, memory, mask, state)[:, -1]
        logits = speller.logits(x)
        logits[:, prompt] = -math.inf
        tokens = logits.argmax(1, keepdim=True)
        for row, token in enumerate(tokens[:, 0].tolist()):
            going[row] = going[row] and token != end
            if going[row]:
                texts[row].append(token)
        if not any(going):
            break
    return texts
