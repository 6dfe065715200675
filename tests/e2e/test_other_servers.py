# SPDX-License-Identifier: MIT
"""`hearken` against servers that are not hearkend, made with the `wyoming` package."""

import asyncio
import json
import random
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import programs
import pytest
from programs import run
from sounds import SHORT, pcm
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.server import AsyncEventHandler, AsyncServer

SECONDS = pcm(SHORT).seconds()


ODD_NUMBERS = (0, 1, -1, 0.5, 3, 17, 1e-9, 1e9, 1e300, -1e300, 2**31, 2**32 + 1, 2**62, None, "1")
ODD_TEXTS = (
    "word",
    "",
    " ",
    "\ufffd",
    "\uffff",
    "<&>",
    "\u202e",
    "\x1b[31m",
    "x" * 3000,
    "字",
    7,
    None,
)


def lies(seed: int) -> list[Event]:
    """Segments with alignments that fit together now and then."""
    chance = random.Random(seed)

    def number() -> object:
        return chance.choice(ODD_NUMBERS) if chance.random() < 0.4 else chance.uniform(0, 3)

    def text() -> object:
        return chance.choice(ODD_TEXTS)

    def word() -> dict[str, object]:
        return {"text": text(), "start": number(), "end": number(), "confidence": number()}

    events = []
    for _ in range(20):
        tokens, steps = chance.choice([(1, 1), (7, 50), (3000, 2), (1, 9000)])
        fitting = chance.random() < 0.7
        alignment = {
            "tokens": tokens if fitting else number(),
            "steps": steps if fitting else number(),
            "start": number(),
            "step_seconds": number(),
            "texts": [text() for _ in range(chance.choice([tokens, 3]))],
        }
        data = word() | {"type": "final", "words": [word() for _ in range(chance.randrange(40))]}
        data["alignment"] = alignment if chance.random() < 0.9 else number()
        weights = chance.randbytes(4 * tokens * steps - chance.choice([0, 0, 0, 1]))
        events.append(Event("hearken-segment", data, weights))
    return events


class Handler(AsyncEventHandler):
    """Counts what it hears; `behaviour` says what is odd about it."""

    def __init__(self, behaviour: str, reader, writer) -> None:
        super().__init__(reader, writer)
        self.behaviour = behaviour
        self.peak, self.frames = 0, 0

    async def handle_event(self, event: Event) -> bool:
        if AudioChunk.is_type(event.type):
            return await self.hear(AudioChunk.from_event(event))
        if event.type == "describe":
            await self.write_event(self.info())
        if event.type == "audio-stop":
            await self.finish()
        return True

    async def hear(self, chunk: AudioChunk) -> bool:
        assert (chunk.rate, chunk.width, chunk.channels) == (16000, 4, 1)
        values = struct.unpack(f"<{chunk.samples}i", chunk.audio)
        self.peak = max(self.peak, max(map(abs, values)) >> 16)
        self.frames += chunk.samples
        if self.behaviour == "slow":
            await asyncio.sleep(0.02)
        if self.behaviour == "chatty":  # more than a socket holds, before it reads on
            for _ in range(20):
                await self.write_event(Event("hearken-segment", {"pad": "x" * 100000}))
        if self.behaviour == "refuses":
            await self.write_event(Error(text="no\x1b[31m more", code="full").event())
        if self.behaviour == "garbage":
            self.writer.write(b"220 mail.example.org ESMTP\r\n")
            await self.writer.drain()
        return self.behaviour not in ("refuses", "hangs up")

    async def finish(self) -> None:
        if self.behaviour == "silent":
            return
        if self.behaviour == "drips":  # for longer than it may keep silent
            for _ in range(15):
                await asyncio.sleep(0.1)
                await self.write_event(Event("hearken-nothing"))
        if self.behaviour.startswith("lies"):
            for event in lies(int(self.behaviour.split()[1])):
                await self.write_event(event)
        text = f"{self.frames} frames, peak {self.peak}"
        if self.behaviour == "steers":
            text = "red \x1b[31m and \n more \x9b"
        if self.behaviour == "mute":
            text = ""
        await self.write_event(Transcript(text=text).event())

    def info(self) -> Event:
        attribution = Attribution(name="nobody", url="")
        common = {"attribution": attribution, "installed": True, "description": "", "version": "1"}
        model = AsrModel(name="m", languages=["en"], **common)
        return Info(asr=[AsrProgram(name="plain", models=[model], **common)]).event()


