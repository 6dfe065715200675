# SPDX-License-Identifier: MIT
"""`hearken` as it is used in a shell."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import programs
import pytest
import sounds
from conftest import StartDaemon
from programs import (
    BUILD,
    DATA,
    HEARKEN,
    RANDOM_MODELS,
    Daemon,
    alone,
    as_ordinary_user,
    run,
    running,
    unguarded_options,
)
from sounds import LONG, SHORT, pcm, write_wav

RECURRENT = RANDOM_MODELS["recurrent"]
IN_PIECES = ("--set", "segment_seconds=3")
LOCAL = ("transcribe", "--local", "--model", RECURRENT, *unguarded_options())


def through(daemon: Daemon) -> tuple[str, ...]:
    return ("transcribe", "--socket", str(daemon.socket))


def message(result: subprocess.CompletedProcess[bytes]) -> str:
    """The one line that a failure says."""
    text = result.stderr.decode(errors="replace")
    assert text.startswith("hearken") and text.count("\n") == 1 and text.endswith("\n"), text
    return text


# ---- Transcribing ----


@pytest.mark.parametrize("kind", sorted(RANDOM_MODELS))
def test_same_text_with_and_without_a_daemon(start_daemon: StartDaemon, hearken, kind) -> None:
    model = RANDOM_MODELS[kind]
    daemon = start_daemon(model)
    for recording in (SHORT, LONG):
        text = hearken(*through(daemon), recording)
        assert text == alone(model, recording) and text.strip()


def test_several_files_in_order(daemon: Daemon, hearken) -> None:
    files = [LONG, SHORT, SHORT, LONG, SHORT]
    expected = "".join(
        f"{file}: {line}\n" for file in files for line in alone(RECURRENT, file).splitlines()
    )
    for jobs in ("1", "3", "16"):
        assert hearken(*through(daemon), "-j", jobs, *files) == expected
    assert hearken(*LOCAL, "-j", "3", *files) == expected


def test_no_filename(daemon: Daemon, hearken) -> None:
    expected = alone(RECURRENT, LONG) + alone(RECURRENT, SHORT)
    assert hearken(*through(daemon), "--no-filename", LONG, SHORT) == expected


@pytest.mark.parametrize("how", ["pipe", "file"])
def test_standard_input(daemon: Daemon, hearken, how: str) -> None:
    expected = alone(RECURRENT, SHORT)
    if how == "pipe":
        assert hearken(*through(daemon), "-", stdin=SHORT.read_bytes()) == expected
        assert hearken(*LOCAL, "-", stdin=SHORT.read_bytes()) == expected
        return
    for command in (through(daemon), LOCAL):
        with SHORT.open("rb") as file:
            result = subprocess.run(
                [HEARKEN, *map(str, command), "-"],
                stdin=file,
                capture_output=True,
                timeout=programs.PATIENCE,
                check=True,
            )
            assert result.stdout.decode() == expected


@pytest.mark.parametrize(("width", "sample_type"), [(1, "u8"), (2, "s16"), (3, "s24"), (4, "s32")])
def test_raw(daemon: Daemon, hearken, folder: Path, width: int, sample_type: str) -> None:
    sound = pcm(SHORT, 44100, width, 2)
    options = ("--raw", "--rate", "44100", "--channels", "2", "--sample-type", sample_type)
    expected = alone(RECURRENT, write_wav(folder / "a.wav", sound))
    assert hearken(*through(daemon), *options, "-", stdin=sound.data) == expected
    (folder / "a.pcm").write_bytes(sound.data)
    assert hearken(*LOCAL, *options, folder / "a.pcm") == expected


def test_raw_floats(hearken) -> None:
    data = (sounds.samples(SHORT) / 32768).astype("<f4").tobytes()
    options = ("--raw", "--sample-type", "f32", "-")
    assert hearken(*LOCAL, *options, stdin=data) == alone(RECURRENT, SHORT)


def test_live_input(daemon: Daemon) -> None:
    """Sound that comes slowly, as from a microphone, is recognised as it comes."""
    arguments = (*through(daemon), *IN_PIECES, "--raw", "-")
    with running(*arguments, folder=daemon.folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(pcm(LONG).data)
        process.stdin.flush()
        begun = [process.stdout.readline().decode() for _ in range(2)]
        assert all(begun), "two segments are complete, the input is not"
        process.stdin.close()
        assert process.wait(programs.PATIENCE) == 0
        rest = process.stdout.read().decode()
    assert "".join(begun) + rest == alone(RECURRENT, LONG, *IN_PIECES)


def test_options_reach_the_recogniser(daemon: Daemon, hearken) -> None:
    """Both ways, and they make a difference."""
    for options in (("--beam", "1"), ("--set", "segment_seconds=3"), ("--set", "padding=1")):
        assert hearken(*through(daemon), *options, LONG) == alone(RECURRENT, LONG, *options)
    assert alone(RECURRENT, LONG, "--beam", "1") != alone(RECURRENT, LONG)


def test_output_file(daemon: Daemon, hearken, folder: Path) -> None:
    file = folder / "out"
    file.write_text("old and longer than what comes" * 1000)
    assert hearken(*through(daemon), "-o", file, SHORT) == ""
    assert file.read_text() == alone(RECURRENT, SHORT)


def test_output_directory(daemon: Daemon, hearken, folder: Path) -> None:
    assert hearken(*through(daemon), "-d", folder, "-f", "srt", SHORT, LONG) == ""
    for file in (SHORT, LONG):
        single = hearken(*through(daemon), "-f", "srt", file)
        assert (folder / f"{file.stem}.srt").read_text() == single


def test_nothing_is_overwritten(daemon: Daemon, folder: Path) -> None:
    """Neither a recording's text by another's nor a recording by its own."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        shutil.copy(SHORT, folder / name / "a.flac")
    files = (folder / "one" / "a.flac", folder / "two" / "a.flac")
    result = run(*through(daemon), "-d", folder, *files, folder=folder)
    assert result.returncode == 2
    assert all(str(path) in message(result) for path in (*files, folder / "a.txt"))
    assert not (folder / "a.txt").exists()

    own = folder / "a.txt"
    own.write_bytes(pcm(SHORT).data)
    for options in (("-o", own), ("-d", folder)):
        result = run(*through(daemon), "--raw", *options, own, folder=folder)
        assert result.returncode == 2 and f"overwrite the recording {own}" in message(result)
        assert own.read_bytes() == pcm(SHORT).data
    result = run(*through(daemon), "-o", "/dev/null", "/dev/null", folder=folder)
    assert result.returncode == 1 and "is empty" in message(result)


