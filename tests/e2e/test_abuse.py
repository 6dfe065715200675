# SPDX-License-Identifier: MIT
"""Clients that are broken, hostile, slow or gone. The daemon must outlive them all."""

import os
import random
import resource
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import StartDaemon
from programs import RANDOM_MODELS, REAL_MODEL, SCALE, Daemon, alone, free_port, wait_until
from sounds import LONG, SHORT, pcm
from talking import EXTENDED, Bare, error_of, transcribed

FORM = {"rate": 16000, "width": 2, "channels": 1}
SHORT_STALL = {"timeouts.stall_seconds": "0.5"}


def expect_health(daemon: Daemon) -> None:
    assert daemon.process is not None and daemon.process.poll() is None
    expected = alone(RANDOM_MODELS["recurrent"], SHORT).replace("\n", " ").strip()
    assert transcribed(daemon.socket, pcm(SHORT)) == expected


def cpu_ticks(daemon: Daemon) -> int:
    """Hundredths of a second that it has computed."""
    assert daemon.process is not None
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def status_of(daemon: Daemon) -> dict[str, Any]:
    with Bare(daemon.socket) as bare:
        bare.event("hearken-status")
        event = bare.read()
    assert event is not None
    return event.data


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"hello\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b'{"type": 1}\n',
        b'{"type": ""}\n',
        b'{"type": "ping", "data": []}\n',
        b'{"type": "ping", "data_length": -1}\n',
        b'{"type": "ping", "data_length": 1.5}\n',
        b'{"type": "ping", "data_length": 3}\nabc',
        b'{"type": "ping", "data_length": 2}\n[]',
        b'{"type": "ping", "payload_length": "9"}\n',
        b'{"type": "ping"} {"type": "ping"}\n',
        b'{"type": "\xff\xfe"}\n',
        b'{"type": "ping", "data": {"text": "\\ud800"}}\n',
        b"\x00" * 100 + b"\n",
        b"[" * 60000 + b"\n",
    ],
    ids=range(19),
)
def test_garbage(daemon: Daemon, garbage: bytes) -> None:
    """Told what is wrong in one error event, then closed."""
    with Bare(daemon.socket) as bare:
        bare.send(garbage)
        events = bare.read_all()
    assert error_of(events).code in ("bad-message", "too-large")
    expect_health(daemon)


@pytest.mark.parametrize(
    "large",
    [
        b'{"type": "' + b"x" * (1 << 20),
        b'{"type": "ping", "data_length": 4000000000}\n',
        b'{"type": "audio-chunk", "payload_length": 99999999999999999999}\n',
        b'{"type": "audio-chunk", "payload_length": 9223372036854775807}\n',
        b'{"type": "audio-chunk", "payload_length": 1000000000}\n',
    ],
    ids=["header", "data", "payload beyond 64 bits", "payload of 63 bits", "payload"],
)
def test_oversize(daemon: Daemon, large: bytes) -> None:
    with Bare(daemon.socket) as bare:
        try:
            bare.send(large)
        except BrokenPipeError:
            pass  # it need not take all of that
        events = bare.read_all()
    assert error_of(events).code in ("bad-message", "too-large")
    expect_health(daemon)


def test_random_bytes(daemon: Daemon) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(30):
        with Bare(daemon.socket) as bare:
            try:
                bare.send(draw.randbytes(draw.randrange(1, 5000)) + b"\n")
                bare.socket.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            bare.read_all()
    expect_health(daemon)


def test_mutated_requests(daemon: Daemon) -> None:
    """A sound request with a few bytes changed: any answer will do, but there must be an end."""
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    draw = random.Random(seed)
    with Bare(daemon.socket) as bare:
        recorder = bytearray()
        bare.send = recorder.extend  # type: ignore[method-assign]
        bare.event("transcribe", EXTENDED)
        bare.sound(pcm(SHORT).first(0.3))
    for _ in range(40):
        request = bytearray(recorder)
        for _ in range(draw.randrange(1, 6)):
            request[draw.randrange(len(request))] = draw.randrange(256)
        with Bare(daemon.socket) as bare:
            try:
                bare.send(bytes(request))
                bare.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            bare.read_all()
    expect_health(daemon)


