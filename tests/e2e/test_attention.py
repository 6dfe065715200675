# SPDX-License-Identifier: MIT
"""The attention picture: `hearken transcribe --attention`."""

import fcntl
import json
import os
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import termios
import zlib
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sounds
from programs import (
    HEARKEN,
    PATIENCE,
    RANDOM_MODELS,
    REAL_MODEL,
    Daemon,
    alone,
    as_ordinary_user,
    environment,
    run,
    unguarded_options,
)
from sounds import LONG, SHORT, pcm, silence, write_wav

RECURRENT = RANDOM_MODELS["recurrent"]
LOCAL = ("transcribe", "--local", "--model", str(RECURRENT), *unguarded_options())
SVG = "{http://www.w3.org/2000/svg}"
WIDTH = 1920
BRAILLE = re.compile("[\u2800-\u28ff]+")


def through(daemon: Daemon) -> tuple[str, ...]:
    return ("transcribe", "--socket", str(daemon.socket))


def words_of(*options: str | Path) -> list[str]:
    rows = alone(RECURRENT, LONG, "--words", *map(str, options)).splitlines()
    return [row.split("\t")[3] for row in rows]


def png_pixels(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and the inflated rows of a PNG whose checksums are right."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, {}
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        assert checksum == zlib.crc32(kind + body)
        found[kind] = found.get(kind, b"") + body
        at += 12 + length
    assert kind == b"IEND" and at == len(data)
    width, height = struct.unpack_from(">II", found[b"IHDR"])
    return width, height, zlib.decompress(found[b"IDAT"])


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".hearken")]


# ---- Files ----


def test_png(daemon: Daemon, hearken, folder: Path) -> None:
    """The transcript is as ever; the picture is as wide as it should be, and not empty."""
    file = folder / "out.png"
    assert hearken(*through(daemon), "--attention", file, LONG) == alone(RECURRENT, LONG)
    width, height, rows = png_pixels(file.read_bytes())
    assert width == WIDTH and 700 < height < 20000
    assert len(rows) == height * (3 * width + 1) and len(set(rows)) > 100
    assert leftovers(folder) == []


def test_same_picture_with_and_without_a_daemon(daemon: Daemon, hearken, folder: Path) -> None:
    """Weights come over the socket as they are."""
    extra = {"COLUMNS": "300"}
    text = hearken(*through(daemon), "--attention", LONG, extra_environment=extra)
    assert text == hearken(*LOCAL, "--attention", LONG, extra_environment=extra)
    hearken(*through(daemon), "--attention", folder / "a.png", LONG)
    hearken(*LOCAL, "--attention", folder / "b.png", LONG)
    sizes = [png_pixels((folder / name).read_bytes())[:2] for name in ("a.png", "b.png")]
    assert sizes[0] == sizes[1]


def test_svg(daemon: Daemon, hearken, folder: Path) -> None:
    """XML with each word, in order and with its time."""
    file = folder / "out.SVG"
    hearken(*through(daemon), f"--attention={file}", LONG)
    root = ElementTree.parse(file).getroot()
    assert root.tag == f"{SVG}svg" and root.attrib["width"].startswith("1280")
    assert root.findtext(f"{SVG}title") == LONG.name
    described = (root.findtext(f"{SVG}desc") or "").splitlines()
    assert [line.split(" ", 1)[1] for line in described] == words_of()
    for line in described:
        start, end = map(float, line.split()[0].split("-"))
        assert 0 <= start <= end <= pcm(LONG).seconds() + 0.1
    assert len(list(root.iter(f"{SVG}image"))) >= 2


def test_odd_names(hearken, folder: Path) -> None:
    """In a title, what is not text or would be a tag is made harmless."""
    recording = folder / "<b>&\n\udcff.flac"
    shutil.copy(SHORT, recording)
    file = folder / "\udcfe <out>.svg"
    hearken(*LOCAL, "--attention", file, recording)
    title = ElementTree.fromstring(file.read_bytes()).findtext(f"{SVG}title")
    assert title == "<b>&?\ufffd.flac"


def test_silence(hearken, folder: Path) -> None:
    recording = write_wav(folder / "silence.wav", silence(3))
    assert hearken(*LOCAL, "--attention", folder / "a.png", recording) == ""
    assert png_pixels((folder / "a.png").read_bytes())[0] == WIDTH


def test_no_sound_at_all(hearken, folder: Path) -> None:
    hearken(*LOCAL, "--raw", "--attention", folder / "a.png", "-", stdin=b"")
    assert png_pixels((folder / "a.png").read_bytes())[0] == WIDTH
    assert hearken(*LOCAL, "--raw", "--attention", "-", "-", stdin=b"").count("\n") > 4