def test_long_files_in_pieces(daemon: Daemon, hearken, folder: Path) -> None:
    """A line for each segment, the same with and without a daemon."""
    file = write_wav(folder / "long.wav", sounds.Pcm(16000, 2, 1, pcm(LONG).data * 3))
    text = hearken(*through(daemon), *IN_PIECES, file)
    assert len(text.splitlines()) >= 9
    assert text == hearken(*LOCAL, *IN_PIECES, file)


# ---- What goes wrong ----


def bad_files(folder: Path) -> dict[str, Path]:
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no sound at all\n" * 100)
    (folder / "cut.flac").write_bytes(SHORT.read_bytes()[:60])
    (folder / "directory").mkdir()
    return {
        "missing": folder / "missing.wav",
        "empty": folder / "empty.wav",
        "text": folder / "text.wav",
        "cut": folder / "cut.flac",
        "directory": folder / "directory",
    }


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut", "directory"])
def test_bad_files(daemon: Daemon, folder: Path, kind: str) -> None:
    """One line that names the file, and the others are done."""
    file = bad_files(folder)[kind]
    good = "".join(f"{SHORT}: {line}\n" for line in alone(RECURRENT, SHORT).splitlines())
    result = run(*through(daemon), SHORT, file, SHORT, folder=folder)
    assert result.returncode == 1
    assert message(result).startswith(f"hearken: {file}: ")
    assert result.stdout.decode() == good * 2
    assert message(run(*LOCAL, file, folder=folder)).startswith(f"hearken: {file}: ")


def test_no_permission(daemon: Daemon, folder: Path) -> None:
    file = folder / "secret.flac"
    shutil.copy(SHORT, file)
    file.chmod(0)
    daemon.folder.chmod(0o755)
    daemon.socket.chmod(0o666)
    result = run(*through(daemon), file, folder=folder, **as_ordinary_user(folder))
    assert result.returncode == 1 and "Permission denied" in message(result)


