# SPDX-License-Identifier: MIT
"""What a transcript shows in a notebook: its text, words, and the attention picture as SVG."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hearken._binding import ffi, lib
from hearken._native import Error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hearken.transcript import Transcript, Word

BANDS = 80
WIDTH = 1200  # of the drawing, in units
SOUND_HEIGHT = 100
ROW = 16
MARGIN = 110  # left of the drawing, for the words
SHOWN_SECONDS = 30.0
RANGE = 6.0  # log10 of power below the loudest that is white
# Some colours of magma from light to dark, and of ColorBrewer's Blues.
SOUND_COLOURS = ((255, 255, 255), (254, 159, 109), (183, 55, 121), (81, 18, 124), (0, 0, 4))
ATTENTION_COLOURS = (
    (255, 255, 255),
    (198, 219, 239),
    (107, 174, 214),
    (33, 113, 181),
    (8, 48, 107),
)


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """log10 of power, [frames, bands]; bands upwards from 0 to 8 kHz."""

    power: NDArray[np.float32]
    frame_seconds: float


def _to_listening_rate(samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
    """Mono, about 16 kHz: good enough to look at."""
    scale = (
        {"u": 128.0, "i": float(np.iinfo(samples.dtype).max)} if samples.dtype.kind in "ui" else {}
    )
    mono = samples.astype(np.float32).mean(axis=1)
    if samples.dtype.kind == "u":
        mono -= 128.0
    mono /= scale.get(samples.dtype.kind, 1.0)
    if rate != lib.HEARKEN_RATE:
        count = max(1, int(len(mono) * lib.HEARKEN_RATE / rate))
        places = np.arange(count) * (rate / lib.HEARKEN_RATE)
        mono = np.interp(places, np.arange(len(mono)), mono)
    return np.ascontiguousarray(mono, np.float32)


def spectrogram_of(samples: NDArray[Any], rate: int) -> Spectrogram:
    """Of samples [frames, channels]."""
    mono = _to_listening_rate(samples, rate)
    power = np.empty((lib.hearken_spectrogram_frames(len(mono)), BANDS), np.float32)
    padded = np.zeros(max(len(mono), 400), np.float32)
    padded[: len(mono)] = mono
    error = Error()
    error.check(
        lib.hearken_spectrogram(
            ffi.from_buffer("float[]", padded),
            len(mono),
            BANDS,
            ffi.from_buffer("float[]", power),
            error.pointer,
        )
    )
    return Spectrogram(power, 0.01)


def _png(shares: NDArray[Any], colours: tuple[tuple[int, int, int], ...]) -> str:
    """An image of values 0..1 [rows, columns], as a data URI."""
    places = np.linspace(0, 1, len(colours))
    channels = [np.interp(shares, places, [c[i] for c in colours]) for i in range(3)]
    pixels = np.stack(channels, axis=-1).astype(np.uint8)
    rows, columns = shares.shape
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(rows))

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    image = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(image).decode()


def _image(uri: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{uri}"/>'
    )


def _word_rows(tokens: tuple[str, ...], words: list[Word]) -> list[tuple[Word, list[int]]]:
    """The tokens of each word: they are its text, piece by piece. Ends where they do not match,
    as with tokens that are parts of a character."""
    found: list[tuple[Word, list[int]]] = []
    at = 0
    for word in words:
        rows: list[int] = []
        spelled = ""
        while at < len(tokens) and len(spelled) < len(word.text):
            spelled = (spelled + tokens[at]).lstrip()
            rows.append(at)
            at += 1
        found.append((word, rows))
    return found


def attention_svg(transcript: Transcript) -> str:
    """Spectrogram above, below it a row for each word: where the network listened as it wrote it.
    "" without an alignment. Of the first half minute."""
    whole = transcript.alignment
    if whole is None:
        return ""
    seconds = min(transcript.duration, SHOWN_SECONDS) or whole.step_seconds
    steps = max(1, int(seconds / whole.step_seconds))
    aligned = [segment for segment in transcript.segments if segment.alignment]
    rows: list[tuple[Word, NDArray[np.float32]]] = []
    first = 0
    for segment in aligned:
        assert segment.alignment
        tokens = segment.alignment.tokens
        for word, places in _word_rows(tokens, list(segment.words)):
            if places and word.start < seconds:
                lines = whole.weights[[first + place for place in places], :steps]
                rows.append((word, lines.max(axis=0)))
        first += len(tokens)
    scale = WIDTH / seconds
    height = SOUND_HEIGHT + ROW * len(rows) + 20
    parts = []
    sound = transcript.spectrogram
    if sound is not None:
        power = sound.power[: int(seconds / sound.frame_seconds)]
        shares = np.clip((power - power.max()) / RANGE + 1, 0, 1).T[::-1]
        width = len(power) * sound.frame_seconds * scale
        parts.append(_image(_png(shares, SOUND_COLOURS), MARGIN, 0, width, SOUND_HEIGHT))
    if rows:
        weights = np.array([row for _, row in rows])
        shares = np.sqrt(np.clip(weights / max(float(weights.max()), 1e-6), 0, 1))
        width = weights.shape[1] * whole.step_seconds * scale
        uri = _png(shares, ATTENTION_COLOURS)
        parts.append(_image(uri, MARGIN, SOUND_HEIGHT, width, ROW * len(rows)))
    for i, (word, _) in enumerate(rows):
        y = SOUND_HEIGHT + ROW * i
        x, width = MARGIN + word.start * scale, max((word.end - word.start) * scale, 1)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="none" '
            f'stroke="#d62728"/><text x="{MARGIN - 6}" y="{y + 12}" text-anchor="end" '
            f'fill="#222">{html.escape(word.text)}</text>'
        )
    for second in range(int(seconds) + 1):
        parts.append(
            f'<text x="{MARGIN + second * scale:.1f}" y="{height - 6}" fill="#555">{second} s</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + MARGIN + 20} {height}" '
        'style="max-width:100%;background:#fff;font:12px sans-serif">' + "".join(parts) + "</svg>"
    )


def transcript_html(transcript: Transcript) -> str:
    """For notebooks."""
    words = " ".join(
        f'<span style="opacity:{0.35 + 0.65 * word.confidence:.2f}" '
        f'title="{word.start:.2f} to {word.end:.2f} s, confidence {word.confidence:.2f}">'
        f"{html.escape(word.text)}</span>"
        for word in transcript.words
    )
    text = words or html.escape(transcript.text) or "<i>nothing was said</i>"
    language = f", {html.escape(transcript.language)}" if transcript.language else ""
    return (
        f'<div><p style="font-size:110%">{text}</p><p style="color:#777">'
        f"{transcript.duration:.2f} s{language}</p>{attention_svg(transcript)}</div>"
    )
