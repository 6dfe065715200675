# SPDX-License-Identifier: MIT
"""What a listener is adapted on: segments as the segmenter cuts them, and texts to score."""

from dataclasses import dataclass, replace

import numpy as np
from voice.sounds import RATE

from .corpus import Clip, Vocabulary

LONGEST = 28.0  # seconds: the segmenter's
SHORTEST = 0.4
INVENTED = ("you", "Thank you.", "I'm sorry.", "Okay.", "Yeah.", "Oh", "I don't know.")


@dataclass(frozen=True)
class Example:
    """`tokens` begin with the prompt; `ended`: the end of text belongs behind them."""

    samples: np.ndarray
    tokens: list[int]
    ended: bool


@dataclass(frozen=True)
class Shares:
    """Of examples; the rest are single clips."""

    joined: float = 0.10
    cut: float = 0.15
    noise: float = 0.06
    noisy: float = 0.20  # of those with speech


class Examples:
    def __init__(
        self, speech: list[Clip], noise: list[Clip], vocabulary: Vocabulary, seed: int
    ) -> None:
        self.speech, self.noise = speech, noise
        self.vocabulary = vocabulary
        self.seed, self.random = seed, np.random.default_rng(seed)
        self.shares = Shares()
        self.invented = [vocabulary.tokens(text) for text in INVENTED]

    # ---- Sounds ----

    def decibels(self, low: float, high: float) -> float:
        return 10 ** (self.random.uniform(low, high) / 20)

    def hiss(self, seconds: float) -> np.ndarray:
        """What a quiet room leaves; sometimes nothing at all."""
        count = round(seconds * RATE)
        if self.random.random() < 0.2:
            return np.zeros(count, np.float32)
        return self.random.standard_normal(count).astype(np.float32) * self.decibels(-85, -50)

    def noise_of(self, count: int) -> np.ndarray:
        clip = self.noise[self.random.integers(len(self.noise))]
        start = self.random.integers(max(len(clip.samples) - count, 0) + 1)
        return np.resize(as_float(clip.samples[start : start + count]), count)

    def with_noise(self, samples: np.ndarray) -> np.ndarray:
        """Speech 5 to 25 dB above what is around."""
        noise = self.noise_of(len(samples))
        level = np.sqrt(np.mean(samples**2)) / max(float(np.sqrt(np.mean(noise**2))), 1e-5)
        return samples + noise * level * self.decibels(-25, -5)

    # ---- Examples ----

    def clip(self) -> Clip:
        """Long ones less often: each is to cost about the same."""
        while True:
            clip = self.speech[self.random.integers(len(self.speech))]
            if clip.seconds < LONGEST and self.random.random() * clip.seconds < 6:
                return clip

    def single(self) -> tuple[np.ndarray, list[int], bool]:
        clip = self.clip()
        return as_float(clip.samples), clip.tokens or [], clip.tokens is not None

    def joined(self) -> tuple[np.ndarray, list[int], bool]:
        """Some clips with pauses between."""
        samples, tokens, ended = self.single()
        for _ in range(self.random.integers(1, 4)):
            more, text, known = self.single()
            pause = self.hiss(self.random.uniform(0.1, 1.5))
            if len(samples) + len(pause) + len(more) > (LONGEST - 1) * RATE:
                break
            samples = np.concatenate([samples, pause, more])
            ended = ended and known
            tokens = tokens + text if ended else []
        return samples, tokens, ended

    def cut(self) -> tuple[np.ndarray, list[int], bool]:
        """The begin of a clip, and of its text what was surely said by then."""
        samples, tokens, _ = self.single()
        share = self.random.uniform(0.15, 0.95)
        count = max(round(len(samples) * share), round(SHORTEST * RATE))
        return samples[:count], tokens[: max(int(len(tokens) * share) - 3, 0)], False

    def spoken(self) -> Example:
        kind = self.random.random()
        if kind < self.shares.joined:
            samples, tokens, ended = self.joined()
        elif kind < self.shares.joined + self.shares.cut:
            samples, tokens, ended = self.cut()
        else:
            samples, tokens, ended = self.single()
        lead = self.hiss(self.random.uniform(0, 0.5))
        trail = [] if self.random.random() < 0.5 else [self.hiss(self.random.uniform(0, 0.4))]
        samples = np.concatenate([lead, samples, *trail])
        if self.random.random() < self.shares.noisy:
            samples = self.with_noise(samples)
        return Example(samples, self.vocabulary.prompt + tokens, ended)

    def silent(self) -> Example:
        """Noise, and a text that a speller likes to invent for it, or none."""
        samples = self.noise_of(round(self.random.uniform(1, 10) * RATE))
        samples = samples * self.decibels(-20, 0)
        invented = self.invented[self.random.integers(len(self.invented))]
        tokens = invented if self.random.random() < 0.5 else []
        return Example(samples, self.vocabulary.prompt + tokens, True)

    def draw(self) -> Example:
        example = self.silent() if self.random.random() < self.shares.noise else self.spoken()
        samples = np.clip(np.round(example.samples * 32768), -32768, 32767) / 32768
        samples = samples[: round(LONGEST * RATE)].astype(np.float32)
        if len(samples) < SHORTEST * RATE:
            return self.draw()
        return replace(example, samples=samples)

    # ---- Each clip once ----

    def groups(self) -> list[list[int]]:
        """Clips with a text, in any order: most alone, some to be joined."""
        groups: list[list[int]] = []
        room = 0.0
        for number in self.random.permutation(len(self.speech)).tolist():
            clip = self.speech[number]
            if not clip.tokens or not SHORTEST < clip.seconds < LONGEST - 1:
                continue
            room -= clip.seconds + 1.5
            if not groups or room < 0 or self.random.random() > 0.4:
                groups.append([])
                room = LONGEST - 1 - clip.seconds
            groups[-1].append(number)
        return groups

    def of_group(self, group: list[int]) -> Example:
        """The same for the same seed and group."""
        self.random = np.random.default_rng([self.seed, *group])
        if self.random.random() < self.shares.noise / 2:
            return self.silent()
        parts, tokens = [self.hiss(self.random.uniform(0, 0.4))], []
        for number in group:
            clip = self.speech[number]
            pause = self.hiss(self.random.uniform(0.05, 1.0))
            parts += [as_float(clip.samples), pause]
            tokens += clip.tokens
        samples = np.concatenate(parts if self.random.random() < 0.5 else parts[:-1])
        if self.random.random() < self.shares.noisy:
            samples = self.with_noise(samples)
        samples = samples[: round(LONGEST * RATE)].clip(-1, 1).astype(np.float32)
        return Example(samples, self.vocabulary.prompt + tokens, True)

    # ---- Batches ----

    def batches(self, seconds: float, pool: int):
        """Endless: of `pool` examples those of like length together, `seconds` of sound each."""
        while True:
            drawn = sorted((self.draw() for _ in range(pool)), key=lambda e: len(e.samples))
            batches, batch = [], []
            for example in drawn:
                if batch and (len(batch) + 1) * len(example.samples) > seconds * RATE:
                    batches.append(batch)
                    batch = []
                batch.append(example)
            batches.append(batch)
            self.random.shuffle(batches)
            yield from batches


def as_float(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 32768
