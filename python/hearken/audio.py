# SPDX-License-Identifier: MIT
"""Sound as the library takes it: arrays, recordings, streams of arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from hearken._binding import ffi, lib
from hearken._native import NULL, Context, Error, logger, path_bytes, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A path, the bytes of a recording, an open file, or samples [frames] or [frames, channels].
Audio = Union[str, "os.PathLike[str]", bytes, BinaryIO, "NDArray[Any]"]

RATE: int = lib.HEARKEN_RATE  # at which the network listens
CHANNELS_MAX: int = lib.HEARKEN_CHANNELS_MAX
# Of a piece: where events are waited for, and where only the whole is, so that what each costs in
# Python is little beside its recognition.
EVENT_SECONDS = 0.25
WHOLE_SECONDS = 1.0

SAMPLE_TYPES = {
    np.dtype(np.uint8): lib.HEARKEN_SAMPLE_U8,
    np.dtype("<i2"): lib.HEARKEN_SAMPLE_S16,
    np.dtype("<i4"): lib.HEARKEN_SAMPLE_S32,
    np.dtype("<f4"): lib.HEARKEN_SAMPLE_F32,
}


@dataclass(frozen=True)
class Format:
    """Of interleaved samples."""

    rate: int
    channels: int
    sample_type: int


def as_samples(array: Any) -> NDArray[Any]:
    """An array as [frames, channels], contiguous, of a type that the library takes."""
    samples = np.asarray(array)
    if samples.dtype in (np.dtype(np.float64), np.dtype(np.float16)):
        samples = samples.astype(np.float32)
    if samples.dtype.kind in "iuf" and samples.dtype.byteorder == ">":
        samples = samples.astype(samples.dtype.newbyteorder("<"))
    if samples.dtype not in SAMPLE_TYPES:
        raise ValueError(
            f"samples are {samples.dtype}, expected float32 (-1..1), int16, int32 or uint8"
        )
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2:
        raise ValueError(
            f"samples have the shape {samples.shape}, expected [frames] or [frames, channels]"
        )
    frames, channels = samples.shape
    if not 1 <= channels <= CHANNELS_MAX:
        hint = "; turn it round with .T" if 1 <= frames <= CHANNELS_MAX else ""
        raise ValueError(
            f"samples have {channels} channels, expected [frames, channels] with 1 to "
            f"{CHANNELS_MAX}{hint}"
        )
    return np.ascontiguousarray(samples)


def array_format(samples: NDArray[Any], rate: int | None) -> Format:
    """Of what `as_samples` gave."""
    if rate is None:
        rate = RATE
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
        raise TypeError(f"rate is {rate!r}, expected a whole number of frames a second")
    if not 0 < rate < 2**32:
        raise ValueError(f"rate is {rate}, expected 1000 to 768000 frames a second")
    return Format(int(rate), samples.shape[1], SAMPLE_TYPES[samples.dtype])


def array_chunks(
    samples: NDArray[Any], rate: int, seconds: float = EVENT_SECONDS
) -> Iterator[NDArray[Any]]:
    """Pieces of so many seconds: between them signals are handled and events given."""
    frames = max(1, int(rate * seconds))
    for start in range(0, len(samples), frames):
        yield samples[start : start + frames]


class _Bytes(Context):
    """Bytes of a recording for the library to read."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = memoryview(content)

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(self._content[offset : offset + size])


# Where hearken-decode is installed by others than this package.
DECODER_PLACES = (
    "/usr/local/lib",
    "/usr/lib",
    *(f"/usr/lib/{m}-linux-gnu" for m in ("x86_64", "aarch64")),
)


def find_decoder() -> bytes | None:
    """The program for formats that the library does not read, if one is installed."""
    path = ffi.new("char[4096]")
    found = lib.hearken_find_decoder(path, 4096)
    places = [ffi.string(path)] if found else []
    places += [f"{place}/hearken/hearken-decode".encode() for place in DECODER_PLACES]
    return next((place for place in places if os.access(place, os.X_OK)), None)


