# SPDX-License-Identifier: MIT
"""Microphones, by PortAudio, which is loaded if it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hearken._binding import ffi, lib
from hearken._native import Callback, Cancelled, Closing, Error, Guard, logger, text

if TYPE_CHECKING:
    from numpy.typing import NDArray


CAPTURE_EVENTS = ("started", "lost", "fell-back", "returned", "overrun")


@dataclass(frozen=True)
class Device:
    """A device that gives sound."""

    index: int  # may be another one when devices have come or gone
    name: str
    system: str  # "ALSA" ...
    channels: int  # at most
    rate: int
    is_default: bool


@dataclass(frozen=True)
class CaptureEvent:
    """What happens to a microphone. `type` is "started", "lost", "fell-back" (sound comes from the
    default device for want of the other), "returned" or "overrun" (sound was lost)."""

    type: str
    device: str
    reason: str  # of "lost"
    rate: int
    channels: int
    overruns: int
    lost_seconds: float


def devices() -> list[Device]:
    """The microphones that there are. OSError where the sound system cannot be asked, which
    names PortAudio if that is not installed."""
    found: list[Device] = []

    def add(d: Any) -> None:
        found.append(
            Device(d.index, text(d.name), text(d.system), d.channels, d.rate, d.is_default)
        )

    callback, error = Callback(add), Error()
    handle = ffi.new_handle(callback)
    error.check(lib.hearken_devices_list(lib.hearken_on_device, handle, error.pointer))
    callback.check()
    return found


def _log_event(event: CaptureEvent) -> None:
    reason = f": {event.reason}" if event.reason else ""
    logger.info("microphone %s %s%s", event.device, event.type, reason)


class Microphone(Closing):
    """A microphone, as mono float32 samples at 16 kHz. If it is unplugged, sound comes from the
    default device until it is back, and `on_event` is told.

    >>> with hearken.Microphone() as microphone:
    ...     for samples in microphone:  # float32 arrays, as they come
    ...         print(samples.shape, float(abs(samples).max()))

    A process has one at a time. `device` is a name, a part of one, or an index of
    `hearken.devices()`; None is the system's default. `buffer_seconds` of sound are kept while
    nobody reads. One thread may read; `cancel` may come from another.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        rate: int = 0,
        channels: int = 0,
        buffer_seconds: float = 10.0,
        on_event: Callable[[CaptureEvent], None] | None = None,
    ) -> None:
        self._pointer: Any = None
        self._error = Error()
        self._guard = Guard()
        tell = on_event or _log_event
        self._callback = Callback(lambda event: tell(_read_event(event)))
        self._handle = ffi.new_handle(self._callback)
        options = ffi.new("struct hearken_capture_options *")
        lib.hearken_capture_options_init_sized(
            options, ffi.sizeof("struct hearken_capture_options")
        )
        name = ffi.new("char[]", str("" if device is None else device).encode())
        options.device = name
        options.rate, options.channels = rate, channels
        options.buffer_seconds = buffer_seconds
        options.log = lib.hearken_on_log
        opened = ffi.new("struct hearken_capture **")
        self._error.check(
            lib.hearken_capture_open(
                options,
                lib.hearken_on_capture,
                self._handle,
                opened,
                self._error.pointer,
            )
        )
        self._pointer = ffi.gc(opened[0], lib.hearken_capture_destroy)

    def read(self, seconds: float = 0.1) -> NDArray[np.float32]:
        """What was heard, as soon as there is something, at most a second; empty if there was
        nothing for `seconds`. Raises hearken.Cancelled after `cancel`."""
        samples = np.empty(lib.HEARKEN_RATE, np.float32)
        with self._guard:
            if self._pointer is None:
                raise ValueError("the microphone is closed")
            got = lib.hearken_capture_read(
                self._pointer,
                ffi.from_buffer("float[]", samples),
                len(samples),
                max(0, round(seconds * 1000)),
                self._error.pointer,
            )
            self._callback.check()
            return samples[: self._error.check(got)]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """What is heard, until `cancel` or `close`."""
        try:
            while self._pointer is not None:
                samples = self.read()
                if len(samples):
                    yield samples
        except Cancelled:
            pass

    def cancel(self) -> None:
        """Ends reading; from any thread."""
        pointer = self._pointer
        if pointer is not None:
            lib.hearken_capture_cancel(pointer)

    def close(self) -> None:
        """Releases the device. A read in another thread ends first."""
        self.cancel()
        with self._guard:
            pointer, self._pointer = self._pointer, None
            if pointer is not None:
                ffi.release(pointer)


def _read_event(event: Any) -> CaptureEvent:
    return CaptureEvent(
        CAPTURE_EVENTS[event.type],
        text(event.device),
        text(event.reason),
        event.rate,
        event.channels,
        event.overruns,
        event.lost_seconds,
    )
