# SPDX-License-Identifier: MIT
"""Plugins and drivers that misbehave when they are asked: whoever asks goes on without them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import StartDaemon
from programs import BUILD, RANDOM_MODELS, Daemon, alone, run
from sounds import SHORT, pcm
from talking import transcribed

SAID = {
    "abort": "its probe was killed by signal 6 (Aborted); its last output: Not enough memory",
    "exit": "its probe exited with status 0 without an answer",
    "crash": "its probe was killed by signal 11 (Segmentation fault)",
    "take": "its probe used more than 1024 MiB of memory",
}


@pytest.fixture
def plugins(folder: Path) -> Path:
    """A folder with the reference and a plugin that misbehaves as it is told."""
    found = folder / "plugins"
    found.mkdir()
    for file in ("lib/hearken/reference.so", "tests/bad-plugins/misbehaving.so"):
        (found / Path(file).name).symlink_to(BUILD.resolve() / file)
    return found


@pytest.mark.parametrize("misbehaviour", SAID)
def test_daemon_starts(start_daemon: StartDaemon, plugins: Path, misbehaviour: str) -> None:
    daemon = start_daemon(
        settings={"compute.plugin_directory": str(plugins)},
        extra_environment={"HEARKEN_TEST_MISBEHAVIOUR": misbehaviour},
    )
    said = [line for line in daemon.log().splitlines() if "backend misbehaving" in line]
    assert len(said) == 1 and f": score 0: {SAID[misbehaviour]}" in said[0]
    assert "backend reference chosen" in daemon.log()
    text = alone(RANDOM_MODELS["recurrent"], SHORT, "--backend", "reference")
    assert transcribed(daemon.socket, pcm(SHORT)) == text.replace("\n", " ").strip()


def test_listed(plugins: Path, folder: Path) -> None:
    """With its reason, and nothing of what it prints."""
    for misbehaviour, said in SAID.items():
        told = {"HEARKEN_TEST_MISBEHAVIOUR": misbehaviour}
        result = run("plugins", "--plugin-dir", plugins, folder=folder, extra_environment=told)
        assert result.returncode == 0 and result.stderr == b""
        rows = [line.split(maxsplit=2) for line in result.stdout.decode().splitlines()[1:]]
        assert rows[0][:2] == ["reference", "1"]
        assert rows[1][0].endswith(("misbehaving", "misbehaving.so")) and rows[1][1] == "0"
        assert rows[1][2].startswith(said)


def loaded(daemon: Daemon) -> set[str]:
    """The plugins in its memory."""
    assert daemon.process is not None
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text().splitlines()
    paths = [Path(line.split(maxsplit=5)[5]) for line in maps if line.count("/") > 1]
    return {path.name for path in paths if path.parent.name == "hearken"}


def test_others_are_not_loaded(
    start_daemon: StartDaemon, hearken: Callable[..., str], folder: Path
) -> None:
    best = hearken("plugins").splitlines()[1].split()[0]
    assert loaded(start_daemon()) == {f"{best}.so"}
