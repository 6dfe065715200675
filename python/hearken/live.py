# SPDX-License-Identifier: MIT
"""Events while sound is recognised, for `for` and `async for`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from hearken._native import Cancelled, Closing
from hearken.audio import (
    RATE,
    Format,
    Source,
    array_chunks,
    array_format,
    as_samples,
    is_recording,
)
from hearken.capture import Microphone
from hearken.transcript import Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hearken._compatible import Self


class Recogniser(Protocol):
    """What samples are written to."""

    def write(self, samples: NDArray[Any]) -> list[Event]: ...
    def finish(self) -> list[Event]: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


class Events(Closing):
    """Iterate over it, with `for` or with `async for`, to recognise sound: each event comes as soon as
    it is known. With `async for` the work is done in a thread, and a task that is cancelled ends it.
    `with` or `async with`, or `close`, releases the stream and the microphone at once when the loop
    is left early.
    """

    def __init__(
        self,
        start: Callable[[Format], Recogniser],
        audio: Any,
        rate: int | None,
        channels: object = None,
    ) -> None:
        self._start = start
        self._rate = rate
        self._microphone: Microphone | None = None
        self._source: Source | None = None
        self._stream: Recogniser | None = None
        self._ready: deque[Event] = deque()
        self._over = False
        self._chunks: Iterator[Any] | AsyncIterator[Any]
        if isinstance(audio, Microphone):
            self._microphone = audio
            self._chunks = iter(audio)
        elif is_recording(audio):
            self._source = Source(audio)
            self._source.separate(channels)
            self._rate = RATE
            self._chunks = self._source.chunks()
        elif isinstance(audio, AsyncIterable):
            self._chunks = aiter(audio)
        elif hasattr(audio, "__array__"):
            samples = as_samples(audio)
            self._chunks = array_chunks(samples, array_format(samples, rate).rate)
        elif isinstance(audio, Iterable):
            self._chunks = iter(audio)
        else:
            raise TypeError(
                f"audio is {type(audio).__name__}, expected a path, a file, an array, a "
                "Microphone, or an iterable of arrays"
            )

    # ---- Working ----

    def _write(self, chunk: Any) -> None:
        samples = as_samples(chunk)
        if self._stream is None:
            self._stream = self._start(array_format(samples, self._rate))
        self._ready.extend(self._stream.write(samples))

    def _finish(self) -> None:
        self._over = True
        try:
            if self._stream:
                self._ready.extend(self._stream.finish())
        finally:
            self.close()

    def _advance(self) -> None:
        """Until there is an event, or the end."""
        assert isinstance(self._chunks, Iterator)
        try:
            while not self._ready and not self._over:
                try:
                    chunk = next(self._chunks)
                except StopIteration:
                    self._finish()
                else:
                    self._write(chunk)
        except Cancelled:
            self.close()
        except BaseException:
            self.close()
            raise

    # ---- for ----

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if isinstance(self._chunks, AsyncIterator):
            raise TypeError("the arrays come from an async iterable, expected `async for`")
        self._advance()
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    # ---- async for ----

    async def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        """A task that is cancelled meanwhile cancels the work, and ends when that has ended."""
        running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # it is told of nowhere else
            self.close()
            raise

    async def _advance_async(self, chunks: AsyncIterator[Any]) -> None:
        try:
            while not self._ready and not self._over:
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    await self._in_thread(self._finish)
                else:
                    await self._in_thread(self._write, chunk)
        except Cancelled:
            self.close()
        except BaseException:
            self.close()
            raise

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if not self._ready and not self._over:
            if isinstance(self._chunks, AsyncIterator):
                await self._advance_async(self._chunks)
            else:
                await self._in_thread(self._advance)
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    # ---- Ending ----

    def cancel(self) -> None:
        """Ends the iteration soon, without the text of what was not recognised yet. From any
        thread."""
        self._over = True
        if self._microphone:
            self._microphone.cancel()
        if self._stream:
            self._stream.cancel()

    def close(self) -> None:
        """Releases the stream, and the microphone or the recording."""
        self._over = True
        if self._stream:
            self._stream.close()
        if self._microphone:
            self._microphone.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
