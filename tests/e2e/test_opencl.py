# SPDX-License-Identifier: MIT
"""The opencl backend in a daemon: the same text, reloads, and a device that is lost."""

import os
import re
import signal
from pathlib import Path

import pytest
from conftest import StartDaemon
from normalise import word_errors, words
from programs import BUILD, RANDOM_MODELS, REAL_MODEL, SANITIZER, Daemon, alone, run, wait_until
from sounds import LONG, SHORT, pcm
from talking import answer, error_of, transcribed

RECURRENT, TRANSFORMER = RANDOM_MODELS["recurrent"], RANDOM_MODELS["transformer"]
LOST_DEVICE = BUILD / "tests" / "lost-device.so"


def why_not() -> str:
    """Why the backend cannot run here; empty if it can."""
    listed = run("plugins", folder=Path("/")).stdout.decode()
    found = re.search(r"^opencl +(-|\d+)  (.*)$", listed, re.MULTILINE)
    if found is None:
        return "plugin opencl was left out of the build"
    return f"plugin opencl: {found[2]}" if found[1] in ("0", "-") else ""


@pytest.fixture(autouse=True)
def needs_a_device() -> None:
    if reason := why_not():
        pytest.skip(reason)


def expected(model: Path, recording: Path) -> str:
    """Of the plugin alone: where a random network nearly ties, other sums lead elsewhere."""
    return alone(model, recording, "--backend", "opencl").replace("\n", " ").strip()


def reload(daemon: Daemon, backend: str) -> None:
    daemon.settings["compute.backend"] = backend
    daemon.write_configuration()
    before = daemon.log().count("reloaded: ")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count("reloaded: ") > before, f"backend {backend}")
    assert f"backend {backend}" in daemon.log().rsplit("reloaded: ", 1)[1]


@pytest.mark.parametrize("model", [RECURRENT, TRANSFORMER], ids=["recurrent", "transformer"])
def test_daemon_and_program_agree(start_daemon: StartDaemon, model: Path) -> None:
    daemon = start_daemon(model, settings={"compute.backend": "opencl"})
    for recording in (SHORT, LONG):
        assert transcribed(daemon.socket, pcm(recording)) == expected(model, recording)


@pytest.mark.real
def test_same_text_as_cpu(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(REAL_MODEL, settings={"compute.backend": "opencl"})
    for recording in (SHORT, LONG):
        said = alone(REAL_MODEL, recording, "--backend", "cpu").replace("\n", " ").strip()
        heard = transcribed(daemon.socket, pcm(recording))
        # cpu keeps keys and values in bytes.
        assert word_errors(words(said), words(heard)).total() <= 1


def test_there_and_back(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"compute.backend": "cpu"})
    on_cpu = transcribed(daemon.socket, pcm(SHORT))
    for _ in range(2):
        reload(daemon, "opencl")
        assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
        reload(daemon, "cpu")
        assert transcribed(daemon.socket, pcm(SHORT)) == on_cpu


def test_ways_are_counted(start_daemon: StartDaemon) -> None:
    """
    What goes to the device does not grow with the text: features, a row of zeros where steps are
    joined, and two first states for each of two layers. What waits are reads alone.
    """
    daemon = start_daemon(settings={"compute.backend": "opencl", "log.level": "debug"})
    counted = re.compile(r"opencl: (\d+) kernels, (\d+) writes .* (\d+) reads .* (\d+) waits")
    for recording in (SHORT, LONG):
        transcribed(daemon.socket, pcm(recording))
    wait_until(lambda: len(counted.findall(daemon.log())) == 2, "the numbers of two requests")
    (short, long) = ([int(number) for number in found] for found in counted.findall(daemon.log()))
    for kernels, writes, reads, waits in (short, long):
        assert writes <= 6
        assert waits == reads < kernels / 10


@pytest.fixture
def sign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The device is lost while this file is there."""
    if SANITIZER:
        pytest.skip("the sanitizer's own library must be loaded first")
    monkeypatch.setitem(os.environ, "LD_PRELOAD", str(LOST_DEVICE.resolve()))
    monkeypatch.setitem(os.environ, "LOST_DEVICE", str(folder / "lost"))
    return folder / "lost"


def lose(daemon: Daemon, sign: Path, then: str) -> None:
    """A request ends with an error that the log explains; the model is opened again on `then`."""
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
    sign.touch()
    assert "opencl" in error_of(answer(daemon.socket, pcm(SHORT))).text
    assert "out of device resources" in daemon.log()
    wait_until(lambda: "reloaded: " in daemon.log(), "the model to be opened again")
    assert f"backend {then}" in daemon.log().rsplit("reloaded: ", 1)[1]


def test_lost_device_of_a_named_backend(start_daemon: StartDaemon, sign: Path) -> None:
    daemon = start_daemon(settings={"compute.backend": "opencl"})
    lose(daemon, sign, then="opencl")
    sign.unlink()
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_lost_device_of_the_best_backend(
    start_daemon: StartDaemon, sign: Path, folder: Path
) -> None:
    """The next one takes over, until a reload."""
    plugins = folder / "plugins"
    plugins.mkdir()
    for name in ("opencl", "reference"):
        (plugins / f"{name}.so").symlink_to(BUILD.resolve() / "lib" / "hearken" / f"{name}.so")
    daemon = start_daemon(settings={"compute.plugin_directory": str(plugins)})
    lose(daemon, sign, then="reference")
    assert transcribed(daemon.socket, pcm(SHORT))
    sign.unlink()
    before = daemon.log().count("reloaded: ")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count("reloaded: ") > before, "the reload")
    assert "backend opencl" in daemon.log().rsplit("reloaded: ", 1)[1]
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)
