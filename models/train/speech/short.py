# SPDX-License-Identifier: MIT
"""What a network is refined on: ordinary clips, and single words and phrases among them."""

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from voice.sounds import RATE

from .corpus import Clip, Vocabulary, labels_of, read_set
from .examples import Example, Examples, Shares, as_float

# Never trained on: words, and a part of the speakers (or of the clips, where nobody says who speaks).
UNSEEN_WORDS = ("cat", "seven", "nine", "computer", "amelia")
HELD_OUT = {
    "train-words": 4,
    "train-commonvoice": 8,
    "train-librispeech": 8,
    "train-ocean": 8,
    "train-picovoice": 3,
}
END_MARKS = ".?!,"
FADE = RATE // 50
MP3 = 0.75, 0.95  # libsndfile's levels of compression: 28 to 24 kbit/s, at the end 6 kHz


@dataclass(frozen=True)
class Cut:
    """A part of a clip in which words are said."""

    samples: np.ndarray
    tokens: list[int]


class Silent(Example):
    """Nobody speaks: its text is one that must not become likelier."""


def is_unseen(row: dict) -> bool:
    """Whether a word of a set of words is kept for measuring."""
    return row.get("text") in UNSEEN_WORDS


def is_held_out(name: str, row: dict) -> bool:
    if name not in HELD_OUT:
        return False
    who = row.get("speaker") or str(row["start"])
    return zlib.crc32(str(who).encode()) % HELD_OUT[name] == 0


def rows_of(corpus: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (corpus / f"{name}.jsonl").read_text().splitlines()]


def as_sentence(text: str) -> str:
    """As a network writes a word that is said alone."""
    bare = text.strip().strip(END_MARKS)
    return bare[:1].upper() + bare[1:] + "."


def read_words(
    corpus: Path, name: str, cache: Path, vocabulary: Vocabulary
) -> dict[str, list[Cut]]:
    """A set of words that are said alone, by the word."""
    rows = rows_of(corpus, name)
    clips = read_set(corpus, name, cache, vocabulary)
    found: dict[str, list[Cut]] = {}
    for row, label, clip in zip(rows, labels_of(corpus / name, rows, None), clips, strict=True):
        if not label or is_unseen(row) or is_held_out(name, row):
            continue
        tokens = vocabulary.tokens(as_sentence(label))
        if tokens:
            found.setdefault(label, []).append(Cut(clip.samples, tokens))
    return found


def parts_of(words: list[list], longest: int, sure: float) -> list[tuple[float, float, str]]:
    """[begin, end, text] of single words and of up to `longest` in a row, of all of which hearken
    was sure, none of them with a pause in it."""
    parts = []
    for count in range(1, longest + 1):
        for at in range(len(words) - count + 1):
            run = words[at : at + count]
            begin, end = run[0][1], run[-1][2]
            text = " ".join(word[0] for word in run)
            if min(word[3] for word in run) < sure:
                continue
            if not 0.3 <= end - begin <= 0.4 + 0.5 * count or len(text) < 4:
                continue
            if run[0][2] - run[0][1] < 0.16 or run[-1][2] - run[-1][1] < 0.2:
                continue
            parts.append((begin, end, text))
    return parts


def read_cuts(
    words: Path, name: str, clips: list[Clip], vocabulary: Vocabulary, longest: int = 3
) -> list[Cut]:
    """Of the clips that speech.cut heard."""
    path = words / f"{name}.words.jsonl"
    if not path.exists():
        return []
    cuts = []
    for line, clip in zip(path.read_text().splitlines(), clips, strict=True):
        for begin, end, text in parts_of(json.loads(line) or [], longest, 0.8):
            tokens = vocabulary.tokens(as_sentence(text))
            if tokens and clip.tokens:
                edges = max(begin - 0.04, 0) * RATE, (end + 0.04) * RATE
                cuts.append(Cut(clip.samples[int(edges[0]) : int(edges[1])], tokens))
    return cuts


