# SPDX-License-Identifier: MIT
"""hearkend from start to stop."""

import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import programs
import pytest
from conftest import StartDaemon
from programs import HEARKEND, RANDOM_MODELS, Daemon, alone, wait_until
from sounds import LONG, SHORT, pcm
from talking import Bare, error_of, transcribed

RECURRENT, TRANSFORMER = RANDOM_MODELS["recurrent"], RANDOM_MODELS["transformer"]
FORM = {"rate": 16000, "width": 2, "channels": 1}


def expected(model: Path, recording: Path) -> str:
    return alone(model, recording).replace("\n", " ").strip()


def fail_to_start(daemon: Daemon) -> tuple[int, str]:
    """Exit status and log of a daemon that cannot run."""
    return daemon.wait(), daemon.log()


# ---- Stopping ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_when_idle(daemon: Daemon, number: signal.Signals) -> None:
    with Bare(daemon.socket) as bare:
        bare.event("ping", {"text": "x"})
        assert bare.read() is not None
        daemon.signal(number)
        assert bare.read() is None
    assert daemon.wait() == 0
    assert not daemon.socket.exists(), "the socket stays behind"


def test_drain(daemon: Daemon) -> None:
    """A request in hand is finished; new clients are not taken; then all ends well."""
    sound = pcm(LONG)
    chunks = sound.chunks(16000)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {})
        bare.event("audio-start", FORM)
        bare.event("audio-chunk", FORM, chunks[0])
        bare.event("ping", {"text": "x"})
        assert bare.read() is not None
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.answers(), "the socket to close")
        for chunk in chunks[1:]:
            bare.event("audio-chunk", FORM, chunk)
        bare.event("audio-stop")
        (transcript,) = [event for event in bare.read_all() if event.type == "transcript"]
    assert transcript.data["text"] == expected(RECURRENT, LONG)
    assert daemon.wait() == 0


def begin_request(bare: Bare) -> None:
    """Sends a second of audio; when this returns, the daemon has it."""
    bare.event("audio-chunk", FORM, bytes(32000))
    bare.event("ping", {"text": "x"})
    assert bare.read() is not None


def test_drain_has_an_end(start_daemon: StartDaemon) -> None:
    """A request that never ends does not keep the daemon."""
    daemon = start_daemon(settings={"timeouts.drain_seconds": "0.5"})
    with Bare(daemon.socket) as bare:
        begin_request(bare)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_second_signal_ends_the_drain(daemon: Daemon) -> None:
    with Bare(daemon.socket) as bare:
        begin_request(bare)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.answers(), "the socket to close")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_no_new_request_while_draining(daemon: Daemon) -> None:
    with Bare(daemon.socket) as busy:
        begin_request(busy)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.answers(), "the socket to close")
        busy.event("audio-stop")
        busy.event("transcribe", {})
        kinds = [event.type for event in busy.read_all()]
    assert "transcript" in kinds
    assert daemon.wait() == 0


# ---- Reloading ----


def reload(daemon: Daemon, said: str) -> None:
    """SIGHUP, and what the log says then."""
    before = daemon.log().count(said)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count(said) > before, f"the log to say {said}")


def test_reload_of_a_setting(daemon: Daemon) -> None:
    narrow = alone(RECURRENT, LONG, "--beam", "1").replace("\n", " ").strip()
    assert transcribed(daemon.socket, pcm(LONG)) == expected(RECURRENT, LONG)
    daemon.settings["recognition.beam_width"] = "1"
    daemon.write_configuration()
    reload(daemon, "reloaded")
    assert transcribed(daemon.socket, pcm(LONG)) == narrow


