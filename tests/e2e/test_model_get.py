# SPDX-License-Identifier: MIT
"""hearken model get, list, rm, verify: from servers that cut, lie, change and answer with pages."""

import hashlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import checkpoints
import pytest
from programs import (
    HEARKEN,
    RANDOM_MODELS,
    environment,
    free_port,
    run,
    running,
    unguarded_options,
    wait_until,
)
from sounds import SHORT

MODEL = RANDOM_MODELS["recurrent"].read_bytes()
SUM = hashlib.sha256(MODEL).hexdigest()


@dataclass
class Behaviour:
    """What the server does; a path /N is answered by `cuts[N]` if there is one."""

    content: bytes = MODEL
    files: dict[str, bytes] = field(default_factory=dict)  # by path, instead of `content`
    etag: str | None = '"one"'
    ranges: bool = True
    cut: int | None = None  # the connection ends after so many bytes of a longer body
    cuts: int = 1 << 30  # for so many requests
    stated: int | None = None  # another length than the body's
    kind: str = "application/octet-stream"
    status: int = 200
    redirect: str | None = None
    held: threading.Event | None = None  # answers half, and the rest when it is set
    asked: list[str | None] = field(default_factory=list)  # the ranges
    paths: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        does = self.behaviour
        wanted = self.headers.get("Range")
        does.asked.append(wanted)
        does.paths.append(self.path)
        content = does.files.get(self.path, does.content)
        if does.redirect and self.path != does.redirect:
            self.send_response(302)
            self.send_header("Location", does.redirect)
            self.end_headers()
            return
        start = 0
        condition = self.headers.get("If-Range")
        if wanted and does.ranges and condition in (None, does.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        body = content[start:]
        self.send_response(206 if start else does.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", does.kind)
        self.send_header("Content-Length", str(len(body) if does.stated is None else does.stated))
        if does.etag:
            self.send_header("ETag", does.etag)
        self.end_headers()
        if does.held:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            does.held.wait(60)
            body = body[len(body) // 2 :]
        if does.cut is not None and does.cuts > 0 and len(body) > does.cut:
            does.cuts -= 1
            body = body[: does.cut]
        self.wfile.write(body)
        self.close_connection = True


@dataclass
class Server:
    behaviour: Behaviour
    port: int
    folder: Path  # of models

    def url(self, path: str = "/model.gguf") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def environment(self) -> dict[str, str]:
        return {"HEARKEN_MODEL_PATH": str(self.folder)}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        home = self.folder.parent
        return run("model", *arguments, folder=home, extra_environment=self.environment())

    def get(self, *options: str | Path, url: str = "/model.gguf") -> str:
        """Gets a model that it knows the sum of; what is said on standard error."""
        result = self.run("get", "--sha256", SUM, "--url", self.url(url), *options, "ours")
        self.expect_right_or_none()
        there = (self.folder / "ours.gguf").exists()
        assert there == (result.returncode == 0), result.stderr
        if there:
            assert result.stdout.decode() == f"{self.folder}/ours.gguf\n"
        return result.stderr.decode()

    def expect_right_or_none(self) -> None:
        target = self.folder / "ours.gguf"
        assert not target.exists() or target.read_bytes() == MODEL

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    behaviour = Behaviour()
    handler = type("Handler", (Handler,), {"behaviour": behaviour})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(behaviour, http.server_address[1], folder / "models")
    finally:
        if behaviour.held:
            behaviour.held.set()
        http.shutdown()
        http.server_close()


# ---- Good ones ----


def test_get(server: Server) -> None:
    assert server.get() == ""
    assert server.left() == ["ours.gguf"]
    assert (server.folder / "ours.gguf").stat().st_mode & 0o777 == 0o644


def test_model_is_found_by_its_name(server: Server) -> None:
    server.get()
    command = ("transcribe", "--local", "--model", "ours", *unguarded_options(), SHORT)
    result = run(*command, folder=server.folder.parent, extra_environment=server.environment())
    assert result.returncode == 0 and result.stdout.strip()
    assert server.run("path", "ours").stdout.decode() == f"{server.folder}/ours.gguf\n"


def test_what_is_there_is_not_got_again(server: Server) -> None:
    listed(server)
    assert server.run("get", "listed").returncode == 0
    asked = len(server.behaviour.asked)
    result = server.run("get", "listed")
    assert result.stdout.decode() == f"{server.folder}/listed.gguf\n"
    assert len(server.behaviour.asked) == asked


def test_redirect(server: Server) -> None:
    server.behaviour.redirect = "/elsewhere.gguf"
    assert server.get() == ""


def test_from_a_file(server: Server, folder: Path) -> None:
    (folder / "stick.gguf").write_bytes(MODEL)
    result = server.run("get", "--from", folder / "stick.gguf", "--sha256", SUM, "ours")
    assert result.returncode == 0
    server.expect_right_or_none()
    (folder / "stick.gguf").write_bytes(MODEL + b"more")
    result = server.run("get", "--from", folder / "stick.gguf", "--sha256", SUM, "other")
    assert result.returncode == 1 and b"has the SHA-256" in result.stderr
    (folder / "page.gguf").write_text("<html>")
    result = server.run("get", "--from", folder / "page.gguf", "other")
    assert result.returncode == 1 and b"is no model" in result.stderr
    assert server.left() == ["ours.gguf"]


# ---- Cut off ----


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_where_it_was_cut(server: Server, ranges: bool) -> None:
    server.behaviour.cut = 10000
    server.behaviour.cuts = 1
    server.behaviour.ranges = ranges
    assert "127.0.0.1" in server.get()
    assert "ours.gguf.partial" in server.left()
    assert server.get() == ""
    assert server.behaviour.asked[-1] == "bytes=10000-"
    assert server.left() == ["ours.gguf"]


def test_changed_in_between(server: Server) -> None:
    """Another file of another ETag is taken from its start."""
    server.behaviour.content = b"GGUF" + bytes(len(MODEL) - 4)
    server.behaviour.cut = 10000
    server.get()
    server.behaviour.content, server.behaviour.etag = MODEL, '"two"'
    server.behaviour.cut = None
    assert server.get() == ""


def test_changed_without_a_tag(server: Server) -> None:
    """The sum tells, and the file is got anew."""
    server.behaviour.content = b"GGUF" + bytes(len(MODEL) - 4)
    server.behaviour.etag = None
    server.behaviour.cut = 10000
    server.get()
    server.behaviour.content = MODEL
    server.behaviour.cut = None
    assert server.get() == ""


def test_damaged_partial_file(server: Server) -> None:
    server.folder.mkdir()
    (server.folder / "ours.gguf.partial").write_bytes(b"GGUF" + os.urandom(5000))
    assert server.get() == ""


def test_killed_while_it_gets(server: Server) -> None:
    server.behaviour.held = threading.Event()
    arguments = ("model", "get", "--sha256", SUM, "--url", server.url(), "ours")
    partial = server.folder / "ours.gguf.partial"
    extra = server.environment()
    with running(*arguments, folder=server.folder.parent, extra_environment=extra):
        wait_until(lambda: partial.exists() and partial.stat().st_size > 10000, "half of it")
        result = server.run("get", "--url", server.url(), "ours")
        assert result.returncode == 1 and b"another hearken is getting it" in result.stderr
    server.behaviour.held.set()
    server.behaviour.held = None
    assert server.left() == ["ours.gguf.etag", "ours.gguf.partial"]
    assert server.get() == ""


def test_two_at_once(server: Server) -> None:
    """One gets it, or both one after the other; never half a file."""
    arguments = ("model", "get", "--sha256", SUM, "--url", server.url(), "ours")
    command = [HEARKEN, *arguments]
    env = environment(server.folder.parent, server.environment())
    clients = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(6)]
    codes = [client.wait() for client in clients]
    assert 0 in codes
    for client in clients:
        assert client.stderr
        told = client.stderr.read()
        client.stderr.close()
        assert told == b"" or b"another hearken is getting it" in told
    server.expect_right_or_none()
    assert server.left() == ["ours.gguf"]


# ---- Lies ----


def test_wrong_sum(server: Server) -> None:
    server.behaviour.content = MODEL[:-1] + b"x"
    assert "has the SHA-256" in server.get()
    assert server.left() == []


def test_page_instead_of_a_model(server: Server) -> None:
    server.behaviour.content = b"<html>Log in</html>"
    server.behaviour.kind = "text/html; charset=utf-8"
    assert "is a web page, expected a model" in server.get()
    server.behaviour.kind = "application/octet-stream"
    assert "is no model: expected GGUF" in server.get()
    assert server.left() == []


def test_not_there(server: Server) -> None:
    server.behaviour.status = 404
    assert "404" in server.get()
    assert server.left() == []


@pytest.mark.parametrize("stated", [len(MODEL) // 2, len(MODEL) * 2])
def test_wrong_length(server: Server, stated: int) -> None:
    server.behaviour.stated = stated
    server.get()


def test_listed_size_is_checked(server: Server) -> None:
    listed(server)
    server.behaviour.content = MODEL + bytes(100)
    result = server.run("get", "listed")
    assert result.returncode == 1
    assert f"has {len(MODEL) + 100} bytes, expected {len(MODEL)}" in result.stderr.decode()
    assert server.left() == ["refreshed.json"]


def test_endless_answer(server: Server) -> None:
    """More than the list says is not taken, though the server states no such length."""
    listed(server)
    server.behaviour.content = MODEL * 3
    server.behaviour.stated = len(MODEL)
    server.run("get", "listed")
    target = server.folder / "listed.gguf"
    assert not target.exists() or target.read_bytes() == MODEL


def test_file_is_called_a_protocol(server: Server, folder: Path) -> None:
    (folder / "a.gguf").write_bytes(MODEL)
    for url in (f"file://{folder}/a.gguf", "ftp://127.0.0.1/a.gguf", "nonsense"):
        result = server.run("get", "--url", url, "ours")
        assert result.returncode == 1 and result.stderr.count(b"\n") == 1
    server.behaviour.redirect = f"file://{folder}/a.gguf"
    server.get()
    assert not (server.folder / "ours.gguf").exists()


def test_nobody_there(server: Server) -> None:
    result = server.run("get", "--url", f"http://127.0.0.1:{free_port()}/a.gguf", "ours")
    assert result.returncode == 1
    assert b"without a connection, fetch it on another machine" in result.stderr
    assert server.left() == []


def test_disk_is_full(server: Server) -> None:
    listed(server, size=1 << 60)
    server.behaviour.stated = 1 << 60
    result = server.run("get", "listed")
    assert result.returncode == 1 and b"the disk has" in result.stderr


# ---- Lists ----


def listed(server: Server, size: int = len(MODEL), addresses: list[str] | None = None) -> None:
    """Has the client take over a list of one model."""
    entry = {
        "name": "listed",
        "file": "listed.gguf",
        "size": size,
        "sha256": SUM,
        "addresses": addresses or [server.url()],
        "languages": "en",
    }
    does = server.behaviour
    before = does.content
    does.content = json.dumps({"models": [entry]}).encode()
    result = server.run("refresh", server.url("/models.json"))
    assert result.returncode == 0, result.stderr
    does.content = before


def test_list(server: Server) -> None:
    listed(server)
    entries = {entry["name"]: entry for entry in json.loads(server.run("list", "--json").stdout)}
    assert "path" not in entries["listed"]
    assert server.run("get", "listed").returncode == 0
    entries = {entry["name"]: entry for entry in json.loads(server.run("list", "--json").stdout)}
    assert entries["listed"]["path"] == f"{server.folder}/listed.gguf"
    assert entries["hearken-en"]["path"].endswith("/hearken-en.gguf")
    assert re.fullmatch("[0-9a-f]{64}", entries["whisper-small"]["sha256"])
    installed = server.run("list", "--installed").stdout.decode()
    assert "listed" in installed and "whisper-small" not in installed


def test_next_address(server: Server) -> None:
    listed(server, addresses=[f"http://127.0.0.1:{free_port()}/a.gguf", server.url()])
    assert server.run("get", "listed").returncode == 0


def test_verify_and_remove(server: Server) -> None:
    listed(server)
    server.run("get", "listed")
    assert server.run("verify", "listed").stdout == b"listed: good\n"
    target = server.folder / "listed.gguf"
    target.write_bytes(MODEL[:-1] + b"x")
    result = server.run("verify", "listed")
    assert result.returncode == 1 and b"has the SHA-256" in result.stderr
    assert server.run("rm", "listed").returncode == 0 and not target.exists()
    result = server.run("rm", "listed")
    assert result.returncode == 1 and b"is not there" in result.stderr
    for name in ("hearken-en", "../models/listed", "/etc/passwd"):
        assert server.run("rm", name).returncode == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"models": [{}]}',
        '{"models": [{"name": "../x", "file": "x.gguf"}]}',
        '{"models": [{"name": "x", "file": "/etc/x"}]}',
        '{"models": [{"name": "x", "file": "x.gguf", "sha256": "12"}]}',
    ],
)
def test_bad_list(server: Server, text: str) -> None:
    """Is not taken over; the one before stays."""
    listed(server)
    server.behaviour.content = text.encode()
    result = server.run("refresh", server.url("/models.json"))
    assert result.returncode == 1 and result.stderr.count(b"\n") == 1
    assert b"listed" in server.run("list").stdout


def test_names(server: Server) -> None:
    for name in ("a/b", "../a", ".", ""):
        result = server.run("get", "--url", server.url(), name)
        assert result.returncode in (1, 2)
    result = server.run("get", "nothing")
    assert result.returncode == 1 and b"expected one of hearken-en" in result.stderr
    assert not server.folder.exists() or server.left() == []


# ---- Checkpoints of several files ----

PARTS = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small Whisper as Hugging Face has it."""
    folder = tmp_path_factory.mktemp("whisper")
    shape = checkpoints.Shape()
    names = checkpoints.names_of(checkpoints.text_tokens(shape.text_tokens))
    names += checkpoints.special_tokens(shape.languages)
    network = checkpoints.random_network(shape, 5)
    checkpoints.write_hugging_face(folder, shape, network, names, "F16", tokenizer=True)
    return {name: (folder / name).read_bytes() for name in PARTS}


def offer(server: Server, parts: dict[str, bytes], addresses: list[str] | None = None) -> None:
    """Has the client take over a list with this checkpoint, which the server then has."""
    entry = {
        "name": "whole",
        "file": "whole.gguf",
        "addresses": addresses or [server.url("/whole/")],
        "licence": "MIT",
        "parts": [
            {"name": name, "size": len(part), "sha256": hashlib.sha256(part).hexdigest()}
            for name, part in parts.items()
        ],
    }
    does = server.behaviour
    does.files = {"/models.json": json.dumps({"models": [entry]}).encode()}
    result = server.run("refresh", server.url("/models.json"))
    assert result.returncode == 0, result.stderr
    does.files = {f"/whole/{name}": part for name, part in parts.items()}
    does.paths.clear()


def got_whole(server: Server) -> str:
    """Gets it; what is said on standard error if that fails."""
    result = server.run("get", "whole")
    target = server.folder / "whole.gguf"
    assert target.exists() == (result.returncode == 0), result.stderr
    if target.exists():
        assert result.stdout.decode() == f"{target}\n"
        shown = server.run(target).stdout.decode()
        assert re.search(r"\bname +whole\n +license +MIT\n", shown)
        return ""
    return result.stderr.decode()


def test_checkpoint_becomes_a_model(server: Server, parts: dict[str, bytes]) -> None:
    offer(server, parts)
    assert got_whole(server) == ""
    assert server.behaviour.paths == [f"/whole/{name}" for name in PARTS]
    assert server.left() == ["refreshed.json", "whole.gguf"]
    assert b"it was made here" in server.run("verify", "whole").stdout
    (listed,) = (e for e in json.loads(server.run("list", "--json").stdout) if e["name"] == "whole")
    assert [part["name"] for part in listed["parts"]] == list(PARTS)
    command = ("transcribe", "--local", "--model", "whole", *unguarded_options(), SHORT)
    result = run(*command, folder=server.folder.parent, extra_environment=server.environment())
    assert result.returncode == 0 and result.stdout.strip()


def test_checkpoint_goes_on_where_it_was_cut(server: Server, parts: dict[str, bytes]) -> None:
    """The parts that are there are not got again, and of the last one only the rest."""
    offer(server, parts)
    half = len(parts["model.safetensors"]) // 2
    assert half > len(parts["tokenizer.json"])
    server.behaviour.cut, server.behaviour.cuts = half, 1
    assert "127.0.0.1" in got_whole(server)
    assert server.left() == ["refreshed.json", "whole.gguf.parts"]
    server.behaviour.paths.clear()
    assert got_whole(server) == ""
    assert server.behaviour.paths == ["/whole/model.safetensors"]
    assert server.behaviour.asked[-1] == f"bytes={half}-"
    assert server.left() == ["refreshed.json", "whole.gguf"]


@pytest.mark.parametrize("name", PARTS)
def test_checkpoint_with_a_wrong_part(server: Server, parts: dict[str, bytes], name: str) -> None:
    offer(server, parts)
    server.behaviour.files[f"/whole/{name}"] = parts[name][:-1] + b"x"
    assert f"{name}: has the SHA-256" in got_whole(server)
    server.behaviour.files[f"/whole/{name}"] = parts[name]
    assert got_whole(server) == ""
    assert server.left() == ["refreshed.json", "whole.gguf"]


def test_checkpoint_that_is_none(server: Server, parts: dict[str, bytes]) -> None:
    """Every sum is right, but hearken-convert cannot read it."""
    offer(server, parts | {"config.json": b'{"model_type": "other"}'})
    said = got_whole(server)
    assert "model_type is other, expected whisper" in said
    assert "hearken-convert has failed: whole is not made" in said
    assert server.left() == ["refreshed.json", "whole.gguf.parts"]


def test_checkpoint_from_a_folder(server: Server, parts: dict[str, bytes], folder: Path) -> None:
    offer(server, parts)
    stick = folder / "stick"
    stick.mkdir()
    for name, part in parts.items():
        (stick / name).write_bytes(part)
    result = server.run("get", "--from", stick / "config.json", "whole")
    assert result.returncode == 1 and b"expected the folder with config.json" in result.stderr
    (stick / "config.json").write_bytes(parts["config.json"][:-1] + b" ")
    result = server.run("get", "--from", stick, "whole")
    assert result.returncode == 1 and b"config.json: has the SHA-256" in result.stderr
    (stick / "tokenizer.json").unlink()
    (stick / "config.json").write_bytes(parts["config.json"])
    result = server.run("get", "--from", stick, "whole")
    assert result.returncode == 1 and b"tokenizer.json: No such file" in result.stderr
    (stick / "tokenizer.json").write_bytes(parts["tokenizer.json"])
    result = server.run("get", "--from", stick, "whole")
    assert result.returncode == 0, result.stderr
    assert server.behaviour.paths == []
    assert server.left() == ["refreshed.json", "whole.gguf"]


def test_checkpoint_from_another_address(server: Server, parts: dict[str, bytes]) -> None:
    """The next one of the list, and one that the user gives."""
    offer(server, parts, [f"http://127.0.0.1:{free_port()}/", server.url("/whole/")])
    assert got_whole(server) == ""
    server.run("rm", "whole")
    result = server.run("get", "--url", server.url("/whole"), "whole")
    assert result.returncode == 1 and b"a slash at its end" in result.stderr
    result = server.run("get", "--sha256", SUM, "--url", server.url("/whole/"), "whole")
    assert result.returncode == 1 and b"no --sha256 is its own" in result.stderr
    assert server.run("get", "--url", server.url("/whole/"), "whole").returncode == 0


def test_two_get_a_checkpoint_at_once(server: Server, parts: dict[str, bytes]) -> None:
    offer(server, parts)
    env = environment(server.folder.parent, server.environment())
    command = [HEARKEN, "model", "get", "whole"]
    clients = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(4)]
    said = [client.communicate()[1].decode() for client in clients]
    codes = [client.returncode for client in clients]
    assert 0 in codes
    for code, words in zip(codes, said, strict=True):
        assert code == 0 or "another hearken is getting it" in words
    assert server.left() == ["refreshed.json", "whole.gguf"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("parts", [], "0 parts, expected a list of 1 to 7"),
        ("parts", [{"name": "../x", "size": 1, "sha256": SUM}], "expected a name, a size"),
        ("parts", [{"name": "x", "sha256": SUM}], "expected a name, a size"),
        ("parts", [{"name": "x", "size": 1}], "expected a name, a size and a sha256"),
        ("addresses", ["http://127.0.0.1/x"], "expected a slash at the end"),
    ],
)
def test_bad_parts(server: Server, key: str, value: object, said: str) -> None:
    entry: dict[str, object] = {
        "name": "x",
        "file": "x.gguf",
        "addresses": ["http://127.0.0.1/x/"],
        "parts": [{"name": "x", "size": 1, "sha256": SUM}],
    }
    server.behaviour.content = json.dumps({"models": [entry | {key: value}]}).encode()
    result = server.run("refresh", server.url("/models.json"))
    assert result.returncode == 1 and said in result.stderr.decode()


def test_own_checkpoints_are_whole(server: Server) -> None:
    """Each says what it is made of, and how much that is."""
    made = [e for e in json.loads(server.run("list", "--json").stdout) if "parts" in e]
    assert [e["name"] for e in made] == [
        f"openai-whisper-{size}"
        for size in (
            *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium"),
            *("large-v3-turbo", "large-v3"),
        )
    ]
    for entry in made:
        names = [part["name"] for part in entry["parts"]]
        assert sorted(names) == sorted([*PARTS, "generation_config.json"])
        assert entry["size"] == sum(part["size"] for part in entry["parts"])
        assert all(re.fullmatch("[0-9a-f]{64}", part["sha256"]) for part in entry["parts"])
        (address,) = entry["addresses"]
        assert re.fullmatch(r"https://.*/openai/whisper-[\w.-]+/resolve/[0-9a-f]{40}/", address)