def test_long_recordings_are_cut(daemon: Daemon, folder: Path) -> None:
    """Said in a line, and the transcript is whole. Panels make the picture higher."""
    recording = write_wav(folder / "a.wav", sounds.Pcm(16000, 2, 1, pcm(LONG).data * 21))
    result = run(*through(daemon), "--attention", folder / "a.svg", recording, folder=folder)
    assert result.returncode == 0
    assert result.stderr.decode().count("\n") == 1 and b"shows the first" in result.stderr
    assert f"of {round(21 * pcm(LONG).seconds())} seconds" in result.stderr.decode()
    root = ElementTree.parse(folder / "a.svg").getroot()
    starts = [float(line.split("-")[0]) for line in root.findtext(f"{SVG}desc").splitlines()]
    assert starts and 60 < max(starts) < 180
    assert 5000 < float(root.attrib["height"].removesuffix("px")) <= 20000 / 1.5
    assert result.stdout.decode() == alone(RECURRENT, recording)


def test_replaces_a_file_as_a_whole(hearken, folder: Path) -> None:
    """Through a link, with the file's mode; who has the old one open keeps it."""
    file, link = folder / "old.png", folder / "link.png"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file.name)
    with file.open("rb") as old:
        hearken(*LOCAL, "--attention", link, SHORT)
        assert old.read() == b"old"
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    png_pixels(file.read_bytes())
    assert leftovers(folder) == []


# ---- What goes wrong ----


def small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_no_room(folder: Path) -> None:
    """What was there stays; nothing half done is left."""
    file = folder / "a.png"
    file.write_bytes(b"old")
    result = run(*LOCAL, "--attention", file, SHORT, folder=folder, preexec_fn=small_files)
    assert result.returncode == 1 and f"{file}: File too large" in result.stderr.decode()
    assert file.read_bytes() == b"old" and leftovers(folder) == []
    assert result.stdout.decode() == alone(RECURRENT, SHORT)


def test_full_disk(folder: Path) -> None:
    (folder / "a.png").symlink_to("/dev/full")
    result = run(*LOCAL, "--attention", folder / "a.png", SHORT, folder=folder)
    assert result.returncode == 1 and b"a.png: No space left on device" in result.stderr
    assert (folder / "a.png").is_symlink()


def test_full_file_system(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        result = run(*LOCAL, "--attention", disk / "a.png", SHORT, folder=folder)
        assert result.returncode == 1 and b"a.png: No space left on device" in result.stderr
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_places_that_cannot_be_written(folder: Path) -> None:
    """Told before anything is recognised."""
    (folder / "directory.png").mkdir()
    for file, said in (
        (folder / "no" / "a.png", "No such file"),
        (folder / "directory.png", "Is a directory"),
        (folder / ("x" * 5000 + ".png"), "File name too long"),
    ):
        result = run(*LOCAL, "--attention", file, SHORT, folder=folder)
        assert result.returncode == 1 and result.stdout == b""
        assert said in result.stderr.decode() and result.stderr.count(b"\n") == 1


def test_no_permission(folder: Path) -> None:
    shutil.copy(SHORT, folder / "a.flac")
    (folder / "locked").mkdir(mode=0o555)
    (folder / "locked.png").touch(mode=0o444)
    shutil.copy(RECURRENT, folder / "model.gguf")
    options = as_ordinary_user(folder)
    command = ("transcribe", "--local", "--model", folder / "model.gguf", *unguarded_options())
    for file in (folder / "locked" / "a.png", folder / "locked.png"):
        result = run(*command, "--attention", file, folder / "a.flac", folder=folder, **options)
        assert result.returncode == 1 and result.stdout == b""
        assert result.stderr.decode() == f"hearken: {file}: Permission denied\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--attention=out.jpg", "x"], "FILE.png|FILE.svg"),
        (["--attention=", "x"], "FILE.png|FILE.svg"),
        (["--attention", "out.png"], "FILE"),
        (["--attention", "out.png", "x", "y"], "one recording"),
        (["--attention", "-f", "json", "x"], "--output"),
    ],
)
def test_usage_errors(folder: Path, arguments: list[str], said: str) -> None:
    result = run("transcribe", *arguments, folder=folder)
    assert result.returncode == 2 and said in result.stderr.decode()


# ---- In the terminal ----


def drawing_of(text: str) -> list[str]:
    """Its lines, without the transcript before it."""
    transcript = alone(RECURRENT, LONG)
    assert text.startswith(transcript)
    return text.removeprefix(transcript).splitlines()


