# SPDX-License-Identifier: MIT
"""The network that hears whether somebody speaks: models/vad/vad.h computes the same."""

from dataclasses import dataclass

import torch
from torch import nn

from .sounds import MELS


@dataclass(frozen=True)
class Scaling:
    """Of log-mel features: (max(x, floor) + shift) / scale, the same for all sound."""

    floor: float = -8.0
    shift: float = 3.0
    scale: float = 2.0


class VoiceNetwork(nn.Module):
    """A row of features a frame in, the logit of speech out; hears nothing of the future."""

    def __init__(self, width: int = 48, layers: int = 2) -> None:
        super().__init__()
        self.scaling = Scaling()
        self.input = nn.Linear(MELS, width)
        self.gru = nn.GRU(width, width, layers, batch_first=True)
        self.output = nn.Linear(width, 1)

    def forward(
        self, logmel: torch.Tensor, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[batch, frames, MELS] -> logits [batch, frames], state"""
        s = self.scaling
        x = (logmel.clamp_min(s.floor) + s.shift) / s.scale
        heard, state = self.gru(torch.relu(self.input(x)), state)
        return self.output(heard)[..., 0], state
