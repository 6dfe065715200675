# SPDX-License-Identifier: MIT
"""The programs under test: where they are, and running them."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / os.environ.get("HEARKEN_BUILD", "build")
HEARKEND = BUILD / "bin" / "hearkend"
HEARKEN = BUILD / "bin" / "hearken"
DECODER = BUILD / "lib" / "hearken" / "hearken-decode"
CONVERT = BUILD / "bin" / "hearken-convert"
VOICE = REPOSITORY / "models" / "data" / "voice.gguf"
DATA = REPOSITORY / "tests" / "data"
CACHE = BUILD.resolve() / "tests" / "cache"  # of compiled kernels, ours and the drivers'
MODELS = BUILD / "share" / "hearken"
REAL_MODELS = [
    MODELS / "hearken-en.gguf",
    MODELS / "hearken-en-light.gguf",
    MODELS / "hearken-en-small.gguf",
]
# With the thread sanitizer, only the smallest keeps up with somebody who speaks.
REAL_MODEL = REAL_MODELS[2 if os.environ.get("HEARKEN_SANITIZER") == "thread" else 0]
RANDOM_MODELS = {
    kind: REPOSITORY / "tests" / "parity" / f"{kind}.gguf" for kind in ("recurrent", "transformer")
}

SANITIZER = os.environ.get("HEARKEN_SANITIZER", "")
# Sanitizers slow everything down, and so do the neighbours in a parallel run.
SCALE = {"": 1.0, "undefined": 3.0, "address": 5.0, "thread": 12.0}[SANITIZER]
# Seconds: what takes longer hangs.
PATIENCE = float(os.environ.get("HEARKEN_PATIENCE", "60")) * SCALE

# A random network has no idea of speech; so that it says something, nothing is guarded.
UNGUARDED = {
    "no_speech_threshold": "1",
    "log_probability_threshold": "-100",
    "compression_threshold": "1000",
}
SANITIZER_REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
THREAD_REPORTS = ("WARNING: ThreadSanitizer", "FATAL: ThreadSanitizer")


def unguarded_settings() -> dict[str, str]:
    """For a daemon's configuration."""
    return {f"recognition.{name}": value for name, value in UNGUARDED.items()}


def unguarded_options() -> list[str]:
    """For `hearken transcribe`."""
    return [word for name, value in UNGUARDED.items() for word in ("--set", f"{name}={value}")]