@pytest.mark.parametrize("columns", [20, 43, 80, 131, 500])
def test_width_of_the_drawing(daemon: Daemon, hearken, columns: int) -> None:
    extra = {"COLUMNS": str(columns)}
    for option in ("--attention", "--attention=-"):
        text = hearken(*through(daemon), option, LONG, extra_environment=extra)
        lines = drawing_of(text)
        assert max(map(len, lines)) == columns
        assert "\x1b" not in text
        assert sum(bool(BRAILLE.fullmatch(line)) for line in lines) % 8 == 0
    shown = [word for line in lines for word in re.findall(r"[^\s\u2580-\u28ff]+", line)]
    if columns >= 80:
        assert [word for word in words_of() if word not in shown] == []


@pytest.mark.parametrize("columns", ["", "0", "nonsense", "-3", "99999999999999999999"])
def test_odd_columns(daemon: Daemon, hearken, columns: str) -> None:
    text = hearken(*through(daemon), "--attention", LONG, extra_environment={"COLUMNS": columns})
    assert max(map(len, drawing_of(text))) in (20, 80, 500)


def in_terminal(folder: Path, *arguments: str, columns: int, **variables: str) -> str:
    """What hearken shows on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    variables = {name: "" for name in ("COLUMNS", "NO_COLOR", "COLORTERM")} | variables
    try:
        with subprocess.Popen(
            [HEARKEN, *arguments], stdout=theirs, env=environment(folder, variables)
        ) as process:
            os.close(theirs)
            shown = b""
            try:
                while data := os.read(ours, 65536):
                    shown += data
            except OSError:
                pass  # it is gone
            assert process.wait(PATIENCE) == 0
    finally:
        os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", text)


def test_colours(folder: Path) -> None:
    """As many as the terminal has; each line ends without any; the width is the terminal's."""
    arguments = (*LOCAL, "--attention", str(LONG))
    full = in_terminal(folder, *arguments, columns=90, TERM="xterm", COLORTERM="truecolor")
    some = in_terminal(folder, *arguments, columns=90, TERM="xterm-256color")
    assert "\x1b[38;2;" in full and "\x1b[38;5;" in some and "\x1b[38;2;" not in some
    assert plain(full) == plain(some) and "\u2580" in full
    assert max(map(len, drawing_of(plain(full)))) == 90
    for line in full.splitlines():
        codes = re.findall("\x1b\\[[0-9;]*m", line)
        assert not codes or codes[-1] == "\x1b[0m"
    for indices in re.findall("\x1b\\[[34]8;5;([0-9]+)m", some):
        assert 16 <= int(indices) <= 231


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours(folder: Path, variables: dict[str, str]) -> None:
    everything = {"TERM": "xterm-256color", "COLORTERM": "", "COLUMNS": "70"} | variables
    arguments = (*LOCAL, "--attention", str(LONG))
    text = in_terminal(folder, *arguments, columns=90, **everything)
    assert "\x1b" not in text and max(map(len, drawing_of(text))) == 70


def test_drawings_of_several_files(daemon: Daemon, hearken) -> None:
    """Each behind the transcript that it belongs to, in order."""
    text = hearken(*through(daemon), "-j", "3", "--attention", "-", LONG, SHORT)
    one, other = (
        hearken(*through(daemon), "--attention", "-", recording) for recording in (LONG, SHORT)
    )
    for recording, drawing in ((LONG, one), (SHORT, other)):
        transcript = alone(RECURRENT, recording)
        named = "".join(f"{recording}: {line}\n" for line in transcript.splitlines())
        assert text.startswith(named + drawing.removeprefix(transcript))
        text = text.removeprefix(named + drawing.removeprefix(transcript))
    assert text == ""


def test_drawing_with_other_output(daemon: Daemon, hearken, folder: Path) -> None:
    text = hearken(*through(daemon), "-f", "json", "-o", folder / "out", "--attention", "-", LONG)
    assert json.loads((folder / "out").read_text())["text"]
    assert BRAILLE.search(text) and not text.startswith("{")


def test_drawing_on_a_full_disk(folder: Path) -> None:
    recording = write_wav(folder / "silence.wav", silence(2))
    with open("/dev/full", "wb") as full:
        result = run(*LOCAL, "--attention", "-", recording, folder=folder, stdout=full)
    assert result.returncode == 1
    assert result.stderr == b"hearken: standard output: No space left on device\n"


# ---- The real model ----


@pytest.mark.real
def test_diagonal(hearken, folder: Path) -> None:
    """Words stand ever further to the right, each on the time at which it was said."""
    assert REAL_MODEL.exists()
    text = hearken(
        "transcribe", "--local", "--attention", "-", LONG, extra_environment={"COLUMNS": "120"}
    )
    rows = [line for line in text.splitlines() if re.search(r"[\u2591\u2592\u2593\u2588]", line)]
    assert len(rows) >= 20
    marks = [re.search(r"[\u2591\u2592\u2593\u2588]", row).start() for row in rows]
    later = sum(one <= other for one, other in pairwise(marks))
    assert later >= 0.9 * len(marks) and marks[0] < 12 and marks[-1] > 90
