# SPDX-License-Identifier: MIT
"""Models in this process, and what recognises with them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hearken._binding import ffi, lib
from hearken._models import find_model, install_hint
from hearken._native import NULL, Callback, Closing, Error, Guard, path_bytes, text
from hearken._options import Options, StreamOptions, check_names
from hearken.audio import (
    RATE,
    SAMPLE_TYPES,
    WHOLE_SECONDS,
    Audio,
    Format,
    Source,
    array_chunks,
    array_format,
    as_samples,
    is_recording,
)
from hearken.capture import CaptureEvent, Microphone
from hearken.live import Events
from hearken.transcript import Alignment, Event, EventType, Segment, Transcript, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hearken._compatible import Unpack

EVENT_TYPES: tuple[EventType | None, ...] = (
    "partial",
    "final",
    None,  # the end, which is that of the iteration
    "voice-started",
    "voice-stopped",
)
LIVE: Mapping[str, object] = {"endpointing": True, "partial_seconds": 0.64}
PICTURE_SECONDS = 180  # of sound that are kept for the attention picture

Live: TypeAlias = Audio | Microphone | Iterable[Any] | AsyncIterable[Any]


def _read_alignment(a: Any) -> Alignment | None:
    if not a:
        return None
    rows, steps = a.tokens, a.steps
    size = rows * steps * ffi.sizeof("float")
    weights = np.frombuffer(bytes(ffi.buffer(a.weights, size)), np.float32).reshape(rows, steps)
    tokens = tuple(text(a.texts[i]) for i in range(rows))
    return Alignment(weights, tokens, a.start, a.step_seconds)


def _read_event(event: Any, kind: EventType) -> Event:
    whole = ffi.string(event.text)
    return Event(
        type=kind,
        start=event.start,
        end=event.end,
        text=whole.decode(errors="replace"),
        confidence=event.confidence,
        committed=whole[: event.committed].decode(errors="replace"),
        words=tuple(
            Word(text(w.text), w.start, w.end, w.confidence)
            for w in (event.words[i] for i in range(event.word_count))
        ),
        language=text(event.language),
        language_probability=event.language_probability,
        no_speech_probability=event.no_speech_probability,
        channel=event.channel,
        alignment=_read_alignment(event.alignment),
    )


class Stream(Closing):
    """One recording or one speaker, written piece by piece: `Model.stream` makes it.

    >>> with model.stream(rate=48000, partial_seconds=0.5) as stream:
    ...     for samples in microphone:  # arrays [frames] of float32
    ...         for event in stream.write(samples):
    ...             print(event.type, event.text)
    ...     for event in stream.finish():
    ...         print(event.type, event.text)

    One thread may write at a time; `cancel` may come from another.
    """

    def __init__(self, model: Any, options: StreamOptions, form: Format) -> None:
        self.format = form
        self._error = Error()
        self._guard = Guard()
        self._events: list[Event] = []
        events = self._events

        def add(event: Any) -> None:  # no reference to the stream, which is then freed at once
            kind = EVENT_TYPES[event.type]
            if kind:
                events.append(_read_event(event, kind))

        self._callback = Callback(add)
        self._handle = ffi.new_handle(self._callback)
        created = ffi.new("struct hearken_stream **")
        self._error.check(
            lib.hearken_stream_create(
                model,
                options.pointer,
                lib.hearken_on_event,
                self._handle,
                created,
                self._error.pointer,
            )
        )

        def destroy(stream: Any, _model: Any = model) -> None:  # before the model, which it holds
            lib.hearken_stream_destroy(stream)

        self._pointer: Any = ffi.gc(created[0], destroy)
        pointer = created[0]
        self._callback.cancel = lambda: lib.hearken_stream_cancel(pointer)

    def _use(self, function: Callable[..., int], *arguments: Any) -> list[Event]:
        with self._guard:
            if self._pointer is None:
                raise ValueError("the stream is closed")
            result = function(self._pointer, *arguments, self._error.pointer)
            self._callback.check()
            self._error.check(result)
            events = self._events.copy()
            self._events.clear()
            return events

    def write(self, samples: NDArray[Any]) -> list[Event]:
        """Takes samples, [frames] or [frames, channels] in the stream's format, and returns what is
        known since the last call. Recognises the segments that are complete, so it may take a
        while; other Python threads go on."""
        array = as_samples(samples)
        form = Format(self.format.rate, array.shape[1], SAMPLE_TYPES[array.dtype])
        if form != self.format:
            raise ValueError(
                f"samples have {form.channels} channels of {array.dtype}, expected as the stream: "
                f"{self.format.channels} of {_type_name(self.format)}"
            )
        return self._use(lib.hearken_stream_write, ffi.from_buffer("char[]", array), len(array))

    def finish(self) -> list[Event]:
        """No more samples: recognises the rest and returns the last events."""
        return self._use(lib.hearken_stream_finish)

    def cancel(self) -> None:
        """A running write or finish raises hearken.Cancelled soon, later ones at once. From any
        thread."""
        pointer = self._pointer
        if pointer is not None:
            lib.hearken_stream_cancel(pointer)

    def close(self) -> None:
        """Releases it; a write that runs in another thread is cancelled first."""
        self.cancel()
        with self._guard:
            pointer, self._pointer = self._pointer, None
            if pointer is not None:
                ffi.release(pointer)


def _type_name(form: Format) -> str:
    return next(str(t) for t, number in SAMPLE_TYPES.items() if number == form.sample_type)


@dataclass(frozen=True)
class Backend:
    """A compute plugin and whether it can run here: see `hearken.backends`."""

    name: str
    score: int  # 0: cannot run here; negative: could not be loaded
    description: str
    reason: str
    path: str


class _BackendOptions:
    """A struct hearken_backend_options and what it points to."""

    def __init__(self, backend: str, threads: int, cpu_mask: str | None) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or not 0 <= threads < 2**32:
            raise ValueError(f"threads is {threads!r}, expected a number, 0 for all cores")
        self.pointer: Any = ffi.new("struct hearken_backend_options *")
        lib.hearken_backend_options_init_sized(
            self.pointer, ffi.sizeof("struct hearken_backend_options")
        )
        self._strings = [ffi.new("char[]", path_bytes(s)) for s in (backend, cpu_mask or "")]
        self.pointer.backend = self._strings[0]
        self.pointer.cpu_mask = self._strings[1] if cpu_mask else NULL
        self.pointer.threads = threads
        self.pointer.log = lib.hearken_on_log


def backends() -> list[Backend]:
    """The compute plugins, best first: "cpu", "opencl" (if OpenCL is installed), "reference"."""
    found: list[Backend] = []

    def add(r: Any) -> None:
        found.append(
            Backend(text(r.name), r.score, text(r.description), text(r.reason), text(r.path))
        )

    options, callback, error = _BackendOptions("auto", 0, None), Callback(add), Error()
    handle = ffi.new_handle(callback)
    error.check(
        lib.hearken_plugins_list(options.pointer, lib.hearken_on_plugin, handle, error.pointer)
    )
    callback.check()
    return found


class Model(Closing):
    """A speech-recognition model, loaded once. Any number of threads may use it at once.

    >>> model = hearken.Model("hearken-en")
    >>> transcript = model.transcribe("talk.flac")
    >>> print(transcript.text)
    >>> for word in transcript.words:
    ...     print(f"{word.start:.2f} {word.end:.2f} {word.text} ({word.confidence:.2f})")

    `name_or_path` is a name ("hearken-en", of `pip install hearken[en]`, of the models that are
    installed with hearken or of those that `hearken model get` got) or the path of a GGUF file or
    of whisper.cpp's. `backend` is a compute plugin, `threads` what one call uses of the processor
    (0: all cores). Many recordings at once are fastest with `threads=1` and as many Python threads
    as there are cores. `cpu_mask` withholds instruction sets, as "vnni,amx".

    Log lines go to the logger "hearken". Raises FileNotFoundError for a model that is not there,
    ValueError for a file that is none, OSError for a backend that cannot run here.
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str] = "hearken-en",
        *,
        backend: str = "auto",
        threads: int = 0,
        cpu_mask: str | None = None,
    ) -> None:
        self._pointer: Any = None
        self.path = find_model(name_or_path)
        error = Error()
        options = _BackendOptions(backend, threads, cpu_mask)
        opened = ffi.new("struct hearken_model **")
        result = lib.hearken_model_open(
            path_bytes(self.path), options.pointer, opened, error.pointer
        )
        try:
            error.check(result)
        except FileNotFoundError as missing:
            raise install_hint(name_or_path, missing) from None
        self._pointer = ffi.gc(opened[0], lib.hearken_model_destroy)
        self.name = text(lib.hearken_model_name(self._pointer))
        self.description = text(lib.hearken_model_description(self._pointer))
        self.backend = text(lib.hearken_model_backend(self._pointer))
        codes = ffi.new("const char *const **")
        count = lib.hearken_model_languages(self._pointer, codes)
        self.languages = tuple(text(codes[0][i]) for i in range(count))

    def __repr__(self) -> str:
        state = "closed" if self._pointer is None else f"on {self.backend}"
        return f"<hearken.Model {self.name}, {state}>"

    # ---- Recordings ----

    def transcribe(
        self,
        audio: Audio,
        *,
        rate: int | None = None,
        track: int = 0,
        custom_words: str | Iterable[str] | None = None,
        alignment: bool = False,
        **options: Unpack[Options],
    ) -> Transcript:
        """The text of a whole recording.

        `audio` is the path of a recording, an open binary file, the bytes of a recording, or an
        array of samples, [frames] or [frames, channels]: float32 from -1 to 1, int16, int32 or
        uint8, `rate` a second (16000 if not stated). Any rate is converted, channels are mixed
        unless `channels="each"` or `"auto"`. `track` chooses one of those of a film, from 1.

        `custom_words` are names and rare words to expect. `alignment=True` keeps where the network
        listened, and the spectrogram, for the picture in a notebook. The other options are those
        of help(hearken.Options): `language="auto"`, `beam_width=8`, `prompt="..."` ...

        Other Python threads run meanwhile. Raises OSError for a file that cannot be read and
        ValueError for what is no audio or an option out of range, with the library's message.
        """
        spectrogram = None
        source = Source(audio, track) if is_recording(audio) else None  # type: ignore[arg-type]
        try:
            if source:
                source.separate(options.get("channels"))
                form, chunks = source.format, source.whole_chunks()
            else:
                samples = as_samples(audio)
                form = array_format(samples, rate)
                chunks = array_chunks(samples, form.rate, WHOLE_SECONDS)
            kept: list[NDArray[np.float32]] = []
            frames = 0
            finals: list[Segment] = []
            with self._stream(form, custom_words, alignment, False, options) as stream:
                for chunk in chunks:
                    frames += len(chunk)
                    if alignment and frames <= PICTURE_SECONDS * form.rate:
                        kept.append(chunk)
                    finals += [e.segment for e in stream.write(chunk) if e.type == "final"]
                finals += [e.segment for e in stream.finish() if e.type == "final"]
            warnings = source.warnings() if source else ()
        finally:
            if source:
                source.close()
        if kept:
            from hearken.picture import spectrogram_of

            spectrogram = spectrogram_of(np.concatenate(kept), form.rate)
        return Transcript(
            segments=tuple(finals),
            duration=frames / form.rate,
            warnings=warnings,
            spectrogram=spectrogram,
        )

    # ---- Live ----

    def stream(
        self,
        *,
        rate: int = RATE,
        channel_count: int = 1,
        dtype: Any = np.float32,
        custom_words: str | Iterable[str] | None = None,
        alignment: bool = False,
        voice_events: bool = False,
        **options: Unpack[Options],
    ) -> Stream:
        """A recogniser to write samples to as they come. `channel_count` and `dtype` are those of the
        samples. `partial_seconds=0.64` gives text while it is spoken,
        `endpointing=True` the final text in each pause."""
        form = array_format(as_samples(np.zeros((0, channel_count), dtype)), rate)
        return self._stream(form, custom_words, alignment, voice_events, options)

    def iter(
        self,
        audio: Live,
        *,
        rate: int | None = None,
        custom_words: str | Iterable[str] | None = None,
        alignment: bool = False,
        voice_events: bool = False,
        **options: Unpack[Options],
    ) -> Events:
        """Events as sound is recognised: to iterate over with `for` or `async for`.

        `audio` is as for `transcribe`, or a `Microphone`, or an iterable or async iterable of
        arrays as they come from elsewhere. Recordings give a final event for each segment.
        `partial_seconds=0.64` gives text while it is spoken, `endpointing=True` the final text in
        each pause.

        >>> async for event in model.iter(websocket_arrays(), rate=48000, partial_seconds=0.64):
        ...     print(event.type, event.text)
        """
        self._alive()
        check_names(options)

        def start(form: Format) -> Stream:
            return self._stream(form, custom_words, alignment, voice_events, options)

        return Events(start, audio, rate, options.get("channels"))

    def listen(
        self,
        device: str | int | None = None,
        *,
        on_event: Callable[[CaptureEvent], None] | None = None,
        custom_words: str | Iterable[str] | None = None,
        voice_events: bool = False,
        **options: Unpack[Options],
    ) -> Events:
        """Events of what a microphone hears, with text while it is spoken, until the iteration is
        left, `close` or `cancel`.

        >>> with model.listen() as events:
        ...     for event in events:
        ...         if event.type == "final":
        ...             print(event.text)
        """
        self._alive()
        merged: Options = {**LIVE, **options}  # type: ignore[typeddict-item]
        microphone = Microphone(device, on_event=on_event)
        return self.iter(microphone, custom_words=custom_words, voice_events=voice_events, **merged)

    # ---- Closing ----

    def _alive(self) -> Any:
        if self._pointer is None:
            raise ValueError("the model is closed")
        return self._pointer

    def _stream(
        self,
        form: Format,
        custom_words: str | Iterable[str] | None,
        alignment: bool,
        voice_events: bool,
        options: Mapping[str, object],
    ) -> Stream:
        model = self._alive()
        filled = StreamOptions(
            options,
            rate=form.rate,
            channels=form.channels,
            sample_type=form.sample_type,
            custom_words=custom_words,
            alignment=alignment,
            voice_events=voice_events,
        )
        return Stream(model, filled, form)

    def close(self) -> None:
        """Frees its memory once the streams that use it are closed, too."""
        self._pointer = None


@dataclass(frozen=True)
class ModelItem:
    """A fact about a model file: metadata with a `value`, or a tensor with a `shape`."""

    name: str
    type: str
    value: str
    shape: str
    bytes: int


def inspect(name_or_path: str | os.PathLike[str]) -> list[ModelItem]:
    """What is in a GGUF file, without loading it."""
    found: list[ModelItem] = []

    def add(item: Any) -> None:
        found.append(
            ModelItem(
                text(item.name), text(item.type), text(item.value), text(item.shape), item.bytes
            )
        )

    callback, error = Callback(add), Error()
    handle = ffi.new_handle(callback)
    path = path_bytes(find_model(name_or_path))
    error.check(lib.hearken_model_inspect(path, lib.hearken_on_item, handle, error.pointer))
    callback.check()
    return found
