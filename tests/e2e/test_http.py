# SPDX-License-Identifier: MIT
"""The daemon's HTTP: errors, keys, origins, health, metrics, limits and its end."""

import base64
import hashlib
import json
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talking
from conftest import Serve, StartDaemon
from programs import RANDOM_MODELS, Daemon, free_port, wait_until
from prometheus_client.parser import text_string_to_metric_families
from sounds import LONG, SHORT, Pcm, pcm, silence, write_wav
from web import (
    TRANSCRIPTIONS,
    Answer,
    BareHttp,
    Form,
    Recording,
    Served,
    chunked,
    recording,
    request,
)

GIBI = 1 << 30
SAID = Form([("model", "whisper-1")], recording(SHORT))


def begun(bare: BareHttp, served: Served) -> Form:
    """Sends the beginning of a request, which the daemon then has in hand."""
    before = served.running()
    whole = request(SAID)
    bare.send(whole[:-1000])
    wait_until(lambda: served.running() > before, "the request to begin")
    return SAID


def finish(bare: BareHttp) -> Answer:
    """The rest of what was begun, and the answer."""
    bare.send(request(SAID)[-1000:])
    return bare.answer()


@contextmanager
def in_hand(served: Served) -> Iterator[BareHttp]:
    with served.bare() as bare:
        begun(bare, served)
        yield bare


# ---- Routes ----


def test_routes(served: Served) -> None:
    for path in ("/v2", "/v2/audio/transcriptions", "/v1/audio", "/v1/chat/completions"):
        error = served.ask(path).error()
        assert error["code"] == "not_found"
        for route in ("POST /v1/audio/transcriptions", "GET /v1/models", "GET /metrics"):
            assert route in error["message"]
    for method, path, allowed in (
        ("GET", TRANSCRIPTIONS, "POST"),
        ("PUT", TRANSCRIPTIONS, "POST"),
        ("HEAD", "/inference", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/whisper-1", "GET"),
    ):
        answer = served.ask(path, method)
        assert answer.status == 405 and answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/models", "/openai/v1/models/", "/api/models", "/v1/audio/models", "//models"],
)
def test_paths_of_models(served: Served, path: str) -> None:
    answer = served.ask(path)
    assert answer.status == 200 and answer.json()["object"] == "list"
    assert "whisper-1" in [model["id"] for model in answer.json()["data"]]


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/health/ready", "/metrics", "/nowhere"])
def test_head(served: Served, path: str) -> None:
    """As with GET, without the body; the connection goes on."""
    expected = served.ask(path)
    with served.bare() as bare:
        for _ in range(2):
            bare.send(request(path=path, method="HEAD"))
            answer = bare.answer(head=True)
            assert answer.status == expected.status
            assert answer.headers["content-type"] == expected.headers["content-type"]
            if path != "/metrics":
                assert answer.headers["content-length"] == str(len(expected.body))


# ---- Errors ----


