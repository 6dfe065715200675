# SPDX-License-Identifier: MIT
"""Clients of WebSockets that are broken, hostile, slow or many."""

import base64
import json
import re
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import Serve
from live_sessions import (
    BINARY,
    CLOSE,
    COMPLETED,
    CONTINUATION,
    DELTA,
    PING,
    PONG,
    REALTIME,
    TEXT,
    TIMELESS,
    BareLive,
    Event,
    Live,
    Realtime,
    completed_of,
    frame,
    handshake,
    of_kind,
    paused,
)
from programs import PATIENCE, REAL_MODEL, SANITIZER, wait_until
from sounds import LONG, SHORT, pcm, silence
from web import Served, request

COMMIT = frame(TEXT, b'{"type": "input_audio_buffer.commit"}')
PATHS = [REALTIME, "/v1/listen?encoding=linear16&sample_rate=16000", "/vosk"]


def works(served: Served) -> None:
    """The daemon has survived: a session says something."""
    with Realtime(served) as session:
        session.configure(push_to_talk=True)
        assert session.transcript(pcm(SHORT))


@pytest.fixture
def unharmed(served: Served) -> Iterator[Served]:
    yield served
    wait_until(lambda: served.running() == 0, "all requests to end")
    works(served)


def append_of(sound: bytes) -> bytes:
    audio = base64.b64encode(sound).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode()


# ---- Frames ----


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(TEXT, b"{}", masked=False), 1002),
        (frame(TEXT, b"{}", reserved=4), 1002),
        (frame(TEXT, b"{}", reserved=1), 1002),
        (frame(3, b"{}"), 1002),
        (frame(11, b""), 1002),
        (frame(CONTINUATION, b"{}"), 1002),
        (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002),
        (frame(PING, b"x" * 126), 0),
        (frame(PING, b"", final=False), 0),
        (frame(CLOSE, b"\x03"), 0),
        (frame(CLOSE, struct.pack(">H", 1005)), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, "ü".encode()[:1]), 1007),
        (frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
        (frame(BINARY, b"", length=64 << 20) + bytes(1 << 20), 1009),
        (frame(TEXT, b"", length=(1 << 63) - 1) + b"x", 1009),
        (frame(BINARY, bytes(9 << 20), final=False) + frame(CONTINUATION, bytes(9 << 20)), 1009),
    ],
    ids=[
        "no mask", "reserved bit", "other reserved bit", "unknown opcode", "unknown control",
        "nothing to continue", "message in a message", "long ping", "ping in pieces",
        "half a close code", "forbidden close code", "no UTF-8", "half a character",
        "no UTF-8 in a reason", "64 MiB", "endless", "two that are too long",
    ],
)  # fmt: skip
def test_wrong_frames(unharmed: Served, path: str, wrong: bytes, code: int) -> None:
    """Each is told what it did wrong, although it still sends."""
    with BareLive(unharmed, path) as bare:
        bare.send(wrong)
        assert bare.close_code() == code


@pytest.mark.parametrize("path", PATHS)
def test_goodbye(unharmed: Served, path: str) -> None:
    with BareLive(unharmed, path) as bare:
        bare.send(frame(CLOSE, struct.pack(">H", 1000) + b"bye"))
        assert bare.close_code() == 1000
    with BareLive(unharmed, path) as bare:
        bare.send(frame(CLOSE, b""))
        assert bare.close_code() is not None


def test_pings(unharmed: Served) -> None:
    """Also within a message."""
    with BareLive(unharmed) as bare:
        assert bare.event()["type"] == "session.created"
        bare.send(frame(TEXT, b'{"type": "session.', final=False))
        bare.send(frame(PING, b"are you there?"))
        assert bare.frame() == (PONG, b"are you there?")
        bare.send(frame(PONG, b"unasked"))
        bare.send(frame(CONTINUATION, b'update", "session": {}}'))
        assert bare.event()["type"] == "session.updated"


def test_frames_of_one_byte(unharmed: Served) -> None:
    message = append_of(pcm(SHORT).first(1).data)
    pieces = [frame(TEXT, message[:1], final=False)]
    pieces += [frame(CONTINUATION, message[i : i + 1], final=False) for i in range(1, len(message))]
    with BareLive(unharmed) as bare:
        bare.send(b"".join(pieces) + frame(CONTINUATION, b""))
        bare.send(COMMIT)
        while bare.event()["type"] != COMPLETED:
            continue


def test_bytes_one_by_one(unharmed: Served) -> None:
    with unharmed.bare() as bare:
        for i in range(len(whole := handshake())):
            bare.send(whole[i : i + 1])
        assert bare.answer(head=True).status == 101
        for i in range(len(message := frame(TEXT, b'{"type": "session.update", "session": {}}'))):
            bare.send(message[i : i + 1])
        text = b""
        while b"session.updated" not in text:
            text += bare.reader.read(1)


