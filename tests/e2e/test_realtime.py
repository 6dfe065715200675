# SPDX-License-Identifier: MIT
"""OpenAI's realtime interface: sessions, items, text, settings, errors, keys, origins and the end."""

import base64
import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sounds
from conftest import Serve
from live_sessions import (
    COMPLETED,
    DELTA,
    REALTIME,
    STARTED,
    TIMELESS,
    Event,
    Live,
    Realtime,
    completed_of,
    kinds_of,
    of_kind,
    paused,
    text_of_deltas,
)
from normalise import word_errors, words
from programs import REAL_MODEL, wait_until
from sounds import LONG, SHORT, pcm, silence
from web import Answer, Served, request
from websockets.exceptions import InvalidStatus

STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
ADDED, DONE = "conversation.item.added", "conversation.item.done"


@pytest.fixture
def timeless(serve: Serve) -> Served:
    """A daemon whose texts do not depend on when sound comes."""
    return serve(TIMELESS)


@pytest.fixture
def attentive(serve: Serve, hearing: Path) -> Served:
    """One whose model hears where speech begins and ends."""
    return serve(TIMELESS, hearing)


# ---- Sessions ----


def test_created(served: Served) -> None:
    with Realtime(served) as session:
        created = session.created
        assert created["type"] == "session.created" and created["event_id"]
        described = created["session"]
        assert described["type"] == "transcription"
        assert described["object"] == "realtime.transcription_session"
        sound = described["audio"]["input"]
        assert sound["format"] == {"type": "audio/pcm", "rate": 24000}
        assert sound["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 500,
            "silence_duration_ms": 600,
        }


def test_updated(served: Served) -> None:
    """What is not mentioned stays."""
    with Realtime(served) as session:
        given: Event = {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "whisper-1", "language": "en", "keywords": ["Haydn"]},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 900},
        }
        updated = session.update({"type": "transcription", "audio": {"input": given}})
        sound = updated["audio"]["input"]
        assert updated["id"] == session.created["session"]["id"]
        assert sound["format"] == {"type": "audio/pcmu", "rate": 8000}
        assert sound["transcription"] == given["transcription"]
        assert sound["turn_detection"]["silence_duration_ms"] == 900
        assert sound["turn_detection"]["threshold"] == 0.5
        none = {
            "audio": {"input": {"turn_detection": None, "transcription": {"prompt": "A symphony"}}}
        }
        sound = session.update(none)["audio"]["input"]
        assert sound["turn_detection"] is None
        assert sound["transcription"] == given["transcription"] | {"prompt": "A symphony"}
        assert sound["format"] == {"type": "audio/pcmu", "rate": 8000}


def test_events_are_numbered_and_ids_are_unique(served: Served) -> None:
    with Realtime(served) as one, Realtime(served) as other:
        assert one.created["session"]["id"] != other.created["session"]["id"]
        assert one.created["event_id"] != other.created["event_id"]


# ---- Items ----


def test_speech_makes_an_item(attentive: Served) -> None:
    with Realtime(attentive) as session:
        session.configure()
        session.say(paused(pcm(SHORT)))
        events = session.until(COMPLETED)
    kinds = [kind for kind in kinds_of(events) if kind != DELTA]
    assert kinds == [STARTED, STOPPED, COMMITTED, ADDED, DONE, COMPLETED]
    (started,) = of_kind(events, STARTED)
    (stopped,) = of_kind(events, STOPPED)
    assert 0 <= started["audio_start_ms"] < stopped["audio_end_ms"] < 2600
    assert completed_of(events)
    item = started["item_id"]
    assert all(event["item_id"] == item for event in events if "item_id" in event)
    for event in (*of_kind(events, ADDED), *of_kind(events, DONE)):
        assert event["item"]["id"] == item and event["previous_item_id"] is None
    usage = events[-1]["usage"]
    assert usage["type"] == "duration" and 1 < usage["seconds"] < 2.6


def test_items_follow_each_other(attentive: Served) -> None:
    sound = paused(pcm(SHORT))
    previous = None
    with Realtime(attentive) as session:
        session.configure()
        for _ in range(3):
            session.say(sound)
            events = session.until(COMPLETED)
            (committed,) = of_kind(events, COMMITTED)
            assert committed["previous_item_id"] == previous
            previous = committed["item_id"]