@pytest.mark.parametrize(
    ("form", "param"),
    [
        (Form([], Recording(b"no audio at all" * 1000)), "file"),
        (Form([], Recording(b"")), "file"),
        (Form([], Recording(SHORT.read_bytes()[:100])), "file"),
        (Form([("model", "whisper-1")]), "file"),
        (Form([], recording(SHORT), [("response_format", "yaml")]), "response_format"),
        (Form([], recording(SHORT), [("language", "tlh")]), "language"),
        (Form([], recording(SHORT), [("prompt", b"\xff\xfe")]), "prompt"),
        (Form([], recording(SHORT), [("keywords[]", b"\xff\xfe")]), "keywords"),
        (Form([], recording(SHORT), [("keywords[]", "x" * 5000)]), "keywords"),
        (Form([], recording(SHORT), [("temperature", "warm")]), "temperature"),
        (Form([], recording(SHORT), [("hearken", "{")]), "hearken"),
        (Form([], recording(SHORT), [("hearken", "[" * 60000)]), "hearken"),
        (Form([], recording(SHORT), [("hearken", '{"unknown":1}')]), "hearken"),
        (Form([], recording(SHORT), [("model", b"a\x00b")]), None),
        (Form([], recording(SHORT), [("f" * 9000, "")]), None),
    ],
    ids=range(15),
)
def test_bad_requests(served: Served, form: Form, param: str | None) -> None:
    """400, with what was wrong, on a connection that goes on; never 500."""
    with served.bare() as bare:
        bare.send(request(form))
        answer = bare.answer()
        assert answer.status == 400
        error = answer.error()
        assert error["type"] == "invalid_request_error" and error["param"] == param
        bare.send(request(SAID))
        assert bare.answer().text() == served.transcribed(SHORT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        SAID.body()[:-30],
        SAID.body()[:-60],
        SAID.body()[:40],
        SAID.body().replace(b"\r\n", b"\n"),
        SAID.body().replace(b"Disposition", b"Position"),
        SAID.body().replace(b'name="file"', b'name="File"'),
        SAID.body().replace(b"\r\n\r\nwhisper", b"\r\nwhisper"),
        SAID.body() + b"behind the end",
        b"in front\r\n" + SAID.body(),
        Form([], recording(SHORT)).body()[: -len(SAID.boundary) - 6] + SAID.body(),
    ],
    ids=range(12),
)
def test_broken_forms(served: Served, body: bytes) -> None:
    """An answer in any case; what stands outside of the form does not matter."""
    answer = served.ask(TRANSCRIPTIONS, "POST", body, {"Content-Type": SAID.content_type()})
    if body.startswith(b"in front") or body.endswith(b"behind the end"):
        assert answer.text() == served.transcribed(SHORT)
    else:
        assert answer.status == 400 and answer.error()["type"] == "invalid_request_error"


@pytest.mark.parametrize("size", [1, 2, 7, 71, 4096])
def test_forms_in_pieces(served: Served, size: int) -> None:
    """Boundaries across them, and contents that look like boundaries."""
    tiny = Recording(write_wav(served.daemon.folder / "a.wav", pcm(SHORT).first(0.4)).read_bytes())
    trap = f"\r\n--{SAID.boundary[:-1]}\r\r\n\r\n--{SAID.boundary}"[:-1]
    form = Form([("trap", trap), ("empty", "")], tiny, [("response_format", "text"), ("e", "\r\n")])
    expected = served.transcribed(served.daemon.folder / "a.wav")
    with served.bare() as bare:
        bare.send(
            request(headers=["Transfer-Encoding: chunked", f"Content-Type: {form.content_type()}"])
        )
        bare.send(chunked(form.body(), size) + b"0\r\n\r\n")
        assert bare.answer().body.decode() == expected + "\n"


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "application/x-www-form-urlencoded",
        "audio/flac",
    ],
)
def test_other_bodies(served: Served, kind: str) -> None:
    answer = served.ask(TRANSCRIPTIONS, "POST", SAID.body(), {"Content-Type": kind})
    assert answer.status == 415 and "multipart/form-data" in answer.error()["message"]


@pytest.mark.parametrize(
    "kind",
    [
        'multipart/form-data; boundary="{}"',
        "multipart/form-data; charset=utf-8; boundary={}",
        "multipart/form-data; boundary={}; charset=utf-8",
        "Multipart/Form-Data;BOUNDARY={}",
    ],
)
def test_ways_to_write_a_boundary(served: Served, kind: str) -> None:
    kind = kind.format(SAID.boundary)
    answer = served.ask(TRANSCRIPTIONS, "POST", SAID.body(), {"Content-Type": kind})
    assert answer.text() == served.transcribed(SHORT)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 3.0])