def environment(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would lead to the configuration or the daemon of whoever runs this."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    service = ("CACHE_DIRECTORY", "RUNTIME_DIRECTORY", "LISTEN_FDS", "NOTIFY_SOCKET")
    for name in (*service, "HEARKEN_PLUGIN_DIR"):
        kept.pop(name, None)
    if SANITIZER == "thread":
        kept["TSAN_OPTIONS"] = f"suppressions={REPOSITORY}/tests/thread-sanitizer.supp"
    return kept | {"HOME": str(folder), "XDG_CACHE_HOME": str(CACHE)} | dict(extra or {})


def complain_of_sanitizers(text: str) -> None:
    found = [report for report in SANITIZER_REPORTS + THREAD_REPORTS if report in text]
    assert not found, text


def configuration(settings: Mapping[str, str]) -> str:
    """{"section.name": value} as an INI file."""
    sections: dict[str, list[str]] = {}
    for key, value in settings.items():
        section, name = key.split(".", 1)
        sections.setdefault(section, []).append(f"{name} = {value}")
    return "\n".join(f"[{s}]\n" + "\n".join(lines) + "\n" for s, lines in sections.items())


def wait_until(condition, what: str, seconds: float = PATIENCE, interval: float = 0.01) -> None:
    """Until condition() is true; an AssertionError when that takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(interval)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """A hearkend with a configuration, a socket and a log in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        arguments: Sequence[str] = (),
        extra_environment: Mapping[str, str] | None = None,
        open_files: int | None = None,
    ) -> None:
        self.folder = folder
        self.open_files = open_files
        self.socket = folder / "s"
        self.configuration = folder / "hearkend.conf"
        self.log_file = folder / "log"
        self.arguments = list(arguments)
        self.settings = {"server.socket": str(self.socket)} | dict(settings)
        self.environment = environment(folder, extra_environment)
        self.process: subprocess.Popen[bytes] | None = None
        self.write_configuration()

    def write_configuration(self) -> None:
        self.configuration.write_text(configuration(self.settings))

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def launch(self) -> subprocess.Popen[bytes]:
        """Without waiting for anything."""
        command = [str(HEARKEND), "--config", str(self.configuration), *self.arguments]
        if self.open_files is not None:
            command = ["sh", "-c", f'ulimit -n {self.open_files}; exec "$@"', "sh", *command]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.folder,
            )
        return self.process

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True

    def start(self) -> "Daemon":
        process = self.launch()

        def ready() -> bool:
            assert process.poll() is None, f"hearkend stopped: {self.log()}"
            return self.answers()

        wait_until(ready, "hearkend to listen", interval=0.02)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """For its end; returns the exit status."""
        assert self.process is not None
        status = self.process.wait(seconds)
        complain_of_sanitizers(self.log())
        return status

    def stop(self) -> None:
        """As the system would, and all must be well then."""
        if self.process is None or self.process.poll() is not None:
            complain_of_sanitizers(self.log())
            return
        self.signal(signal.SIGTERM)
        try:
            assert self.wait() == 0, self.log()
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run(
    *arguments: str | Path,
    folder: Path,
    program: Path = HEARKEN,
    stdin: bytes | None = None,
    extra_environment: Mapping[str, str] | None = None,
    **options,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, with its output kept. What a sanitizer says fails the test."""
    feed = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    keep = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    result = subprocess.run(
        [str(program), *map(str, arguments)],
        env=environment(folder, extra_environment),
        timeout=PATIENCE,
        check=False,
        **(keep | feed | options),
    )
    complain_of_sanitizers((result.stderr or b"").decode(errors="replace"))
    return result


def as_ordinary_user(folder: Path) -> dict[str, Any]:
    """Options of run() for who may not read and write everything. Where that is another user than
    ours, `folder` is opened to it and gets programs of its own: it may have no way to the
    checkout."""
    if os.geteuid() != 0:
        return {}
    folder.chmod(0o755)
    own = folder / "programs"
    (own / "bin").mkdir(parents=True)
    shutil.copy(HEARKEN, own / "bin")
    shutil.copytree(BUILD / "lib", own / "lib", symlinks=True)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    return nobody | {"program": own / "bin" / HEARKEN.name, "cwd": folder}


def succeed(*arguments: str | Path, folder: Path, **options) -> str:
    """Runs hearken, which must say nothing but its results; returns them."""
    result = run(*arguments, folder=folder, **options)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    assert result.stderr == b"", result.stderr.decode(errors="replace")
    return result.stdout.decode()


@contextmanager
def running(
    *arguments: str | Path,
    folder: Path,
    extra_environment: Mapping[str, str] | None = None,
    **options,
) -> Iterator[subprocess.Popen[bytes]]:
    """hearken while it runs; killed at the end if need be."""
    keep = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [str(HEARKEN), *map(str, arguments)],
        env=environment(folder, extra_environment),
        **(keep | options),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):  # what it did not read cannot be delivered
                    pipe.close()


def add_voice(model: Path, voice: Path, out: Path) -> None:
    arguments = ["--add-voice", "--voice", voice, "-o", out, model]
    result = run(*arguments, folder=out.parent, program=CONVERT)
    assert result.returncode == 0, result.stderr.decode()


@cache
def alone(model: Path, recording: Path, *options: str) -> str:
    """What a model makes of a recording without any daemon, as `hearken transcribe` prints it."""
    command = ("transcribe", "--local", "--model", model, *unguarded_options(), *options)
    return succeed(*command, recording, folder=DATA)


def require_programs() -> None:
    for file in (HEARKEND, HEARKEN, *RANDOM_MODELS.values()):
        assert file.exists(), f"{file} is missing: build first (make), or set HEARKEN_BUILD"
    assert shutil.which("true"), "PATH is empty"


def deadly_decoder(folder: Path) -> Path:
    """hearken-decode, which some files kill."""
    decoder = folder / "decoder"
    decoder.write_text(
        "#!/bin/sh\n"
        "head -c 64 /proc/self/fd/0 | grep -qa KILL && kill -9 $$\n"
        f'exec "{DECODER}" "$@"\n'
    )
    decoder.chmod(0o755)
    return decoder