def test_reload_of_the_model(daemon: Daemon) -> None:
    """Requests in hand keep the model that they began with."""
    sound = pcm(LONG)
    chunks = sound.chunks(16000)
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {})
        bare.event("audio-start", FORM)
        bare.event("audio-chunk", FORM, chunks[0])
        bare.event("ping", {"text": "x"})
        assert bare.read() is not None
        daemon.settings["model.file"] = str(TRANSFORMER)
        daemon.write_configuration()
        reload(daemon, "reloaded")
        assert transcribed(daemon.socket, pcm(SHORT)) == expected(TRANSFORMER, SHORT)
        for chunk in chunks[1:]:
            bare.event("audio-chunk", FORM, chunk)
        bare.event("audio-stop")
        while (event := bare.read()) is not None and event.type != "transcript":
            pass
        assert event is not None and event.data["text"] == expected(RECURRENT, LONG)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recognition.beam_width": "none"}, "beam_width"),
        ({"model.file": "/nowhere/at-all.gguf"}, "/nowhere/at-all.gguf"),
        ({"compute.backend": "abacus"}, "abacus"),
    ],
    ids=["value", "model", "backend"],
)
def test_bad_reload(daemon: Daemon, change: dict[str, str], said: str) -> None:
    """It is told, and everything stays as it was."""
    daemon.settings |= change
    daemon.write_configuration()
    reload(daemon, "nothing was changed")
    assert said in daemon.log()
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_reload_without_the_file(daemon: Daemon) -> None:
    daemon.configuration.unlink()
    reload(daemon, "nothing was changed")
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_reload_of_a_broken_model_file(start_daemon: StartDaemon, folder: Path) -> None:
    """The file is replaced by half of itself."""
    file = folder / "model.gguf"
    whole = RECURRENT.read_bytes()
    file.write_bytes(whole)
    daemon = start_daemon(file)
    half = folder / "half"
    half.write_bytes(whole[: len(whole) // 2])
    half.replace(file)
    reload(daemon, "nothing was changed")
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_restart_only_settings_stay(daemon: Daemon, folder: Path) -> None:
    daemon.settings["server.socket"] = str(folder / "elsewhere")
    daemon.write_configuration()
    reload(daemon, "needs a restart")
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_reloads_under_load(daemon: Daemon) -> None:
    """Models come and go while clients talk."""
    texts: list[str] = []

    def client() -> None:
        texts.extend(transcribed(daemon.socket, pcm(SHORT)) for _ in range(4))

    clients = [threading.Thread(target=client) for _ in range(3)]
    for thread in clients:
        thread.start()
    for model in (TRANSFORMER, RECURRENT) * 3:
        daemon.settings["model.file"] = str(model)
        daemon.write_configuration()
        reload(daemon, "reloaded: model")
    for thread in clients:
        thread.join()
    assert len(texts) == 12
    assert set(texts) <= {expected(model, SHORT) for model in (RECURRENT, TRANSFORMER)}


# ---- The socket ----


def test_socket_mode(start_daemon: StartDaemon) -> None:
    assert stat.S_IMODE(start_daemon().socket.stat().st_mode) == 0o600
    daemon = start_daemon(settings={"server.socket_mode": "0666"})
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o666


@pytest.mark.parametrize(
    ("mode", "folder_mode"), [("0600", 0o700), ("0660", 0o710), ("0666", 0o711), ("0602", 0o701)]
)
def test_mode_of_the_folder(
    start_daemon: StartDaemon, folder: Path, mode: str, folder_mode: int
) -> None:
    """One that is made for the socket lets in whom the socket lets in."""
    folder.chmod(0o755)
    path = folder / "made" / "s"
    settings = {"server.socket": str(path), "server.socket_mode": mode}
    daemon = start_daemon(settings=settings, launch_only=True)
    daemon.socket = path
    wait_until(daemon.answers, "hearkend to listen")
    assert stat.S_IMODE(path.parent.stat().st_mode) == folder_mode
    assert "socket_mode" not in daemon.log()


@pytest.mark.parametrize("mode", ["0666", "0660", "0600"])
def test_folder_that_lets_nobody_in(start_daemon: StartDaemon, folder: Path, mode: str) -> None:
    """As $XDG_RUNTIME_DIR is: the socket's mode has no effect, which is said."""
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    path = runtime / "hearken" / "s"
    settings = {"server.socket": str(path), "server.socket_mode": mode}
    daemon = start_daemon(settings=settings, launch_only=True)
    daemon.socket = path
    wait_until(daemon.answers, "hearkend to listen")
    said = f"socket_mode {mode} admits more users than the directory {runtime}"
    assert (said in daemon.log()) == (mode != "0600")


def test_stale_socket(start_daemon: StartDaemon) -> None:
    """What a killed daemon leaves is replaced."""
    first = start_daemon()
    first.kill()
    assert first.socket.exists()
    second = start_daemon(settings={"server.socket": str(first.socket)}, launch_only=True)
    second.socket = first.socket
    wait_until(second.answers, "the second daemon")
    assert transcribed(first.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_already_running(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    settings = {"server.socket": str(first.socket)}
    status, log = fail_to_start(start_daemon(settings=settings, launch_only=True))
    assert status == 1 and "already running" in log and str(first.socket) in log
    assert transcribed(first.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_something_else_in_the_way(start_daemon: StartDaemon, folder: Path) -> None:
    file = folder / "precious"
    file.write_text("data")
    settings = {"server.socket": str(file)}
    status, log = fail_to_start(start_daemon(settings=settings, launch_only=True))
    assert status == 1 and str(file) in log
    assert file.read_text() == "data"


def test_too_long_a_socket_path(start_daemon: StartDaemon, folder: Path) -> None:
    settings = {"server.socket": str(folder / ("x" * 120))}
    status, log = fail_to_start(start_daemon(settings=settings, launch_only=True))
    assert status == 2 and "107" in log


def test_socket_is_not_left_to_a_successor(start_daemon: StartDaemon) -> None:
    """A daemon removes its own socket when it stops, not one that took its place."""
    daemon = start_daemon()
    daemon.socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(daemon.socket))
        daemon.stop()
        assert daemon.socket.exists()


def test_socket_from_systemd(start_daemon: StartDaemon, folder: Path) -> None:
    """Handed over as descriptor 3, as a .socket unit does; it stays when the daemon stops."""
    path = folder / "handed"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        daemon = Daemon(folder, {"model.file": str(RECURRENT)} | programs.unguarded_settings())
        script = 'exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --config "$1"'
        with daemon.log_file.open("ab") as log:
            command = ["sh", "-c", script, str(HEARKEND), str(daemon.configuration)]
            daemon.process = subprocess.Popen(
                command, stdin=listener, stdout=log, stderr=log, env=daemon.environment
            )
        try:
            assert transcribed(path, pcm(SHORT)) == expected(RECURRENT, SHORT)
            assert not daemon.socket.exists(), "it made a socket of its own as well"
            daemon.stop()
            assert path.exists(), "the socket is systemd's"
        finally:
            daemon.kill()


def test_tells_systemd_when_ready(start_daemon: StartDaemon, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(folder / "notify"))
        notified.settimeout(programs.PATIENCE)
        settings = {"model.file": str(RECURRENT)}
        daemon = Daemon(folder, settings, (), {"NOTIFY_SOCKET": str(folder / "notify")})
        try:
            daemon.launch()
            said = ""
            while "READY=1" not in said:
                said += notified.recv(4096).decode() + "\n"
            assert daemon.answers(), "it said it was ready before it was"
            daemon.signal(signal.SIGTERM)
            while "STOPPING=1" not in said:
                said += notified.recv(4096).decode() + "\n"
            assert daemon.wait() == 0
        finally:
            daemon.kill()


# ---- What keeps it from starting ----


def test_missing_model(start_daemon: StartDaemon) -> None:
    file = Path("/nowhere/model.gguf")
    status, log = fail_to_start(start_daemon(file, launch_only=True))
    assert status == 1 and str(file) in log


@pytest.mark.parametrize("size", [0, 3, 100, 5000])
def test_truncated_model(start_daemon: StartDaemon, folder: Path, size: int) -> None:
    file = folder / "model.gguf"
    file.write_bytes(RECURRENT.read_bytes()[:size])
    status, log = fail_to_start(start_daemon(file, launch_only=True))
    assert status == 1 and str(file) in log


def test_model_is_no_model(start_daemon: StartDaemon) -> None:
    status, log = fail_to_start(start_daemon(SHORT, launch_only=True))
    assert status == 1 and str(SHORT) in log


def test_unknown_backend(start_daemon: StartDaemon) -> None:
    settings = {"compute.backend": "abacus"}
    status, log = fail_to_start(start_daemon(settings=settings, launch_only=True))
    assert status == 1 and "abacus" in log and "reference" in log


def test_backend_by_name(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"compute.backend": "reference"})
    text = alone(RECURRENT, SHORT, "--backend", "reference").replace("\n", " ").strip()
    assert transcribed(daemon.socket, pcm(SHORT)) == text


def test_empty_plugin_directory(start_daemon: StartDaemon, folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    settings = {"compute.plugin_directory": str(empty)}
    status, log = fail_to_start(start_daemon(settings=settings, launch_only=True))
    assert status == 1 and str(empty) in log


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[recognition]\nbeam_width = lots\n", 2, "beam_width"),
        ("[recognition]\nbeam_width = 17\n", 2, "16"),
        ("[recognition]\n\nbeam_with = 4\n", 3, "beam_width"),
        ("[recogniton]\nbeam_width = 4\n", 2, "beam_width"),
        ("[model]\nfile\n", 2, ""),
        ("[server]\nsocket_mode = 999\n", 2, "socket_mode"),
        ("[log]\nlevel = chatty\n", 2, "debug"),
        ("[recognition]\npadding = nan\n", 2, "padding"),
        ("[server\nsocket = /tmp/x\n", 1, ""),
        ("beam_width = 4\n", 1, "before the first [section]"),
    ],
)
def test_bad_configuration(
    start_daemon: StartDaemon, text: str, line: int, said: str, folder: Path
) -> None:
    """The log names file, line and what was expected, and the exit status is 2."""
    daemon = Daemon(folder, {})
    daemon.configuration.write_text(text)
    daemon.launch()
    try:
        status, log = fail_to_start(daemon)
    finally:
        daemon.kill()
    assert status == 2
    assert f"{daemon.configuration}:{line}:" in log and said in log


def test_options_that_the_model_lacks(start_daemon: StartDaemon) -> None:
    """A request may name others, so the daemon serves, but it says so at once."""
    daemon = start_daemon(settings={"recognition.language": "xx"})
    assert "warning: [recognition]: language is xx" in daemon.log()


def test_configuration_that_is_no_text(folder: Path) -> None:
    file = folder / "hearkend.conf"
    file.write_bytes(b"[recognition]\nbeam_width = 2\n\0\0\0")
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2
    assert f"{file}:3: holds a zero byte".encode() in result.stderr
    for path, said in (("/dev/zero", b"larger than"), (folder, b"Is a directory")):
        result = programs.run("--check-config", "--config", path, folder=folder, program=HEARKEND)
        assert result.returncode == 2 and said in result.stderr
    result = programs.run(
        "--check-config", "--config", "/dev/null", folder=folder, program=HEARKEND
    )
    assert result.returncode == 0


def test_keys_are_checked(folder: Path) -> None:
    file = folder / "hearkend.conf"
    file.write_text(f"[http]\ntokens_file = {folder / 'tokens'}\n")
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and b"tokens: No such file" in result.stderr
    (folder / "tokens").write_text("sha256:12\n")
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and b"tokens:1: expected a key" in result.stderr
    (folder / "tokens").write_text("secret\n")
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 0


def test_all_problems_are_told(folder: Path) -> None:
    file = folder / "hearkend.conf"
    file.write_text("[recognition]\nbeam_width = 0\npadding = 99\n[log]\nlevel = x\n")
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2
    for line in (2, 3, 5):
        assert f"{file}:{line}:".encode() in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\ntcp = localhost\n", "tcp: got localhost"),
        ("[server]\ntcp = 127.0.0.1:65536\n", "65535"),
        ("[server]\ntcp = 127.0.0.1:0\n", "65535"),
        ("[server]\ntcp = 127.0.0.1:http\n", "65535"),
        (f"[server]\nsocket = /tmp/{'x' * 120}\n", "107"),
        ("[recognition]\ncustom_words_file = /absent\n", "custom_words_file: /absent: No such"),
    ],
)
def test_check_of_addresses_and_files(folder: Path, text: str, said: str) -> None:
    """--check-config finds what else only a start would."""
    file = folder / "hearkend.conf"
    file.write_text(text)
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and said in result.stderr.decode()


