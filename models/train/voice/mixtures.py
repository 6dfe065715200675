# SPDX-License-Identifier: MIT
"""What the network is trained on: clean speech with pauses, mixed with noise, at any level."""

from dataclasses import dataclass

import numpy as np

from .labels import label
from .sounds import HOP, RATE, LogMel, Recording

FADE = 80  # samples over which an excerpt of a recording begins and ends
MADE = 40  # sounds of each kind that are synthesised, once
MADE_SECONDS = 20


@dataclass(frozen=True)
class Speech:
    samples: np.ndarray  # 16 bits each
    active: np.ndarray  # [frames]
    level: float  # root mean square of what is active, full scale 1


def find_speech(recordings: list[Recording], logmel: LogMel) -> list[Speech]:
    """Those that are clean enough to have labels."""
    found = []
    for recording in recordings:
        active = label(recording, logmel)
        if active is None or not active.any():
            continue
        spoken = recording.samples[: len(active) * HOP].reshape(-1, HOP)[active]
        level = float(np.sqrt(np.mean((spoken.astype(np.float32) / 32768) ** 2)))
        if level > 0:
            found.append(Speech(recording.samples, active, level))
    return found


def as_float(samples: np.ndarray) -> np.ndarray:
    """Full scale 1; faded at both ends, so that cutting it out makes no click."""
    out = samples.astype(np.float32) / 32768
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    if len(out) > 2 * FADE:
        out[:FADE] *= ramp
        out[-FADE:] *= ramp[::-1]
    return out


