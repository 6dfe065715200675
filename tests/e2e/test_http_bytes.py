# SPDX-License-Identifier: MIT
"""Bytes that are not quite HTTP, or HTTP that programs understand differently."""

import socket

import pytest
from conftest import Serve
from sounds import SHORT
from web import TRANSCRIPTIONS, Form, Served, recording, request

SAID = Form([("model", "whisper-1")], recording(SHORT))


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length : 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
    ],
)
def test_lengths_that_programs_take_differently(served: Served, headers: str) -> None:
    """Refused and closed: what follows is not taken for another request."""
    with served.bare() as bare:
        bare.send(f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        bare.send(b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        status = bare.line()
        rest = bare.reader.read()
    assert status.split()[1] in (b"400", b"413")
    assert b"hearken_" not in rest
    assert "/metrics" not in served.daemon.log()


@pytest.mark.parametrize(
    "noise",
    [
        b"\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 9000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        b'{"type": "describe"}\n',
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /inference HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /inference HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    ],
    ids=range(13),
)
def test_what_is_not_http(served: Served, noise: bytes) -> None:
    with served.bare() as bare:
        try:
            bare.send(noise)
            bare.socket.shutdown(socket.SHUT_WR)
            bare.reader.read()
        except OSError:
            pass  # it need not take all of that
    assert served.send(SAID).text() == served.transcribed(SHORT)


@pytest.mark.parametrize("size", ["5;" + "a" * 100_000, "5" * 100_000, "f" * 16 + "\r\n", "5\r\n"])
def test_chunks_that_do_not_go_on(serve: Serve, size: str) -> None:
    """Nobody else waits for them, and the daemon does not spin until it lets them go."""
    served = serve({"timeouts.stall_seconds": "1"})
    headers = ["Transfer-Encoding: chunked", f"Content-Type: {SAID.content_type()}"]
    with served.bare() as bare:
        bare.send(request(headers=headers) + size.encode())
        for _ in range(3):
            assert served.send(SAID).text() == served.transcribed(SHORT)
        assert bare.is_closed() or bare.reader.read() is not None


def test_paths_in_the_log(served: Served) -> None:
    """A client writes no lines of its own there, and the key is not there."""
    served.ask("/x%0ahearkend:%20error:%20fire%1b%5b31m?api_key=secret")
    log = served.daemon.log()
    assert "secret" not in log and "\x1b" not in log
    assert not [line for line in log.splitlines() if line.startswith("hearkend: error")]


def test_one_connection(served: Served) -> None:
    """Several requests one after the other, and several before the first answer."""
    text = served.transcribed(SHORT)
    with served.bare() as bare:
        for _ in range(3):
            bare.send(request(SAID))
            assert bare.answer().text() == text
            bare.send(request(path="/nowhere", method="GET"))
            assert bare.answer().status == 404
        bare.send(request(SAID) + request(path="/health", method="GET") + request(SAID))
        assert bare.answer().text() == text
        assert bare.answer().json() == {"status": "ok"}
        assert bare.answer().text() == text
        bare.send(request(path="/health", method="GET", headers=["Connection: close"]))
        assert bare.answer().headers["connection"] == "close"
        assert bare.is_closed()


def test_http_1_0(served: Served) -> None:
    text = served.transcribed(SHORT)
    with served.bare() as bare:
        bare.send(request(SAID, version="1.0"))
        assert bare.answer().text() == text and bare.is_closed()
    with served.bare() as bare:
        for _ in range(2):
            bare.send(request(SAID, version="1.0", headers=["Connection: keep-alive"]))
            assert bare.answer().text() == text
    with served.bare() as bare:
        bare.send(request(Form([("stream", "1")], recording(SHORT)), version="1.0"))
        answer = bare.answer()
        assert "transfer-encoding" not in answer.headers
        assert answer.body.endswith(b"data: [DONE]\n\n")


def test_idle_connections(serve: Serve) -> None:
    served = serve({"timeouts.stall_seconds": "1"})
    with served.bare() as bare:
        bare.send(request(path="/health", method="GET"))
        assert bare.answer().status == 200
        assert bare.is_closed()
    with served.bare() as bare:
        bare.send(request(SAID)[:-1000])
        assert bare.is_closed()
    assert served.running() == 0
