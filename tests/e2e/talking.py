# SPDX-License-Identifier: MIT
"""Talking to a daemon with the `wyoming` package, as its users do, and with bare sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from programs import PATIENCE
from sounds import Pcm
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient, AsyncTcpClient, AsyncUnixClient
from wyoming.error import Error
from wyoming.event import Event

Result = TypeVar("Result")
EXTENDED = {"hearken": {"events": True, "words": True}}


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine to its end, within reason."""

    async def limited() -> Result:
        return await asyncio.wait_for(work, PATIENCE)

    return asyncio.run(limited())


@asynccontextmanager
async def connected(where: Path | tuple[str, int]) -> AsyncIterator[AsyncClient]:
    """To a Unix socket, or to a host and port."""
    client: AsyncClient
    if isinstance(where, tuple):
        client = AsyncTcpClient(*where)
    else:
        client = AsyncUnixClient(where)
    await client.connect()
    try:
        yield client
    finally:
        try:
            await client.disconnect()
        except OSError:
            pass  # it closed before we did


async def send_sound(client: AsyncClient, sound: Pcm, frames: int = 1024) -> None:
    form = {"rate": sound.rate, "width": sound.width, "channels": sound.channels}
    await client.write_event(AudioStart(**form).event())
    for chunk in sound.chunks(frames):
        await client.write_event(AudioChunk(**form, audio=chunk).event())
    await client.write_event(AudioStop().event())


async def read_answer(client: AsyncClient) -> list[Event]:
    """All events up to transcript-stop or an error."""
    events: list[Event] = []
    while not events or events[-1].type not in ("transcript-stop", "error"):
        event = await client.read_event()
        assert event is not None, f"closed after {[e.type for e in events]}"
        events.append(event)
    return events


async def ask(
    client: AsyncClient, sound: Pcm, request: dict[str, Any] | None = None
) -> list[Event]:
    """One whole request; `request` is the data of transcribe."""
    event = Transcribe().event() if request is None else Event("transcribe", request)
    await client.write_event(event)
    await send_sound(client, sound)
    return await read_answer(client)


def answer(
    where: Path | tuple[str, int], sound: Pcm, request: dict[str, Any] | None = None
) -> list[Event]:
    """On a connection of its own."""

    async def work() -> list[Event]:
        async with connected(where) as client:
            return await ask(client, sound, request)

    return complete(work())


def of_type(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.type == kind]


def text_of(events: list[Event]) -> str:
    """Of the one transcript among the events."""
    errors = [Error.from_event(event).text for event in of_type(events, "error")]
    assert not errors, errors
    (event,) = of_type(events, "transcript")
    return Transcript.from_event(event).text


def error_of(events: list[Event]) -> Error:
    (event,) = of_type(events, "error")
    return Error.from_event(event)


def transcribed(where: Path | tuple[str, int], sound: Pcm) -> str:
    return text_of(answer(where, sound))


class Bare:
    """A socket without any manners."""

    def __init__(self, where: Path | tuple[str, int], receive_buffer: int | None = None) -> None:
        family = socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(where if isinstance(where, tuple) else str(where))
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def event(
        self,
        kind: str,
        data: dict[str, Any] | None = None,
        payload: bytes = b"",
        inline: bool = False,
    ) -> None:
        """`inline`: the data stand in the header line, else behind it."""
        header: dict[str, Any] = {"type": kind}
        body = b""
        if data is not None and inline:
            header["data"] = data
        elif data is not None:
            body = json.dumps(data).encode()
            header["data_length"] = len(body)
        if payload:
            header["payload_length"] = len(payload)
        self.send(json.dumps(header).encode() + b"\n" + body + payload)

    def sound(self, sound: Pcm, inline: bool = False) -> None:
        form = {"rate": sound.rate, "width": sound.width, "channels": sound.channels}
        self.event("audio-start", form, inline=inline)
        for chunk in sound.chunks(4000):
            self.event("audio-chunk", form, chunk, inline=inline)
        self.event("audio-stop", inline=inline)

    def read(self) -> Event | None:
        """The next event; None when the daemon has closed."""
        try:
            line = self.reader.readline()
        except ConnectionResetError:
            return None
        if not line:
            return None
        header = json.loads(line)
        data = header.get("data", {})
        if header.get("data_length"):
            data |= json.loads(self.reader.read(header["data_length"]))
        payload = self.reader.read(header["payload_length"]) if "payload_length" in header else None
        return Event(header["type"], data, payload)

    def read_all(self) -> list[Event]:
        """Until the daemon closes."""
        events = []
        while (event := self.read()) is not None:
            events.append(event)
        return events
