# SPDX-License-Identifier: MIT
"""The files that `hearken transcribe` writes: whole, or as they were before."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from programs import RANDOM_MODELS, Daemon, alone, run, running, unguarded_options
from sounds import SHORT

RECURRENT = RANDOM_MODELS["recurrent"]
LOCAL = ("transcribe", "--local", "--model", RECURRENT, *unguarded_options())
FORMS = ["text", "json", "srt", "vtt"]
WORDS = ("one", "two.")


def through(daemon: Daemon) -> tuple[str, ...]:
    return ("transcribe", "--socket", str(daemon.socket))


def broken_flac(folder: Path) -> Path:
    """Its sound cannot be read from the first frame on."""
    file = folder / "broken.flac"
    data = bytearray(SHORT.read_bytes())
    data[200:] = bytes(len(data) - 200)
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("why", ["daemon", "recording", "language", "damage"])
def test_nothing_recognised(daemon: Daemon, folder: Path, form: str, why: str) -> None:
    """The file is as it was, and where none was, none is."""
    arguments = {
        "daemon": ("transcribe", "--socket", folder / "none", SHORT),
        "recording": (*through(daemon), folder / "absent.wav"),
        "language": (*through(daemon), "--language", "xx", SHORT),
        "damage": (*through(daemon), broken_flac(folder)),
    }[why]
    before = sorted(os.listdir(folder))
    for file in (folder / "new", folder / "old"):
        if file.name == "old":
            file.write_text("mine")
            file.chmod(0o604)
        result = run(*arguments, "-f", form, "-o", file, folder=folder)
        assert result.returncode == (3 if why == "daemon" else 1)
    assert (folder / "old").read_text() == "mine"
    assert sorted(os.listdir(folder)) == sorted([*before, "old"])


@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_damage_in_a_file_of_its_own(daemon: Daemon, folder: Path, form: str) -> None:
    """The other recording has its file."""
    ending = "txt" if form == "text" else form
    broken, out = broken_flac(folder), folder / "out"
    out.mkdir()
    (out / f"broken.{ending}").write_text("mine")
    result = run(*through(daemon), "-f", form, "-d", out, broken, SHORT, folder=folder)
    assert result.returncode == 1 and "ends too early" in result.stderr.decode()
    assert (out / f"broken.{ending}").read_text() == "mine"
    assert sorted(os.listdir(out)) == sorted([f"broken.{ending}", f"{SHORT.stem}.{ending}"])


def test_results_replace_a_file(daemon: Daemon, hearken, folder: Path) -> None:
    """Through a link, with the mode that it had."""
    (folder / "out").mkdir()
    file, link = folder / "out" / "a.json", folder / "out" / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file.name)
    with file.open("rb") as old:
        assert hearken(*through(daemon), "-f", "json", "-o", link, SHORT) == ""
        assert old.read() == b"old"
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    assert json.loads(file.read_text())["file"] == str(SHORT)
    assert sorted(os.listdir(folder / "out")) == ["a.json", "link"]


def test_standard_output_by_name(daemon: Daemon, folder: Path) -> None:
    """What the shell opened is written on where it stands."""
    for name in ("/dev/stdout", "-"):
        command = f'(echo before; exec "$0" "$@" -o {name}; ) >{folder}/out'
        arguments = map(str, (*through(daemon), SHORT))
        subprocess.run(["sh", "-c", command, programs.HEARKEN, *arguments], check=True)
        assert (folder / "out").read_text() == "before\n" + alone(RECURRENT, SHORT)


@pytest.mark.parametrize("form", ["text", "json"])
def test_full_file_system(daemon: Daemon, folder: Path, form: str) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        (disk / "old").write_text("mine")  # the one page there is
        arguments = (*through(daemon), "-f", form, "-o", disk / "old", SHORT)
        result = run(*arguments, folder=folder)
        assert result.returncode == 1
        assert result.stderr.decode() == f"hearken: {disk}/old: No space left on device\n"
        assert os.listdir(disk) == ["old"] and (disk / "old").read_text() == "mine"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ---- A file for each recording ----


def test_a_result_that_cannot_be_written(daemon: Daemon, folder: Path) -> None:
    """The others are."""
    out = folder / "out"
    (out / "a.json").mkdir(parents=True)
    long_name = "x" * 252
    for name in ("a.flac", "b.flac", long_name, "c.flac"):
        shutil.copy(SHORT, folder / name)
    files = [folder / name for name in ("a.flac", "b.flac", long_name, "c.flac")]
    for jobs in ("1", "4"):
        arguments = (*through(daemon), "-j", jobs, "-f", "json", "-d", out, *files)
        result = run(*arguments, folder=folder)
        lines = result.stderr.decode().splitlines()
        assert result.returncode == 1 and len(lines) == 2
        assert lines[0] == f"hearken: {files[0]}: {out}/a.json: Is a directory"
        assert lines[1].endswith(": File name too long")
        assert sorted(os.listdir(out)) == ["a.json", "b.json", "c.json"]
        for name in ("b", "c"):
            (out / f"{name}.json").unlink()


@pytest.mark.parametrize("place", ["absent", "file"])
def test_folders_are_checked_first(folder: Path, place: str) -> None:
    """Before a model is opened, let alone a recording."""
    (folder / "file").touch()
    model = ("--local", "--model", folder / "no-model")
    result = run("transcribe", *model, "-d", folder / place, SHORT, folder=folder)
    said = "No such file or directory" if place == "absent" else "Not a directory"
    assert result.returncode == 1
    assert result.stderr.decode() == f"hearken: {folder / place}: {said}\n"
    result = run("transcribe", *model, "-o", folder / place / "x", SHORT, folder=folder)
    assert result.returncode == 1 and said in result.stderr.decode()


# ---- Interrupted ----


def event(kind: str, data: dict[str, object]) -> bytes:
    return json.dumps({"type": kind, "data": data}).encode() + b"\n"


def segment(number: int) -> bytes:
    words = [
        {"text": word, "start": 2 * number + i, "end": 2 * number + i + 1, "confidence": 1}
        for i, word in enumerate(WORDS)
    ]
    return event(
        "hearken-segment",
        {
            "type": "final",
            "text": " ".join(WORDS),
            "start": 2 * number,
            "end": 2 * number + 2,
            "confidence": 1,
            "words": words,
        },
    )


class Halting:
    """A server that tells of segments and then nothing more."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def tell(self, count: int) -> None:
        """Returns once the client has dealt with all of them."""
        for data in (*map(segment, range(count)), event("padding", {})):
            self.connection.sendall(data)
            programs.wait_until(self.is_read, "the client to read", interval=0.001)

    def is_read(self) -> bool:
        unread = fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4))
        return struct.unpack("i", unread)[0] == 0