def check_config(folder: Path, *arguments: str | Path) -> tuple[int, str]:
    result = programs.run("--check-config", *arguments, folder=folder, program=HEARKEND)
    return result.returncode, result.stderr.decode()


def test_check_of_models_and_backend(folder: Path) -> None:
    """A model that is needed at its first use only may come later."""
    status, said = check_config(folder, "--model", "absent")
    assert status == 2 and "model.file: " in said and "absent.gguf: No such file" in said
    assert "; installed are: hearken-en" in said and "voice" not in said
    status, said = check_config(folder, "--model", SHORT)
    assert status == 2 and str(SHORT) in said
    status, said = check_config(folder, "--set", "model other.file=/absent")
    assert status == 0 and "warning: [model other]: /absent: No such file" in said
    status, said = check_config(folder, "--backend", "absent")
    assert status == 2 and "compute.backend: got absent, expected one of: auto, " in said
    assert check_config(folder, "--backend", "reference") == (0, "")
    bad = programs.BUILD.resolve() / "tests/bad-plugins"
    if bad.exists():
        status, said = check_config(folder, "--plugin-dir", bad, "--backend", "score-zero")
        assert status == 2 and "score-zero cannot run here: the stars are not right" in said


def test_check_of_a_directory(folder: Path) -> None:
    result = programs.run("--check-config", "--config", folder, folder=folder, program=HEARKEND)
    assert result.returncode == 2
    assert result.stderr.decode() == f"hearkend: error: {folder}: Is a directory\n"