def test_silence(serve: Serve, folder: Path, seconds: float) -> None:
    """It is no error, and has the form of any answer."""
    guarded = {"recognition.no_speech_threshold": "0", "recognition.log_probability_threshold": "0"}
    served = serve(guarded)
    file = recording(write_wav(folder / "silence.wav", silence(seconds)), "a.wav", "audio/wav")
    for form, empty in (("text", "\n"), ("srt", ""), ("vtt", "WEBVTT\n\n")):
        answer = served.send(Form([], file, [("response_format", form)]))
        assert answer.status == 200 and answer.body.decode().strip() == empty.strip()
        assert not answer.headers["content-type"].startswith("text/html")
    assert served.send(Form([], file)).text() == ""
    verbose = served.send(Form([], file, [("response_format", "verbose_json")])).json()
    assert (verbose["text"], verbose["segments"], verbose["words"]) == ("", [], [])
    assert verbose["duration"] == pytest.approx(seconds, abs=0.01)
    stream = served.send(Form([], file, [("stream", "true")])).body.decode()
    assert stream.count("data: ") == 2 and stream.endswith("data: [DONE]\n\n")


ALIGNED = ("hearken", '{"alignment": true}')


def verbose(served: Served, file: Recording, *before: tuple[str, str], style: str = "") -> Any:
    """The answer to a form whose last fields are behind the file."""
    form = Form([*before], file, [("response_format", style or "verbose_json")])
    answer = served.send(form)
    assert answer.status == 200, answer.body
    return answer.json()


def weights_of(segment: dict[str, Any]) -> np.ndarray:
    found = segment["alignment"]
    weights = np.frombuffer(base64.b64decode(found["weights"]), "<f4")
    assert len(found["texts"]) == found["tokens"] > 0
    return weights.reshape(found["tokens"], found["steps"])


def test_alignment(served: Served) -> None:
    """The same as by the socket; only where it is asked for, and where there is a place for it."""
    said = verbose(served, recording(LONG), ALIGNED)
    asked = {"hearken": {"events": True, "alignment": True}}
    finals = talking.of_type(
        talking.answer(served.daemon.socket, pcm(LONG), asked), "hearken-segment"
    )
    assert len(said["segments"]) == len(finals) > 0
    for segment, event in zip(said["segments"], finals, strict=True):
        weights = weights_of(segment)
        assert weights.tobytes() == event.payload
        assert np.allclose(weights.sum(axis=1), 1, atol=0.05)
        told = event.data["alignment"]
        assert {name: segment["alignment"][name] for name in told} == told
    assert "alignment" not in verbose(served, recording(LONG))["segments"][0]
    assert list(verbose(served, recording(SHORT), ALIGNED, style="json")) == [
        "text",
        "usage",
        "hearken",
    ]


def test_alignments_are_limited(serve: Serve, folder: Path) -> None:
    """A long recording keeps those that fit, and says from where on they are left out."""
    served = serve({"recognition.voice": "off", "recognition.beam_width": "1"})
    sound = pcm(LONG)
    many = replace(sound, data=sound.data * 95)
    file = recording(write_wav(folder / "many.wav", many), "a.wav", "audio/wav")
    said = verbose(served, file, ALIGNED)
    segments = said["segments"]
    kept = [segment for segment in segments if segment["alignment"]]
    assert 0 < len(kept) < len(segments) and segments[: len(kept)] == kept
    size = sum(weights_of(segment).nbytes for segment in kept)
    assert 20 << 20 < size <= 24 << 20
    start = segments[len(kept)]["start"]
    assert said["hearken"]["warnings"] == [
        f"alignments are left out from {start:.2f} s on: all of them have more than 24 MiB"
    ]


def test_a_damaged_recording(served: Served) -> None:
    """What could be read is recognised, and the answer says so."""
    content = LONG.read_bytes()[:90000]
    answer = served.send(Form([], Recording(content)))
    assert answer.text() and answer.json()["hearken"]["warnings"]
    assert 1 < answer.json()["usage"]["seconds"] < pcm(LONG).seconds()


# ---- Sizes ----


