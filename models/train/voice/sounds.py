# SPDX-License-Identifier: MIT
"""Packed recordings as samples, and the log-mel features of hearken's front end."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

RATE = 16000
FFT = 400  # samples of a frame
HOP = 160  # samples from frame to frame
MELS = 80
SMALLEST_POWER = 1e-10


@dataclass(frozen=True)
class Recording:
    """One recording of a pack; `samples` are 16 bits each."""

    name: str
    dataset: str
    samples: np.ndarray


def decode(pack: Path, cache: Path) -> np.ndarray:
    """All samples of a pack, mapped from a file that is made the first time."""
    raw = cache / f"{pack.name}.s16"
    if not raw.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = raw.with_suffix(".part")
        with soundfile.SoundFile(pack.with_suffix(".opus")) as source, unfinished.open("wb") as out:
            if source.samplerate != RATE or source.channels != 1:
                raise ValueError(f"{source.name}: expected {RATE} Hz mono")
            while len(piece := source.read(1 << 20, dtype="int16")):
                out.write(piece.tobytes())
        unfinished.replace(raw)
    return np.memmap(raw, np.int16, "r")


def read_pack(corpus: Path, name: str, cache: Path) -> list[Recording]:
    samples = decode(corpus / name, cache)
    recordings = []
    for line in (corpus / f"{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        start, count = round(row["start"] * RATE), round(row["seconds"] * RATE)
        part = samples[start : start + count]
        recordings.append(Recording(str(row.get("id", start)), row["dataset"], part))
    return recordings


def mel_filters() -> np.ndarray:
    """[MELS, FFT / 2 + 1]: triangles of unit area, evenly spaced on Slaney's scale to 8 kHz."""
    top = 15 + np.log(8) * 27 / np.log(6.4)
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    heights = np.maximum(0, np.minimum(rising, falling))
    return (heights * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


class LogMel:
    """frontend/features/logmel.h: frames centred on every HOP-th sample, reflected at both ends."""

    def __init__(self) -> None:
        self.window = torch.hann_window(FFT)
        self.filters = torch.from_numpy(mel_filters().T.copy())

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        """[batch, samples] of -1..1 -> [batch, samples / HOP, MELS]"""
        count = samples.shape[1] // HOP
        edge = FFT // 2
        extended = torch.nn.functional.pad(samples[:, None], (edge, edge), mode="reflect")[:, 0]
        frames = extended.unfold(1, FFT, HOP)[:, :count]
        spectrum = torch.fft.rfft(frames * self.window)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power @ self.filters).clamp_min(SMALLEST_POWER).log10()
