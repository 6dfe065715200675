# SPDX-License-Identifier: MIT
"""`hearken listen` at a terminal: what stands on the screen, not only what was sent to it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import StartDaemon
from microphones import SoundServer
from programs import HEARKEN, PATIENCE, REAL_MODEL, Daemon, environment, wait_until
from sounds import LONG, SHORT, Pcm, pcm, write_wav

pytestmark = [pytest.mark.real, pytest.mark.live]

SEQUENCE = re.compile(rb"\x1b\[(\d*)([A-Za-z])")


class Screen:
    """As much of a terminal as the client makes use of, and which places of it are dimmed."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows: list[str] = [""]
        self.row = self.column = 0
        self.dim = False
        self.dimmed: set[tuple[int, int]] = set()

    def put(self, character: str) -> None:
        if self.column >= self.width:  # it wraps
            self.row, self.column = self.row + 1, 0
        while len(self.rows) <= self.row:
            self.rows.append("")
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.dimmed.discard((self.row, self.column))
        if self.dim:
            self.dimmed.add((self.row, self.column))
        self.column += 1

    def erase_row(self) -> None:
        """From the cursor on."""
        self.rows[self.row] = self.rows[self.row][: self.column]
        self.dimmed = {(r, c) for r, c in self.dimmed if r != self.row or c < self.column}

    def control(self, number: bytes, letter: bytes) -> None:
        match letter:
            case b"A":
                self.row -= int(number or 1)
                assert self.row >= 0, "above the first row"
            case b"K":
                self.erase_row()
            case b"J":
                self.erase_row()
                del self.rows[self.row + 1 :]
                self.dimmed = {(r, c) for r, c in self.dimmed if r <= self.row}
            case b"m":
                self.dim = number == b"2"
            case _:
                raise AssertionError(f"not known: {number!r} {letter!r}")

    def feed(self, data: bytes) -> None:
        while data:
            if match := SEQUENCE.match(data):
                self.control(match[1], match[2])
                data = data[match.end() :]
                continue
            if data[:1] == b"\r":
                self.column = 0
            elif data[:1] == b"\n":
                self.row += 1
                while len(self.rows) <= self.row:
                    self.rows.append("")
            else:
                self.put(data[:1].decode("ascii"))
            data = data[1:]

    def dimmed_text(self) -> str:
        return "".join(self.rows[r][c] for r, c in sorted(self.dimmed))


class AtTerminal:
    """hearken listen with a terminal of this width for its output."""

    def __init__(self, width: int, folder: Path, *arguments: str | Path) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(width)
        os.set_blocking(self.ours, False)
        self.errors = folder / "errors"
        self.sent = b""
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(HEARKEN), "listen", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=errors,
                env=environment(folder, {"TERM": "xterm"}),
            )
        os.close(theirs)

    def resize(self, width: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def read(self) -> bytes:
        try:
            while data := os.read(self.ours, 65536):
                self.sent += data
        except (BlockingIOError, OSError):
            pass
        return self.sent

    def wait_for(self, condition: Callable[[bytes], bool], what: str) -> None:
        wait_until(lambda: condition(self.read()), what)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0, self.errors.read_text()
        self.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@pytest.fixture
def server(folder: Path) -> Iterator[SoundServer]:
    with SoundServer(folder) as server:
        yield server


@pytest.fixture
def daemon(start_daemon: StartDaemon, server: SoundServer) -> Daemon:
    settings = {"capture.device": "mic"}
    return start_daemon(REAL_MODEL, settings, extra_environment=server.environment)


def play_at(terminal: AtTerminal, server: SoundServer, recording: Path) -> None:
    wait_until(lambda: "listening to" in terminal.errors.read_text(), "it to listen")
    server.play("mic", recording)
    time.sleep(2)


@pytest.mark.parametrize("width", [20, 80])
def test_lines_are_drawn_in_place(
    daemon: Daemon, server: SoundServer, folder: Path, width: int
) -> None:
    terminal = AtTerminal(width, folder, "--socket", daemon.socket)
    try:
        play_at(terminal, server, LONG)
        terminal.stop()
        drawings = terminal.read().split(b"\x1b[J")
        screen, whole = Screen(width), []
        for drawing in drawings:
            screen.feed(drawing + (b"\x1b[J" if drawing is not drawings[-1] else b""))
            whole.append(" ".join(screen.rows))
            assert all(len(row) <= width for row in screen.rows)
    finally:
        terminal.close()
    final = "".join(row if len(row) == width else f"{row} " for row in screen.rows).split()
    assert len(final) > 15 and not screen.dimmed_text().strip()
    # Each drawing shows the text once: nothing of an earlier one is left.
    assert max(text.count("permitted") for text in whole) == 1
    assert len(drawings) > 10


@pytest.mark.punctual
def test_committed_text_is_plain(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    both = Pcm(16000, 2, 1, pcm(SHORT).data + pcm(LONG).data)
    recording = write_wav(folder / "both.wav", both)  # its first words are soon beyond doubt
    terminal = AtTerminal(80, folder, "--socket", daemon.socket)
    try:
        play_at(terminal, server, recording)
        terminal.stop()
    finally:
        terminal.close()
    screen, mixed = Screen(80), 0
    for drawing in terminal.read().split(b"\x1b[J"):
        screen.feed(drawing)
        text = " ".join(screen.rows).strip()
        mixed += 0 < len(screen.dimmed_text()) < len(text) - 10
        screen.feed(b"\x1b[J")
    assert mixed > 0


@pytest.mark.punctual
def test_resized(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """It is drawn anew, for the new width, without waiting for more text."""
    terminal = AtTerminal(80, folder, "--socket", daemon.socket)
    try:
        wait_until(lambda: "listening to" in terminal.errors.read_text(), "it to listen")
        player = server.start_playing("mic", LONG)
        terminal.wait_for(lambda sent: b"connection" in sent, "text")
        terminal.resize(20)
        terminal.process.send_signal(signal.SIGWINCH)
        at = len(terminal.read())
        terminal.wait_for(lambda sent: b"\r\n" in sent[at:], "rows of the new width")
        rows = [
            SEQUENCE.sub(b"", row) for row in terminal.read()[at:].replace(b"\r", b"").split(b"\n")
        ]
        assert all(len(row) < 80 for row in rows[1:])
        player.kill()
        player.wait()
        terminal.stop()
    finally:
        terminal.close()


def test_meter(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """A bar below the text, that says so when there is no sound at all; taken away at the end."""
    terminal = AtTerminal(80, folder, "--meter", "--socket", daemon.socket)
    try:
        terminal.wait_for(lambda sent: b"no sound" in sent, "the meter")
        play_at(terminal, server, SHORT)
        assert re.search(rb"\[#+ .*\]  -\d\d dB", terminal.read())
        terminal.stop()
        screen = Screen(80)
        screen.feed(terminal.read())
        assert len([row for row in screen.rows if row]) == 1 and "[" not in "".join(screen.rows)
    finally:
        terminal.close()


def test_dumb_terminal(daemon: Daemon, server: SoundServer, folder: Path) -> None:
    """Nothing is drawn where nothing can be: lines only."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(HEARKEN), "listen", "--socket", str(daemon.socket)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment(folder, {"TERM": "dumb"}),
    )
    try:
        time.sleep(1)
        server.play("mic", SHORT)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        sent = os.read(ours, 65536)
        assert b"\x1b" not in sent and sent.count(b"\n") == 1
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)