def test_two_items_in_one_event(attentive: Served) -> None:
    sound = paused(pcm(SHORT)).data
    with Realtime(attentive) as session:
        session.configure()
        session.append(sound + sound)
        first, second = session.until(COMPLETED), session.until(COMPLETED)
        assert completed_of(first) and completed_of(second)
        (begun,) = of_kind(second, STARTED)
        assert begun["audio_start_ms"] > len(sound) / 32


def test_items_without_a_voice_network(served: Served) -> None:
    """There are no ends of speech then, but those of segments that are too long."""
    with Realtime(served) as session:
        session.configure(hearken={"segment_seconds": 2})
        session.say(pcm(LONG))
        events = session.until(COMPLETED)
        kinds = [kind for kind in kinds_of(events) if kind != DELTA]
        assert kinds == [STARTED, STOPPED, COMMITTED, ADDED, DONE, COMPLETED]
        assert completed_of(events)


@pytest.mark.real
def test_text_is_that_of_the_recording(serve: Serve) -> None:
    served = serve({}, REAL_MODEL)
    with Realtime(served) as session:
        session.configure()
        for path in (SHORT, LONG):
            session.say(paused(pcm(path)))
            completed = completed_of(session.until(COMPLETED))
            assert word_errors(words(served.transcribed(path)), words(completed)).total() <= 1


@pytest.mark.real
def test_committed_text_comes_before_the_end(serve: Serve) -> None:
    with Realtime(serve({}, REAL_MODEL)) as session:
        session.configure()
        session.say(paused(pcm(LONG)))
        events = session.until(COMPLETED)
    before = events[: kinds_of(events).index(STOPPED)]
    assert len(text_of_deltas(before).split()) >= 5
    assert completed_of(events).startswith(text_of_deltas(before))


@pytest.mark.real
def test_silence_and_noise_make_no_item(serve: Serve) -> None:
    noise = np.random.default_rng(1).normal(0, 300, 3 * 16000)
    with Realtime(serve({}, REAL_MODEL)) as session:
        session.configure()
        session.say(sounds.encode(noise, 2) + silence(2).data)
        session.send({"type": "input_audio_buffer.clear"})
        assert session.next()["type"] == "input_audio_buffer.cleared"


# ---- Push to talk ----


def test_push_to_talk(timeless: Served) -> None:
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        session.say(pcm(SHORT))
        session.commit()
        events = session.until(COMPLETED)
        kinds = [kind for kind in kinds_of(events) if kind != DELTA]
        assert kinds == [COMMITTED, ADDED, DONE, COMPLETED]
        assert events[-1]["usage"]["seconds"] == pytest.approx(pcm(SHORT).seconds(), abs=0.01)
        first = completed_of(events)
        assert first
        (committed,) = of_kind(events, COMMITTED)
        session.say(pcm(SHORT))
        session.commit()
        events = session.until(COMPLETED)
        assert completed_of(events) == first
        assert of_kind(events, COMMITTED)[0]["previous_item_id"] == committed["item_id"]


def test_commits_in_a_row(timeless: Served) -> None:
    """Sent before the text of the one before has come."""
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        for _ in range(4):
            session.say(pcm(SHORT))
            session.commit()
        texts = [completed_of(session.until(COMPLETED)) for _ in range(4)]
    assert texts[0] and len(set(texts)) == 1


@pytest.mark.parametrize("milliseconds", [0, 99])
def test_too_little_to_commit(served: Served, milliseconds: int) -> None:
    with Realtime(served) as session:
        session.configure(push_to_talk=True)
        session.say(silence(milliseconds / 1000))
        session.commit()
        assert session.refused()["code"] == "input_audio_buffer_commit_empty"
        session.say(silence(0.11))
        session.commit()
        assert completed_of(session.until(COMPLETED)) == ""


def test_clear(timeless: Served) -> None:
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        expected = session.transcript(pcm(SHORT))
        session.say(pcm(LONG))
        session.send({"type": "input_audio_buffer.clear"})
        session.until("input_audio_buffer.cleared")
        session.commit()
        assert session.refused()["code"] == "input_audio_buffer_commit_empty"
        assert session.transcript(pcm(SHORT)) == expected


