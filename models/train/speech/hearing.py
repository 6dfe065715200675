# SPDX-License-Identifier: MIT
"""From samples to memory: features of a batch, and the silence behind each segment."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from voice.sounds import HOP, RATE, LogMel

from .network import Listener

BELOW_MAXIMUM = 8.0  # a segment's features reach down to its maximum less this
LEAST_SECONDS = 0.1  # of silence that stand-ins are made of
STEP = 2 * HOP  # samples


@dataclass(frozen=True)
class Silence:
    """Behind a segment: `seconds` of it, and `stand_ins` steps that stand for the rest of the
    listener's window, as models/network/listener.h says."""

    seconds: float
    stand_ins: int = 0


@dataclass
class Memory:
    rows: torch.Tensor  # [batch, steps, width]
    mask: torch.Tensor  # [batch, 1, 1, steps]: to be added to scores
    spoken: torch.Tensor  # [batch]: steps before the silence


def features_of(logmel: LogMel, samples: torch.Tensor, silence: int) -> torch.Tensor:
    """[samples], `silence` zeros behind them -> [frames, mels]"""
    rows = logmel(functional.pad(samples, (0, silence))[None])[0]
    return (rows.clamp_min(rows.max() - BELOW_MAXIMUM) + 4) / 4


def rows_of(frames: int, stand_ins: int, positions: int) -> tuple[list, list, list]:
    """Of a segment with its silence: each row's step, its position, and what scores get."""
    steps = (frames + 1) // 2
    if stand_ins == 0:
        return [*range(steps)], [*range(steps)], [0.0] * steps
    near = steps - 2
    part = (positions - near) / stand_ins
    far = [near + int((n + 0.5) * part) for n in range(stand_ins)]
    return (
        [*range(near), *[near] * stand_ins],
        [*range(near), *far],
        [0.0] * near + [math.log(part)] * stand_ins,
    )


def chunks(steps: int, chunk: int) -> torch.Tensor:
    """[steps, steps], to be added to scores: each step sees its own chunk and those before it."""
    number = torch.arange(steps) // chunk
    return torch.zeros(steps, steps).masked_fill(number[None, :] > number[:, None], -math.inf)


def hear(
    listener: Listener,
    logmel: LogMel,
    segments: list[torch.Tensor],
    silence: Silence,
    chunk: int = 0,
) -> Memory:
    """Segments [samples] each, of any lengths; in chunk mode if `chunk` is not 0: so many steps."""
    seconds = max(silence.seconds, LEAST_SECONDS) if silence.stand_ins else silence.seconds
    features = [features_of(logmel, samples, round(seconds * RATE)) for samples in segments]
    frames = torch.tensor([len(rows) for rows in features])
    embedded = listener.embed(pad_sequence(features, batch_first=True), frames)
    limit = listener.positions.shape[0]
    rows = [rows_of(len(own), silence.stand_ins, limit) for own in features]
    step, position, bonus = (
        pad_sequence(
            [torch.tensor(part) for part in parts], batch_first=True, padding_value=padding
        )
        for parts, padding in zip(zip(*rows, strict=True), (0, 0, -math.inf), strict=True)
    )
    x = embedded.gather(1, step[:, :, None].expand(-1, -1, embedded.shape[2]))
    mask = bonus[:, None, None].to(x.dtype)
    seen = mask + chunks(x.shape[1], chunk).to(x.dtype) if chunk else mask
    heard = listener.transform(x + listener.positions[position].to(x.dtype), seen)
    spoken = torch.tensor([len(samples) // STEP for samples in segments])
    return Memory(heard, mask, spoken)
