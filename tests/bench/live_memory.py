# SPDX-License-Identifier: MIT
"""Hours of listening in less time: recordings with pauses go to a daemon as fast as it hears them,
with endpoints, voice and partial text as for a microphone, in one request; its memory is watched.

    build/venv/bin/python tests/bench/live_memory.py --hours 8
"""

import argparse
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from packed import RATE, read_clips, read_sound
from programs import REAL_MODEL, REPOSITORY, Daemon
from talking import Bare

REQUEST = {
    "hearken": {
        "events": True,
        "words": True,
        "endpointing": True,
        "voice_events": True,
        "partial_seconds": 0.64,
    }
}
FORM = {"rate": RATE, "width": 2, "channels": 1}
CHUNK = RATE * 2 // 10
FLAT_BYTES = 8 << 20  # more is growth, less is what an allocator does


def resident(process: int) -> int:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert match
    return int(match[1]) * 1024


def read_results(bare: Bare, counts: dict[str, int]) -> None:
    while (event := bare.read()) is not None and event.type != "transcript-stop":
        counts[event.type] = counts.get(event.type, 0) + 1


def send(bare: Bare, daemon: Daemon, options: argparse.Namespace) -> list[int]:
    """Returns the daemon's memory as each tenth of the time was sent."""
    assert daemon.process
    rng = np.random.default_rng(options.seed)
    clips = list(
        read_sound(options.corpus, options.set, read_clips(options.corpus, options.set, 60))
    )
    sent, memory = 0, []
    wanted = round(options.hours * 3600 * RATE)
    while sent < wanted:
        _, samples = clips[rng.integers(len(clips))]
        pause = rng.uniform(0.5, 2 * options.pause)
        quiet = rng.normal(0, 5, round(pause * RATE)).astype(np.int16)  # as of a real microphone
        sound = np.concatenate([samples, quiet]).tobytes()
        for at in range(0, len(sound), CHUNK):
            bare.event("audio-chunk", FORM, sound[at : at + CHUNK])
        sent += len(sound) // 2
        if sent * 10 >= wanted * (len(memory) + 1):
            memory.append(resident(daemon.process.pid))
            print(f"{sent / RATE / 60:7.1f} min  {memory[-1] / 2**20:7.1f} MiB", flush=True)
    return memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    parser.add_argument("--set", default="dev-librispeech")
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--pause", type=float, default=20, help="seconds between clips, on average")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="live-") as name:
        settings = {"model.file": str(REAL_MODEL), "limits.audio_seconds": "1000000"}
        daemon = Daemon(Path(name), settings).start()
        begin = time.monotonic()
        with Bare(daemon.socket) as bare:
            bare.socket.settimeout(None)
            bare.event("transcribe", REQUEST)
            bare.event("audio-start", FORM)
            reader = threading.Thread(target=read_results, args=(bare, counts))
            reader.start()
            memory = send(bare, daemon, options)
            bare.event("audio-stop")
            reader.join()
        daemon.stop()
    print(f"{options.hours:g} h in {time.monotonic() - begin:.0f} s: {counts}")
    growth = memory[-1] - memory[len(memory) // 5]
    print(f"memory grew by {growth / 2**20:.1f} MiB after the first fifth")
    return 1 if growth > FLAT_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
