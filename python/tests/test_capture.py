# SPDX-License-Identifier: MIT
"""Microphones: a PulseAudio of the test's own, in processes that know no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BUILD, ROOT, SHORT

os.environ.setdefault("BUILD", str(BUILD))
sys.path.append(str(ROOT / "tests/e2e"))

pytestmark = pytest.mark.skipif(
    not shutil.which("pulseaudio"), reason="there is no PulseAudio to play a microphone"
)


def python(code: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-uc", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mic-") as name:
        yield Path(name)


LISTEN = """
import hearken, asyncio
assert [d.name for d in hearken.devices() if d.is_default], hearken.devices()
model = hearken.Model("hearken-en")
with hearken.Microphone("mic") as microphone:
    next(iter(microphone))
    print("listening", flush=True)
    with model.iter(microphone, endpointing=True) as events:
        print(next(events).text)
async def listen():
    with model.listen("mic", on_event=lambda event: print(event.type)) as events:
        async for event in events:
            if event.type == "final":
                print(event.text)
                return
asyncio.run(listen())
"""


def test_microphone(folder: Path) -> None:
    import microphones

    with microphones.SoundServer(folder, ["mic"]) as server:
        process = python(LISTEN, server.environment)
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        server.play("mic", SHORT)
        assert "delightful to hear it" in process.stdout.readline()
        assert process.stdout.readline() == "started\n"
        server.play("mic", SHORT)
        assert "delightful to hear it" in process.stdout.readline()
        assert process.wait(30) == 0


def test_no_portaudio(folder: Path) -> None:
    """Where the libraries are not installed, capture says so and the rest works."""
    broken = folder / "libportaudio.so.2"
    broken.write_text("no library")
    code = """
import hearken
for call in (hearken.devices, hearken.Microphone):
    try: call()
    except OSError as error: print(error)
"""
    process = python(code, {"LD_LIBRARY_PATH": str(folder)})
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told.count("libportaudio.so.2, which microphones need, cannot be loaded") == 2