def test_commit_ends_speech(attentive: Served) -> None:
    """Also where the server finds the ends."""
    with Realtime(attentive) as session:
        session.configure()
        session.say(pcm(SHORT).first(2))
        session.commit()
        events = session.until(COMPLETED)
        assert completed_of(events)
        (started,) = of_kind(events, STARTED)
        assert started["item_id"] == events[-1]["item_id"]


# ---- Sound ----


@pytest.mark.parametrize("rate", [8000, 11025, 24000, 44100, 48000])
@pytest.mark.real
def test_rates(serve: Serve, rate: int) -> None:
    served = serve({}, REAL_MODEL)
    with Realtime(served) as session:
        session.configure({"type": "audio/pcm", "rate": rate}, push_to_talk=True)
        said = session.transcript(pcm(SHORT, rate=rate)).lower()
    assert "delightful to hear" in said


def mulaw(signal: np.ndarray) -> bytes:
    """G.711's definition: the sign, the exponent and four bits of the mantissa, inverted."""
    magnitude = np.minimum(np.abs(signal.astype(int)), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(signal < 0, 0x80, 0)
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()


def alaw(signal: np.ndarray) -> bytes:
    magnitude = np.minimum(np.abs(signal.astype(int)), 32767) >> 4
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(int) - 3, 0)
    exponent = np.where(magnitude >= 16, np.maximum(exponent, 0), 0)
    small = magnitude < 32
    segment = np.where(small, magnitude >> 4, exponent)
    mantissa = np.where(small, magnitude & 15, magnitude >> np.maximum(exponent - 1, 0) & 15)
    sign = np.where(signal >= 0, 0x80, 0)
    return ((sign | segment << 4 | mantissa) ^ 0x55).astype(np.uint8).tobytes()


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma", "g711_ulaw", "g711_alaw"])
@pytest.mark.real
def test_g711(serve: Serve, kind: str) -> None:
    narrow = np.frombuffer(pcm(SHORT, rate=8000).data, "<i2")
    coded = mulaw(narrow) if kind in ("audio/pcmu", "g711_ulaw") else alaw(narrow)
    served = serve({}, REAL_MODEL)
    with Realtime(served) as session:
        session.configure({"type": kind}, push_to_talk=True)
        session.say(coded, 801)
        session.commit()
        assert "delightful to hear" in completed_of(session.until(COMPLETED)).lower()


def test_sound_in_odd_pieces(timeless: Served) -> None:
    """A sample may lie in two events."""
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        whole = session.transcript(pcm(SHORT))
        session.say(pcm(SHORT), 1001)
        session.commit()
        assert completed_of(session.until(COMPLETED)) == whole


def test_sound_at_once(timeless: Served) -> None:
    """15 MiB of base64, as much as OpenAI takes; most is silence."""
    sound = silence(342).data + pcm(SHORT).data
    audio = base64.b64encode(sound).decode()
    assert 14 << 20 < len(audio) <= 15 << 20
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        session.send({"type": "input_audio_buffer.append", "audio": audio})
        session.commit()
        assert completed_of(session.until(COMPLETED))


# ---- Settings ----


def test_log_probabilities(served: Served) -> None:
    with Realtime(served) as session:
        session.configure(push_to_talk=True, include=["item.input_audio_transcription.logprobs"])
        session.say(pcm(SHORT))
        session.commit()
        completed = session.until(COMPLETED)[-1]
    tokens = completed["logprobs"]
    assert "".join(token["token"] for token in tokens) == completed["transcript"]
    for token in tokens:
        assert bytes(token["bytes"]).decode() == token["token"] and token["logprob"] <= 0


def test_alignment_of_the_last_segment(attentive: Served) -> None:
    """Somebody who speaks without a pause does not make the event grow without bounds."""
    with Realtime(attentive) as session:
        session.configure(
            push_to_talk=True, hearken={"words": True, "alignment": True, "segment_seconds": 3}
        )
        session.say(pcm(LONG))
        session.commit()
        segments = session.until(COMPLETED)[-1]["hearken"]["segments"]
    assert len(segments) > 1
    assert ["alignment" in segment for segment in segments] == [False] * (len(segments) - 1) + [
        True
    ]
    assert all(segment["words"] for segment in segments)


