# SPDX-License-Identifier: MIT
"""The systemd units: what the service may call is enough."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyseccomp
import pytest
from programs import (
    BUILD,
    HEARKEND,
    REAL_MODEL,
    REPOSITORY,
    Daemon,
    environment,
    free_port,
    wait_until,
)
from sounds import LONG
from test_decode import convert, upload
from web import Served

UNITS = [REPOSITORY / "systemd" / folder / "hearkend.service.in" for folder in (".", "user")]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze"),
]


def expand(names: list[str]) -> set[str]:
    """Groups of calls as systemd knows them."""
    calls: set[str] = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        command = ["systemd-analyze", "syscall-filter", name]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = [line.strip() for line in shown.splitlines()[1:]]
        calls |= expand([line for line in lines if line and not line.startswith("#")])
    return calls


def allowed_by(unit: Path) -> set[str]:
    calls = expand(["@default"])
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.MULTILINE):
        if line.startswith("~"):
            calls -= expand(line[1:].split())
        else:
            calls |= expand(line.split())
    return calls


def confining(calls: set[str]) -> Callable[[], None]:
    """What a process does before it executes the service's program, as systemd does."""
    program = pyseccomp.SyscallFilter(pyseccomp.ERRNO(1))
    for call in calls:
        try:
            program.add_rule(pyseccomp.ALLOW, call)
        except (OSError, ValueError):
            continue  # of another architecture, or unknown to this library
    return program.load


@pytest.mark.parametrize("unit", UNITS, ids=["system", "user"])
def test_calls_suffice(folder: Path, unit: Path) -> None:
    """To be ready, and to decode by a child that gives up what is left."""
    port = free_port()
    settings = {"model.file": str(REAL_MODEL), "http.listen": f"127.0.0.1:{port}"}
    daemon = Daemon(folder, settings)
    command = [str(HEARKEND), "--config", str(daemon.configuration)]
    confine = confining(allowed_by(unit))
    with daemon.log_file.open("wb") as log:
        daemon.process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=environment(folder),
            preexec_fn=confine,  # noqa: PLW1509 (no other thread runs)
        )
    try:
        served = Served(daemon, port)
        wait_until(served.is_open, "hearkend to serve HTTP")
        if (BUILD / "lib" / "hearken" / "hearken-decode").exists() and shutil.which("ffmpeg"):
            text = served.send(upload(convert(folder, "a.m4a", "-c:a aac", LONG))).text()
            assert "historical connection" in text
    finally:
        daemon.stop()
