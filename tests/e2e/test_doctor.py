# SPDX-License-Identifier: MIT
"""hearken doctor, where something is missing, broken, forbidden or silent."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Serve
from programs import (
    BUILD,
    HEARKEN,
    RANDOM_MODELS,
    Daemon,
    as_ordinary_user,
    free_port,
    run,
)
from sounds import SHORT

Finding = dict[str, str]


def examine(
    folder: Path, *options: str | Path, environment: Mapping[str, str] | None = None, **more: Any
) -> list[Finding]:
    """What it finds, which always has the same form and decides the exit status."""
    result = run("doctor", "--json", *options, folder=folder, extra_environment=environment, **more)
    assert result.stderr == b""
    findings: list[Finding] = json.loads(result.stdout)
    for finding in findings:
        assert finding["verdict"] in ("ok", "note", "problem") and finding["message"]
        assert ("advice" in finding) == (finding["verdict"] != "ok"), finding
    assert {"models", "plugins", "decoder", "sound", "units", "daemon"} <= {
        finding["name"] for finding in findings
    }
    bad = any(finding["verdict"] == "problem" for finding in findings)
    assert result.returncode == (1 if bad else 0)
    return findings


def find(findings: list[Finding], name: str, text: str) -> Finding:
    """The one of this check whose message has the text."""
    found = [one for one in findings if one["name"] == name and text in one["message"]]
    assert len(found) == 1, (text, findings)
    return found[0]


def verdicts(findings: list[Finding], name: str) -> set[str]:
    return {finding["verdict"] for finding in findings if finding["name"] == name}


def own_programs(folder: Path) -> Path:
    """A copy of the programs, with a folder for models where none is."""
    own = folder / "own"
    (own / "bin").mkdir(parents=True)
    (own / "share" / "hearken").mkdir(parents=True)
    shutil.copy(HEARKEN, own / "bin")
    shutil.copytree(BUILD / "lib", own / "lib", symlinks=True)
    return own / "bin" / "hearken"


def lone_folder(folder: Path) -> dict[str, str]:
    """So that what is installed on this machine under other names does not count."""
    return {"HEARKEN_MODEL_PATH": str(folder / "models")}


# ---- The daemon ----


def test_daemon(daemon: Daemon, folder: Path) -> None:
    findings = examine(folder, "--socket", daemon.socket)
    answer = find(findings, "daemon", f"{daemon.socket} answers: hearkend ")
    assert answer["verdict"] == "ok" and answer["message"].endswith(
        ", models hearken-test-recurrent"
    )
    assert verdicts(findings, "daemon") == {"ok"}
    off = find(findings, "addresses", "no Wyoming by TCP")
    assert off["verdict"] == "note" and "hearkend-wyoming.socket" in off["advice"]
    off = find(findings, "addresses", "serves no HTTP")
    assert off["verdict"] == "note" and "hearkend-http.socket" in off["advice"]


def test_addresses(serve: Serve, folder: Path) -> None:
    port = free_port()
    served = serve({"server.tcp": f"127.0.0.1:{port}"})
    for address in (("--socket", served.daemon.socket), ("--tcp", f"127.0.0.1:{port}")):
        findings = examine(folder, *address)
        assert verdicts(findings, "daemon") == {"ok"}
        assert verdicts(findings, "addresses") == {"ok"}
        find(findings, "addresses", f"tcp://127.0.0.1:{port}")
        find(findings, "addresses", f"http://127.0.0.1:{served.port}/v1")
        find(findings, "addresses", f"page for live text: http://127.0.0.1:{served.port}/")


def test_nothing_at_the_socket(folder: Path) -> None:
    findings = examine(folder, "--socket", folder / "none")
    missing = find(findings, "daemon", f"there is no socket {folder}/none")
    assert missing["verdict"] == "problem"
    assert "systemctl enable --now hearkend.socket" in missing["advice"]
    assert "addresses" not in {finding["name"] for finding in findings}


def test_users_socket(daemon: Daemon, folder: Path) -> None:
    (folder / "hearken").mkdir()
    path = folder / "hearken" / "hearken.sock"
    path.symlink_to(daemon.socket)
    findings = examine(folder, environment={"XDG_RUNTIME_DIR": str(folder)})
    assert find(findings, "daemon", f"{path} answers")["verdict"] == "ok"


def test_stale_socket(folder: Path) -> None:
    path = folder / "hearken" / "hearken.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
        gone.listen()
    for options, environment in (
        (("--socket", path), {}),
        ((), {"XDG_RUNTIME_DIR": str(folder)}),
    ):
        findings = examine(folder, *options, environment=environment)
        stale = find(findings, "daemon", f"{path}: nobody listens")
        assert stale["verdict"] == "problem" and "start hearkend" in stale["advice"]


def test_nothing_at_the_port(folder: Path) -> None:
    port = free_port()
    findings = examine(folder, "--tcp", f"127.0.0.1:{port}")
    missing = find(findings, "daemon", f"no daemon at 127.0.0.1:{port}: Connection refused")
    assert missing["verdict"] == "problem" and missing["message"].endswith("refused")


def test_no_socket_but_a_file(folder: Path) -> None:
    (folder / "file").touch()
    findings = examine(folder, "--socket", folder / "file")
    assert find(findings, "daemon", "is no socket")["verdict"] == "problem"


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_forbidden_socket(folder: Path, mode: int) -> None:
    options = as_ordinary_user(folder)
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(mode if os.geteuid() == 0 else mode & 0o070)
        findings = examine(folder, "--socket", path, **options)
    forbidden = find(findings, "daemon", "this user may not connect: owner ")
    assert forbidden["verdict"] == "problem"
    assert f"mode 0{path.stat().st_mode & 0o777:03o}" in forbidden["message"]
    assert ("usermod -aG" if mode & 0o020 else "SocketMode=0666") in forbidden["advice"]


def test_silent_server(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()
        findings = examine(folder, "--socket", folder / "s")
    assert find(findings, "daemon", "has not answered for 5 s")["verdict"] == "problem"


@contextmanager
def answering(folder: Path, kind: str, data: object) -> Iterator[Path]:
    """A server that says one thing to whoever connects."""
    answer = json.dumps({"type": kind, "data": data}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.sendall(answer)
                        connection.recv(1 << 16)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield folder / "s"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_another_server(folder: Path) -> None:
    with answering(folder, "info", {"asr": []}) as path:
        findings = examine(folder, "--socket", path)
    assert find(findings, "daemon", "is another server than hearkend")["verdict"] == "note"


def test_another_version(folder: Path) -> None:
    with answering(folder, "hearken-status", {"version": "9.9", "models": [{"name": "m"}]}) as path:
        findings = examine(folder, "--socket", path)
    other = find(findings, "daemon", "answers: hearkend 9.9, this is hearken ")
    assert other["verdict"] == "note" and other["message"].endswith("; models m")


@pytest.mark.parametrize(
    "status",
    [
        {"version": 5},
        {"version": "\x1b[31m" + "x" * 5000, "models": 3, "http": "a", "wyoming": {"a": 1}},
        {"version": "1", "models": [1, {"name": "y" * 3000}] * 9, "http": [None, "", "\n:1"]},
        {"version": "1", "http": ["h:1"] * 500, "wyoming": ["[::]:5"] * 500},
    ],
)
def test_lying_server(folder: Path, status: object) -> None:
    with answering(folder, "hearken-status", status) as path:
        findings = examine(folder, "--socket", path)
    assert verdicts(findings, "daemon") == {"note"}
    assert len(findings) < 100
    assert all(finding["message"].isprintable() for finding in findings)


# ---- Models and plugins ----


def test_models(folder: Path) -> None:
    (folder / "models").mkdir()
    shutil.copy(RANDOM_MODELS["recurrent"], folder / "models" / "hearken-en.gguf")
    program = own_programs(folder)
    findings = examine(folder, environment=lone_folder(folder), program=program)
    installed = find(findings, "models", "hearken-en is installed: ")
    assert str(folder / "models" / "hearken-en.gguf") in installed["message"]
    assert find(findings, "models", "the default model opens: ")["verdict"] == "ok"
    assert find(findings, "plugins", " is chosen: ")["verdict"] == "ok"


def test_missing_model(folder: Path) -> None:
    program = own_programs(folder)
    findings = examine(folder, environment=lone_folder(folder), program=program)
    missing = find(findings, "models", "the default model does not open: ")
    assert missing["verdict"] == "problem" and "hearken-model-en" in missing["advice"]
    assert "hearken model get" in missing["advice"]
    assert f"{folder}/own/share/hearken/hearken-en.gguf" in missing["message"]


@pytest.mark.parametrize("content", [b"", b"GGUF" + bytes(range(256)), b"<html>"])
def test_broken_model(folder: Path, content: bytes) -> None:
    (folder / "models").mkdir()
    (folder / "models" / "hearken-en.gguf").write_bytes(content)
    (folder / "models" / "whisper-tiny.bin").write_bytes(content)
    findings = examine(folder, environment=lone_folder(folder))
    assert find(findings, "models", "the default model does not open: ")["verdict"] == "problem"
    broken = find(findings, "models", "whisper-tiny: ")
    assert broken["verdict"] == "problem" and "hearken model get whisper-tiny" in broken["advice"]


def test_no_plugins(folder: Path) -> None:
    (folder / "plugins").mkdir()
    findings = examine(folder, environment={"HEARKEN_PLUGIN_DIR": str(folder / "plugins")})
    assert verdicts(findings, "plugins") == {"problem"}
    assert find(findings, "models", "the default model does not open: ")["verdict"] == "problem"


def test_no_decoder(folder: Path) -> None:
    findings = examine(folder, environment={"HEARKEN_DECODER": str(folder / "none")})
    missing = find(findings, "decoder", f"{folder}/none: No such file or directory; MP4")
    assert missing["verdict"] == "note" and "hearken-decode" in missing["advice"]


# ---- Broken systems ----


def test_no_folders(folder: Path) -> None:
    options = as_ordinary_user(folder)
    nowhere = {"HOME": "", "XDG_CACHE_HOME": "", "PATH": ""}
    findings = examine(folder, environment=nowhere, **options)
    unset = find(findings, "daemon", "XDG_RUNTIME_DIR is not set")
    assert unset["verdict"] == "note" and "export XDG_RUNTIME_DIR=/run/user/" in unset["advice"]
    assert find(findings, "units", "there is no systemd")["verdict"] == "note"


def test_forbidden_folders(folder: Path) -> None:
    options = as_ordinary_user(folder)
    closed = folder / "closed"
    (closed / "hearken").mkdir(parents=True)
    closed.chmod(0)
    names = ("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HEARKEN_MODEL_PATH")
    findings = examine(folder, environment=dict.fromkeys(names, str(closed)), **options)
    closed.chmod(0o700)
    problem = find(findings, "daemon", f"{closed}/hearken/hearken.sock: Permission denied")
    assert problem["verdict"] == "problem" and "chmod a+x" in problem["advice"]
    assert find(findings, "daemon", f"XDG_RUNTIME_DIR: {closed}: ")["verdict"] == "note"


# ---- Units ----


def manager(folder: Path, script: str) -> dict[str, str]:
    """A systemctl of ours."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "systemctl").chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("load", "active", "verdict", "message", "advice"),
    [
        ("loaded", "active", "ok", "is active", ""),
        ("loaded", "inactive", "note", "is not active", "enable --now hearkend.socket"),
        ("loaded", "failed", "problem", "has failed", "journalctl -e"),
        ("not-found", "inactive", "note", "is not installed", "package hearkend"),
    ],
)
def test_units(
    folder: Path, load: str, active: str, verdict: str, message: str, advice: str
) -> None:
    ours = manager(folder, f"echo LoadState={load}; echo ActiveState={active}")
    findings = examine(folder, environment=ours)
    for whose in ("the system's", "the user's"):
        found = find(findings, "units", whose)
        assert found["verdict"] == verdict and message in found["message"]
        assert advice in found.get("advice", "")