def test_additions_of_hearken(attentive: Served) -> None:
    """What hearken has and OpenAI has not is in a member of events that there are."""
    with Realtime(attentive) as session:
        session.configure(hearken={"partial": True, "words": True, "alignment": True})
        session.say(paused(pcm(SHORT)))
        events = session.until(COMPLETED)
    partial = [event["hearken"] for event in of_kind(events, DELTA) if "hearken" in event]
    assert partial and all(segment["type"] == "partial" for segment in partial)
    (segment,) = events[-1]["hearken"]["segments"]
    assert segment["text"] == events[-1]["transcript"]
    assert [word["text"] for word in segment["words"]] == segment["text"].split()
    alignment = segment["alignment"]
    weights = np.frombuffer(base64.b64decode(alignment["weights"]), "<f4")
    assert weights.size == alignment["tokens"] * alignment["steps"]
    rows = weights.reshape(alignment["tokens"], alignment["steps"]).sum(axis=1)
    assert rows == pytest.approx(np.ones(alignment["tokens"]), abs=0.05)
    with Realtime(attentive) as session:
        session.configure()
        session.say(paused(pcm(SHORT)))
        assert all("hearken" not in event for event in session.until(COMPLETED))


def test_options_of_hearken(timeless: Served) -> None:
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        wide = session.transcript(pcm(LONG))
        session.configure(push_to_talk=True, hearken={"beam_width": 1, "segment_seconds": 2})
        assert session.transcript(pcm(LONG)) != wide


def test_settings_change_between_items(timeless: Served) -> None:
    """What is said before an update is recognised as it was then."""
    with Realtime(timeless) as session:
        session.configure(push_to_talk=True)
        expected = session.transcript(pcm(SHORT))
        session.say(pcm(SHORT))
        session.send(
            {
                "type": "session.update",
                "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 48000}}}},
            }
        )
        events = session.until(COMPLETED)
        assert completed_of(events) == expected
        assert session.transcript(pcm(SHORT, rate=48000))


@pytest.mark.real
def test_keywords(serve: Serve) -> None:
    said = "a name that nobody has"
    with Realtime(serve({}, REAL_MODEL)) as session:
        session.configure(
            push_to_talk=True,
            transcription={
                "keywords": ["Delightfully", said],
                "prompt": "In London.",
                "language": "en",
            },
        )
        assert "London" in session.transcript(pcm(SHORT))


@pytest.mark.parametrize(
    ("sound", "parameter"),
    [
        ({"format": {"type": "audio/opus"}}, "session.audio.input.format"),
        ({"format": {"type": "audio/pcm", "rate": 10}}, "session.audio.input.format.rate"),
        ({"format": 5}, "session.audio.input.format"),
        ({"transcription": []}, "session.audio.input.transcription"),
        ({"transcription": {"language": "xx"}}, "session.audio.input.transcription.language"),
        ({"transcription": {"language": 5}}, "session.audio.input.transcription.language"),
        ({"transcription": {"prompt": {}}}, "session.audio.input.transcription.prompt"),
        ({"transcription": {"keywords": "a"}}, "session.audio.input.transcription.keywords"),
        ({"transcription": {"keywords": [1]}}, "session.audio.input.transcription.keywords"),
        ({"turn_detection": {"type": "magic"}}, "session.audio.input.turn_detection.type"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 5}},
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1}},
            "session.audio.input.turn_detection.silence_duration_ms",
        ),
        (
            {"turn_detection": {"type": "server_vad", "prefix_padding_ms": "x"}},
            "session.audio.input.turn_detection.prefix_padding_ms",
        ),
        (
            {"turn_detection": {"type": "semantic_vad", "eagerness": "very"}},
            "session.audio.input.turn_detection.eagerness",
        ),
    ],
)
def test_wrong_settings(served: Served, sound: Event, parameter: str) -> None:
    """They are refused as a whole, and the session goes on."""
    with Realtime(served) as session:
        before = session.configure(push_to_talk=True)
        wrong = {"audio": {"input": sound}, "include": ["item.input_audio_transcription.logprobs"]}
        session.send({"type": "session.update", "event_id": "mine", "session": wrong})
        error = session.refused()
        assert error["param"] == parameter and error["event_id"] == "mine"
        assert error["type"] == "invalid_request_error"
        assert session.update({}) == before
        assert session.transcript(pcm(SHORT))


