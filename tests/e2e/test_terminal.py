# SPDX-License-Identifier: MIT
"""`hearken` at a terminal."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from programs import HEARKEN, PATIENCE, RANDOM_MODELS, Daemon, run, running, wait_until
from sounds import LONG, SHORT, pcm, write_wav

RECURRENT = RANDOM_MODELS["recurrent"]


class Terminal:
    """What stands on the other side of a program's standard error."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        os.set_blocking(self.ours, False)
        self.shown = b""

    def read(self) -> bytes:
        """All that was shown so far."""
        try:
            while data := os.read(self.ours, 65536):
                self.shown += data
        except (BlockingIOError, OSError):
            pass  # nothing more now, or the program is gone
        return self.shown

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def long_file(folder: Path) -> Path:
    return write_wav(folder / "long.wav", sounds.Pcm(16000, 2, 1, pcm(LONG).data * 400))


def test_progress(daemon: Daemon, folder: Path, terminal: Terminal, long_file: Path) -> None:
    """Seconds done and in all, and how fast; taken away at the end."""
    arguments = ("transcribe", "--socket", str(daemon.socket), "-f", "json", str(long_file))
    with running(*arguments, folder=folder, stderr=terminal.theirs) as process:
        shown = re.compile(rb"(\d+) / (\d+) s  ([\d.]+)x")
        wait_until(lambda: len(shown.findall(terminal.read())) >= 3, "progress to be shown")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    rows = [tuple(map(float, row)) for row in shown.findall(terminal.read())]
    assert {total for _, total, _ in rows} == {round(pcm(LONG).seconds() * 400)}
    assert [done for done, _, _ in rows] == sorted(done for done, _, _ in rows)
    assert all(speed > 0 for _, _, speed in rows)
    assert terminal.read().endswith(b"\r\x1b[K"), "the line is left standing"


def test_progress_over_several_files(
    daemon: Daemon, folder: Path, terminal: Terminal, long_file: Path
) -> None:
    files = (str(SHORT), str(long_file), str(long_file))
    arguments = ("transcribe", "--socket", str(daemon.socket), *files)
    with running(*arguments, folder=folder, stderr=terminal.theirs) as process:
        wait_until(lambda: b"1/3 files" in terminal.read(), "progress to be shown")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


@pytest.mark.parametrize("arguments", [("--quiet", "-j", "2"), ("-q", "--local")])
def test_quiet(folder: Path, terminal: Terminal, arguments, daemon: Daemon) -> None:
    file = write_wav(folder / "a.wav", sounds.Pcm(16000, 2, 1, pcm(LONG).data * 12))
    where = ("--model", str(RECURRENT)) if "--local" in arguments else ("--socket", daemon.socket)
    with open(folder / "out", "wb") as out:
        result = run(
            "transcribe",
            *arguments,
            *where,
            file,
            folder=folder,
            stdout=out,
            stderr=terminal.theirs,
        )
    assert result.returncode == 0 and terminal.read() == b""


def test_short_work_shows_nothing(daemon: Daemon, folder: Path, terminal: Terminal) -> None:
    file = write_wav(folder / "a.wav", pcm(SHORT).first(0.2))
    arguments = ("transcribe", "--socket", daemon.socket, file)
    result = run(*arguments, folder=folder, stderr=terminal.theirs)
    assert result.returncode == 0 and terminal.read() == b""


def test_terminal_as_input(folder: Path, terminal: Terminal) -> None:
    """Nobody types sound."""
    result = subprocess.run(
        [str(HEARKEN), "transcribe", "-"],
        stdin=terminal.theirs,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 2 and b"terminal" in result.stderr