def test_too_large_a_body(serve: Serve) -> None:
    """One that says so is refused before it is read."""
    served = serve({"http.upload_mib": "1"})
    with served.bare() as bare:
        bare.send(request(SAID, length=2 * GIBI)[:300])
        answer = bare.answer()
        assert answer.status == 413 and answer.error()["code"] == "too_large"
        assert answer.headers["connection"] == "close"
        assert bare.is_closed()
    assert served.running() == 0


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["at once", "expect"])
def test_too_large_a_body_that_is_sent(serve: Serve, expect: tuple[str, ...]) -> None:
    """Who reads no answer before all is sent gets it all the same."""
    served = serve({"http.upload_mib": "1"})
    with served.bare() as bare:
        bare.send(request(SAID, length=64 << 20, headers=expect))
        for _ in range(60):
            bare.send(bytes(1 << 20))
        answer = bare.answer()
        assert answer.status == 413 and "http.upload_mib" in answer.error()["message"]


@pytest.mark.parametrize("within", ["file", "field", "nothing", "unnamed"])
def test_too_large_a_body_in_chunks(serve: Serve, within: str) -> None:
    """Nobody knows its size beforehand; it may even have no end."""
    served = serve({"http.upload_mib": "1"})
    name = {"file": 'name="file"', "field": 'name="prompt"', "unnamed": "x"}.get(within)
    body = f"--x\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() if name else b""
    headers = ["Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x"]
    with served.bare() as bare:
        bare.send(request(headers=headers))
        bare.send(chunked(body, 1000))
        sent = 0
        piece = chunked(b"RIFF" + bytes((1 << 18) - 4), 1 << 18)
        try:
            while sent < GIBI:
                bare.send(piece)
                sent += len(piece)
        except OSError:
            pass  # it went on for so long that the daemon listens no more
        answer = bare.answer()
        assert answer.status in (400, 413) and answer.error()
        assert bare.is_closed()
    assert served.running() == 0
    assert served.send(SAID).text()


def test_too_long_a_recording(serve: Serve, folder: Path) -> None:
    served = serve({"limits.audio_seconds": "5"})
    answer = served.send(Form([], recording(LONG)))
    assert answer.status == 413 and answer.error()["code"] == "too_long"
    assert served.send(SAID).text() == served.transcribed(SHORT)
    flat = write_wav(folder / "flat.flac", silence(4000))
    assert len(flat.read_bytes()) < 1 << 20, "many seconds in few bytes"
    assert served.send(Form([], recording(flat))).error()["code"] == "too_long"


def test_too_many_fields(served: Served) -> None:
    for fields in ([(f"f{i}", "") for i in range(5000)], [("prompt", "x" * 300_000)]):
        answer = served.send(Form(fields, recording(SHORT)))
        assert answer.status == 413 and answer.error()["code"] == "too_large"


@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_too_many_requests(serve: Serve, order: str) -> None:
    """Also those whose fields are not known yet, which wait for the rest of their file."""
    served = serve({"http.requests": "2"})
    form = SAID if order == "fields first" else Form([], recording(SHORT), SAID.before)
    with served.bare() as first, served.bare() as second:
        for bare in (first, second):
            before = served.running()
            bare.send(request(form)[:-1000])
            wait_until(lambda: served.running() > before, "the request to begin")  # noqa: B023
        answer = served.send(form)
        assert answer.status == 503 and answer.error()["type"] == "server_error"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        ready = served.ask("/health/ready")
        assert (ready.status, ready.body) == (503, b"busy\n")
        assert served.ask("/health/live").status == 200
        first.send(request(form)[-1000:])
        assert first.answer().text() == served.transcribed(SHORT)
        wait_until(lambda: served.ask("/health/ready").status == 200, "room")
        assert served.send(form).text() == served.transcribed(SHORT)


