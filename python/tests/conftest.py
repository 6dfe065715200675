# SPDX-License-Identifier: MIT
"""What the tests share. They run against the installed wheel (`make check-wheel`): HEARKEN_ROOT is the
repository, of which they use recordings and the daemon, never the package's source."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hearken

ROOT = Path(os.environ["HEARKEN_ROOT"])
BUILD = Path(os.environ["HEARKEN_BUILD"])
SHORT = ROOT / "tests/data/1462-170138-0009.flac"
LONG = ROOT / "tests/data/2086-149214-0003.flac"
SHORT_TEXT = "It's delightful to hear it in a London theatre."
# Both are likely: which one it is depends on the last digits of the samples.
SHORT_TEXTS = (SHORT_TEXT, SHORT_TEXT.replace("theatre", "theater"))
LONG_TEXT = (
    "If permitted by the historical connection, which though slight was essential to his plan, "
    "the author would very willingly have avoided anything of this nature."
)


def pytest_sessionstart() -> None:
    assert ROOT not in Path(hearken.__file__).parents or "site-packages" in hearken.__file__


@pytest.fixture(scope="session")
def model() -> hearken.Model:
    return hearken.Model("hearken-en")


@pytest.fixture(scope="session")
def small() -> hearken.Model:
    """The fastest."""
    return hearken.Model("hearken-en-small")


class Daemon:
    """hearkend with a socket, TCP and HTTP."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.ports = [_free_port(), _free_port()]
        command: list[str | Path] = [
            BUILD / "bin/hearkend",
            *("--socket", self.socket),
            *("--tcp", f"127.0.0.1:{self.ports[0]}"),
            *("--http", f"127.0.0.1:{self.ports[1]}"),
        ]
        self.log = folder / "log"
        self.process = subprocess.Popen(command, stderr=self.log.open("w"))

    def wait(self) -> None:
        end = time.monotonic() + 60
        while "ready:" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    started = Daemon(tmp_path_factory.mktemp("d"))
    try:
        started.wait()
        yield started
    finally:
        started.stop()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    def wait(holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, f"waited for {what}"
            time.sleep(0.01)

    return wait
