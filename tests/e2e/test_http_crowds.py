# SPDX-License-Identifier: MIT
"""Many HTTP clients at once, slow ones, and those that vanish or do not read."""

import os
import random
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Serve
from programs import SANITIZER, SCALE, Daemon, wait_until
from sounds import LONG, SHORT, Pcm, pcm, write_wav
from web import BareHttp, Form, Recording, Served, chunked, recording, request

KIBI, MEBI = 1 << 10, 1 << 20
SAID = Form([("model", "whisper-1")], recording(SHORT))


def expect_health(served: Served) -> None:
    process = served.daemon.process
    assert process is not None and process.poll() is None
    assert served.send(SAID).text() == served.transcribed(SHORT)


def open_files(daemon: Daemon) -> int:
    assert daemon.process is not None
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def threads(daemon: Daemon) -> int:
    assert daemon.process is not None
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


def memory(daemon: Daemon, what: str = "VmRSS") -> int:
    """In bytes; VmHWM: the most that it ever was."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(what)]
    return int(line.split()[1]) * KIBI


def abandoned(served: Served) -> int:
    lines = served.ask("/metrics").body.decode().splitlines()
    counts = [line for line in lines if 'result="abandoned"' in line]
    return sum(int(line.split()[-1]) for line in counts)


def expect_nothing_left(served: Served, files: int, tasks: int) -> None:
    wait_until(lambda: served.running() == 0, "requests to end")
    wait_until(lambda: open_files(served.daemon) <= files, "descriptors to be given back")
    wait_until(lambda: threads(served.daemon) <= tasks, "threads to end")


@pytest.fixture
def quiet(served: Served) -> tuple[int, int]:
    """Descriptors and threads of a daemon that has served a request."""
    expect_health(served)
    time_of_rest = time.monotonic() + 0.5
    lowest = open_files(served.daemon), threads(served.daemon)
    while time.monotonic() < time_of_rest:
        lowest = min(lowest, (open_files(served.daemon), threads(served.daemon)))
    return lowest


def repeated(folder: Path, name: str, times: int) -> Path:
    sound = pcm(LONG)
    return write_wav(folder / name, Pcm(sound.rate, sound.width, 1, sound.data * times))


def reset(bare: BareHttp) -> None:
    """Closes without a farewell."""
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.__exit__()


# ---- Many ----


def by_modem(served: Served, form: Form) -> str:
    """56 kbit/s."""
    with served.bare() as bare:
        for piece in (whole := request(form))[:-1] and [
            whole[i : i + 700] for i in range(0, len(whole), 700)
        ]:
            bare.send(piece)
            time.sleep(0.1)
        return bare.answer().text()


def with_a_false_length(served: Served, form: Form) -> str:
    """Says that more will come than does."""
    with served.bare() as bare:
        bare.send(request(form, length=len(form.body()) + 1000))
        bare.socket.shutdown(socket.SHUT_WR)
        bare.is_closed()
    return ""


def half(served: Served, form: Form) -> str:
    with served.bare() as bare:
        whole = request(form)
        bare.send(whole[: len(whole) // 2])
        wait_until(lambda: served.running() > 0, "the request to begin")
    return ""


def in_chunks(served: Served, form: Form) -> str:
    headers = ["Transfer-Encoding: chunked", f"Content-Type: {form.content_type()}"]
    with served.bare() as bare:
        bare.send(request(headers=headers) + chunked(form.body(), 777) + b"0\r\n\r\n")
        return bare.answer().text()


def whole(served: Served, form: Form) -> str:
    return served.send(form).text()


def test_24_at_once(served: Served, folder: Path) -> None:
    """All but those that break off get the texts of single runs, in bounded memory."""
    files = [SHORT, LONG, repeated(folder, "40.wav", 4), repeated(folder, "100.wav", 11)]
    texts = {file: served.transcribed(file) for file in files}
    assert len(set(texts.values())) == 4
    expect_health(served)
    before = memory(served.daemon)
    ways: list[Callable[[Served, Form], str]] = [whole] * 19 + [in_chunks] * 2
    ways += [by_modem, with_a_false_length, half]

    def work(number: int) -> tuple[str, str]:
        way = ways[number]
        file = SHORT if way is by_modem else files[number % 4]
        given = recording(file)
        form = Form([("model", "x")], given) if number % 2 else Form([], given, [("model", "x")])
        text = way(served, form)
        return text, "" if way in (half, with_a_false_length) else texts[file]

    with ThreadPoolExecutor(24) as pool:
        for text, expected in pool.map(work, range(24)):
            assert text == expected
    # A block of decoded sound, a queue and a session each; uploads are on the disk.
    if not SANITIZER:
        assert memory(served.daemon, "VmHWM") - before < 24 * 6 * MEBI
    wait_until(lambda: served.running() == 0, "requests to end")


@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_memory_of_long_recordings(serve: Serve, folder: Path, order: str) -> None:
    """It does not grow with them."""
    served = serve()
    long = repeated(folder, "long.wav", 6 if SANITIZER else 60)  # 9 minutes
    given = recording(long)
    first, behind = ([("model", "x")], []) if order == "fields first" else ([], [("model", "x")])
    expect_health(served)
    before = memory(served.daemon)
    text = served.send(Form(first, given, behind)).text()
    assert text == served.transcribed(long)
    if not SANITIZER:
        assert memory(served.daemon, "VmHWM") - before < 30 * MEBI


def test_nothing_leaks(served: Served, folder: Path, quiet: tuple[int, int]) -> None:
    """Neither of requests that are served nor of those that are refused."""
    tiny = recording(write_wav(folder / "tiny.wav", pcm(SHORT).first(0.2)))
    noise = Recording(b"no audio" * 100)
    fields = [(f"field{i}", "x" * 100) for i in range(50)]
    kinds = [
        (200, request(path="/health/ready", method="GET")),
        (200, request(path="/v1/models", method="GET")),
        (200, request(path="/metrics", method="GET")),
        (404, request(path="/v1/models/none", method="GET")),
        (405, request(path="/inference", method="GET")),
        (400, request(Form(fields))),
    ]
    costly = [
        (200, request(Form([("keywords[]", "Haydn"), ("model", "x")], tiny))),
        (200, request(Form([("keywords[]", "Haydn")], tiny, [("keywords[]", "Bach")]))),
        (400, request(Form([("model", "x")], noise))),
        (400, request(Form([], tiny, [("hearken", '{"beam_width":0}')]))),
    ]

    def run(count: int) -> None:
        with served.bare() as bare:
            for i in range(count):
                status, sent = costly[i // 10 % 4] if i % 10 == 0 else kinds[i % len(kinds)]
                bare.send(sent)
                assert bare.answer().status == status

    run(int(2000 / SCALE))
    settled = memory(served.daemon)
    run(int(10000 / SCALE))
    expect_nothing_left(served, *quiet)
    if not SANITIZER:
        assert memory(served.daemon) - settled < 2 * MEBI


def test_connections_leave_nothing(served: Served, quiet: tuple[int, int]) -> None:
    """Of all the ways in which they end."""
    begun = request(SAID)

    def run(count: int) -> None:
        for i in range(count):
            with served.bare() as bare:
                with suppress(OSError):
                    bare.send(begun[: len(begun) * (i % 50) // 50])
                if i % 3 == 0:
                    reset(bare)
                elif i % 3 == 1:
                    with suppress(OSError):  # there were too many: it was told and closed
                        bare.socket.shutdown(socket.SHUT_WR)

    run(int(300 / SCALE))
    expect_nothing_left(served, *quiet)
    settled = memory(served.daemon)
    run(int(1500 / SCALE))
    expect_nothing_left(served, *quiet)
    if not SANITIZER:
        assert memory(served.daemon) - settled < 2 * MEBI
    expect_health(served)


# ---- Gone ----


@pytest.mark.parametrize("abrupt", [False, True], ids=["closed", "reset"])
def test_gone_within_an_upload(served: Served, quiet: tuple[int, int], abrupt: bool) -> None:
    sent = request(Form([("model", "x")], recording(LONG)))
    for share in (0.1, 0.5, 0.99):
        bare = served.bare()
        bare.send(sent[: int(len(sent) * share)])
        wait_until(lambda: served.running() == 1, "the request to begin")
        if abrupt:
            reset(bare)
        else:
            bare.__exit__()
        wait_until(lambda: served.running() == 0, "the client to be missed")
    expect_nothing_left(served, *quiet)
    expect_health(served)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_gone_while_recognised(
    served: Served, quiet: tuple[int, int], folder: Path, stream: str
) -> None:
    """Nobody waits for the text: the worker does something else."""
    sound = pcm(LONG, rate=8000, width=1)
    hour = write_wav(folder / "hour.wav", Pcm(8000, 1, 1, sound.data * 400))
    given = Form([("stream", stream)], recording(hour))
    for ending in (reset, BareHttp.__exit__):
        before = abandoned(served)
        bare = served.bare()
        bare.send(request(given))
        wait_until(lambda: served.running() == 1, "the request to begin")
        ending(bare)
        wait_until(lambda: abandoned(served) == before + 1, "the client to be missed")  # noqa: B023
    expect_nothing_left(served, *quiet)
    expect_health(served)


def test_stream_that_is_not_read(serve: Serve, folder: Path) -> None:
    """It piles up to a limit, then the client is let go; others do not notice."""
    limits = {"limits.result_queue_kib": "64", "timeouts.stall_seconds": "2"}
    served = serve(limits)
    expect_health(served)
    long = repeated(folder, "long.wav", 60)
    fields = [("stream", "true"), ("include[]", "logprobs"), ("hearken", '{"segment_seconds":2}')]
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(served.where())
        deaf.sendall(request(Form(fields, recording(long))))
        said = "the client does not read its results"
        wait_until(lambda: said in served.daemon.log(), "the limit")
        expect_health(served)
        wait_until(lambda: served.running() == 0, "the request to end")


def test_stream_that_is_read_slowly(served: Served, folder: Path) -> None:
    """Nothing of it is lost."""
    long = repeated(folder, "long.wav", 12)
    pieces = '{"segment_seconds":2}'
    form = Form([("stream", "true"), ("hearken", pieces)], recording(long))
    expected = served.transcribed(long, "--set", "segment_seconds=2")
    with served.bare() as bare:
        bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        bare.send(request(form))
        wait_until(lambda: served.running() == 0, "all to be recognised")
        body = bare.answer().body.decode()
    assert f'"text":"{expected}"' in body and body.endswith("data: [DONE]\n\n")


def test_text_comes_while_it_is_recognised(served: Served, folder: Path) -> None:
    """Of a stream whose end has not come, as the fields stand in front of it, there is none: a
    later field might change all; but then the first text comes before the last is known."""
    long = repeated(folder, "long.wav", 60)
    form = Form([("stream", "true"), ("hearken", '{"segment_seconds":2}')], recording(long))
    with served.bare() as bare:
        bare.send(request(form))
        assert bare.line().startswith(b"HTTP/1.1 200")
        while bare.line():
            pass
        size = int(bare.line(), 16)
        first = bare.reader.read(size)
    assert first.startswith(b'data: {"type":"transcript.text.delta"')
    assert b"transcript.text.done" not in first


# ---- Chance ----


def test_random_bytes(served: Served) -> None:
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(30):
        with served.bare() as bare:
            try:
                bare.send(draw.randbytes(draw.randrange(1, 5000)) + b"\r\n\r\n")
                bare.socket.shutdown(socket.SHUT_WR)
                bare.reader.read()
            except OSError:
                continue
    expect_health(served)


def test_mutated_requests(served: Served, folder: Path) -> None:
    """A sound request with a few bytes changed: any answer but 500, and there must be an end."""
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    draw = random.Random(seed)
    tiny = recording(write_wav(folder / "tiny.wav", pcm(SHORT).first(0.3)))
    fields = [("model", "x"), ("keywords[]", "Haydn"), ("response_format", "verbose_json")]
    form = Form(fields, tiny, [("hearken", '{"beam_width":2}'), ("stream", "0")])
    body = form.body()
    head = request(form)[: -len(body)]
    audio = body.index(tiny.content)
    interesting = list(range(audio + 60)) + list(range(audio + len(tiny.content), len(body)))
    for _ in range(int(150 / SCALE)):
        mutant = bytearray(body)
        for _ in range(draw.randrange(1, 4)):
            mutant[draw.choice(interesting)] = draw.choice(b'\r\n-"=;\\ax\x00\xff')
        with served.bare() as bare:
            bare.send(head + bytes(mutant))
            assert bare.answer().status in (200, 400, 413)
    expect_health(served)
