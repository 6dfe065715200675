# SPDX-License-Identifier: MIT
"""Speaking to a daemon over WebSockets: as clients do, and frame by frame."""

import base64
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from programs import PATIENCE
from sounds import Pcm, silence
from web import BareHttp, Served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

Event = dict[str, Any]
REALTIME = "/v1/realtime?intent=transcription"
TRANSCRIPTION = "conversation.item.input_audio_transcription."
DELTA, COMPLETED = TRANSCRIPTION + "delta", TRANSCRIPTION + "completed"
STARTED = "input_audio_buffer.speech_started"
# So that a text does not depend on when its sound came.
TIMELESS = {"recognition.partial_share": "0"}


class Live:
    """A WebSocket on which both sides send JSON, and the client sound too."""

    def __init__(
        self,
        served: Served,
        path: str,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.socket: ClientConnection = connect(
            f"ws://127.0.0.1:{served.port}{path}",
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE / 2,
            ping_interval=None,  # its answers wait for a thread that sends without a pause
            max_size=None,
            compression=None,
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, message: Event | bytes | str) -> None:
        self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    def next(self) -> Event:
        event: Event = json.loads(self.socket.recv(timeout=PATIENCE))
        return event

    def rest(self) -> list[Event]:
        """All events until the daemon closes."""
        events = []
        try:
            while True:
                events.append(self.next())
        except ConnectionClosed:
            return events

    def close_code(self) -> int | None:
        """Reads to the end."""
        self.rest()
        return self.socket.protocol.close_code


class Realtime(Live):
    """A session in OpenAI's form."""

    def __init__(self, served: Served, path: str = REALTIME, **options: Any) -> None:
        super().__init__(served, path, **options)
        self.created = self.next()

    def until(self, *kinds: str) -> list[Event]:
        """Events up to the first of one of these kinds."""
        events = [self.next()]
        while events[-1]["type"] not in kinds:
            assert events[-1]["type"] != "error", events[-1]
            events.append(self.next())
        return events

    def update(self, session: Event, kind: str = "session.update") -> Event:
        self.send({"type": kind, "session": session})
        event = self.next()
        assert event["type"] == f"{kind}d", event
        updated: Event = event["session"]
        return updated

    def configure(
        self, format: Event | None = None, push_to_talk: bool = False, **others: Any
    ) -> Event:
        """`others`: members of the session but the sound's."""
        sound: Event = {"format": format or {"type": "audio/pcm", "rate": 16000}}
        sound["transcription"] = others.pop("transcription", {"model": "gpt-4o-transcribe"})
        if push_to_talk:
            sound["turn_detection"] = None
        return self.update({"type": "transcription", "audio": {"input": sound}} | others)

    def append(self, sound: bytes) -> None:
        audio = base64.b64encode(sound).decode()
        self.send({"type": "input_audio_buffer.append", "audio": audio})

    def say(self, sound: Pcm | bytes, size: int = 3200) -> None:
        data = sound.data if isinstance(sound, Pcm) else sound
        for i in range(0, len(data), size):
            self.append(data[i : i + size])

    def commit(self) -> None:
        self.send({"type": "input_audio_buffer.commit"})

    def refused(self) -> Event:
        """The error that comes next."""
        event = self.next()
        assert event["type"] == "error", event
        error: Event = event["error"]
        assert error["message"] and error["type"]
        return error

    def transcript(self, sound: Pcm | bytes) -> str:
        """Of what is pushed to talk."""
        self.say(sound)
        self.commit()
        return completed_of(self.until(COMPLETED))


def kinds_of(events: Iterable[Event]) -> list[str]:
    return [event["type"] for event in events]


def of_kind(events: Iterable[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def text_of_deltas(events: Iterable[Event]) -> str:
    return "".join(event["delta"] for event in of_kind(events, DELTA))


def completed_of(events: Iterable[Event]) -> str:
    """The transcript of the one item that was completed; its deltas say the same."""
    events = list(events)
    (event,) = of_kind(events, COMPLETED)
    own = [e for e in of_kind(events, DELTA) if e["item_id"] == event["item_id"]]
    assert text_of_deltas(own) == event["transcript"]
    transcript: str = event["transcript"]
    return transcript


def paused(sound: Pcm, seconds: float = 2.0) -> Pcm:
    """With silence behind it, at which its speech ends."""
    gap = silence(seconds, sound.rate)
    assert (sound.width, sound.channels) == (gap.width, gap.channels)
    return Pcm(sound.rate, 2, 1, sound.data + gap.data)


# ---- Frame by frame ----

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes,
    final: bool = True,
    masked: bool = True,
    length: int | None = None,
    reserved: int = 0,
) -> bytes:
    """`length`: what it says of its payload."""
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if final else 0) | reserved << 4])
    mark = 0x80 if masked else 0
    if size < 126:
        head += bytes([mark | size])
    elif size < 1 << 16:
        head += bytes([mark | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mark | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    key = os.urandom(4)
    repeated = key * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[: len(payload)], "big")
    return head + key + number.to_bytes(len(payload), "big")


def handshake(path: str = REALTIME, headers: Sequence[str] = (), version: str = "13") -> bytes:
    return "\r\n".join(
        [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: keep-alive, Upgrade",
            f"Sec-WebSocket-Version: {version}",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *headers,
            "",
            "",
        ]
    ).encode()


class BareLive(BareHttp):
    """A WebSocket on which any bytes may be sent."""

    def __init__(
        self, served: Served, path: str = REALTIME, receive_buffer: int | None = None
    ) -> None:
        super().__init__(served.where(), receive_buffer)
        self.send(handshake(path))
        assert self.answer(head=True).status == 101

    def frame(self) -> tuple[int, bytes] | None:
        """The next one's opcode and payload; None where the daemon has closed."""
        try:
            head = self.reader.read(2)
            if len(head) < 2:
                return None
            assert head[1] & 0x80 == 0, "a server does not mask"
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self.reader.read(2 if size == 126 else 8), "big")
            return head[0] & 15, self.reader.read(size)
        except ConnectionResetError:
            return None

    def event(self) -> Event:  # type: ignore[override]
        """The next one in a frame with text."""
        while (found := self.frame()) is not None:
            if found[0] == TEXT:
                event: Event = json.loads(found[1])
                return event
        raise AssertionError("closed")

    def close_code(self) -> int | None:
        """Reads to the frame that closes and to the end behind it; 0: it says none, None: there is no
        such frame."""
        code = None
        while (found := self.frame()) is not None:
            if found[0] == CLOSE:
                code = int.from_bytes(found[1][:2], "big")
        return code
