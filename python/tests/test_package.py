# SPDX-License-Identifier: MIT
"""What the wheel is: what it needs, contains and says of itself; and what the README shows."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution, metadata
from pathlib import Path

import pytest
from conftest import ROOT, SHORT

import hearken

USER = """
import asyncio
from typing_extensions import reveal_type
import hearken

model = hearken.Model("hearken-en", threads=1)
transcript = model.transcribe("x", beam_width=5, language="en")
text: str = transcript.text
start: float = transcript.words[0].start

async def listen() -> None:
    async for event in model.iter("x", partial_seconds=1):
        reveal_type(event.text)

model.transcribe("x", beam_size=5)
model.transcribe("x", beam_width="wide")
"""


def test_typed(tmp_path: Path) -> None:
    """Programs that use the package are checked."""
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", sys.executable]
    told = subprocess.run(
        [*command, "user.py"], cwd=tmp_path, check=False, capture_output=True, text=True
    ).stdout
    errors = re.findall(r"^user.py:(\d+): error: (.*)$", told, re.MULTILINE)
    assert [line for line, _ in errors] == ["15", "16"], told
    assert 'Unexpected keyword argument "beam_size"' in errors[0][1]
    assert 'expected "int"' in errors[1][1]
    assert 'Revealed type is "builtins.str"' in told or 'Revealed type is "str"' in told


def test_versions() -> None:
    assert hearken.__version__ == metadata("hearken")["Version"]


def test_licences() -> None:
    """The metadata names the licences of what the wheel contains, with their texts."""
    about = distribution("hearken")
    expression = about.metadata["License-Expression"]
    assert "MIT" in expression and "GPL-2.0-or-later" in expression
    names = [file.name for file in about.files or ()]
    bundled = {name.split("-")[0] for name in names if re.match(r"lib.*-[0-9a-f]{8}\.so", name)}
    assert "libfftw3" in bundled and "libsndfile" in bundled
    assert {"libfftw3-double3.txt", "libsndfile1.txt", "libsoxr0.txt"} <= set(names)
    assert not {"libportaudio", "libasound", "libOpenCL", "libavcodec"} & bundled


def test_needs_nothing_of_the_system() -> None:
    """What is loaded comes with the wheel or with every Linux."""
    code = (
        f"import hearken; hearken.Model('hearken-en-small').transcribe({str(SHORT)!r});"
        "print(open('/proc/self/maps').read())"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    libraries = set(re.findall(r"/\S+\.so[.\d]*$", loaded, re.MULTILINE))
    own = {path for path in libraries if "/hearken" in path and "site-packages" in path}
    assert any("libsndfile" in path for path in own)
    others = {Path(path).name for path in libraries - own if "site-packages" not in path}
    assert not [n for n in others if re.match("lib(sndfile|FLAC|fftw|soxr|mpg123|portaudio)", n)]


def test_readme() -> None:
    """The README's Python gives the output that stands below it."""
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^## From Python$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    blocks = re.findall(r"```(\w*)\n(.*?)```", section[1], re.DOTALL)
    (code,) = [block for kind, block in blocks if kind == "python"]
    (shown,) = [block for kind, block in blocks if kind == "text"]
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert told == shown


@pytest.mark.parametrize("page", ["docs/python.md", "python/README.md"])
def test_documents_name_what_there_is(page: str) -> None:
    for name in re.findall(r"\bhearken\.([A-Za-z_]+)\b(?=\()", (ROOT / page).read_text()):
        assert hasattr(hearken, name), f"{page}: hearken.{name}"
