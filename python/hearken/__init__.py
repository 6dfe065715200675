# SPDX-License-Identifier: MIT
"""Offline speech recognition.

    >>> import hearken
    >>> model = hearken.Model("hearken-en")           # pip install hearken[en]
    >>> transcript = model.transcribe("talk.flac")    # or an array: transcribe(samples, rate=48000)
    >>> transcript.text
    >>> [(word.start, word.end, word.text, word.confidence) for word in transcript.words]

Live, with text while it is spoken:

    >>> for event in hearken.listen():
    ...     print(event.type, event.text)

    Model           a model in this process: transcribe, iter, stream, listen
    Transcript      text, segments, words with times and confidence, alignment
    Events          what iter and listen give, for `for` and `async for`
    Client          a daemon, hearkend, instead of a model in this process
    Microphone      sound as arrays; devices() lists them
    decode_audio    a recording as an array
    Options         what can be set; options() lists it
    backends        the compute plugins; inspect(path): what is in a model file
    hearken.faster_whisper    the same for programs that were written for faster-whisper

Errors carry the library's message: ValueError for values and files that are not what they should be,
OSError (FileNotFoundError ...) for what the system refuses, hearken.Cancelled after cancel. Log lines
go to the logger "hearken".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hearken._models import packaged_models
from hearken._native import Cancelled, version
from hearken._options import Option, Options, options
from hearken.audio import decode_audio
from hearken.capture import CaptureEvent, Device, Microphone, devices
from hearken.client import Client, ServerError
from hearken.live import Events
from hearken.model import Backend, Model, ModelItem, Stream, backends, inspect
from hearken.transcript import Alignment, Event, Segment, Transcript, Word

if TYPE_CHECKING:
    from hearken._compatible import Unpack

__version__ = version()

__all__ = [
    "Alignment",
    "Backend",
    "Cancelled",
    "CaptureEvent",
    "Client",
    "Device",
    "Event",
    "Events",
    "Microphone",
    "Model",
    "ModelItem",
    "Option",
    "Options",
    "Segment",
    "ServerError",
    "Stream",
    "Transcript",
    "Word",
    "backends",
    "decode_audio",
    "devices",
    "inspect",
    "listen",
    "options",
    "packaged_models",
    "version",
]


def listen(
    device: str | int | None = None,
    *,
    model: Model | str = "hearken-en",
    on_event: Callable[[CaptureEvent], None] | None = None,
    **options: Unpack[Options],
) -> Events:
    """Events of what a microphone hears: `Model.listen`, with a model that is loaded for it."""
    opened = model if isinstance(model, Model) else Model(model)
    return opened.listen(device, on_event=on_event, **options)
