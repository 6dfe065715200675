# SPDX-License-Identifier: MIT
"""Fixtures: a folder, and daemons in it, for each test."""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import programs
import pytest
from programs import (
    PATIENCE,
    RANDOM_MODELS,
    REAL_MODEL,
    REPOSITORY,
    SANITIZER,
    VOICE,
    Daemon,
    free_port,
    unguarded_settings,
    wait_until,
)
from web import Served

# How the benchmarks count wrong words is how the tests do.
sys.path.insert(0, str(REPOSITORY / "tests" / "bench"))


class StartDaemon(Protocol):
    """Starts a daemon that the test need not stop."""

    def __call__(
        self,
        model: Path = ...,
        settings: Mapping[str, str] = ...,
        arguments: Sequence[str] = ...,
        launch_only: bool = ...,
        extra_environment: Mapping[str, str] = ...,
        open_files: int = ...,
    ) -> Daemon: ...


def ignore_signals_alone() -> None:
    """A program inherits what its parent ignores or blocks, and a script's background jobs ignore
    SIGINT, nohup's SIGHUP: then nothing under test could be ended so. A handler that does nothing
    is not inherited."""
    pythons_own = {signal.SIGPIPE, signal.SIGXFSZ}  # subprocess gives them back
    for number in signal.valid_signals() - pythons_own:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def pytest_configure(config: pytest.Config) -> None:
    ignore_signals_alone()
    config.addinivalue_line("markers", "real: recognises real speech with the real model")
    config.addinivalue_line("markers", "live: in real time, of a microphone")
    config.addinivalue_line("markers", "punctual: expects the real model's words, in time")


def pytest_sessionstart() -> None:
    programs.require_programs()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A hanging test is a failed one, and real models are not for slowed-down builds; but they keep up
    with somebody who speaks, though not punctually with the thread sanitizer."""
    for item in items:
        item.add_marker(pytest.mark.timeout(2 * PATIENCE))
        live = item.get_closest_marker("live") and not (
            SANITIZER == "thread" and item.get_closest_marker("punctual")
        )
        if item.get_closest_marker("real") and SANITIZER in ("address", "thread") and not live:
            reason = f"the real model takes minutes a test with the {SANITIZER} sanitizer"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for a socket's path has at most 107 bytes; gone after the test."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as name:
        yield Path(name)


@pytest.fixture
def start_daemon(folder: Path) -> Iterator[StartDaemon]:
    daemons: list[Daemon] = []

    def start(
        model: Path = RANDOM_MODELS["recurrent"],
        settings: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        launch_only: bool = False,
        extra_environment: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> Daemon:
        own = folder / str(len(daemons))
        own.mkdir()
        guards = {} if model == REAL_MODEL else unguarded_settings()
        all_settings = {"model.file": str(model)} | guards | dict(settings or {})
        daemon = Daemon(own, all_settings, arguments, extra_environment, open_files)
        daemons.append(daemon)
        if launch_only:
            daemon.launch()
            return daemon
        return daemon.start()

    try:
        yield start
        for daemon in daemons:
            daemon.stop()
    finally:
        for daemon in daemons:
            daemon.kill()


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    """One with the small recurrent model."""
    return start_daemon()


class Serve(Protocol):
    """Starts a daemon that serves HTTP."""

    def __call__(self, settings: Mapping[str, str] = ..., model: Path = ...) -> Served: ...


@pytest.fixture
def serve(start_daemon: StartDaemon) -> Serve:
    def start(
        settings: Mapping[str, str] | None = None, model: Path = RANDOM_MODELS["recurrent"]
    ) -> Served:
        port = free_port()
        listen = {"http.listen": f"127.0.0.1:{port}"}
        served = Served(start_daemon(model, listen | dict(settings or {})), port)
        wait_until(served.is_open, "hearkend to serve HTTP")
        return served

    return start


@pytest.fixture
def served(serve: Serve) -> Served:
    """One with the small recurrent model."""
    return serve()


@pytest.fixture
def hearing(folder: Path) -> Path:
    """The small recurrent model, which says something of any sound, with a voice network."""
    programs.add_voice(RANDOM_MODELS["recurrent"], VOICE, folder / "hearing.gguf")
    return folder / "hearing.gguf"


@pytest.fixture(params=sorted(RANDOM_MODELS))
def random_model(request: pytest.FixtureRequest) -> Path:
    return RANDOM_MODELS[request.param]


@pytest.fixture
def hearken(folder: Path) -> Callable[..., str]:
    """Runs the client, which must succeed; returns its output."""

    def call(*arguments: str | Path, **options) -> str:
        return programs.succeed(*arguments, folder=folder, **options)

    return call