@contextmanager
def serving(folder: Path, behaviour: str) -> Iterator[Path]:
    """A server of that behaviour in a thread."""
    path = folder / "plain"
    loop = asyncio.new_event_loop()
    server = AsyncServer.from_uri(f"unix://{path}")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        start = server.start(partial(Handler, behaviour))
        asyncio.run_coroutine_threadsafe(start, loop).result(programs.PATIENCE)
        yield path
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(programs.PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def heard() -> str:
    """What the handler should have counted."""
    values = struct.unpack(f"<{len(pcm(SHORT).data) // 2}h", pcm(SHORT).data)
    return f"{len(values)} frames, peak {max(map(abs, values))}"


@pytest.mark.parametrize("behaviour", ["plain", "slow", "chatty"])
def test_text_of_any_server(hearken, folder: Path, behaviour: str) -> None:
    """All samples arrive as they were, however slow or talkative the server is."""
    with serving(folder, behaviour) as path:
        assert hearken("transcribe", "--socket", path, SHORT) == heard() + "\n"
        result = hearken("transcribe", "--socket", path, "-f", "json", SHORT)
    assert json.loads(result) == {
        "file": str(SHORT),
        "seconds": pytest.approx(SECONDS, abs=0.001),
        "text": heard(),
        "segments": [{"text": heard()}],
    }


def test_no_text(hearken, folder: Path) -> None:
    with serving(folder, "mute") as path:
        assert hearken("transcribe", "--socket", path, SHORT) == ""


def test_control_characters(hearken, folder: Path) -> None:
    """A server cannot steer the terminal."""
    with serving(folder, "steers") as path:
        text = hearken("transcribe", "--socket", path, SHORT)
    assert text.isprintable() or text[:-1].isprintable()
    assert text.split() == ["red", "[31m", "and", "more"]


@pytest.mark.parametrize("arguments", [("-f", "srt"), ("-f", "vtt"), ("--words",)])
def test_times_that_are_not_there(folder: Path, arguments: tuple[str, ...]) -> None:
    with serving(folder, "plain") as path:
        result = run("transcribe", "--socket", path, *arguments, SHORT, folder=folder)
    assert result.returncode == 1 and b"no times" in result.stderr


def test_pictures_need_times(folder: Path) -> None:
    """The text is written all the same."""
    with serving(folder, "plain") as path:
        arguments = ("transcribe", "--socket", path, "--attention", folder / "a.png", SHORT)
        result = run(*arguments, folder=folder)
    assert result.returncode == 1 and b"no alignment" in result.stderr
    assert result.stdout.decode() == heard() + "\n" and not (folder / "a.png").exists()


def test_pictures_of_lies(folder: Path) -> None:
    """Whatever is said of the alignment, there is a picture, or a line that says why not."""
    first = random.randrange(10**6)
    print(f"seeds from {first}")
    for seed in range(first, first + 3):
        with serving(folder, f"lies {seed}") as path:
            for where in ("-", folder / "a.png", folder / "a.svg"):
                arguments = ("transcribe", "--socket", path, f"--attention={where}", SHORT)
                result = run(*arguments, folder=folder)
                assert result.returncode in (0, 1), f"seed {seed}"
                assert result.stderr.count(b"\n") == result.returncode, result.stderr
                assert b"\x1b" not in result.stdout and result.stdout.decode()
        if (folder / "a.svg").exists():
            ElementTree.parse(folder / "a.svg")


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("refuses", b"no?[31m more (full)"),
        ("hangs up", b"closed the connection"),
        ("garbage", b"Wyoming"),
    ],
)
def test_servers_that_fail(folder: Path, behaviour: str, said: bytes) -> None:
    with serving(folder, behaviour) as path:
        result = run("transcribe", "--socket", path, SHORT, folder=folder)
    assert result.returncode == 1 and said in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_status_of_any_server(hearken, folder: Path) -> None:
    with serving(folder, "plain") as path:
        assert "plain" in hearken("status", "--socket", path)


def test_one_that_is_no_server(folder: Path) -> None:
    """Takes the connection and says nothing: Ctrl-C still works."""
    path = folder / "deaf"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        arguments = ("transcribe", "--socket", str(path), str(SHORT))
        with programs.running(*arguments, folder=folder, stdin=subprocess.DEVNULL) as process:
            time.sleep(0.5 * programs.SCALE)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(programs.PATIENCE) == 130