@pytest.mark.parametrize(
    "events",
    [
        ["audio-stop"],
        ["transcribe", "audio-start", "audio-start"],
        ["audio-start", "select-program"],
    ],
    ids="-then-".join,
)
def test_wrong_state(daemon: Daemon, events: list[str]) -> None:
    with Bare(daemon.socket) as bare:
        for kind in events:
            bare.event(kind, FORM if kind == "audio-start" else {"name": None})
        assert error_of(bare.read_all()).code == "wrong-state"
    expect_health(daemon)


@pytest.mark.parametrize(
    "beginning",
    [
        b'{"type": "transcri',
        b'{"type": "ping", "data_length": 10}\n{"te',
        b'{"type": "transcribe"}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1},'
        b' "payload_length": 100}\n' + bytes(50),
    ],
    ids=["header", "data", "transcribe", "audio-start", "payload"],
)
def test_stalls(start_daemon: StartDaemon, beginning: bytes) -> None:
    """Who stops in the middle is let go after stall_seconds."""
    daemon = start_daemon(settings=SHORT_STALL)
    with Bare(daemon.socket) as bare:
        begun = time.monotonic()
        bare.send(beginning)
        assert error_of(bare.read_all()).code == "timeout"
        assert 0.4 < time.monotonic() - begun < 30 * SCALE
    expect_health(daemon)


def test_idle_connections(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"timeouts.idle_seconds": "0.5"})
    with Bare(daemon.socket) as bare:
        bare.event("ping", {"text": "x"})
        assert [event.type for event in bare.read_all()] == ["pong"]
    expect_health(daemon)


def test_client_that_does_not_read(start_daemon: StartDaemon) -> None:
    """Its results pile up to a limit, then it is let go; others do not notice."""
    settings = SHORT_STALL | {"limits.result_queue_kib": "64"}
    daemon = start_daemon(settings=settings)
    with Bare(daemon.socket) as bare:
        bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.socket.setblocking(False)
        request = b'{"type": "describe"}\n' * 500
        end = time.monotonic() + 60 * SCALE
        refused = False
        while not refused and time.monotonic() < end:
            try:
                bare.socket.send(request)
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                refused = True
        assert refused, "it was never let go"
    expect_health(daemon)


def test_disconnect_in_the_middle(daemon: Daemon) -> None:
    for abrupt in (False, True):
        for seconds in (0.1, 1.0, 2.5):
            with Bare(daemon.socket) as bare:
                bare.event("transcribe", EXTENDED)
                for chunk in pcm(LONG).first(seconds).chunks(1600):
                    bare.event("audio-chunk", FORM, chunk)
                if abrupt:
                    linger = struct.pack("ii", 1, 0)
                    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    expect_health(daemon)


def test_disconnect_while_finishing(daemon: Daemon) -> None:
    """Nobody is left to hear the transcript."""
    for _ in range(5):
        with Bare(daemon.socket) as bare:
            bare.sound(pcm(LONG))
    expect_health(daemon)


def test_end_of_input_after_a_request(daemon: Daemon) -> None:
    """A client that sends all and shuts its side down still gets its answer."""
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {})
        bare.sound(pcm(SHORT))
        bare.socket.shutdown(socket.SHUT_WR)
        kinds = [event.type for event in bare.read_all()]
    assert kinds[-2:] == ["transcript", "transcript-stop"]


def without_stop(bare: Bare) -> None:
    """A whole recording; audio-stop is missing."""
    bare.event("transcribe", {})
    for chunk in pcm(SHORT).chunks(1600):
        bare.event("audio-chunk", FORM, chunk)