def test_odd_file_names(daemon: Daemon, hearken, folder: Path) -> None:
    names = ["-dash.flac", "with space.flac", "new\nline.flac", "\udcff\udcfe.flac", "ümlaut.flac"]
    for name in names:
        shutil.copy(SHORT, folder / name)
    text = json.loads(hearken(*through(daemon), "-f", "json", SHORT))["text"]
    result = run(*through(daemon), "-f", "json", "--", *names, folder=folder, cwd=folder)
    assert result.returncode == 0, result.stderr
    objects = [json.loads(line) for line in result.stdout.decode().splitlines()]
    assert [found["text"] for found in objects] == [text] * len(names)
    expected = [name.encode(errors="surrogateescape").decode(errors="replace") for name in names]
    assert [found["file"] for found in objects] == expected
    assert message(run(*through(daemon), "no\nsuch", folder=folder)).startswith("hearken: no?such")


def test_missing_daemon(folder: Path) -> None:
    absent = folder / "absent"
    result = run("transcribe", "--socket", absent, SHORT, LONG, folder=folder)
    assert result.returncode == 3 and str(absent) in message(result)
    port = programs.free_port()
    result = run("transcribe", "--tcp", f"127.0.0.1:{port}", SHORT, folder=folder)
    assert result.returncode == 3 and str(port) in message(result)
    assert run("status", "--socket", absent, folder=folder).returncode == 3


