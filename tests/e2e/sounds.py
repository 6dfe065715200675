# SPDX-License-Identifier: MIT
"""Sound as the tests send it."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from programs import DATA

SHORT = DATA / "1462-170138-0009.flac"  # 2.5 s
LONG = DATA / "2086-149214-0003.flac"  # 9 s
SILENCE_BELOW = {1: 128}  # one byte a sample is unsigned


@dataclass(frozen=True)
class Pcm:
    """Interleaved samples as Wyoming carries them."""

    rate: int
    width: int
    channels: int
    data: bytes

    def frame(self) -> int:
        return self.width * self.channels

    def seconds(self) -> float:
        return len(self.data) / self.frame() / self.rate

    def first(self, seconds: float) -> "Pcm":
        return replace(self, data=self.data[: int(seconds * self.rate) * self.frame()])

    def chunks(self, frames: int) -> list[bytes]:
        size = frames * self.frame()
        return [self.data[i : i + size] for i in range(0, len(self.data), size)]


@cache
def transcripts() -> dict[str, str]:
    lines = (DATA / "transcripts.tsv").read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines)


@cache
def samples(path: Path) -> np.ndarray:
    """[frames] of a 16 kHz mono recording, 16 bits each."""
    data, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000 and data.ndim == 1
    return data


def resampled(signal: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """By the discrete Fourier transform of the whole: exact for what both rates can hold."""
    count = round(len(signal) * new_rate / rate)
    spectrum = np.fft.rfft(signal)
    bins = count // 2 + 1
    kept = np.zeros(bins, dtype=complex)
    kept[: min(bins, len(spectrum))] = spectrum[:bins]
    return np.fft.irfft(kept, count) * (count / len(signal))


def encode(signal: np.ndarray, width: int) -> bytes:
    """Values of the range of 16 bits, each in `width` bytes, little endian."""
    whole = np.clip(np.rint(signal), -32768, 32767).astype(np.int64)
    if width == 1:
        return ((whole >> 8) + 128).astype(np.uint8).tobytes()
    scaled = (whole << 8 * (width - 2)).astype("<i8")
    return scaled.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


def pcm(path: Path, rate: int = 16000, width: int = 2, channels: int = 1) -> Pcm:
    """A recording in another form. All channels hold the same."""
    signal: np.ndarray = samples(path)
    if rate != 16000:
        signal = resampled(signal.astype(float), 16000, rate)
    return Pcm(rate, width, channels, encode(np.repeat(signal, channels), width))


def silence(seconds: float, rate: int = 16000) -> Pcm:
    return Pcm(rate, 2, 1, bytes(2 * int(seconds * rate)))


def write_wav(path: Path, sound: Pcm) -> Path:
    subtype = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}[sound.width]
    padded = np.frombuffer(sound.data, dtype=np.uint8).reshape(-1, sound.width)
    if sound.width == 1:
        values = (padded[:, 0].astype(np.int32) - 128) << 24
    else:
        full = np.zeros((len(padded), 4), dtype=np.uint8)
        full[:, 4 - sound.width :] = padded
        values = full.view("<i4")[:, 0]
    soundfile.write(path, values.reshape(-1, sound.channels), sound.rate, subtype=subtype)
    return path