def test_no_audio_stop(start_daemon: StartDaemon) -> None:
    """What was heard is told, then what was wrong; who sends more meanwhile changes nothing."""
    daemon = start_daemon(settings=SHORT_STALL)
    expected = alone(RANDOM_MODELS["recurrent"], SHORT).replace("\n", " ").strip()
    for ending in (b"", b'{"type": "audio-ch'):
        with Bare(daemon.socket) as bare:
            without_stop(bare)
            bare.send(ending)
            events = bare.read_all()
        assert [event.type for event in events[-3:]] == ["transcript", "transcript-stop", "error"]
        assert events[-3].data["text"] == expected
        assert error_of(events).code == "timeout"
    expect_health(daemon)


def test_end_of_input_without_audio_stop(daemon: Daemon) -> None:
    expected = alone(RANDOM_MODELS["recurrent"], SHORT).replace("\n", " ").strip()
    with Bare(daemon.socket) as bare:
        without_stop(bare)
        bare.socket.shutdown(socket.SHUT_WR)
        events = bare.read_all()
    assert [event.type for event in events[-3:]] == ["transcript", "transcript-stop", "error"]
    assert events[-3].data["text"] == expected
    assert error_of(events).code == "incomplete"
    expect_health(daemon)


def test_end_of_input_on_tcp(start_daemon: StartDaemon) -> None:
    """It may be gone for good: nothing more is recognised for it, what is recognised is told."""
    port = free_port()
    daemon = start_daemon(settings={"server.tcp": f"127.0.0.1:{port}"})
    with Bare(("127.0.0.1", port)) as bare:
        bare.event("transcribe", {"hearken": {"segment_seconds": 2}})
        for chunk in pcm(LONG).chunks(1600):
            bare.event("audio-chunk", FORM, chunk)
        events = [bare.read(), bare.read()]
        bare.socket.shutdown(socket.SHUT_WR)
        events += bare.read_all()
    assert all(events)
    chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
    assert [event.type for event in events[-3:]] == ["transcript", "transcript-stop", "error"]
    assert events[-3].data["text"] == "".join(chunks) != ""
    assert error_of(events).code == "incomplete"
    wait_until(lambda: status_of(daemon)["requests_running"] == 0, "the request to go")
    expect_health(daemon)


def test_end_of_input_in_a_message(daemon: Daemon) -> None:
    with Bare(daemon.socket) as bare:
        bare.send(b'{"type": "audio-ch')
        bare.socket.shutdown(socket.SHUT_WR)
        assert error_of(bare.read_all()).code == "incomplete"


def test_plain_request_that_is_refused_and_stalls(start_daemon: StartDaemon) -> None:
    """It is not kept for idle_seconds, for it does not know that it was refused."""
    daemon = start_daemon(settings=SHORT_STALL)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"language": "tlh"})
        bare.event("audio-start", FORM)
        codes = [event.data["code"] for event in bare.read_all()]
    assert codes == ["unknown-language", "timeout"]


def test_too_many_connections(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"limits.connections": "3"})
    bares = [Bare(daemon.socket) for _ in range(3)]
    try:
        for bare in bares:
            bare.event("ping", {"text": "x"})
            assert bare.read() is not None
        with Bare(daemon.socket) as excess:
            assert "connections" in error_of(excess.read_all()).text
    finally:
        for bare in bares:
            bare.__exit__()

    def welcome() -> bool:
        with Bare(daemon.socket) as bare:
            bare.event("ping", {"text": "x"})
            event = bare.read()
            return event is not None and event.type == "pong"

    wait_until(welcome, "a place to become free")


def ask_for_pong(where: Path | tuple[str, int]) -> str:
    """What one of a crowd gets: pong, or the error's code."""
    with Bare(where) as bare:
        bare.event("ping", {})
        event = bare.read()
        assert event is not None, "closed without a word"
        return str(event.data["code"]) if event.type == "error" else event.type


