# SPDX-License-Identifier: MIT
"""Speech-like sound without speech: voiced chirps, noise bursts and pauses, reproducible."""

import numpy as np
from features import SAMPLE_RATE


def syllable(random: np.random.Generator, samples: int) -> np.ndarray:
    """A gliding fundamental with harmonics under one formant, in a smooth envelope."""
    start, end = random.uniform(90, 320, size=2)
    glide = np.linspace(start, end, samples)
    phase = 2 * np.pi * np.cumsum(glide) / SAMPLE_RATE
    formant, sound = random.uniform(400, 3000), np.zeros(samples)
    for harmonic in range(1, 25):
        distance = (harmonic * glide - formant) / 500
        sound += np.sin(harmonic * phase) / (1 + distance**2)
    envelope = np.sin(np.pi * (np.arange(samples) + 0.5) / samples) ** 0.7
    return sound / np.abs(sound).max() * envelope * random.uniform(0.2, 0.7)


def hiss(random: np.random.Generator, samples: int) -> np.ndarray:
    """A fricative: noise with a slope up or down the spectrum."""
    noise = random.standard_normal(samples + 1)
    sound = noise[1:] + random.choice([-0.9, 0.5]) * noise[:-1]
    return 0.05 * sound * np.hanning(samples)


def utterance(seed: int, samples: int, silence: int) -> np.ndarray:
    """[samples] float32, each a whole number of 1/32768, so that 16-bit files hold it exactly.

    The last `silence` samples are zeros: their logarithm must not be infinite.
    """
    random = np.random.default_rng(seed)
    pieces, length = [], 0
    while length < samples:
        voiced = syllable(random, int(random.uniform(0.05, 0.13) * SAMPLE_RATE))
        unvoiced = hiss(random, int(random.uniform(0.02, 0.06) * SAMPLE_RATE))
        pause = np.zeros(int(random.uniform(0.01, 0.06) * SAMPLE_RATE))
        pieces += [voiced, unvoiced, pause] if random.random() < 0.5 else [unvoiced, voiced, pause]
        length = sum(map(len, pieces))
    sound = np.concatenate(pieces)[:samples] + 3e-3 * random.standard_normal(samples)
    sound[samples - silence :] = 0
    return (np.clip(np.round(sound * 32768), -32768, 32767) / 32768).astype(np.float32)