def test_silent_manager(folder: Path) -> None:
    findings = examine(folder, environment=manager(folder, "exec sleep 1000"))
    assert find(findings, "units", "systemctl --system: no answer in time")["verdict"] == "note"


# ---- What people see ----


def test_text(daemon: Daemon, folder: Path) -> None:
    result = run("doctor", "--socket", daemon.socket, folder=folder)
    findings = examine(folder, "--socket", daemon.socket)
    lines = result.stdout.decode().splitlines()
    assert len(lines) == len(findings)
    for line, finding in zip(lines, findings, strict=True):
        assert line.startswith(f"{finding['verdict']:8} {finding['name']:10} ")
        assert line.endswith(f" -> {finding['advice']}" if "advice" in finding else "")


def test_wrong_options(folder: Path) -> None:
    assert run("doctor", "--socket", "a", "--tcp", "b:1", folder=folder).returncode == 2
    assert run("doctor", "now", folder=folder).returncode == 2


@pytest.mark.parametrize("command", [("transcribe", SHORT), ("listen",)])
def test_first_run_without_a_daemon(folder: Path, command: tuple[str | Path, ...]) -> None:
    result = run(*command, "--socket", folder / "none", folder=folder)
    assert result.returncode == 3
    said = result.stderr.decode()
    assert "systemctl enable --now hearkend.socket" in said
    assert "--local" in said and "hearken doctor" in said