class Mixer:
    """Draws mixtures of `frames` frames. One seed, one sequence of them."""

    def __init__(
        self, speech: list[Speech], noise: list[Recording], frames: int, seed: int
    ) -> None:
        self.speech, self.frames = speech, frames
        self.noise = [n.samples for n in noise if len(n.samples) > RATE]
        self.weights = np.array([len(n) for n in self.noise], np.float64) ** 0.5
        self.weights /= self.weights.sum()
        self.random = np.random.default_rng(seed)
        length = MADE_SECONDS * RATE
        self.made = [
            [make(length).astype(np.float32) for _ in range(MADE)]
            for make in (self.coloured, self.hum, self.music, self.clicks)
        ]

    def decibels(self, low: float, high: float) -> float:
        return float(10 ** (self.random.uniform(low, high) / 20))

    # ---- Sounds that are not speech ----

    def recorded(self, count: int) -> np.ndarray:
        """An excerpt of a noise recording, repeated where that is shorter."""
        samples = self.noise[self.random.choice(len(self.noise), p=self.weights)]
        start = self.random.integers(max(len(samples) - count, 0) + 1)
        part = as_float(samples[start : start + count])
        return np.tile(part, -(-count // len(part)))[:count]

    def coloured(self, count: int) -> np.ndarray:
        """Hiss whose power falls by 0 to 12 dB an octave."""
        spectrum = np.fft.rfft(self.random.standard_normal(count))
        hertz = np.maximum(np.arange(len(spectrum)) * RATE / count, 40)
        return np.fft.irfft(spectrum * hertz ** -self.random.uniform(0, 2), count)

    def hum(self, count: int) -> np.ndarray:
        """Mains and machines: a steady tone and its harmonics."""
        time = np.arange(count) / RATE
        base = self.random.choice([50.0, 60.0, self.random.uniform(40, 400)])
        parts = range(1, int(self.random.integers(2, 20)))
        tones = (
            np.sin(2 * np.pi * (base * k * time + self.random.random()))
            * self.random.exponential()
            / k
            for k in parts
        )
        return np.sum(list(tones), axis=0)

    def music(self, count: int) -> np.ndarray:
        """Chords of plucked or blown harmonic tones."""
        out = np.zeros(count)
        at = 0
        tempo = self.random.uniform(0.12, 0.8)
        scale = 110 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 24]) / 12)
        scale *= 2 ** self.random.uniform(0, 2)
        decay = self.random.uniform(0.5, 8)
        bright = self.random.uniform(0.5, 2)
        while at < count:
            length = min(int(self.random.uniform(1, 3) * tempo * RATE), count - at)
            time = np.arange(length) / RATE
            shape = np.minimum(time * 100, 1) * np.exp(-decay * time)
            for pitch in self.random.choice(scale, self.random.integers(1, 5)):
                for k in range(1, 9):
                    if pitch * k < 7500:
                        tone = np.sin(2 * np.pi * (pitch * k * time + self.random.random()))
                        out[at : at + length] += tone * shape / k**bright
            at += int(tempo * RATE * self.random.choice([0.5, 1, 2]))
        return out

    def clicks(self, count: int) -> np.ndarray:
        """Keys, knocks, drops: short bursts that ring or hiss."""
        out = np.zeros(count)
        for at in self.random.integers(0, count, self.random.integers(1, 40)):
            length = min(int(self.random.uniform(0.002, 0.08) * RATE), count - at)
            time = np.arange(length) / RATE
            burst = self.random.standard_normal(length)
            if self.random.random() < 0.5:
                burst = np.sin(2 * np.pi * self.random.uniform(150, 4000) * time)
            fall = np.exp(-time * self.random.uniform(30, 400))
            out[at : at + length] += burst * fall * self.random.exponential()
        return out

    def synthesised(self, count: int) -> np.ndarray:
        kind = self.made[self.random.choice(len(self.made), p=[0.3, 0.2, 0.3, 0.2])]
        sound = kind[self.random.integers(len(kind))]
        start = self.random.integers(len(sound) - count + 1)
        return sound[start : start + count]

    def noise_of(self, count: int) -> np.ndarray:
        """One kind or two, root mean square 1."""
        out = np.zeros(count, np.float32)
        for _ in range(1 + (self.random.random() < 0.25)):
            recorded = self.random.random() < 0.66
            sound = self.recorded(count) if recorded else self.synthesised(count)
            out += self.of_unit_level(sound) * self.decibels(-10, 0)
        return self.of_unit_level(out)

    def hiss(self, count: int) -> np.ndarray:
        """What is left of a quiet room."""
        sound = self.made[0][self.random.integers(MADE)]
        start = self.random.integers(len(sound) - count + 1)
        return self.of_unit_level(sound[start : start + count])

    @staticmethod
    def of_unit_level(sound: np.ndarray) -> np.ndarray:
        return sound / max(float(np.sqrt(np.mean(sound**2))), 1e-5)

    # ---- Mixtures ----

    def spoken(self) -> tuple[np.ndarray, np.ndarray]:
        """Excerpts of recordings with pauses between; active root mean square about 1."""
        out = np.zeros(self.frames * HOP, np.float32)
        active = np.zeros(self.frames, bool)
        at = int(self.random.choice([0, self.random.integers(1, 250)]))
        while at < self.frames:
            s = self.speech[self.random.integers(len(self.speech))]
            whole = len(s.active)
            wanted = int(self.random.uniform(60, 700))
            first = int(self.random.integers(0, max(whole - wanted, 0) + 1))
            n = min(wanted, whole - first, self.frames - at)
            part = as_float(s.samples[first * HOP : (first + n) * HOP])
            out[at * HOP : (at + n) * HOP] = part / s.level * self.decibels(-6, 3)
            active[at : at + n] = s.active[first : first + n]
            at += n + int(self.random.choice([0, self.random.integers(20, 350)]))
        return out, active

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples in -1..1 [frames * HOP] and whether each frame is speech [frames]."""
        count = self.frames * HOP
        if self.random.random() < 0.22:
            out, active = np.zeros(count, np.float32), np.zeros(self.frames, bool)
            if self.random.random() < 0.9:
                out = out + self.noise_of(count)
            level = self.decibels(-75, -8)
        else:
            out, active = self.spoken()
            kind = self.random.random()
            if kind < 0.68:
                out = out + self.noise_of(count) * self.decibels(-25, 5)
            elif kind < 0.92:
                out = out + self.hiss(count) * self.decibels(-65, -25)
            level = self.decibels(-50, -10)
        if self.random.random() < 0.3:  # what a sound card adds
            out = out + self.random.standard_normal(count) * 10 ** (-70 / 20) / level
        # Sixteen bits and their limits, as most sound comes.
        return np.clip(np.round(out * level * 32768), -32768, 32767) / 32768, active

    def batch(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = [self.draw() for _ in range(size)]
        samples = np.stack([samples for samples, _ in drawn]).astype(np.float32)
        return samples, np.stack([active for _, active in drawn]).astype(np.float32)
