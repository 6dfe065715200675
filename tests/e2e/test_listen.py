# SPDX-License-Identifier: MIT
"""Live text from a microphone: `hearken listen`, and the daemon that listens for it."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sounds
from conftest import StartDaemon
from microphones import SoundServer
from programs import HEARKEN, PATIENCE, REAL_MODEL, SCALE, Daemon, environment, run, wait_until
from sounds import LONG, SHORT, silence, write_wav
from talking import Bare, of_type
from wyoming.event import Event

pytestmark = [pytest.mark.real, pytest.mark.live]

SETTINGS = {"capture.device": "mic"}
StartHearing = Callable[..., Daemon]


@pytest.fixture
def server(folder: Path) -> Iterator[SoundServer]:
    with SoundServer(folder) as server:
        yield server


@pytest.fixture
def start_hearing(start_daemon: StartDaemon, server: SoundServer) -> StartHearing:
    """A daemon that hears `mic`."""

    def start(settings: Mapping[str, str] | None = None) -> Daemon:
        all_settings = SETTINGS | dict(settings or {})
        return start_daemon(REAL_MODEL, all_settings, extra_environment=server.environment)

    return start


@pytest.fixture
def daemon(start_hearing: StartHearing) -> Daemon:
    return start_hearing()


class Listener:
    """A `hearken listen` with its lines, as they come."""

    def __init__(self, arguments: list[str], folder: Path, extra: Mapping[str, str]) -> None:
        self.output = folder / f"listener-{time.monotonic_ns()}"
        self.errors = self.output.with_suffix(".errors")
        with self.output.open("wb") as out, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(HEARKEN), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=environment(folder, extra),
            )

    def lines(self) -> list[str]:
        """Those that are complete."""
        return self.output.read_text().split("\n")[:-1]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.lines()]
        return [event for event in found if kind in (None, event["type"])]

    def texts(self) -> list[str]:
        return [event["text"] for event in self.events("final")]

    def said(self) -> str:
        return self.errors.read_text()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        def met() -> bool:
            assert self.process.poll() is None or condition(), self.said()
            return condition()

        wait_until(met, f"{what}; {self.said()}")

    def wait_until_heard(self, text: str = "listening to") -> None:
        self.wait_for(lambda: text in self.said(), text)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0, self.said()


@contextmanager
def listener(
    folder: Path, *arguments: str | Path, extra: Mapping[str, str] | None = None
) -> Iterator[Listener]:
    listens = Listener(["listen", *map(str, arguments)], folder, extra or {})
    try:
        yield listens
    finally:
        listens.process.kill()
        listens.process.wait()


def at(daemon: Daemon) -> tuple[str, Path]:
    return ("--socket", daemon.socket)


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c in " '").split()


def transcribed(daemon: Daemon, folder: Path, recording: Path) -> list[str]:
    result = run("transcribe", *at(daemon), recording, folder=folder)
    return words(result.stdout.decode())


def assert_like_the_file(heard: list[str], expected: list[str]) -> None:
    """Nothing lost, nothing doubled; a word in twenty may come out another way, for the sound has been
    through two resamplers and its ends are not quite the same."""
    from normalise import word_errors

    assert word_errors(expected, heard).total() <= 1 + len(expected) // 20, (heard, expected)
    assert len(heard) == len(expected) and heard[:1] == expected[:1], (heard, expected)


# ---- Text ----


@pytest.mark.punctual
@pytest.mark.parametrize("where", ["daemon", "local"])
def test_same_text_as_the_file(
    daemon: Daemon, server: SoundServer, folder: Path, where: str
) -> None:
    place = at(daemon) if where == "daemon" else ("--local", "--device", "mic")
    with listener(folder, "-f", "json", *place, extra=server.environment) as listens:
        listens.wait_until_heard()
        for recording in (SHORT, LONG):
            before = len(listens.texts())
            expected = transcribed(daemon, folder, recording)
            server.play("mic", recording)
            wait_for_words(listens, before, len(expected))
            heard = words(" ".join(listens.texts()[before:]))
            assert_like_the_file(heard, expected)
        events = listens.events()
        listens.stop()
    assert listens.events() == events, "nothing is told twice"
    check_events(events)


def wait_for_words(listens: Listener, before: int, count: int) -> None:
    """In the final texts from number `before` on."""
    listens.wait_for(
        lambda: len(words(" ".join(listens.texts()[before:]))) >= count, f"{count} words"
    )


def check_events(events: list[dict[str, Any]]) -> None:
    """Of committed text nothing is taken back; times are in order."""
    kinds = [event["type"] for event in events]
    assert kinds[0] == "capture" and "partial" in kinds
    assert kinds.count("voice-started") == kinds.count("voice-stopped") >= 2
    committed = ""
    for event in events:
        if event["type"] not in ("partial", "final"):
            continue
        assert event["text"].startswith(event["committed"])
        if event["text"]:
            assert event["text"].startswith(committed), (event, committed)
        committed = "" if event["type"] == "final" else event["committed"]
        times = [t for word in event["words"] for t in (word["start"], word["end"])]
        assert times == sorted(times)
    finals = [event for event in events if event["type"] == "final"]
    assert all(a["end"] <= b["start"] + 0.01 for a, b in pairwise(finals))


def test_a_model_by_name(start_daemon: StartDaemon, server: SoundServer, folder: Path) -> None:
    """It is loaded while one speaks, and released when nobody listens with it any more."""
    settings = SETTINGS | {"model real.file": str(REAL_MODEL), "model.release_seconds": "0.2"}
    daemon = start_daemon(settings=settings, extra_environment=server.environment)
    with listener(folder, *at(daemon), "--model", "real") as listens:
        listens.wait_until_heard()
        server.play("mic", LONG)
        listens.wait_for(lambda: len(listens.lines()) == 1, "a line")
        text = run("transcribe", *at(daemon), "--model", "real", LONG, folder=folder).stdout
        assert_like_the_file(words(listens.lines()[0]), words(text.decode()))
        assert "released model" not in daemon.log()
        listens.stop()
    wait_until(lambda: "released model real" in daemon.log(), "the model to be released")
    with listener(folder, *at(daemon), "--model", "another") as listens:
        listens.process.wait(PATIENCE)
        assert "got another, expected one of: hearken-test-recurrent, real" in listens.said()


def test_plain_lines(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """Only final text, each line as soon as it is there."""
    with listener(folder, *at(daemon)) as listens:
        listens.wait_until_heard()
        server.play("mic", SHORT)
        listens.wait_for(lambda: len(listens.lines()) == 1, "a line")
        assert_like_the_file(words(listens.lines()[0]), transcribed(daemon, folder, SHORT))
        listens.stop()
        assert len(listens.lines()) == 1


def test_interrupt_gives_the_last_text(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    with listener(folder, *at(daemon)) as listens:
        listens.wait_until_heard()
        player = server.start_playing("mic", LONG)
        time.sleep(5)
        assert listens.lines() == []
        listens.stop()
        player.kill()
        player.wait()
        (line,) = listens.lines()
    whole = transcribed(daemon, folder, LONG)
    assert 3 < len(words(line)) < len(whole) and words(line)[:3] == whole[:3]


def test_digital_silence(daemon: Daemon, folder: Path) -> None:
    """No text; and that there is no sound is told, with what to do."""
    with listener(folder, "-f", "json", *at(daemon)) as listens:
        listens.wait_until_heard("no sound comes from mic")
        time.sleep(7)
        assert "[capture]" in listens.said() and listens.said().count("no sound") == 1
        listens.stop()
        assert {event["type"] for event in listens.events()} == {"capture"}


# ---- Several ----


def test_several_listeners(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """One capture and one recognition for all; each gets the same."""
    with (
        listener(folder, "-f", "json", *at(daemon)) as first,
        listener(folder, "-f", "json", *at(daemon)) as second,
        listener(folder, *at(daemon), "--set", "beam_width=1") as other,
    ):
        for listens in (first, second, other):
            listens.wait_until_heard()
        assert status(daemon, folder)["listeners"] == 3
        server.play("mic", SHORT)
        for listens in (first, second):
            listens.wait_for(lambda listens=listens: len(listens.texts()) == 1, "the text")
        other.wait_for(lambda: len(other.lines()) == 1, "the text")
        assert first.texts() == second.texts()
        assert status(daemon, folder)["requests_running"] == 2
        for listens in (first, second, other):
            listens.stop()
    wait_until(lambda: "microphone: released" in daemon.log(), "the microphone to be released")
    assert daemon.log().count("microphone: mic") == 1


def status(daemon: Daemon, folder: Path) -> dict[str, Any]:
    return json.loads(run("status", "--json", *at(daemon), folder=folder).stdout)


def test_one_leaves_while_somebody_speaks(
    daemon: Daemon, server: SoundServer, folder: Path
) -> None:
    """The other is not disturbed; what was shown to the one who leaves is kept."""
    with (
        listener(folder, "-f", "json", *at(daemon)) as stays,
        listener(folder, "-f", "json", *at(daemon)) as leaves,
    ):
        stays.wait_until_heard()
        leaves.wait_until_heard()
        player = server.start_playing("mic", LONG)
        leaves.wait_for(
            lambda: any(len(words(e["text"])) > 3 for e in leaves.events("partial")), "words"
        )
        leaves.stop()
        last = [event for event in leaves.events() if event["type"] in ("partial", "final")]
        assert last[-1]["type"] == "final" and last[-1]["text"] == last[-2]["text"]
        assert player.wait(PATIENCE) == 0
        expected = transcribed(daemon, folder, LONG)
        wait_for_words(stays, 0, len(expected))
        assert_like_the_file(words(" ".join(stays.texts())), expected)
        stays.stop()


@pytest.mark.punctual
def test_slow_reader(start_hearing: StartHearing, server: SoundServer, folder: Path) -> None:
    """One that does not read is disconnected; the other notices nothing."""
    daemon = start_hearing({"timeouts.stall_seconds": "2"})
    with Bare(daemon.socket) as slow, listener(folder, "-f", "json", *at(daemon)) as listens:
        slow.socket.setsockopt(1, 8, 1)  # SO_RCVBUF: as little as there is
        for _ in range(2000):  # answers to fill what lies between
            slow.event("describe")
        slow.event("hearken-listen", {"hearken": {"meter": True}})
        listens.wait_until_heard()
        server.play("mic", SHORT)
        listens.wait_for(lambda: len(listens.texts()) == 1, "the text")
        wait_until(lambda: "does not read its results" in daemon.log(), "the slow one to go")
        assert_like_the_file(words(listens.texts()[0]), transcribed(daemon, folder, SHORT))
        listens.stop()


# ---- Start, stop, toggle ----


def switch(daemon: Daemon, folder: Path, name: str, *options: str) -> tuple[int, str]:
    result = run(name, *at(daemon), *options, folder=folder)
    return result.returncode, (result.stdout + result.stderr).decode()


@pytest.mark.punctual
def test_push_to_talk(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    with listener(folder, "-f", "json", "--hold", *at(daemon)) as listens:
        listens.wait_until_heard()
        server.play("mic", SHORT)
        assert listens.texts() == [], "held"
        assert switch(daemon, folder, "toggle") == (0, "listening\n")
        player = server.start_playing("mic", LONG)
        listens.wait_for(lambda: len(listens.events("partial")) > 5, "partial text")
        begin = time.monotonic()
        assert switch(daemon, folder, "stop") == (0, "paused\n")
        listens.wait_for(lambda: len(listens.texts()) == 1, "the final text at once")
        assert time.monotonic() - begin < 2 * SCALE
        player.wait()
        assert switch(daemon, folder, "stop") == (0, "paused\n")
        assert switch(daemon, folder, "start") == (0, "listening\n")
        server.play("mic", SHORT)
        assert switch(daemon, folder, "toggle") == (0, "paused\n")
        listens.wait_for(lambda: len(listens.texts()) == 2, "the second text")
        assert_like_the_file(words(listens.texts()[1]), transcribed(daemon, folder, SHORT))
        listens.stop()
    hearing = [event["hearing"] for event in listens.events("hearing")]
    assert hearing == [False, True, False, True, False]


@pytest.mark.punctual
def test_stop_and_start_without_a_gap(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """What is said while the last text is still being made is not lost."""
    with listener(folder, "-f", "json", *at(daemon)) as listens:
        listens.wait_until_heard()
        player = server.start_playing("mic", LONG)
        listens.wait_for(lambda: len(listens.events("partial")) > 3, "partial text")
        for _ in range(2):
            switch(daemon, folder, "toggle")
        player.wait()
        time.sleep(1)
        listens.stop()
        heard = words(" ".join(listens.texts()))
    expected = transcribed(daemon, folder, LONG)
    assert len(listens.texts()) >= 2
    missing = set(expected) - set(heard)  # at the cut, and for want of what was said before it
    assert len(missing) < len(set(expected)) / 4 and len(heard) > len(expected) - 4, heard


def test_nobody_listens(daemon: Daemon, folder: Path) -> None:
    for name in ("start", "stop", "toggle"):
        code, said = switch(daemon, folder, name)
        assert code == 1 and "hearken listen" in said
    assert run("toggle", "--socket", folder / "none", folder=folder).returncode == 3


def fake_typist(folder: Path, name: str = "wtype", code: int = 0) -> dict[str, str]:
    """A PATH with a program that notes its arguments."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    script = programs / name
    script.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >>{folder}/{name}.typed\nexit {code}\n')
    script.chmod(0o755)
    return {"PATH": str(programs)}