@contextlib.contextmanager
def halting(folder: Path) -> Iterator[tuple[Path, socket.socket]]:
    path = folder / "halting"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(programs.PATIENCE)
        yield path, server
    path.unlink()


def complete_up_to(count: int, form: str, text: str) -> bool:
    if form == "json":
        found = json.loads(text)
        assert found["error"] == "interrupted"
        return len(found["segments"]) == count
    if form == "text":
        return text == "one two.\n" * count
    return text.endswith("\n\n") and text.count("-->") == count and text.count("one two.") == count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [0, 3])
def test_interrupted(folder: Path, form: str, number: signal.Signals, count: int) -> None:
    """What was recognised is kept; if nothing was, nothing has changed."""
    out = folder / "out"
    out.mkdir()
    for where in (("-o", out / "short"), ("-d", out)):
        name = {"-o": "short", "-d": f"{SHORT.stem}.{'txt' if form == 'text' else form}"}[where[0]]
        (out / name).write_text("mine")
        with halting(folder) as (path, server):
            arguments = ("transcribe", "--socket", path, "-f", form, *where, SHORT)
            with running(*arguments, folder=folder) as process:
                connection = server.accept()[0]
                with connection:
                    Halting(connection).tell(count)
                    process.send_signal(number)
                    assert process.wait(programs.PATIENCE) == 128 + number
                    assert process.stderr is not None and process.stderr.read() == b""
        assert os.listdir(out) == [name]
        text = (out / name).read_text()
        assert text == "mine" if count == 0 else complete_up_to(count, form, text)
        (out / name).unlink()