def test_frames_with_the_handshake(unharmed: Served) -> None:
    """A client need not wait for the answer."""
    with unharmed.bare() as bare:
        said = frame(TEXT, append_of(silence(0.2, 24000).data)) + COMMIT
        bare.send(handshake() + 3 * said)
        assert bare.answer(head=True).status == 101
        text = b""
        while text.count(b"transcription.completed") < 3:
            text += bare.reader.read(1)


@pytest.mark.parametrize("path", PATHS)
def test_empty_messages(unharmed: Served, path: str) -> None:
    with BareLive(unharmed, path) as bare:
        for _ in range(100):
            bare.send(frame(BINARY, b"") + frame(TEXT, b"{}"))
        bare.send(frame(CLOSE, struct.pack(">H", 1000)))
        bare.close_code()


# ---- The end ----


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "rest", [b"", b"\x81", frame(TEXT, b"x" * 50)[:20]], ids=["whole", "1", "20"]
)
def test_killed_clients(unharmed: Served, path: str, rest: bytes) -> None:
    """In the middle of speech, or of a frame; by a reset, too."""
    for resets in (False, True):
        with BareLive(unharmed, path) as bare:
            sound = pcm(LONG).data
            is_text = path == REALTIME
            bare.send(
                frame(TEXT if is_text else BINARY, append_of(sound) if is_text else sound) + rest
            )
            if resets:
                bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_client_that_stops_within_a_frame(serve: Serve) -> None:
    served = serve({"timeouts.stall_seconds": "0.5"})
    with BareLive(served) as bare:
        bare.send(frame(TEXT, b"x" * 1000)[:500])
        assert bare.close_code() is None
    assert "does not answer" in served.daemon.log()


def test_client_that_answers_pings_may_be_silent(serve: Serve) -> None:
    served = serve({"timeouts.stall_seconds": "0.3"})
    with BareLive(served) as bare:
        assert bare.event()["type"] == "session.created"
        for _ in range(4):
            assert bare.frame() == (PING, b"")
            bare.send(frame(PONG, b""))


def test_half_a_handshake(unharmed: Served) -> None:
    with unharmed.bare() as bare:
        bare.send(handshake()[:-10])
    with unharmed.bare() as bare:
        bare.send(handshake())


# ---- Slow readers and fast senders ----


REPEATED = 40  # more results than sockets hold


def recognised(served: Served) -> bool:
    """One request to its end."""
    body = served.ask("/metrics").body.decode()
    return (
        re.search(r'hearken_requests_total{protocol="realtime",.*result="ok"} 1\n', body)
        is not None
    )


def read_late(served: Served, options: Event, sound: bytes) -> list[Event]:
    """What is still there for a client that reads nothing until all is recognised."""
    update = {"type": "session.update", "session": {"hearken": options}}
    with BareLive(served, receive_buffer=4096) as bare:
        bare.send(frame(TEXT, json.dumps(update).encode()))
        for i in range(0, len(sound), 48000):
            bare.send(frame(TEXT, append_of(sound[i : i + 48000])))
        bare.send(COMMIT)
        wait_until(lambda: recognised(served), "all to be recognised")
        bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        events: list[Event] = []
        while len(of_kind(events, COMPLETED)) < REPEATED:
            events.append(bare.event())
        return events


def test_slow_reader_loses_no_text(serve: Serve, hearing: Path) -> None:
    """Partial texts are dropped where they would wait; committed and final ones never are."""
    options = {"partial": True, "words": True, "alignment": True, "partial_seconds": 0.2}
    sound = paused(pcm(LONG, rate=24000), 1.5).data * REPEATED
    served = serve(TIMELESS, hearing)
    with Realtime(served) as session:
        session.update({"hearken": options})
        session.say(sound, 48000)
        prompt = [event for _ in range(REPEATED) for event in session.until(COMPLETED)]
    late = read_late(serve(TIMELESS, hearing), options, sound)
    texts = [[e["transcript"] for e in of_kind(events, COMPLETED)] for events in (prompt, late)]
    assert texts[0] == texts[1][:REPEATED] and all(texts[0])
    for event in of_kind(late, COMPLETED):
        own = [e for e in of_kind(late, DELTA) if e["item_id"] == event["item_id"]]
        assert "".join(e["delta"] for e in own) == event["transcript"]
    assert len(of_kind(late, DELTA)) < len(of_kind(prompt, DELTA))


def busy_workers(served: Served) -> dict[str, int]:
    body = served.ask("/metrics").body.decode()
    found = re.findall(r'^hearken_workers_busy{kind="(.*)"} (\d+)$', body, re.MULTILINE)
    return {kind: int(count) for kind, count in found}