def test_too_many_connections(serve: Serve) -> None:
    served = serve({"limits.connections": "3"})

    def is_alone(bare: BareHttp) -> bool:
        bare.send(request(path="/metrics", method="GET"))
        page = bare.answer().body
        return b'{protocol="http"} 1\n' in page and b'{protocol="wyoming"} 0\n' in page

    with ExitStack() as held:
        first = held.enter_context(served.bare())
        wait_until(lambda: is_alone(first), "those to go who asked whether it listens")
        for _ in range(2):
            bare = held.enter_context(served.bare())
            bare.send(request(path="/health", method="GET"))
            assert bare.answer().status == 200
        with served.bare() as excess:
            excess.send(request(path="/v1/models", method="GET"))
            answer = excess.answer()
            assert answer.status == 503 and answer.error()["code"] == "overloaded"
            assert answer.headers["retry-after"] and excess.is_closed()
        for path, status in (
            ("/health", 200),
            ("/health/live", 200),
            ("/health/ready", 503),
            ("/metrics", 200),
        ):
            with served.bare() as probe:
                probe.send(request(path=path, method="GET"))
                assert probe.answer().status == status and probe.is_closed()
    wait_until(lambda: served.ask("/health").status == 200, "room")


# ---- Keys ----


def test_keys(serve: Serve, folder: Path) -> None:
    tokens = folder / "tokens"
    hashed = hashlib.sha256(b"k-2").hexdigest()
    tokens.write_text(f"# comment\n\n  k-1  \nsha256:{hashed}\n")
    served = serve({"http.tokens_file": str(tokens)})
    good: list[tuple[str, dict[str, str]]] = [
        ("", {"Authorization": "Bearer k-1"}),
        ("", {"Authorization": "bearer k-2"}),
        ("", {"authorization": "Bearer   k-1"}),
        ("", {"api-key": "k-1"}),
        ("", {"X-API-Key": "k-2"}),
        ("?api_key=k-1", {}),
        ("?a=b&api_key=k-2", {}),
    ]
    bad: list[tuple[str, dict[str, str]]] = [
        ("", {}),
        ("", {"Authorization": "Bearer"}),
        ("", {"Authorization": "Bearer "}),
        ("", {"Authorization": "Bearer k-"}),
        ("", {"Authorization": "Bearer k-11"}),
        ("", {"Authorization": "Basic k-1"}),
        ("", {"api-key": f"sha256:{hashed}"}),
        ("", {"api-key": hashed}),
        ("", {"X-API-Key": "# comment"}),
        ("?api_key=", {}),
        ("?key=k-1", {}),
    ]
    for query, headers in good:
        assert served.ask("/v1/models" + query, headers=headers).status == 200
        assert served.send(SAID, TRANSCRIPTIONS + query, headers).text()
    for query, headers in bad:
        for answer in (
            served.ask("/v1/models" + query, headers=headers),
            served.ask("/metrics" + query, headers=headers),
            served.send(SAID, TRANSCRIPTIONS + query, headers),
        ):
            assert answer.status == 401 and answer.error()["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/health/live", "/health/ready"):
        assert served.ask(path).status == 200
    log = served.daemon.log()
    assert "k-1" not in log and "k-2" not in log


def test_any_key_where_none_is_needed(served: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"api-key": ""}):
        assert served.ask("/v1/models", headers=headers).status == 200


def reload(daemon: Daemon, said: str) -> None:
    before = daemon.log().count(said)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count(said) > before, f"the log to say {said}")