@contextmanager
def crowd(where: Path | tuple[str, int], count: int) -> Iterator[list[str]]:
    """So many clients at once, who stay, and what each was told."""
    bares = [Bare(where) for _ in range(count)]
    try:
        told = []
        for bare in bares:
            with suppress(BrokenPipeError):  # it was told already
                bare.event("ping", {})
            event = bare.read()
            assert event is not None, f"closed without a word after {told}"
            told.append(str(event.data["code"]) if event.type == "error" else event.type)
        yield told
    finally:
        for bare in bares:
            bare.__exit__()


def wait_until_alone(bare: Bare) -> None:
    """What found out whether the daemon listens may still be there."""

    def is_alone() -> bool:
        bare.event("hearken-status")
        event = bare.read()
        return event is not None and event.data["connections"] == 1

    wait_until(is_alone, "others to go")


def expect_one_warning(daemon: Daemon, said: str) -> None:
    warnings = [line for line in daemon.log().splitlines() if "warning: " in line]
    assert (
        len([line for line in warnings if "rejecting further clients" in line and said in line])
        == 1
    ), warnings


def limit_files(daemon: Daemon, count: int) -> None:
    assert daemon.process is not None
    pid = daemon.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, hard))


def open_files(daemon: Daemon) -> set[int]:
    assert daemon.process is not None
    return set(map(int, os.listdir(f"/proc/{daemon.process.pid}/fd")))


def fill_holes(daemon: Daemon, held: ExitStack) -> int:
    """Clients take the descriptors that are free between others; returns how many are open."""
    while (files := open_files(daemon)) != set(range(len(files))):
        bare = held.enter_context(Bare(daemon.socket))
        bare.event("ping", {})
        assert bare.read() is not None
    return len(files)


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_crowd_beyond_the_limit(start_daemon: StartDaemon, tcp: bool) -> None:
    """Each is told, those too that there is no time to wait for; the log has one line of it."""
    port = free_port()
    settings = {"limits.connections": "3", "server.tcp": f"127.0.0.1:{port}"}
    daemon = start_daemon(settings=settings)
    where = ("127.0.0.1", port) if tcp else daemon.socket
    with Bare(daemon.socket) as bare:
        wait_until_alone(bare)
        with crowd(where, 60) as told:
            assert told == ["pong"] * 2 + ["busy"] * 58
            expect_one_warning(daemon, "too many connections")
    wait_until(lambda: ask_for_pong(daemon.socket) == "pong", "room")
    expect_health(daemon)


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_few_open_files_allowed(start_daemon: StartDaemon, tcp: bool) -> None:
    """The daemon knows how many clients it has descriptors for, and keeps some for its files."""
    port = free_port()
    settings = {"server.tcp": f"127.0.0.1:{port}"}
    where = ("127.0.0.1", port)
    daemon = start_daemon(settings=settings, launch_only=True, open_files=40)
    wait_until(daemon.answers, "hearkend to listen")
    with Bare(daemon.socket) as bare:
        wait_until_alone(bare)
        assert "40 open files are allowed, which is enough for" in daemon.log()
        with crowd(where if tcp else daemon.socket, 60) as told:
            served = told.count("pong")
            assert told == ["pong"] * served + ["busy"] * (60 - served)
            assert 3 < served < 25
            wait_until(lambda: len(open_files(daemon)) + 15 <= 40, "the last refused to go")
            expect_one_warning(daemon, "too many connections")
    wait_until(lambda: ask_for_pong(daemon.socket) == "pong", "room")
    expect_health(daemon)