@contextmanager
def deaf_server(folder: Path, backlog: int = 8) -> Iterator[Path]:
    """Connections are taken, and nothing is ever read or written."""
    path = folder / "deaf"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        yield path


def long_recording(folder: Path) -> Path:
    """A minute, headerless: more than a socket holds."""
    path = folder / "long.raw"
    path.write_bytes(bytes(60 * 16000 * 2))
    return path


def test_one_that_never_answers(folder: Path) -> None:
    """It takes the whole recording and says nothing."""
    with serving(folder, "silent") as path:
        result = run("transcribe", "--socket", path, "--timeout", "0.3", SHORT, folder=folder)
    assert result.returncode == 1 and result.stdout == b""
    assert f"{path} has not answered for 0.3 s".encode() in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_one_that_stops_reading(folder: Path) -> None:
    recording = long_recording(folder)
    with deaf_server(folder) as path:
        arguments = ("transcribe", "--socket", path, "--timeout=0.3", "--raw", recording)
        result = run(*arguments, folder=folder)
    assert result.returncode == 1
    assert f"{path} has not answered for 0.3 s".encode() in result.stderr


def test_no_timeout(folder: Path) -> None:
    """Another client's timeout measures the time."""
    with serving(folder, "silent") as path:
        arguments = ("transcribe", "--socket", str(path), "--timeout=0", SHORT)
        with programs.running(*arguments, folder=folder) as process:
            result = run("transcribe", "--socket", path, "--timeout", "0.3", SHORT, folder=folder)
            assert result.returncode == 1
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(programs.PATIENCE) != 0


def test_signs_of_life(hearken, folder: Path) -> None:
    """Whatever it says shows that it is still there."""
    with serving(folder, "drips") as path:
        assert hearken("transcribe", "--socket", path, "--timeout=1", SHORT) == heard() + "\n"


def test_waiting_for_sound_is_not_silence(folder: Path) -> None:
    """The clock stands until live sound has ended. Another client's silence measures the time."""
    with serving(folder, "silent") as path, deaf_server(folder) as deaf:
        arguments = ("transcribe", "--socket", str(path), "--timeout=0.1", "--raw", "-")
        with programs.running(
            *arguments, folder=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdin.write(bytes(6400))
            process.stdin.flush()
            assert run("status", "--socket", deaf, "--timeout=1", folder=folder).returncode == 1
            assert process.poll() is None
            _, errors = process.communicate(timeout=programs.PATIENCE)
            assert process.returncode == 1 and b"has not answered for 0.1 s" in errors


@pytest.mark.parametrize("command", ["status", "start", "stop", "toggle"])
def test_questions_without_an_answer(folder: Path, command: str) -> None:
    with deaf_server(folder) as path:
        result = run(command, "--socket", path, "--timeout", ".2", folder=folder)
    assert result.returncode == 1 and result.stdout == b""
    assert f"{path} has not answered for 0.2 s".encode() in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_listening_to_one_that_never_answers(folder: Path) -> None:
    with deaf_server(folder) as path:
        result = run("listen", "--socket", path, "--timeout=0.2", folder=folder)
    assert result.returncode == 1 and b"does not listen" in result.stderr


@pytest.mark.parametrize("arguments", [("transcribe", SHORT), ("status",), ("listen",)])
def test_no_room_to_connect(folder: Path, arguments: tuple[str | Path, ...]) -> None:
    with deaf_server(folder, backlog=0) as path, socket.socket(socket.AF_UNIX) as first:
        first.connect(str(path))
        result = run(*arguments, "--socket", path, "--timeout=0.2", folder=folder)
    assert result.returncode == 3 and b"timed out" in result.stderr


@pytest.mark.parametrize("value", ["", "-1", "x", "inf", "nan", "0x1", "1.2.3", ".", "604801"])
def test_timeouts_that_are_none(folder: Path, value: str) -> None:
    result = run("status", f"--timeout={value}", folder=folder)
    assert result.returncode == 2 and b"expected seconds, 0..604800" in result.stderr


def test_timeouts_need_a_server(folder: Path) -> None:
    result = run("transcribe", "--local", "--timeout=1", SHORT, folder=folder)
    assert result.returncode == 2 and b"--local needs no" in result.stderr