class ShortExamples(Examples):
    """`short` of those with speech are words and phrases: `alone` of them said alone, the others cut
    out of sentences."""

    def __init__(
        self,
        speech: list[Clip],
        noise: list[Clip],
        vocabulary: Vocabulary,
        seed: int,
        words: dict[str, list[Cut]],
        cuts: list[Cut],
        short: float = 0.4,
        silent: float = 0.12,
        alone: float = 0.3,
        coded: float = 0.0,
    ) -> None:
        super().__init__(speech, noise, vocabulary, seed)
        self.shares = Shares(noise=silent)
        self.words, self.cuts = list(words.values()), cuts
        self.short, self.alone, self.coded = short, alone, coded
        counts = np.sqrt([min(len(word), 100) for word in self.words] or [1])
        self.likely = counts / counts.sum()

    # ---- Sounds ----

    def noise_of(self, count: int) -> np.ndarray:
        """A fifth of it is talk of many."""
        return self.babble(count) if self.random.random() < 0.2 else super().noise_of(count)

    def babble(self, count: int) -> np.ndarray:
        mixed = np.zeros(count, np.float32)
        voices = int(self.random.integers(5, 12))
        for _ in range(voices):
            samples = as_float(self.clip().samples)
            start = self.random.integers(len(samples))
            level = max(float(np.sqrt(np.mean(samples**2))), 1e-4)
            mixed += np.resize(np.roll(samples, -start), count) * (self.decibels(-8, 0) / level)
        return self.in_room(mixed * (0.05 / np.sqrt(voices)))

    def in_room(self, samples: np.ndarray) -> np.ndarray:
        """Echoes of a room of 0.1 to 0.6 s."""
        count = round(self.random.uniform(0.1, 0.6) * RATE)
        decay = np.exp(-6.9 * np.arange(count) / count)
        echo = self.random.standard_normal(count) * decay
        echo *= self.random.uniform(0.1, 0.7) / np.sqrt(np.sum(echo**2))
        echo[: round(self.random.uniform(0.001, 0.01) * RATE)] = 0
        echo[0] = 1
        return filtered(samples, echo)

    def through_microphone(self, samples: np.ndarray) -> np.ndarray:
        """Up to 8 dB more or less along the spectrum, sometimes without its top."""
        size = len(samples) + 512
        spectrum = np.fft.rfft(samples, size)
        points = np.linspace(0, 1, 8)
        gains = 10 ** (self.random.uniform(-8, 8, 8) / 20)
        places = np.linspace(0, 1, len(spectrum))
        gains = np.interp(places, points, gains)
        if self.random.random() < 0.3:
            gains *= places < self.random.uniform(0.42, 0.95)
        return np.fft.irfft(spectrum * gains, size)[: len(samples)].astype(np.float32)

    def faster(self, samples: np.ndarray) -> np.ndarray:
        """Played at 0.88 to 1.14 of the speed."""
        count = round(len(samples) / self.random.uniform(0.88, 1.14))
        places = np.linspace(0, len(samples) - 1, count)
        return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)

    def changed(self, samples: np.ndarray) -> np.ndarray:
        if self.random.random() < 0.3:
            samples = self.faster(samples)
        if self.random.random() < 0.3:
            samples = self.through_microphone(samples)
        if self.random.random() < 0.2:
            samples = self.in_room(samples)
        if self.random.random() < self.coded:
            samples = once_mp3(samples, self.random.uniform(*MP3))
        return samples

    # ---- Examples ----

    def brief(self) -> Example:
        if self.words and (not self.cuts or self.random.random() < self.alone):
            word = self.words[self.random.choice(len(self.words), p=self.likely)]
            cut = word[self.random.integers(len(word))]
        else:
            cut = self.cuts[self.random.integers(len(self.cuts))]
        samples = as_float(cut.samples)
        ramp = np.linspace(0, 1, FADE, dtype=np.float32)
        if len(samples) > 2 * FADE:
            samples[:FADE] *= ramp
            samples[-FADE:] *= ramp[::-1]
        samples = self.changed(samples)
        parts = [self.hiss(self.random.uniform(0, 0.5)), samples]
        parts.append(self.hiss(self.random.uniform(0, 0.4)))
        samples = np.concatenate(parts)
        if self.random.random() < self.shares.noisy:
            samples = self.with_noise(samples)
        return Example(samples, self.vocabulary.prompt + cut.tokens, True)

    def spoken(self) -> Example:
        if self.random.random() < self.short:
            example = self.brief()
        else:
            example = super().spoken()
            example = Example(self.changed(example.samples), example.tokens, example.ended)
        loud = self.decibels(-20, 6) if self.random.random() < 0.3 else 1.0
        return Example(example.samples * loud, example.tokens, example.ended)

    def silent(self) -> Silent:
        """Half of the texts are the begin of one that was said elsewhere."""
        example = super().silent()
        tokens = example.tokens
        if self.random.random() < 0.5:
            text = self.clip().tokens or []
            tokens = self.vocabulary.prompt + text[: self.random.integers(1, 10)]
        return Silent(example.samples, tokens, example.ended)


def filtered(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def once_mp3(samples: np.ndarray, compression: float) -> np.ndarray:
    coded = io.BytesIO()
    soundfile.write(coded, samples, RATE, format="MP3", compression_level=compression)
    coded.seek(0)
    return soundfile.read(coded, dtype="float32")[0][: len(samples)]