def test_daemon_dies(daemon: Daemon, folder: Path) -> None:
    with running(*through(daemon), "--raw", "-", folder=folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(pcm(SHORT).data)
        process.stdin.flush()
        time.sleep(0.3)
        daemon.kill()
        assert process.wait(programs.PATIENCE) == 1
        assert b"closed the connection" in process.stderr.read()


def test_default_socket(start_daemon: StartDaemon, folder: Path) -> None:
    """Where $XDG_RUNTIME_DIR says."""
    (folder / "hearken").mkdir()
    settings = {"server.socket": str(folder / "hearken" / "hearken.sock")}
    daemon = start_daemon(settings=settings, launch_only=True)
    daemon.socket = folder / "hearken" / "hearken.sock"
    programs.wait_until(daemon.answers, "the daemon")
    extra = {"XDG_RUNTIME_DIR": str(folder)}
    result = run("transcribe", SHORT, folder=folder, extra_environment=extra)
    assert result.stdout.decode() == alone(RECURRENT, SHORT), result.stderr


def test_refusals_of_the_daemon(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon(settings={"limits.audio_seconds": "3"})
    result = run(*through(daemon), LONG, SHORT, folder=folder)
    assert result.returncode == 1
    assert message(result).startswith(f"hearken: {LONG}: the daemon says: ")
    assert result.stdout.decode().startswith(f"{SHORT}: ")


@pytest.mark.parametrize("command", ["daemon", "local"])
def test_full_disk(daemon: Daemon, folder: Path, command: str) -> None:
    arguments = through(daemon) if command == "daemon" else LOCAL
    with open("/dev/full", "wb") as full:
        result = run(*arguments, SHORT, LONG, folder=folder, stdout=full)
    assert result.returncode == 1
    assert "standard output: No space left on device" in message(result)
    result = run(*arguments, "-o", "/dev/full", SHORT, folder=folder)
    assert result.returncode == 1 and "/dev/full: No space left" in message(result)


@pytest.mark.parametrize("arguments", [["help"], ["version"], ["plugins"], ["help", "transcribe"]])
def test_full_disk_for_other_commands(folder: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        result = run(*arguments, folder=folder, stdout=full)
    assert result.returncode == 1 and result.stderr


def test_broken_pipe(daemon: Daemon, folder: Path) -> None:
    """As `hearken ... | head -1`: it dies of SIGPIPE, silently, like any filter."""
    with running(*through(daemon), SHORT, LONG, SHORT, folder=folder) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.wait(programs.PATIENCE) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def without(descriptor: int, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """As `hearken ... >&-`: with a standard stream closed."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {descriptor}>&-', str(HEARKEN), *map(str, arguments)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=programs.PATIENCE,
        check=False,
    )


def test_closed_standard_streams(daemon: Daemon, folder: Path) -> None:
    """Nothing that is opened later is taken for a stream that was closed from the start."""
    result = without(0, *through(daemon), "-")
    assert result.returncode == 1
    assert message(result) == "hearken: standard input: Bad file descriptor\n"
    result = without(1, *through(daemon), SHORT)
    assert result.returncode == 1
    assert message(result) == "hearken: standard output: Bad file descriptor\n"
    out = folder / "out"
    assert without(1, *through(daemon), "-o", out, SHORT).returncode == 0
    assert out.read_text() == alone(RECURRENT, SHORT)
    out.unlink()
    result = without(2, *through(daemon), "-o", out, folder / "absent")
    assert result.returncode == 1 and not out.exists()


def test_output_that_cannot_be_opened(daemon: Daemon, folder: Path) -> None:
    result = run(*through(daemon), "-o", folder / "no" / "out", SHORT, folder=folder)
    assert result.returncode == 1 and str(folder / "no" / "out") in message(result)
    result = run(*through(daemon), "-d", folder / "no", SHORT, folder=folder)
    assert result.returncode == 1 and str(folder / "no") in message(result)


def speak_without_end(pipe: IO[bytes]) -> None:
    """Until nobody listens any more."""
    with contextlib.suppress(BrokenPipeError):
        while True:
            pipe.write(pcm(LONG).data)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["daemon", "local", "waiting"])
def test_interrupted(
    start_daemon: StartDaemon, folder: Path, command: str, number: signal.Signals
) -> None:
    """It stops at once, says nothing, and the daemon lets the request go."""
    daemon = start_daemon(settings={"limits.audio_queue_kib": "64"})
    where = LOCAL if command == "local" else through(daemon)
    arguments = (*where, "--raw", "-j", "2", "-", folder / "absent")
    with running(*arguments, folder=folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stderr is not None
        if command != "waiting":
            threading.Thread(target=speak_without_end, args=(process.stdin,)).start()
        time.sleep(1 + programs.SCALE / 4)
        begun = time.monotonic()
        process.send_signal(number)
        status = process.wait(programs.PATIENCE)
        # On a busy machine plugins may still be opened, when a signal ends a program as usual.
        assert status == 128 + number or (command == "local" and status == -number)
        assert time.monotonic() - begun < 10 * programs.SCALE
        assert process.stderr.read() == b""
    if command != "local":

        def let_go() -> bool:
            status = run("status", "--json", "--socket", daemon.socket, folder=folder)
            return json.loads(status.stdout)["requests_running"] == 0

        programs.wait_until(let_go, "the daemon to drop the request")


# ---- Usage ----


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage"),
        (["frobnicate"], "frobnicate"),
        (["transcribe"], "FILE"),
        (["transcribe", "--frob", "x"], "--frob"),
        (["transcribe", "--format", "pdf", "x"], "srt"),
        (["transcribe", "--format"], "FORMAT"),
        (["transcribe", "--beam", "17", "x"], "1..16"),
        (["transcribe", "--beam", "-1", "x"], "1..16"),
        (["transcribe", "--beam", "", "x"], "1..16"),
        (["transcribe", "-j0", "x"], "1..256"),
        (["transcribe", "--set", "beam", "x"], "beam_width"),
        (["transcribe", "--set", "padding=99", "x"], "-1..30"),
        (["transcribe", "--set", "padding=nan", "x"], "-1..30"),
        (["transcribe", "--set", "beam_width=1.5", "x"], "whole"),
        (["transcribe", "--words=yes", "x"], "--words takes no value"),
        (["transcribe", "--help=yes", "x"], "--help takes no value"),
        (["transcribe", "-qwx", "x"], "no option -x"),
        (["transcribe", "-q\u00fc", "x"], "no option -q\u00fc"),
        (["transcribe", "-\u00fc", "x"], "no option -\u00fc"),
        (["transcribe", "x", "-qwf"], "--format: expected FORMAT"),
        (["transcribe", "-qwj0", "x"], "--jobs 0: expected a number 1..256"),
        (["transcribe", "--s", "1", "x"], "--set, --socket, --sample-type"),
        (["transcribe", "--set", "task=sing", "x"], "transcribe or translate"),
        (["transcribe", "-f", "srt", "x", "y"], "--output-directory"),
        (["transcribe", "-f", "json", "-w", "x"], "--words"),
        (["transcribe", "-o", "a", "-d", "b", "x"], "--output"),
        (["transcribe", ""], "expected FILE, got an empty argument"),
        (["transcribe", "-o", "", "x"], "--output: expected FILE, got an empty argument"),
        (["transcribe", "-d", "", "x"], "--output-directory: expected DIR, got an empty argument"),
        (["transcribe", "--custom-words-file", "", "x"], "file: expected FILE, got an empty"),
        (["plugins", "--plugin-dir", ""], "--plugin-dir: expected DIR, got an empty argument"),
        (["record", "-o", ""], "--output: expected FILE, got an empty argument"),
        ([""], "no command of an empty name"),
        (["transcribe", "--backend", "cpu", "x"], "--local"),
        (["transcribe", "--local", "--socket", "y", "x"], "--socket"),
        (["transcribe", "--rate", "8000", "x"], "--raw"),
        (["transcribe", "--raw", "--rate", "1", "x"], "1000"),
        (["transcribe", "--tcp", "nonsense", "x"], "HOST:PORT"),
        (["transcribe", "--tcp", "::1:5", "x"], "HOST:PORT"),
        (["transcribe", "--tcp", "localhost:65536", "x"], "65535"),
        (["status", "--tcp", "localhost:0"], "65535"),
        (["status", "--socket="], "expected a path"),
        (["--socket", "x"], "expected a command"),
        (["--local", "transcribe", "x"], "expected a command"),
        (["transcribe", "--tcp", "a:1", "--socket", "b", "x"], "choose one"),
        (["transcribe", "--socket", "x" * 120, "x"], "107"),
        (["transcribe", "-", "-"], "once"),
        (["status", "extra"], "extra"),
        (["model", "a", "b"], "b"),
        (["help", "frobnicate"], "frobnicate"),
    ],
)
def test_usage_errors(folder: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments, folder=folder)
    assert result.returncode == 2 and result.stdout == b""
    assert said in result.stderr.decode()


def test_forms_of_options(daemon: Daemon, hearken) -> None:
    """Letters may be joined, also with their value; options may stand behind files."""
    expected = hearken(*through(daemon), "--quiet", "--words", "--beam", "2", "--jobs", "3", SHORT)
    assert expected != alone(RECURRENT, SHORT)
    for options in (["-qwb2", "-j3"], ["-qwb", "2", "-j", "3"], ["--beam=2", "-wqj3"]):
        assert hearken(*through(daemon), *options, SHORT) == expected
        assert hearken("transcribe", SHORT, *options, f"--socket={daemon.socket}") == expected
    assert hearken(*through(daemon), "-qwb2", "--", SHORT) == expected
    assert hearken(*through(daemon), SHORT, "-qwb", "2", "-h").startswith("usage: hearken")


COMMANDS = [
    "transcribe",
    "batch",
    "record",
    "devices",
    "status",
    "web",
    "plugins",
    "model",
    "version",
    "help",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(hearken, command: str) -> None:
    text = hearken("help", command)
    assert text == hearken(command, "--help") == hearken(command, "-h")
    assert text.startswith(f"usage: hearken {command}")
    assert max(map(len, text.splitlines())) <= 90


def test_overview(hearken) -> None:
    text = hearken("help")
    assert text == hearken("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text


def test_version(hearken) -> None:
    assert hearken("version") == hearken("--version") == "hearken 0.1.0\n"


def test_manual_tells_all_options(hearken) -> None:
    """The manual page and the help agree."""
    manual = (programs.REPOSITORY / "daemon" / "man" / "hearken.1").read_text()
    for command in COMMANDS:
        for line in hearken("help", command).splitlines():
            if "  --" not in line[:9] and not line.startswith("  -"):
                continue
            option = line.split("--", 1)[1].split()[0]
            described = re.search(rf"^\.It Fl .*-{option}\b", manual, re.MULTILINE)
            assert option == "help" or described, f"{command}: --{option}"


def test_manual_tells_the_range_of_beam(folder: Path) -> None:
    manual = (programs.REPOSITORY / "daemon" / "man" / "hearken.1").read_text()
    stated = re.findall(r"hypotheses kept \((\d+) to (\d+)\)", manual)
    said = message(run("transcribe", "--beam", "0", "x", folder=folder))
    assert stated == re.findall(r"number (\d+)\.\.(\d+)", said)


# ---- The other commands ----


def test_plugins(hearken, folder: Path) -> None:
    lines = hearken("plugins").splitlines()
    assert lines[0].split() == ["PLUGIN", "SCORE", "REASON"]
    scores = [int(line.split()[1]) for line in lines[1:]]
    assert "reference" in [line.split()[0] for line in lines[1:]]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0
    assert "reference.so" in hearken("plugins", "-v")
    (folder / "broken.so").write_text("no plugin")
    result = run("plugins", "--plugin-dir", folder, folder=folder)
    assert result.returncode == 1 and b"broken.so" in result.stdout


def test_plugins_stand_in_columns(folder: Path) -> None:
    """Also those that have no name but that of their file."""
    (folder / "a-plugin-that-is-broken.so").write_text("no plugin")
    (folder / "reference.so").symlink_to(programs.BUILD.resolve() / "lib/hearken/reference.so")
    lines = run("plugins", "--plugin-dir", folder, folder=folder).stdout.decode().splitlines()
    column = lines[0].index("REASON")
    assert len(lines) == 3 and lines[2].startswith("a-plugin-that-is-broken.so ")
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines)


def test_model(hearken, folder: Path) -> None:
    text = hearken("model", RECURRENT)
    for heading in ("General", "Listener", "Speller", "Vocabulary", "Tensors"):
        assert f"\n{heading}\n" in text
    assert "listener.conv1.weight" not in text
    assert "listener.conv1.weight" in hearken("model", "--tensors", RECURRENT)
    result = run("model", SHORT, folder=folder)
    assert result.returncode == 1 and str(SHORT) in message(result)
    for arguments in (["model", "none"], ["transcribe", "--local", "--model", "none", SHORT]):
        result = run(*arguments, folder=folder)
        assert result.returncode == 1 and "none.gguf: No such file" in message(result)
        assert "; installed are: hearken-en" in message(result) and "voice" not in message(result)
    result = run("model", folder / "none", folder=folder)
    assert result.returncode == 1 and "No such file" in message(result)


def test_status(daemon: Daemon, hearken) -> None:
    hearken(*through(daemon), SHORT)
    status = json.loads(hearken("status", "--json", "--socket", daemon.socket))
    assert status["requests"] == 1
    text = hearken("status", "--socket", daemon.socket)
    assert "requests:" in text and status["model"] in text
    assert hearken("--socket", daemon.socket, "status").splitlines()[0] == text.splitlines()[0]


def test_everything_is_described_in_the_data(hearken) -> None:
    """The recordings that the tests rely on."""
    for name in sounds.transcripts():
        assert (DATA / f"{name}.flac").exists()


def test_wrong_word_file_is_named(folder: Path) -> None:
    """The line is that of the file, whatever words came before it."""
    good, bad = folder / "good", folder / "bad"
    good.write_text("one\ntwo\n")
    bad.write_bytes(b"\xff\n")
    arguments = ("transcribe", "--custom-words-file", good, "--custom-words-file", bad, "x.wav")
    said = message(run(*arguments, folder=folder))
    assert f"{bad}: custom words: line 1 " in said


# ---- Modules ----


def test_modules_that_are_missing_or_damaged(folder: Path) -> None:
    own = folder / "own"
    (own / "bin").mkdir(parents=True)
    shutil.copy(HEARKEN, own / "bin")
    shutil.copytree(BUILD / "lib", own / "lib", symlinks=True)
    modules = own / "lib" / "hearken" / "client"
    shutil.rmtree(modules, ignore_errors=True)

    def says(*arguments: str | Path) -> str:
        result = run(*arguments, folder=folder, program=own / "bin" / HEARKEN.name)
        assert result.returncode == 1
        return message(result)

    address = "http://127.0.0.1:1"
    refresh = ("model", "refresh", address)
    draw = (*LOCAL, "--attention", folder / "picture.svg", "-o", folder / "text", SHORT)
    for command, library, module in (
        (refresh, "libcurl", "curl.so"),
        (("transcribe", "--url", address, SHORT), "libcurl", "curl.so"),
        (draw, "cairo", "cairo.so"),
    ):
        said = says(*command)
        assert f"this hearken was built without {library}: {modules}/{module} is not there" in said
    assert (folder / "text").read_text().strip()

    modules.mkdir()
    (modules / "curl.so").write_bytes(b"no shared object")
    assert f"libcurl cannot be loaded: {modules}/curl.so: " in says(*refresh)