def test_type(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    path = fake_typist(folder)
    with listener(folder, "--type", *at(daemon), extra=path) as listens:
        listens.wait_until_heard()
        server.play("mic", SHORT)
        listens.wait_for(lambda: len(listens.lines()) == 1, "the text")
        listens.stop()
        typed = (folder / "wtype.typed").read_text()
        assert typed == f"--|{listens.lines()[0]} |"


def test_toggle_types(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """Where nobody listens, toggle --type does; the first typist does not work here."""
    fake_typist(folder, "wtype", 1)
    path = fake_typist(folder, "xdotool")
    listens = Listener(["toggle", "--type", *map(str, at(daemon))], folder, path)
    listens.wait_until_heard()
    server.play("mic", SHORT)
    listens.wait_for(lambda: len(listens.lines()) == 1, "the text")
    assert switch(daemon, folder, "toggle") == (0, "paused\n")
    listens.stop()
    typed = (folder / "xdotool.typed").read_text()
    assert typed == f"type|--clearmodifiers|--|{listens.lines()[0]} |"


def test_no_typist(daemon: Daemon, folder: Path) -> None:
    empty = {"PATH": str(folder)}
    result = run("listen", "--type", *at(daemon), folder=folder, extra_environment=empty)
    assert result.returncode == 1 and b"wtype" in result.stderr


# ---- Things that go wrong ----


def test_unplugged(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    with listener(folder, "-f", "json", *at(daemon)) as listens:
        listens.wait_until_heard()
        server.unplug("mic")
        listens.wait_until_heard("lost mic")
        server.plug_in("mic")
        listens.wait_until_heard("listening again to mic")
        time.sleep(1)
        server.play("mic", SHORT)
        listens.wait_for(lambda: len(listens.texts()) > 0, "the text")
        assert_like_the_file(words(listens.texts()[-1]), transcribed(daemon, folder, SHORT))
        listens.stop()
    told = [event["event"] for event in listens.events("capture")]
    assert told[:2] == ["started", "lost"] and told[-1] == "returned"


def test_daemon_stops(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """Whoever listens gets the last text, and is told."""
    with listener(folder, "-f", "json", *at(daemon)) as listens:
        listens.wait_until_heard()
        player = server.start_playing("mic", LONG)
        listens.wait_for(lambda: len(listens.events("partial")) > 5, "partial text")
        daemon.signal(signal.SIGTERM)
        assert listens.process.wait(PATIENCE) == 1
        assert daemon.wait() == 0
        player.kill()
        player.wait()
        assert len(listens.texts()) == 1 and "the daemon is stopping" in listens.said()


def test_no_microphone(start_hearing: StartHearing, folder: Path) -> None:
    daemon = start_hearing({"capture.device": "nosuch"})
    result = run("listen", *at(daemon), folder=folder)
    assert result.returncode == 1 and b"nosuch" in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_not_allowed(start_hearing: StartHearing, folder: Path) -> None:
    daemon = start_hearing({"capture.clients": "none"})
    for command in ("listen", "toggle"):
        result = run(command, *at(daemon), folder=folder)
        assert result.returncode == 1 and b"capture.clients" in result.stderr


def test_contradictions(folder: Path) -> None:
    for options in (["--device", "mic"], ["--local", "--hold"], ["--local", "--socket", "s"]):
        assert run("listen", *options, folder=folder).returncode == 2
    result = run("listen", "--socket", folder / "none", folder=folder)
    assert result.returncode == 3


# ---- The protocol ----


def read_until(bare: Bare, kind: str) -> list[Event]:
    events: list[Event] = []
    while not events or events[-1].type not in (kind, "error"):
        event = bare.read()
        assert event is not None, events
        events.append(event)
    return events


def test_wyoming_transcripts(daemon: Daemon, server: SoundServer) -> None:
    """Chunks joined are the transcript; plain Wyoming, but for how it is asked for."""
    with Bare(daemon.socket) as bare:
        wanted = {"events": False, "transcripts": True, "voice_events": True}
        bare.event("hearken-listen", {"language": "en", "hearken": wanted})
        read_until(bare, "hearken-capture")
        server.play("mic", LONG)
        events = read_until(bare, "transcript-stop")
        kinds = [event.type for event in events]
        assert kinds[0] == "voice-started" and kinds[-2] == "transcript"
        assert kinds.index("transcript-start") < kinds.index("transcript-chunk")
        chunks = "".join(e.data["text"] for e in of_type(events, "transcript-chunk"))
        (transcript,) = of_type(events, "transcript")
        assert chunks == transcript.data["text"] and transcript.data["language"] == "en"
        bare.event("hearken-listen-stop")
        assert [e.type for e in read_until(bare, "hearken-listen-stopped")][-1:] == [
            "hearken-listen-stopped"
        ]
        bare.event("ping", {"text": "still there"})
        assert read_until(bare, "pong")[-1].data["text"] == "still there"


def test_wrong_events(daemon: Daemon) -> None:
    for data, word in (({"hearken": {"hold": 1}}, "hold"), ({"hearken": {"no": 1}}, "no")):
        with Bare(daemon.socket) as bare:
            bare.event("hearken-listen", data)
            error = read_until(bare, "error")[-1]
            assert error.data["code"] == "bad-value" and word in error.data["text"]
            bare.event("hearken-listen-stop")  # dropped
            bare.event("ping")
            assert read_until(bare, "pong")
    with Bare(daemon.socket) as bare:
        bare.event("hearken-listen")
        bare.event("audio-stop")
        assert read_until(bare, "error")[-1].data["code"] == "wrong-state"
        assert bare.read_all() == []


def test_gone_without_a_word(daemon: Daemon, folder: Path) -> None:
    """The microphone is given back."""
    with listener(folder, *at(daemon)) as listens:
        listens.wait_until_heard()
    wait_until(lambda: "microphone: released" in daemon.log(), "the microphone to be released")


def test_reload_changes_the_microphone(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    with listener(folder, "-f", "json", *at(daemon)) as listens:
        listens.wait_until_heard("listening to mic")
        daemon.settings["capture.device"] = "default"
        daemon.write_configuration()
        daemon.signal(signal.SIGHUP)
        listens.wait_until_heard("listening to default")
        server.play("room", SHORT)
        listens.wait_for(lambda: len(listens.texts()) == 1, "the text")
        listens.stop()


def test_silence_after_speech(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """Nothing is invented in what follows."""
    quiet = write_wav(folder / "quiet.wav", silence(5))
    with listener(folder, *at(daemon)) as listens:
        listens.wait_until_heard()
        server.play("mic", SHORT)
        server.play("mic", quiet)
        listens.stop()
        assert len(listens.lines()) == 1 and sounds.transcripts()[SHORT.stem]
