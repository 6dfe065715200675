# SPDX-License-Identifier: MIT
"""Speaking HTTP with a daemon: as clients do, and byte by byte."""

import http.client
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import programs
from programs import PATIENCE, Daemon
from talking import Bare

TRANSCRIPTIONS = "/v1/audio/transcriptions"
Field = tuple[str, str | bytes]


@dataclass(frozen=True)
class Recording:
    """What a form has for its file."""

    content: bytes
    name: str = "audio.flac"
    kind: str = "audio/flac"


def recording(path: Path, name: str = "audio.flac", kind: str = "audio/flac") -> Recording:
    return Recording(path.read_bytes(), name, kind)


@dataclass(frozen=True)
class Form:
    """A body in multipart/form-data, as `quote` makes one program's differ from another's."""

    before: Sequence[Field] = ()
    file: Recording | None = None
    behind: Sequence[Field] = ()
    boundary: str = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    quote: str = '"'
    end: bytes = b"\r\n"

    def part(self, name: str, content: bytes, more: str = "") -> bytes:
        head = f"Content-Disposition: form-data; name={self.quote}{name}{self.quote}{more}"
        return f"--{self.boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"

    def fields(self, fields: Iterable[Field]) -> bytes:
        return b"".join(
            self.part(name, value.encode() if isinstance(value, str) else value)
            for name, value in fields
        )

    def body(self) -> bytes:
        body = self.fields(self.before)
        if self.file is not None:
            more = f"; filename={self.quote}{self.file.name}{self.quote}"
            more += f"\r\nContent-Type: {self.file.kind}"
            body += self.part("file", self.file.content, more)
        return body + self.fields(self.behind) + f"--{self.boundary}--".encode() + self.end

    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def text(self) -> str:
        """Of a transcription in JSON."""
        assert self.status == 200, self.body
        return str(self.json()["text"])

    def error(self) -> dict[str, Any]:
        """The error, which is of the form that clients expect."""
        assert self.status >= 400, self.body
        assert self.headers["content-type"] == "application/json"
        error = self.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"] and error["type"]
        return error


class BareHttp(Bare):
    """A connection on which anything may be sent."""

    def line(self) -> bytes:
        return self.reader.readline().rstrip(b"\r\n")

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.line(), 16):
            body += self.reader.read(size)
            self.line()
        self.line()
        return body

    def answer(self, head: bool = False) -> Answer:
        status = self.line()
        assert status.startswith(b"HTTP/1.1 "), status
        headers: dict[str, str] = {}
        while line := self.line():
            name, value = line.decode().split(": ", 1)
            headers[name.lower()] = value
        if head:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self.chunks()
        elif "content-length" in headers:
            body = self.reader.read(int(headers["content-length"]))
        else:
            body = b"" if status.split()[1] in (b"100", b"204") else self.reader.read()
        return Answer(int(status.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Waits for more, or for the end."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True


def request(
    form: Form | None = None,
    path: str = TRANSCRIPTIONS,
    method: str = "POST",
    headers: Sequence[str] = (),
    length: int | None = None,
    version: str = "1.1",
) -> bytes:
    """The bytes of a request. `length`: what it says of its body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    body = form.body() if form else b""
    if form:
        lines.append(f"Content-Type: {form.content_type()}")
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, size: int) -> bytes:
    """A body in pieces whose number is not known beforehand, without the last."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@dataclass(frozen=True)
class Served:
    """A daemon that serves HTTP at a port of 127.0.0.1."""

    daemon: Daemon
    port: int

    def where(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def bare(self) -> BareHttp:
        return BareHttp(self.where())

    def is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(self.where()) == 0

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.where(), timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def send(
        self, form: Form, path: str = TRANSCRIPTIONS, headers: Mapping[str, str] | None = None
    ) -> Answer:
        all_headers = {"Content-Type": form.content_type()} | dict(headers or {})
        return self.ask(path, "POST", form.body(), all_headers)

    def transcribed(self, path: Path, *options: str) -> str:
        """What `hearken transcribe` has from this daemon for a recording."""
        command = ("transcribe", "--socket", self.daemon.socket, *options, path)
        text = programs.succeed(*command, folder=self.daemon.folder)
        return text.replace("\n", " ").strip()

    def running(self) -> int:
        """Requests that the daemon has in hand; -1: it has no room to say so."""
        answer = self.ask("/metrics")
        if answer.status == 503:
            return -1
        for line in answer.body.decode().splitlines():
            if line.startswith("hearken_requests_running "):
                return int(line.split()[1])
        raise AssertionError(f"no such metric: {answer}")