@pytest.mark.parametrize("hearken", [{"beam_width": 99}, {"no_such": 1}, [], {"custom_words": 1}])
def test_wrong_options_of_hearken(served: Served, hearken: Any) -> None:
    with Realtime(served) as session:
        session.send({"type": "session.update", "session": {"hearken": hearken}})
        assert session.refused()["param"] in (
            "session.hearken",
            "session.audio.input.transcription.keywords",
        )


def test_unknown_model(serve: Serve) -> None:
    wrong = {"audio": {"input": {"transcription": {"model": "whisper-9000"}}}}
    with Realtime(serve()) as session:
        session.update(wrong)
    with Realtime(serve({"http.strict_models": "on"})) as session:
        session.send({"type": "session.update", "session": wrong})
        assert session.refused()["code"] == "model_not_found"


# ---- Events that are wrong ----


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not JSON", "invalid_json"),
        ("[1]", "invalid_json"),
        ("", "invalid_json"),
        ("{}", "invalid_value"),
        (b"sound", "invalid_event"),
        ('{"type": 5}', "invalid_value"),
        ('{"type": "conversation.item.create"}', "invalid_value"),
        ('{"type": "session.update"}', "invalid_type"),
        ('{"type": "input_audio_buffer.append"}', "invalid_type"),
        ('{"type": "input_audio_buffer.append", "audio": "a$"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": "QUI"}', "invalid_value"),
        ("[" * 100000, "invalid_event"),
        (json.dumps({"type": "x", "list": [1] * 50000}), "invalid_event"),
    ],
)
def test_wrong_events(served: Served, message: str | bytes, code: str) -> None:
    with Realtime(served) as session:
        session.send(message)
        assert session.refused()["code"] == code
        session.configure(push_to_talk=True)
        assert session.transcript(pcm(SHORT))


def test_answers_are_not_asked_for(served: Served) -> None:
    with Realtime(served) as session:
        session.send({"type": "response.create"})
        session.send({"type": "response.cancel"})
        session.configure()


# ---- The request ----


def refused_handshake(served: Served, **options: Any) -> Answer:
    with pytest.raises(InvalidStatus) as caught:
        Live(served, REALTIME, **options)
    response = caught.value.response
    names = {name.lower(): value for name, value in response.headers.raw_items()}
    return Answer(response.status_code, names, response.body or b"")


