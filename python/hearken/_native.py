# SPDX-License-Identifier: MIT
"""The library's errors, log lines and callbacks, for the other modules."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hearken._binding import ffi, lib

if TYPE_CHECKING:
    from hearken._compatible import Self

NULL = ffi.NULL
logger = logging.getLogger("hearken")


class Cancelled(Exception):
    """What was waited for was cancelled from another thread."""


def text(string: Any) -> str:
    """Of a const char *, which may be NULL."""
    return ffi.string(string).decode(errors="replace") if string else ""


def path_bytes(path: str | os.PathLike[str]) -> bytes:
    """A path as the library takes it."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"the path {os.fspath(path)!r} holds a zero character")
    return encoded


def exception(code: int, message: str) -> Exception:
    """For a negative errno of the library, with its message."""
    number = -code
    if number == errno.EINVAL:
        return ValueError(message)
    if number == errno.ENOMEM:
        return MemoryError(message)
    if number == errno.ECANCELED:
        return Cancelled(message)
    return OSError(number, message)


class Error:
    """A struct hearken_error; `check` raises what it says."""

    def __init__(self) -> None:
        self.pointer = ffi.new("struct hearken_error *")

    def check(self, result: int) -> int:
        if result < 0:
            message = text(self.pointer.message) or os.strerror(-result)
            raise exception(result, message)
        return result


class Context:
    """Of callbacks, for ffi.new_handle(), whose result the owner keeps. What is raised in them, also
    KeyboardInterrupt before their first line, ends the call of the library by `cancel` if there is
    a way, and is raised by `check`."""

    def __init__(self) -> None:
        self.cancel: Callable[[], None] | None = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        if self.cancel:
            self.cancel()

    def check(self) -> None:
        error, self.error = self.error, None
        if error:
            raise error


class Callback(Context):
    """A Python function that is called back."""

    def __init__(self, function: Callable[[Any], None]) -> None:
        super().__init__()
        self._function = function

    def __call__(self, argument: Any) -> None:
        if not self.error:
            self._function(argument)


def _on_error(_kind: object, error: BaseException, trace: TracebackType | None) -> None:
    """Called by cffi with what a callback raised."""
    context = trace.tb_frame.f_locals.get("context") if trace else None
    if context:
        ffi.from_handle(context).fail(error)


class Closing:
    """What `with` closes at its end."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Guard:
    """For what one thread may use at a time: a second one waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("called from within one of its own callbacks, expected: later")
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = 0
        self._lock.release()


LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


@ffi.def_extern()
def hearken_on_log(_context: Any, level: int, message: Any) -> None:
    logger.log(LEVELS[level], "%s", text(message))


@ffi.def_extern(onerror=_on_error)
def hearken_on_event(context: Any, event: Any) -> None:
    ffi.from_handle(context)(event)


@ffi.def_extern(onerror=_on_error)
def hearken_on_device(context: Any, device: Any) -> None:
    ffi.from_handle(context)(device)


@ffi.def_extern(onerror=_on_error)
def hearken_on_capture(context: Any, event: Any) -> None:
    ffi.from_handle(context)(event)


@ffi.def_extern(onerror=_on_error)
def hearken_on_plugin(context: Any, report: Any) -> None:
    ffi.from_handle(context)(report)


@ffi.def_extern(onerror=_on_error)
def hearken_on_item(context: Any, item: Any) -> None:
    ffi.from_handle(context)(item)


@ffi.def_extern(error=-errno.EIO, onerror=_on_error)
def hearken_on_read(context: Any, offset: int, to: Any, size: int) -> int:
    found: bytes = ffi.from_handle(context).read_at(offset, size)
    ffi.memmove(to, found, len(found))
    return len(found)


def version() -> str:
    """The version of the library."""
    return text(lib.hearken_version())
