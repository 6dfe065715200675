# SPDX-License-Identifier: MIT
"""What shells complete."""

import shutil
import subprocess
from pathlib import Path

import pytest
from programs import HEARKEN, environment, run, succeed


def completed(folder: Path, *words: str) -> list[str]:
    """By bash, with the last word unfinished."""
    script = succeed("completion", "bash", folder=folder)
    line = " ".join(f"'{word}'" for word in words)
    script += f"\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _hearken 2>/dev/null\n"
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    extra = {"PATH": f"{HEARKEN.parent}:/usr/bin:/bin"}
    answer = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(folder, extra),
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr == ""
    return answer.stdout.split()


def test_bash(folder: Path) -> None:
    (folder / "speech.wav").touch()
    assert completed(folder, "hearken", "tr") == ["transcribe"]
    assert completed(folder, "hearken", "transcribe", "--form") == ["--format"]
    assert completed(folder, "hearken", "transcribe", "--format", "") == [
        "text",
        "json",
        "srt",
        "vtt",
    ]
    assert completed(folder, "hearken", "transcribe", "spe") == ["speech.wav"]
    assert "hearken-en" in completed(folder, "hearken", "transcribe", "--model", "")
    assert completed(folder, "hearken", "model", "ge") == ["get"]
    assert completed(folder, "hearken", "model", "get", "--fr") == ["--from"]
    assert completed(folder, "hearken", "doc") == ["doctor"]
    assert completed(folder, "hearken", "doctor", "--js") == ["--json"]
    assert completed(folder, "hearken", "batch", "pl") == ["plan"]
    assert completed(folder, "hearken", "batch", "status", "--js") == ["--json"]
    assert completed(folder, "hearken", "batch", "--workers", "2", "--mani") == ["--manifest"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_syntax(folder: Path, shell: str) -> None:
    script = folder / "script"
    script.write_text(succeed("completion", shell, folder=folder))
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    subprocess.run([shell, "-n", script], check=True)


def test_other_shells(folder: Path) -> None:
    result = run("completion", "tcsh", folder=folder)
    assert result.returncode == 2 and b"expected bash, zsh or fish" in result.stderr