def test_new_keys(serve: Serve, folder: Path) -> None:
    """SIGHUP reads them, and keeps the old ones if there is something wrong with the new."""
    tokens = folder / "tokens"
    tokens.write_text("one\n")
    served = serve({"http.tokens_file": str(tokens)})

    def passes(key: str) -> bool:
        return served.ask("/v1/models", headers={"api-key": key}).status == 200

    assert passes("one") and not passes("two")
    tokens.write_text("two\n")
    assert passes("one") and not passes("two")
    reload(served.daemon, "reloaded")
    assert passes("two") and not passes("one")
    for broken in ("", "# nothing\n", "sha256:12\n"):
        tokens.write_text(broken)
        reload(served.daemon, "the keys were not changed")
        assert passes("two")
    tokens.unlink()
    reload(served.daemon, "the keys were not changed")
    served.daemon.settings["http.tokens_file"] = ""
    served.daemon.write_configuration()
    reload(served.daemon, "needs a restart")
    assert passes("two") and not passes("")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), ("", "holds no key"), ("a\nsha256:zz\n", ":2: expected a key")],
)
def test_wrong_files_of_keys(
    start_daemon: StartDaemon, folder: Path, content: str | None, said: str
) -> None:
    tokens = folder / "tokens"
    if content is not None:
        tokens.write_text(content)
    settings = {"http.listen": f"127.0.0.1:{free_port()}", "http.tokens_file": str(tokens)}
    daemon = start_daemon(settings=settings, launch_only=True)
    assert daemon.wait() != 0
    assert said in daemon.log()


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_addresses_that_others_reach(start_daemon: StartDaemon, folder: Path, address: str) -> None:
    tokens = folder / "tokens"
    tokens.write_text("key\n")
    port = free_port()
    listen = {"http.listen": f"{address}:{port}"}
    daemon = start_daemon(settings=listen, launch_only=True)
    assert daemon.wait() != 0
    assert "http.tokens_file" in daemon.log() and "http.allow_anonymous" in daemon.log()
    for more in ({"http.tokens_file": str(tokens)}, {"http.allow_anonymous": "on"}):
        daemon = start_daemon(settings=listen | more)
        wait_until(lambda: "listening on HTTP" in daemon.log(), "the port")  # noqa: B023
        if address == "0.0.0.0":
            answer = Served(daemon, port).ask("/v1/models")
            assert answer.status == (401 if "http.tokens_file" in more else 200)
        daemon.stop()


# ---- Web pages ----


PAGE = {"Origin": "https://chat.example.org"}
PREFLIGHT = PAGE | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,x-stainless-os",
}


def test_web_pages_may_not(served: Served) -> None:
    for answer in (
        served.ask("/v1/models", headers=PAGE),
        served.ask(TRANSCRIPTIONS, "OPTIONS", headers=PREFLIGHT),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("allowed", ["https://a.example https://chat.example.org", "*"])
def test_web_pages_that_may(serve: Serve, folder: Path, allowed: str) -> None:
    tokens = folder / "tokens"
    tokens.write_text("key\n")
    served = serve({"http.allow_origins": allowed, "http.tokens_file": str(tokens)})
    preflight = served.ask(TRANSCRIPTIONS, "OPTIONS", headers=PREFLIGHT)
    assert preflight.status in (200, 204) and preflight.body == b""
    assert "POST" in preflight.headers["access-control-allow-methods"]
    wanted = preflight.headers["access-control-allow-headers"].lower()
    assert "authorization" in wanted and "x-stainless-os" in wanted
    for answer in (
        preflight,
        served.ask("/v1/models", headers=PAGE | {"api-key": "key"}),
        served.ask("/v1/models", headers=PAGE),  # so that the page can read what is wrong
        served.send(SAID, headers=PAGE | {"api-key": "key"}),
    ):
        assert answer.headers["access-control-allow-origin"] in (PAGE["Origin"], "*")
    if allowed == "*":
        return
    for origin in ("https://chat.example.org.evil", "https://evil", "null", "https://chat", ""):
        answer = served.ask("/v1/models", headers={"Origin": origin, "api-key": "key"})
        assert "access-control-allow-origin" not in answer.headers


# ---- Identity ----


def test_identities(served: Served) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = served.send(SAID, headers={"X-Request-Id": "mine-1", "traceparent": trace})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["traceparent"] == trace
    said = "request mine-1: POST /audio/transcriptions: 200"
    wait_until(lambda: said in served.daemon.log(), "the line in the log")
    made = [served.ask(path).headers["x-request-id"] for path in ("/health", "/nowhere") * 5]
    assert len(set(made)) == 10 and all(made)
    for wrong in ("", "a b", "x" * 500, "gr\xf6\xdfe"):
        answer = served.ask("/health", headers={"X-Request-Id": wrong, "traceparent": wrong})
        assert answer.headers["x-request-id"].startswith("req_")
        assert "traceparent" not in answer.headers


def test_no_text_in_the_log(served: Served) -> None:
    text = served.send(SAID).text()
    assert text not in served.daemon.log() and text not in served.ask("/metrics").body.decode()


# ---- Health and metrics ----


def test_health(served: Served) -> None:
    assert served.ask("/health").json() == {"status": "ok"}
    assert served.ask("/health/live").status == 200
    assert served.ask("/health/ready").status == 200
    assert served.ask("/v1/health").status == 200


def samples(served: Served) -> dict[str, float]:
    """What /metrics says, by name and labels as they are written."""
    answer = served.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation and family.type != "unknown"
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}"
            assert name not in found, f"{name} is there twice"
            found[name] = sample.value
    return found