class Source:
    """A recording, read as float32 at 16 kHz."""

    def __init__(self, audio: str | os.PathLike[str] | bytes | BinaryIO, track: int = 0) -> None:
        self._error = Error()
        self._context: Context = Context()
        options = ffi.new("struct hearken_source_options *")
        lib.hearken_source_options_init_sized(options, ffi.sizeof("struct hearken_source_options"))
        decoder = find_decoder()
        self._decoder = ffi.new("char[]", decoder) if decoder else NULL
        options.decoder = self._decoder
        if isinstance(track, bool) or not isinstance(track, int) or not 0 <= track < 2**32:
            raise ValueError(f"track is {track!r}, expected a number counted from 1, or 0")
        options.track = track
        opened = ffi.new("struct hearken_source **")
        if isinstance(audio, (str, os.PathLike)):
            path = path_bytes(audio)
            result = lib.hearken_source_open(path, options, opened, self._error.pointer)
        else:
            result = self._open_bytes(audio, options, opened)
        self._check(result)
        self._pointer = ffi.gc(opened[0], lib.hearken_source_destroy)
        self.channels = 1

    def _check(self, result: int) -> int:
        self._context.check()
        return self._error.check(result)

    def _open_bytes(self, audio: bytes | BinaryIO, options: Any, opened: Any) -> int:
        content = audio if isinstance(audio, bytes) else audio.read()
        if not isinstance(content, bytes):
            raise TypeError(f"the file gives {type(content).__name__}, expected one opened as 'rb'")
        self._context = _Bytes(content)
        self._handle = ffi.new_handle(self._context)
        reader = ffi.new("struct hearken_reader *")
        reader.context = self._handle
        reader.read = lib.hearken_on_read
        name = str(getattr(audio, "name", "the recording")).encode(errors="replace")
        result: int = lib.hearken_source_open_reader(
            reader, name.replace(b"\0", b"?"), options, opened, self._error.pointer
        )
        return result

    def separate(self, wanted: object) -> None:
        """Gives the channels instead of mixing them, where the option `channels` asks for it."""
        if wanted not in ("each", "auto"):
            return
        channels = lib.hearken_source_channels(self._pointer)
        is_mixed = wanted == "auto" and channels > lib.HEARKEN_CHANNELS_AUTO_MAX
        if channels < 2 or is_mixed:
            return
        self._error.check(lib.hearken_source_separate(self._pointer, channels, self._error.pointer))
        self.channels = channels

    @property
    def format(self) -> Format:
        return Format(RATE, self.channels, lib.HEARKEN_SAMPLE_F32)

    def _read(self, samples: NDArray[np.float32]) -> int:
        """How many frames it wrote there, often fewer than have room; 0 at the end."""
        return self._check(
            lib.hearken_source_read(
                self._pointer,
                ffi.from_buffer("float[]", samples),
                len(samples),
                self._error.pointer,
            )
        )

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """[frames, channels] as they come, to the end."""
        while True:
            samples = np.empty((int(RATE * EVENT_SECONDS), self.channels), np.float32)
            got = self._read(samples)
            if got == 0:
                return
            yield samples[:got]

    def whole_chunks(self) -> Iterator[NDArray[np.float32]]:
        """The same in pieces of WHOLE_SECONDS, but for the last."""
        frames = got = int(RATE * WHOLE_SECONDS)
        while got > 0:
            samples = np.empty((frames, self.channels), np.float32)
            filled = 0
            while filled < frames and (got := self._read(samples[filled:])) > 0:
                filled += got
            if filled > 0:
                yield samples[:filled]

    def warnings(self) -> tuple[str, ...]:
        """What was wrong with it; known at the end."""
        found: list[str] = []
        warning = ffi.new("struct hearken_source_warning *")
        while lib.hearken_source_warning(self._pointer, len(found), warning):
            found.append(text(warning.message))
        for message in found:
            logger.warning("%s", message)
        return tuple(found)

    def close(self) -> None:
        ffi.release(self._pointer)


def is_recording(audio: object) -> bool:
    """A path, bytes or a file; otherwise an array."""
    return isinstance(audio, (str, os.PathLike, bytes, io.IOBase)) or hasattr(audio, "read")


def decode_audio(
    audio: str | os.PathLike[str] | bytes | BinaryIO, *, track: int = 0
) -> NDArray[np.float32]:
    """Reads a recording as mono float32 samples at 16 kHz: WAV, FLAC, Ogg, Opus, MP3, AIFF and what
    else libsndfile reads; with hearken-decode installed also MP4, Matroska, AAC, AMR and films.

    >>> hearken.decode_audio("talk.flac").shape
    (56480,)
    """
    source = Source(audio, track)
    try:
        chunks = [chunk[:, 0] for chunk in source.whole_chunks()]
        source.warnings()
    finally:
        source.close()
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def iterable_chunks(chunks: Iterable[Any]) -> Iterator[NDArray[Any]]:
    """Each as `as_samples` gives it."""
    for chunk in chunks:
        yield as_samples(chunk)