def test_check_of_a_good_configuration(folder: Path) -> None:
    """The commented defaults that it prints are themselves in order."""
    printed = programs.run("--help-config", folder=folder, program=HEARKEND)
    assert printed.returncode == 0 and b"beam_width" in printed.stdout
    file = folder / "hearkend.conf"
    file.write_bytes(printed.stdout)
    result = programs.run("--check-config", "--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 0, result.stderr


def test_command_line_is_stronger(start_daemon: StartDaemon, folder: Path) -> None:
    path = folder / "mine"
    daemon = start_daemon(arguments=["--socket", str(path)], launch_only=True)
    daemon.socket = path
    wait_until(daemon.answers, "the socket of the command line")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--frobnicate", "no option --frobnicate"),
        ("-vxq", "no option -x;"),
        ("extra", "extra: hearkend takes options only"),
        ("--config", "--config: expected a value after it"),
        ("-vm", "--model: expected a value after it"),
        ("--quiet=1", "--quiet takes no value"),
        ("--s", "--s is the beginning of several: --socket, --set;"),
        ("", "an empty argument: hearkend takes options only"),
    ],
)
def test_bad_command_line(folder: Path, argument: str, said: str) -> None:
    result = programs.run(argument, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and said in result.stderr.decode()


def test_missing_configuration(folder: Path) -> None:
    file = folder / "none.conf"
    result = programs.run("--config", file, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and str(file).encode() in result.stderr


@pytest.mark.parametrize("argument", ["--help", "--version", "--help-config"])
def test_output_that_cannot_be_written(folder: Path, argument: str) -> None:
    with open("/dev/full", "wb") as full:
        result = programs.run(argument, folder=folder, program=HEARKEND, stdout=full)
    assert result.returncode == 1


def test_status(daemon: Daemon) -> None:
    transcribed(daemon.socket, pcm(SHORT))
    with Bare(daemon.socket) as bare:
        bare.event("hearken-status")
        event = bare.read()
    assert event is not None and event.type == "hearken-status"
    assert event.data["requests"] == 1 and event.data["connections"] == 1
    assert abs(event.data["audio_seconds"] - pcm(SHORT).seconds()) < 0.01
    assert event.data["memory_bytes"] > 0


def test_memory_does_not_grow(daemon: Daemon) -> None:
    """Hundreds of requests later it is about as large as before."""
    if programs.SANITIZER:
        pytest.skip(f"the {programs.SANITIZER} sanitizer keeps freed memory")

    def resident() -> int:
        with Bare(daemon.socket) as bare:
            bare.event("hearken-status")
            event = bare.read()
        assert event is not None
        return event.data["memory_bytes"]

    sound = pcm(SHORT).first(0.6)
    for _ in range(50):
        transcribed(daemon.socket, sound)
    before = resident()
    for _ in range(200):
        transcribed(daemon.socket, sound)
    assert resident() < before + 4 * 1024 * 1024


def test_errors_of_a_draining_daemon(daemon: Daemon) -> None:
    """A request that comes while the last one is being finished is refused by name."""
    with Bare(daemon.socket) as bare:
        bare.event("audio-chunk", FORM, bytes(3200))
        bare.event("ping", {"text": "x"})
        assert bare.read() is not None
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.answers(), "the socket to close")
        bare.event("transcribe", {})
        events = bare.read_all()
    assert error_of(events).code in ("wrong-state", "shutting-down")
    assert daemon.wait() == 0


def test_closed_standard_streams(start_daemon: StartDaemon) -> None:
    """The log goes nowhere then, not into what took its descriptor's number."""
    daemon = start_daemon()
    daemon.stop()
    command = 'exec "$0" --config "$1" <&- >&- 2>&-'
    daemon.process = subprocess.Popen(
        ["sh", "-c", command, str(HEARKEND), str(daemon.configuration)],
        env=daemon.environment,
    )
    wait_until(daemon.answers, "hearkend to listen")
    places = [os.readlink(f"/proc/{daemon.process.pid}/fd/{number}") for number in range(3)]
    assert places == ["/dev/null"] * 3


def test_no_descriptor_is_inherited(daemon: Daemon) -> None:
    """It neither needs nor keeps what it was started with."""
    assert daemon.process is not None
    targets = {
        os.readlink(entry)
        for entry in Path(f"/proc/{daemon.process.pid}/fd").iterdir()
        if entry.is_symlink()
    }
    assert not [target for target in targets if target.startswith("/dev/pts")]