@pytest.mark.real
def test_pushed_file_leaves_the_workers_for_live_speech(serve: Serve) -> None:
    """It comes faster than anybody speaks."""
    served = serve({"server.workers": "1"}, REAL_MODEL)
    with Realtime(served) as session:
        session.configure(push_to_talk=True)
        client = threading.Thread(target=session.say, args=(pcm(LONG).data * 3,))
        client.start()
        wait_until(
            lambda: busy_workers(served) == {"recordings": 1, "live": 0},
            "the file to be recognised as one",
        )
        client.join()
        session.commit()
        assert completed_of(session.until(COMPLETED))


def test_reader_of_nothing_is_disconnected(serve: Serve, hearing: Path) -> None:
    served = serve({"timeouts.stall_seconds": "1", "limits.result_queue_kib": "64"}, hearing)
    with BareLive(served) as bare:
        options = {"words": True, "alignment": True, "partial": True, "partial_seconds": 0.2}
        update = {"type": "session.update", "session": {"hearken": options}}
        bare.send(frame(TEXT, json.dumps(update).encode()))
        sound = frame(TEXT, append_of(paused(pcm(LONG, rate=24000)).data))
        bare.socket.settimeout(None)
        closed = threading.Event()

        def send() -> None:
            try:
                for _ in range(1000):
                    bare.socket.sendall(sound)
            except OSError:
                closed.set()

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(PATIENCE)
        assert closed.is_set()
    wait_until(lambda: "does not read its results" in served.daemon.log(), "the log")
    works(served)


def resident(served: Served) -> float:
    for line in served.ask("/metrics").body.decode().splitlines():
        if line.startswith("process_resident_memory_bytes "):
            return float(line.split()[1]) / (1 << 20)
    raise AssertionError("no such metric")


@pytest.mark.parametrize("path", PATHS[:2])
def test_fast_sender_is_paused(served: Served, path: str) -> None:
    """Half an hour of sound that is sent at once does not lie in memory."""
    works(served)
    before = resident(served)
    sound = silence(60).data
    most = before
    with BareLive(served, path) as bare:
        whole = frame(BINARY, sound) if "listen" in path else frame(TEXT, append_of(sound))
        sent = threading.Event()

        def send() -> None:
            for _ in range(30):
                bare.socket.sendall(whole)
            sent.set()

        sender = threading.Thread(target=send)
        sender.start()
        while not sent.wait(0.05):
            most = max(most, resident(served))
        sender.join()
    if not SANITIZER:
        assert most - before < 40


# ---- Crowds ----


def test_twenty_at_once(serve: Serve, hearing: Path) -> None:
    """None is lost, whoever else fails."""
    served = serve({"recognition.partial_share": "0"}, hearing)
    sound = paused(pcm(SHORT))
    with ExitStack() as stack:
        sessions = [stack.enter_context(Realtime(served)) for _ in range(20)]
        for session in sessions:
            session.configure()
        for at, chunk in enumerate(sound.chunks(3200)):
            for i, session in enumerate(sessions):
                if i % 5 < 4 or at < i:
                    session.append(chunk)
                elif at == i:
                    session.socket.socket.shutdown(socket.SHUT_RDWR)  # it is killed
        texts = {
            completed_of(session.until(COMPLETED))
            for i, session in enumerate(sessions)
            if i % 5 != 4
        }
    assert len(texts) == 1 and texts != {""}


def test_sessions_come_and_go(unharmed: Served) -> None:
    """Each way of ending leaves nothing behind."""
    works(unharmed)
    folder = Path(f"/proc/{unharmed.daemon.process.pid}/fd")
    descriptors = len(list(folder.iterdir()))
    for i in range(40):
        session = Realtime(unharmed)
        session.append(pcm(SHORT).data[: 1000 * i])
        if i % 4 == 0:
            session.socket.close()
        elif i % 4 == 1:
            session.socket.socket.shutdown(socket.SHUT_RDWR)
        elif i % 4 == 2:
            session.socket.socket.shutdown(socket.SHUT_WR)
        else:
            session.commit()
            session.socket.close()
    wait_until(lambda: len(list(folder.iterdir())) <= descriptors, "the descriptors to be closed")


def test_second_signal_ends_sessions_at_once(served: Served) -> None:
    with Realtime(served) as session, Live(served, PATHS[1]) as other, Live(served, "/") as third:
        session.configure(push_to_talk=True)
        session.say(pcm(LONG))
        other.send(pcm(LONG).data)
        third.send(pcm(LONG).data)
        served.daemon.signal(signal.SIGTERM)
        served.daemon.signal(signal.SIGTERM)
        assert served.daemon.wait() == 0
        assert [s.close_code() for s in (session, other, third)] == [1001] * 3


def test_plain_requests_beside(unharmed: Served) -> None:
    """On one connection: a request, then a WebSocket."""
    with unharmed.bare() as bare:
        bare.send(request(path="/v1/models", method="GET"))
        assert bare.answer().status == 200
        bare.send(handshake())
        assert bare.answer(head=True).status == 101