def test_no_websocket(served: Served) -> None:
    for path in ("/v1/realtime", "/v1/listen", "/vosk"):
        answer = served.ask(path)
        assert answer.status == 426 and answer.headers["upgrade"] == "websocket"
        assert answer.error()
    assert served.ask("/v1/realtime", "POST").status == 405


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ("Sec-WebSocket-Version: 12", 426),
        ("Sec-WebSocket-Key: c2hvcnQ=", 400),
        ("Connection: close", 400),
        ("Content-Length: 5", 400),
    ],
)
def test_wrong_handshakes(served: Served, wrong: str, status: int) -> None:
    right = {
        "Upgrade": "Upgrade: websocket",
        "Connection": "Connection: Upgrade",
        "Sec-WebSocket-Version": "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    }
    lines = right | {wrong.split(":")[0]: wrong}
    with served.bare() as bare:
        bare.send(request(path=REALTIME, method="GET", headers=[*lines.values()]) + b"hello")
        assert bare.answer().status == status
    with served.bare() as bare:
        bare.send(request(path=REALTIME, method="GET", headers=[*right.values()]))
        answer = bare.answer(head=True)
        # The example of RFC 6455.
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.fixture
def locked(serve: Serve, tmp_path: Path) -> Served:
    keys = tmp_path / "keys"
    keys.write_text("sesame\n")
    return serve({"http.tokens_file": str(keys)})


def test_keys(locked: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer open"}, {"Authorization": "Basic sesame"}):
        answer = refused_handshake(locked, headers=headers)
        assert answer.status == 401 and answer.error()["code"] == "invalid_api_key"
    for offered in (["realtime"], ["realtime", "openai-insecure-api-key.open"]):
        assert refused_handshake(locked, subprotocols=offered).status == 401
    for options in (
        {"headers": {"Authorization": "Bearer sesame"}},
        {"headers": {"Authorization": "Token sesame"}},
        {"headers": {"api-key": "sesame"}},
        {"subprotocols": ["realtime", "openai-insecure-api-key.sesame", "openai-beta.realtime-v1"]},
        {"path": f"{REALTIME}&api_key=sesame"},
    ):
        with Realtime(locked, **options) as session:
            expected = "realtime" if "subprotocols" in options else None
            assert session.socket.subprotocol == expected
    with Live(locked, "/v1/listen?encoding=mulaw", subprotocols=["token", "sesame"]) as session:
        assert session.socket.subprotocol == "token"


def test_origins(serve: Serve) -> None:
    served = serve({"http.allow_origins": "https://chat.example.org"})
    own = f"http://127.0.0.1:{served.port}"
    for origin in ("https://chat.example.org", own):
        with Realtime(served, origin=origin) as session:
            assert session.created
    for origin in ("https://evil.example.org", "null", f"{own}0", "http://127.0.0.1"):
        answer = refused_handshake(served, origin=origin)
        assert answer.status == 403 and "http.allow_origins" in answer.error()["message"]


def test_sessions_count_as_requests(serve: Serve) -> None:
    """A session counts whether somebody speaks or not."""
    served = serve({"http.requests": "2"})
    with Realtime(served) as one, Realtime(served):
        one.configure(push_to_talk=True)
        one.say(pcm(SHORT))
        answer = refused_handshake(served)
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        assert served.ask("/health/ready").status == 503
        one.commit()
        assert completed_of(one.until(COMPLETED))
        assert refused_handshake(served).status == 503
    wait_until(lambda: served.ask("/health/ready").status == 200, "the sessions to end")
    with Realtime(served):
        pass


def metric(served: Served, line: str) -> float:
    for found in served.ask("/metrics").body.decode().splitlines():
        if found.startswith(line + " "):
            return float(found.split()[-1])
    return 0


def test_metrics(serve: Serve) -> None:
    served = serve()
    live = 'hearken_connections{protocol="websocket"}'
    with Realtime(served) as session:
        session.configure(push_to_talk=True)
        assert metric(served, live) == 1
        assert metric(served, "hearken_requests_running") == 1
        assert session.transcript(pcm(SHORT))
    wait_until(lambda: metric(served, live) == 0, "the session to be gone")
    assert metric(served, "hearken_requests_running") == 0
    http = 'hearken_connections{protocol="http"}'
    wait_until(lambda: metric(served, http) == 1, "connections to be gone")
    body = served.ask("/metrics").body.decode()
    assert re.search(r'hearken_requests_total{protocol="realtime",model=".+",result="ok"} 1', body)


# ---- The end ----


def test_drain_between_items(served: Served) -> None:
    with Realtime(served) as session:
        session.configure()
        served.daemon.signal(signal.SIGTERM)
        assert session.close_code() == 1001
    assert served.daemon.wait() == 0


def test_drain_lets_a_speaker_finish(attentive: Served) -> None:
    """The session ends in the pause, with the whole text."""
    with Realtime(attentive) as session:
        session.configure()
        session.say(pcm(SHORT).first(1.5))
        session.until(STARTED)
        attentive.daemon.signal(signal.SIGTERM)
        session.say(paused(pcm(SHORT)))
        events = session.rest()
        assert completed_of(events)
        assert session.socket.protocol.close_code == 1001
    assert attentive.daemon.wait() == 0


def test_drain_cuts_off_who_does_not_stop(serve: Serve, hearing: Path) -> None:
    served = serve({"timeouts.drain_seconds": "2"}, hearing)
    with Realtime(served) as session:
        session.configure()
        session.say(pcm(SHORT).first(1.5))
        session.until(STARTED)
        served.daemon.signal(signal.SIGTERM)
        events = session.rest()
        assert completed_of(events)
        assert session.socket.protocol.close_code == 1001
    assert served.daemon.wait() == 0


def test_idle_sessions_end(serve: Serve) -> None:
    with Realtime(serve({"timeouts.idle_seconds": "0.5"})) as session:
        assert session.close_code() == 1001


def test_client_that_closes_leaves_nothing(served: Served) -> None:
    session = Realtime(served)
    session.configure()
    session.say(pcm(LONG))
    session.socket.close()
    assert session.socket.protocol.close_code == 1000
    wait_until(lambda: served.running() == 0, "the request to be abandoned")