def test_metrics(served: Served) -> None:
    total = "hearken_requests_total{{model=hearken-test-recurrent,protocol={},result={}}}"
    before = samples(served)
    assert total.format("http", "ok") not in before
    assert before["hearken_requests_running{}"] == 0
    assert before["hearken_connections{protocol=http}"] >= 1
    for _ in range(3):
        served.send(SAID)
    served.send(Form([("model", "x")], Recording(b"no audio" * 500)))
    served.transcribed(LONG)
    with served.bare() as bare:
        begun(bare, served)
        assert samples(served)["hearken_requests_running{}"] == 1
        connections = "hearken_connections{protocol=http}"
        wait_until(lambda: samples(served)[connections] == 2, "the others to go")
    wait_until(lambda: served.running() == 0, "the client to be missed")
    after = samples(served)
    assert after[total.format("http", "ok")] == 3
    assert after[total.format("wyoming", "ok")] == 1
    assert after["hearken_decode_failures_total{class=not_audio}"] == 1
    heard = 3 * pcm(SHORT).seconds() + pcm(LONG).seconds()
    assert after["hearken_audio_seconds_total{}"] >= heard - 0.05
    assert after["hearken_recognition_seconds_total{}"] > 0
    for name in ("request_duration", "audio_duration", "first_text", "final_latency"):
        count = after[f"hearken_{name}_seconds_count{{}}"]
        assert count == after[f"hearken_{name}_seconds_bucket{{le=+Inf}}"] == 4
        buckets = [v for k, v in after.items() if k.startswith(f"hearken_{name}_seconds_bucket")]
        assert buckets == sorted(buckets) and len(buckets) == 12
    lengths = "hearken_audio_duration_seconds_"
    assert after[lengths + "bucket{le=2.5}"] == 0 and after[lengths + "bucket{le=5}"] == 3
    assert after[lengths + "sum{}"] == pytest.approx(heard, abs=0.05)
    for kind in ("recordings", "live"):
        assert after[f"hearken_workers_busy{{kind={kind}}}"] == 0
    assert after["hearken_workers{}"] >= 1 and after["process_resident_memory_bytes{}"] > 1e6
    assert [name for name in after if name.startswith("hearken_build_info{version=")]
    loaded = [v for k, v in after.items() if k.startswith("hearken_model_loaded{")]
    assert loaded == [1]


def test_metrics_of_models(serve: Serve) -> None:
    served = serve({"model a-b_c.file": str(RANDOM_MODELS["transformer"])})
    assert served.send(Form([("model", "a-b_c")], recording(SHORT))).text()
    served.send(SAID)
    found = samples(served)
    for model in ("hearken-test-recurrent", "a-b_c"):
        assert found[f"hearken_requests_total{{model={model},protocol=http,result=ok}}"] == 1


# ---- Other sockets ----


def test_unix_socket(start_daemon: StartDaemon, folder: Path) -> None:
    path = folder / "http"
    daemon = start_daemon(settings={"http.listen": str(path)})
    wait_until(path.exists, "the socket")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with BareHttp(path) as bare:
        for _ in range(2):
            bare.send(request(SAID))
            assert bare.answer().text() == Served(daemon, 0).transcribed(SHORT)
    daemon.stop()
    assert not path.exists(), "the socket stays behind"


