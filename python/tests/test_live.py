# SPDX-License-Identifier: MIT
"""Events while sound is recognised: for, async for, streams, microphones."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import LONG, LONG_TEXT, SHORT, SHORT_TEXTS

import hearken


def pieces(samples: Any, frames: int = 1600) -> Iterator[Any]:
    for start in range(0, len(samples), frames):
        yield samples[start : start + frames]


async def async_pieces(samples: Any) -> AsyncIterator[Any]:
    for piece in pieces(samples):
        await asyncio.sleep(0)
        yield piece


def check_events(events: list[hearken.Event], text: str) -> None:
    """As the documents promise: what is committed stays."""
    assert events[-1].type == "final" and events[-1].text == events[-1].committed == text
    committed = ""
    for event in events:
        assert event.text.startswith(event.committed) and event.committed.startswith(committed)
        committed = event.committed


def test_recording(model: hearken.Model) -> None:
    (event,) = model.iter(LONG)
    assert event.type == "final" and event.text == LONG_TEXT
    assert event.segment.words == event.words and not hasattr(event.segment, "committed")


def test_partial_text(model: hearken.Model) -> None:
    events = list(model.iter(LONG, partial_seconds=1.0, partial_share=0.0))
    assert len(events) > 4 and {event.type for event in events[:-1]} == {"partial"}
    check_events(events, LONG_TEXT)


def test_iterable(model: hearken.Model) -> None:
    samples = (hearken.decode_audio(SHORT) * 32767).astype(np.int16)
    given: list[Any] = [samples, pieces(samples), list(pieces(samples))]
    for audio in given:
        (event,) = model.iter(audio, rate=16000)
        assert event.text in SHORT_TEXTS


def test_voice_events(model: hearken.Model) -> None:
    events = list(model.iter(SHORT, voice_events=True))
    assert [event.type for event in events] == ["voice-started", "voice-stopped", "final"]
    assert 0 < events[0].start < events[1].start < 3


def test_pieces_that_differ(model: hearken.Model) -> None:
    mixed = [np.zeros(100, np.float32), np.zeros(100, np.int16)]
    with pytest.raises(ValueError, match="1 channels of int16, expected as the stream: 1 of float"):
        list(model.iter(mixed))
    with pytest.raises(TypeError, match="audio is int, expected a path"):
        model.iter(5)  # type: ignore[arg-type]


def test_stream(model: hearken.Model) -> None:
    samples = hearken.decode_audio(LONG)
    with model.stream(partial_seconds=1.0, partial_share=0.0) as stream:
        events = [event for piece in pieces(samples) for event in stream.write(piece)]
        events += stream.finish()
        check_events(events, LONG_TEXT)
        with pytest.raises(ValueError, match="finish"):
            stream.write(samples)


def test_stream_is_cancelled_by_a_thread(model: hearken.Model) -> None:
    samples = np.tile(hearken.decode_audio(LONG), 20)
    with model.stream() as stream:
        threading.Timer(0.3, stream.cancel).start()
        with pytest.raises(hearken.Cancelled):
            stream.write(samples)
            stream.finish()


def test_closed_while_it_works(model: hearken.Model) -> None:
    """Another thread closes the stream: no crash, and the writer is told."""
    samples = np.tile(hearken.decode_audio(LONG), 20)
    stream = model.stream()
    threading.Timer(0.3, stream.close).start()
    with pytest.raises((hearken.Cancelled, ValueError)):
        stream.write(samples)
        stream.finish()


# ---- async for ----


def test_async(model: hearken.Model) -> None:
    async def gather(audio: Any) -> list[hearken.Event]:
        return [event async for event in model.iter(audio, partial_seconds=1.0, partial_share=0.0)]

    samples = hearken.decode_audio(LONG)
    for audio in (LONG, samples, async_pieces(samples)):
        check_events(asyncio.run(gather(audio)), LONG_TEXT)


def test_async_lets_others_run(model: hearken.Model) -> None:
    async def work() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticker = asyncio.create_task(tick())
        texts = [event.text async for event in model.iter(LONG)]
        ticker.cancel()
        assert texts == [LONG_TEXT]
        return ticks

    assert asyncio.run(work()) > 10


async def endless(samples: Any) -> AsyncIterator[Any]:
    while True:
        yield samples


def test_async_is_cancelled(small: hearken.Model) -> None:
    """The task ends soon, its thread and stream with it, and the loop can be closed."""
    samples = np.pad(hearken.decode_audio(SHORT), (0, 16000))
    before = threading.active_count()

    async def work(audio: Any) -> None:
        got = asyncio.Event()
        events = small.iter(audio, endpointing=True)

        async def consume() -> None:
            async for _ in events:
                got.set()

        task = asyncio.create_task(consume())
        await asyncio.wait_for(got.wait(), 60)
        task.cancel()
        start = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - start < 5
        assert [event async for event in events] == [], "it is over"

    asyncio.run(work(np.tile(samples, 100)))
    asyncio.run(work(endless(samples)))
    assert threading.active_count() == before


def test_async_times_out(model: hearken.Model) -> None:
    async def work() -> None:
        async with model.iter(np.tile(hearken.decode_audio(LONG), 100)) as events:
            async for _ in events:
                pass

    async def limited() -> None:
        await asyncio.wait_for(work(), 0.5)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(limited())


def test_async_only(model: hearken.Model) -> None:
    with pytest.raises(TypeError, match="expected `async for`"):
        next(model.iter(async_pieces(np.zeros(10, np.float32))))