def swallow(connection: socket.socket) -> threading.Thread:
    """Reads all that comes, and forgets it."""

    def read() -> None:
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_interrupted_behind_a_silent_pipe(folder: Path) -> None:
    """A worker that nothing wakes does not take along what it has recognised."""
    pipe, out = folder / "pipe", folder / "out"
    os.mkfifo(pipe)
    with halting(folder) as (path, server):
        arguments = ("transcribe", "--socket", path, "-f", "json", "-o", out, "--raw", pipe)
        with running(*arguments, folder=folder) as process, pipe.open("wb", buffering=0) as sound:
            sound.write(bytes(32000))
            connection = server.accept()[0]
            reading = swallow(connection)
            connection.sendall(segment(0))

            def is_read() -> bool:
                sound.write(bytes(32000))
                return Halting(connection).is_read()

            programs.wait_until(is_read, "the client to read")
            sound.write(bytes(64000))
            process.send_signal(signal.SIGINT)
            assert process.wait(programs.PATIENCE) == 128 + signal.SIGINT
            reading.join()
            connection.close()
    assert complete_up_to(1, "json", out.read_text())
    assert sorted(os.listdir(folder)) == ["out", "pipe"]


def test_interrupted_while_nobody_reads(daemon: Daemon, folder: Path) -> None:
    """A full pipe on standard output does not hold the end up."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    try:
        with running(*through(daemon), SHORT, folder=folder, stdout=writer) as process:
            stack = Path(f"/proc/{process.pid}/task")

            def blocked() -> bool:
                return any("pipe_w" in (t / "wchan").read_text() for t in stack.iterdir())

            programs.wait_until(blocked, "a full pipe")
            process.send_signal(signal.SIGTERM)
            assert process.wait(programs.PATIENCE) == 128 + signal.SIGTERM
    finally:
        os.close(reader)
        os.close(writer)


def test_the_rest_of_a_lost_connection(folder: Path) -> None:
    """What came before it is kept, and said to be not all."""
    out = folder / "out"
    with halting(folder) as (path, server):
        arguments = ("transcribe", "--socket", path, "-f", "json", "-o", out, SHORT)
        with running(*arguments, folder=folder) as process:
            connection = server.accept()[0]
            reading = swallow(connection)
            connection.sendall(segment(0))
            connection.shutdown(socket.SHUT_RDWR)
            assert process.wait(programs.PATIENCE) == 1
            reading.join()
            connection.close()
    found = json.loads(out.read_text())
    assert found["text"] == "one two." and "closed the connection" in found["error"]


def open_when_read(pipe: Path) -> int:
    """A descriptor to write to the pipe, as soon as somebody has opened it to read."""
    found: list[int] = []

    def opened() -> bool:
        with contextlib.suppress(OSError):
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    programs.wait_until(opened, f"{pipe} to be read")
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["transcribe", "listen"])
def test_interrupted_while_the_model_opens(
    folder: Path, command: str, number: signal.Signals
) -> None:
    """It opens when the plugins have been asked, and one of them is a pipe that gives nothing."""
    plugins = folder / "plugins"
    plugins.mkdir()
    os.mkfifo(plugins / "slow.so")
    files = [str(SHORT)] if command == "transcribe" else []
    options = ("--local", "--plugin-dir", plugins, "--model", RECURRENT)
    with running(command, *options, *files, folder=folder) as process:
        pipe = open_when_read(plugins / "slow.so")
        try:
            process.send_signal(number)
            assert process.wait(programs.PATIENCE) == -number
            assert process.stdout and process.stdout.read() == b""
        finally:
            os.close(pipe)


def test_output_and_picture_are_two_files(folder: Path) -> None:
    """Also where they are written differently and neither is there."""
    for picture in ("both.svg", "./both.svg", "sub/../both.svg"):
        (folder / "sub").mkdir(exist_ok=True)
        arguments = ("--output", folder / "both.svg", "--attention", folder / picture, SHORT)
        result = run(*LOCAL, *arguments, folder=folder)
        assert result.returncode == 2 and b"name one file" in result.stderr
        assert not (folder / "both.svg").exists()


def test_a_name_that_must_be_cleaned_stands_once(folder: Path) -> None:
    result = run(*LOCAL, folder / "no\x1bpe.flac", folder=folder)
    assert result.returncode == 1
    assert result.stderr.count(b"no?pe.flac") == 1 and b"\x1b" not in result.stderr
