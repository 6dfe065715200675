# SPDX-License-Identifier: MIT
"""Log-mel features, from the constants and with the window and filters of the model file."""

import numpy as np
import torch
import torch.nn.functional as F
from model_file import Model

SAMPLE_RATE, FFT, HOP, MELS = 16000, 400, 160, 80
POWER_FLOOR = 1e-10  # before the logarithm


def hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    linear = hertz * 3 / 200
    logarithmic = 15 + 27 * np.log(np.maximum(hertz, 1000.0) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, linear, logarithmic)


def mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def mel_filters() -> np.ndarray:
    """[MELS, FFT / 2 + 1] triangles from 0 Hz to half the sample rate, each of unit area."""
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)
    limits = hertz_to_mel(np.array([0.0, SAMPLE_RATE / 2]))
    edges = mel_to_hertz(np.linspace(limits[0], limits[1], MELS + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)


def periodic_hann() -> np.ndarray:
    """[FFT]"""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


def log_mel(model: Model, pcm: torch.Tensor, padding: int) -> torch.Tensor:
    """[samples], with `padding` zeros after it -> [frames, mels], log10 of power."""
    fft, hop = model.number("hearken.features.fft"), model.number("hearken.features.hop")
    samples = max(len(pcm) + padding, fft)
    pcm = F.pad(pcm, (0, samples - len(pcm)))
    extended = F.pad(pcm[None], (fft // 2, fft // 2), mode="reflect")[0]
    frames = extended.unfold(0, fft, hop)[: samples // hop]
    spectrum = torch.fft.rfft(frames * model["features.window"])
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ model["features.mel_filters"].T).clamp(min=POWER_FLOOR).log10()


def scale(model: Model, raw: torch.Tensor) -> torch.Tensor:
    """What the listener hears: floored (fixed, or below the window's maximum), then scaled."""
    if "hearken.features.below_maximum" in model.keys:
        floor = float(raw.max()) - model.value("hearken.features.below_maximum")
    else:
        floor = model.value("hearken.features.floor")
    shift, divisor = (model.value(f"hearken.features.{k}") for k in ("shift", "scale"))
    return (raw.clamp(min=floor) + shift) / divisor
