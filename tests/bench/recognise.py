# SPDX-License-Identifier: MIT
"""A daemon of one's own, and many recordings through it."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from packed import RATE, Clip
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, read_event, write_event

FORM = {"rate": RATE, "width": 2, "channels": 1}
CHUNK = RATE  # samples


@dataclass(frozen=True)
class Result:
    """What was recognised in a clip."""

    clip: Clip
    text: str
    worker_seconds: float  # that the daemon spent on it


@contextmanager
def daemon(build: Path, settings: dict[str, str]) -> Iterator[Path]:
    """Runs a hearkend with these settings ("section.name") while the block runs; its socket."""
    with tempfile.TemporaryDirectory(prefix="wer-") as folder:
        path = Path(folder) / "s"
        command = [str(build / "bin" / "hearkend"), "--config", os.devnull, "--quiet"]
        for name, value in ({"server.socket": str(path)} | settings).items():
            command += ["--set", f"{name}={value}"]
        process = subprocess.Popen(command)
        try:
            while not can_connect(path):
                if process.poll() is not None:
                    raise RuntimeError("hearkend does not start")
                time.sleep(0.05)
            yield path
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def processor_seconds(process: int) -> float:
    """User and system, all threads, with those of its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def ask(path: Path, clip: Clip, samples: np.ndarray) -> Result:
    """One request on a connection of its own."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError as problem:
            raise RuntimeError(f"{clip.name}: hearkend is gone: {problem}") from problem
        with connection.makefile("wb") as out, connection.makefile("rb") as into:
            write_event(Event("transcribe", {"hearken": {}}), out)
            write_event(AudioStart(**FORM).event(), out)
            for i in range(0, len(samples), CHUNK):
                chunk = AudioChunk(**FORM, audio=samples[i : i + CHUNK].tobytes())
                write_event(chunk.event(), out)
            write_event(AudioStop().event(), out)
            while (event := read_event(into)) is not None:
                if Transcript.is_type(event.type):
                    return Result(clip, event.data["text"], event.data["recognition_seconds"])
                if Error.is_type(event.type):
                    raise RuntimeError(f"{clip.name}: {json.dumps(event.data)}")
    raise RuntimeError(f"{clip.name}: hearkend closed the connection")


def recognise(
    path: Path,
    sounds: Iterator[tuple[Clip, np.ndarray]],
    jobs: int,
    done: Callable[[Result], None],
) -> list[Result]:
    """`jobs` clips at a time; the results are in the order of the clips. `done` sees each."""
    lock = threading.Lock()
    failed = threading.Event()

    def work() -> list[Result]:
        results: list[Result] = []
        try:
            while not failed.is_set():
                with lock:
                    clip, samples = next(sounds, (None, None))
                if clip is None or samples is None:
                    break
                results.append(ask(path, clip, samples))
                with lock:
                    done(results[-1])
        except Exception:
            failed.set()
            raise
        return results

    with ThreadPoolExecutor(jobs) as pool:
        workers = [pool.submit(work) for _ in range(jobs)]
    results = [result for worker in workers for result in worker.result()]
    return sorted(results, key=lambda result: result.clip.start)
