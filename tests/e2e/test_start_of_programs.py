# SPDX-License-Identifier: MIT
"""Programs under test start as from a terminal, whatever the tests themselves were started from."""

import re
import subprocess
import sys
from pathlib import Path

from programs import PATIENCE, run


def test_signals_are_neither_ignored_nor_blocked(folder: Path) -> None:
    result = run("/proc/self/status", folder=folder, program=Path("/bin/cat"))
    masks = dict(re.findall(r"^(Sig(?:Ign|Blk)):\s*(\w+)$", result.stdout.decode(), re.MULTILINE))
    # Signals 32 and 33 are the C library's own; its posix_spawn, which make uses, has them ignored.
    own = 3 << 31
    kept = {name: int(mask, 16) & ~own for name, mask in masks.items()}
    assert kept == {"SigIgn": 0, "SigBlk": 0}


def test_from_nohup_in_the_background() -> None:
    """The test above, by a pytest and its worker with signals that are ignored and blocked."""
    inner = f"{__file__}::{test_signals_are_neither_ignored_nor_blocked.__name__}"
    block = (
        "import os, signal, sys; "
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    pytest_words = ["-m", "pytest", "-q", "-n", "1", inner]
    result = subprocess.run(
        ["sh", "-c", "trap '' INT HUP QUIT USR1; exec \"$@\"", "sh"]
        + [sys.executable, "-c", block, *pytest_words],
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout + result.stderr