def test_descriptors_run_out(start_daemon: StartDaemon) -> None:
    """Something else has taken them: whoever comes is told all the same, and nothing spins."""
    models = {"model other.file": str(RANDOM_MODELS["transformer"])}
    daemon = start_daemon(settings=models)
    with ExitStack() as held:
        bare = held.enter_context(Bare(daemon.socket))
        wait_until_alone(bare)
        limit_files(daemon, fill_holes(daemon, held))
        with crowd(daemon.socket, 60) as told:
            assert told == ["busy"] * 60
        expect_one_warning(daemon, "Too many open files")
        bare.event("transcribe", {"name": "other", "hearken": {}})
        bare.sound(pcm(SHORT))
        event = bare.read()
        assert event is not None and error_of([event]).code == "recognition-failed"
        assert "Too many open files" in error_of([event]).text
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "nothing was changed" in daemon.log(), "the reload to fail")
        limit_files(daemon, 1024)
        bare.event("transcribe", {"name": "other"})
        bare.sound(pcm(SHORT))
        kinds = [bare.read() for _ in range(2)]
        assert [event and event.type for event in kinds] == ["transcript-start", "transcript-chunk"]
    expect_health(daemon)


def test_not_even_a_reserve(daemon: Daemon) -> None:
    """No client can be told; they wait, and so does the daemon, until there are descriptors."""
    assert daemon.process is not None
    limit_files(daemon, 3)
    with Bare(daemon.socket) as bare:
        bare.event("ping", {})
        wait_until(lambda: "cannot accept: Too many open files" in daemon.log(), "the warning")
        before = cpu_ticks(daemon)
        bare.socket.settimeout(1.5)
        with pytest.raises(TimeoutError):
            bare.socket.recv(1)
        assert cpu_ticks(daemon) - before < 20 * SCALE, "it spins"
        expect_one_warning(daemon, "Too many open files")
        limit_files(daemon, 1024)
        wait_until(lambda: ask_for_pong(daemon.socket) == "pong", "room")
    expect_health(daemon)


def test_too_long_a_recording(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"limits.audio_seconds": "1"})
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"hearken": {}})
        bare.sound(pcm(SHORT))
        event = bare.read()
        assert event is not None and error_of([event]).code == "too-long"
        bare.event("transcribe", {})
        bare.sound(pcm(SHORT).first(0.9))
        event = bare.read()
        assert event is not None and event.type == "transcript-start", "the connection goes on"


@pytest.mark.real
def test_refused_requests_do_not_pile_up(start_daemon: StartDaemon) -> None:
    """Nothing of them stays, though the only worker has no time for them."""
    settings = {"server.workers": "1", "compute.backend": "reference"}
    daemon = start_daemon(model=REAL_MODEL, settings=settings)
    with Bare(daemon.socket) as busy, Bare(daemon.socket) as bare:
        busy.event("audio-start", FORM)
        busy.event("audio-chunk", FORM, pcm(LONG).data * 2)
        wait_until(lambda: status_of(daemon)["workers_busy"] == 1, "the worker to be busy")
        for _ in range(20):
            bare.event("transcribe", {"hearken": {}})
            bare.event("audio-chunk", FORM, bytes(100000))
            bare.event("audio-chunk", FORM | {"rate": 8000}, bytes(4))
            bare.event("audio-stop")
            event = bare.read()
            assert event is not None and event.data["code"] == "format-changed"
        wait_until(lambda: status_of(daemon)["requests_abandoned"] == 20, "the last to go")
        status = status_of(daemon)
    assert status["workers_busy"] == 1, "it was done too soon for this test to tell anything"
    assert status["requests_running"] == 1


def test_back_pressure(start_daemon: StartDaemon) -> None:
    """More sound than may wait: the client is slowed down, nothing is lost."""
    daemon = start_daemon(settings={"limits.audio_queue_kib": "64"})
    sound = pcm(LONG)
    expected = alone(RANDOM_MODELS["recurrent"], LONG).replace("\n", " ").strip()
    assert len(sound.data) > 3 * 64 * 1024
    assert transcribed(daemon.socket, sound) == expected