def test_both_protocols(served: Served) -> None:
    """One daemon, and the same text."""
    assert served.send(SAID).text() == served.transcribed(SHORT)
    assert served.send(Form([], recording(LONG))).text() == served.transcribed(LONG)


def test_port_in_use(served: Served, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(settings={"http.listen": f"127.0.0.1:{served.port}"}, launch_only=True)
    assert daemon.wait() != 0 and "in use" in daemon.log()


# ---- The end ----


def test_drain(served: Served) -> None:
    """Requests in hand are finished, idle connections closed, and new clients not taken."""
    text = served.transcribed(SHORT)
    with in_hand(served) as bare, served.bare() as idle, served.bare() as silent:
        idle.send(request(path="/health", method="GET"))
        assert idle.answer().status == 200
        served.daemon.signal(signal.SIGTERM)
        assert idle.is_closed() and silent.is_closed()
        wait_until(lambda: not served.is_open(), "the port to close")
        answer = finish(bare)
        assert answer.text() == text and answer.headers["connection"] == "close"
        assert bare.is_closed()
    assert served.daemon.wait() == 0


def test_drain_of_a_stream(served: Served) -> None:
    with served.bare() as bare:
        whole = request(Form([("stream", "true")], recording(LONG)))
        bare.send(whole[:-1000])
        wait_until(lambda: served.running() == 1, "the request to begin")
        served.daemon.signal(signal.SIGTERM)
        wait_until(lambda: not served.is_open(), "the port to close")
        bare.send(whole[-1000:])
        answer = bare.answer()
        assert answer.status == 200 and answer.body.endswith(b"data: [DONE]\n\n")
    assert served.daemon.wait() == 0


def test_no_new_request_while_draining(served: Served) -> None:
    """Not even one that was sent already."""
    with in_hand(served) as bare:
        served.daemon.signal(signal.SIGTERM)
        wait_until(lambda: not served.is_open(), "the port to close")
        bare.send(request(SAID)[-1000:] + request(SAID))
        assert bare.answer().status == 200
        assert bare.is_closed()
    assert served.daemon.wait() == 0


def test_drain_has_an_end(serve: Serve) -> None:
    served = serve({"timeouts.drain_seconds": "0.5"})
    with in_hand(served) as bare:
        served.daemon.signal(signal.SIGTERM)
        assert bare.is_closed()
        assert served.daemon.wait() == 0


def test_second_signal(served: Served) -> None:
    with in_hand(served) as bare:
        served.daemon.signal(signal.SIGTERM)
        wait_until(lambda: not served.is_open(), "the port to close")
        served.daemon.signal(signal.SIGTERM)
        assert bare.is_closed()
        assert served.daemon.wait() == 0


def test_reload_with_a_request_in_hand(serve: Serve) -> None:
    """It goes on with what it began; later ones have the new settings."""
    served = serve({"http.upload_mib": "4"})
    wide = served.transcribed(SHORT)
    with in_hand(served) as bare:
        served.daemon.settings |= {"recognition.beam_width": "1", "http.strict_models": "on"}
        served.daemon.write_configuration()
        reload(served.daemon, "reloaded")
        assert finish(bare).text() == wide
        unknown: Any = served.send(Form([("model", "nowhere")], recording(SHORT)))
        assert unknown.status == 404
    assert served.send(SAID).text() == served.transcribed(SHORT, "--beam", "1")
    assert json.loads(served.send(SAID).body)["usage"]["type"] == "duration"


def test_sound_of_any_length(served: Served, folder: Path) -> None:
    """An upload is decoded while it comes, in blocks of a second."""
    for seconds in (0.3, 0.999, 1.0, 1.001, 2.0, 7.5):
        sound: Pcm = pcm(LONG).first(seconds)
        file = write_wav(folder / "some.wav", sound)
        assert served.send(Form([], recording(file))).text() == served.transcribed(file)
