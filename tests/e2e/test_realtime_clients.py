# SPDX-License-Identifier: MIT
"""Programs that transcribe live speech, unchanged, or message by message as they do."""

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import soundfile
from conftest import Serve
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from live_sessions import (
    COMPLETED,
    DELTA,
    TIMELESS,
    Event,
    Live,
    Realtime,
    completed_of,
    kinds_of,
    of_kind,
    paused,
)
from normalise import word_errors, words
from programs import PATIENCE, REAL_MODEL
from sounds import LONG, SHORT, Pcm, pcm, samples, silence, write_wav
from talking import complete
from web import Served
from websockets.exceptions import InvalidStatus


@pytest.fixture
def attentive(serve: Serve, hearing: Path) -> Served:
    """One whose model hears where speech begins and ends."""
    return serve(TIMELESS, hearing)


def is_nearly(text: str, file: str) -> bool:
    """Within one word: the pause behind a recording is not heard the same as its end."""
    return word_errors(words(file), words(text)).total() <= 1


# ---- The package of OpenAI ----


def openai_of(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.url("/v1"), api_key="any", max_retries=0, timeout=PATIENCE)


@pytest.mark.real
def test_openai(serve: Serve) -> None:
    """Its events are objects of the classes that it has for them."""
    served = serve({}, REAL_MODEL)
    query = {"intent": "transcription"}
    events = []
    with openai_of(served).realtime.connect(extra_query=query) as connection:
        assert connection.recv().type == "session.created"
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                        "turn_detection": {"type": "server_vad"},
                    }
                },
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        updated = connection.recv()
        assert updated.type == "session.updated" and updated.session.type == "transcription"
        for chunk in paused(pcm(SHORT, rate=24000)).chunks(2400):
            connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
        for event in connection:
            events.append(event)
            if event.type == COMPLETED:
                break
    for event in events:
        assert type(event).__name__ != "ConversationCreatedEvent", event
        assert event.type == type(event).model_fields["type"].annotation.__args__[0]
    last = events[-1]
    assert is_nearly(last.transcript, served.transcribed(SHORT))
    assert last.usage.seconds > 1 and last.logprobs and last.logprobs[0].logprob <= 0
    assert "".join(event.delta for event in events if event.type == DELTA) == last.transcript


def test_openai_push_to_talk(served: Served) -> None:
    async def work() -> list[Any]:
        client = openai.AsyncOpenAI(base_url=served.url("/v1"), api_key="any", max_retries=0)
        events: list[Any] = []
        async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
            session: Any = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
            await connection.session.update(session=session)
            for chunk in pcm(SHORT, rate=24000).chunks(24000):
                await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
            await connection.input_audio_buffer.commit()
            await connection.input_audio_buffer.commit()  # nothing is left: an error
            async for event in connection:
                events.append(event)
                if event.type == "error":
                    return events
        raise AssertionError("closed")

    events = complete(work())
    assert [event.transcript for event in events if event.type == COMPLETED] != [""]
    assert events[-1].error.code == "input_audio_buffer_commit_empty"


# ---- Clients of the earlier form ----


def test_voxinput(attentive: Served) -> None:
    """go-openai-realtime: a model and the header of the Beta, and a session of today's form."""
    headers = {"Authorization": "Bearer any", "OpenAI-Beta": "realtime=v1"}
    with Realtime(attentive, "/v1/realtime?model=gpt-realtime", headers=headers) as session:
        assert session.created["type"] == "session.created"
        update = {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 16000},
                    "transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 500,
                        "create_response": False,
                        "interrupt_response": False,
                    },
                }
            },
        }
        updated = session.update(update)
        assert updated["audio"]["input"]["format"]["rate"] == 16000
        session.say(paused(pcm(SHORT)))
        assert completed_of(session.until(COMPLETED))


@pytest.mark.parametrize("with_header", [True, False])
def test_beta(attentive: Served, with_header: bool) -> None:
    """A flat session, and events of the names that it had."""
    headers = {"OpenAI-Beta": "realtime=v1"} if with_header else {}
    with Realtime(attentive, headers=headers) as session:
        kind = "transcription_session" if with_header else "session"
        assert session.created["type"] == f"{kind}.created"
        updated = session.update(
            {
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                "input_audio_noise_reduction": {"type": "near_field"},
                "include": [],
            },
            "transcription_session.update",
        )
        assert updated["input_audio_format"] == "pcm16"
        assert updated["input_audio_transcription"]["language"] == "en"
        assert updated["turn_detection"]["silence_duration_ms"] == 500
        session.say(paused(pcm(SHORT, rate=24000)))
        events = session.until(COMPLETED)
    assert completed_of(events)
    (created,) = of_kind(events, "conversation.item.created")
    assert created["item"]["id"] == events[-1]["item_id"]
    assert "conversation.item.added" not in kinds_of(events)


# ---- The package of Deepgram ----


def environment_of(served: Served) -> DeepgramClientEnvironment:
    socket = f"ws://127.0.0.1:{served.port}"
    return DeepgramClientEnvironment(
        base=served.url(), production=socket, agent=socket, agent_rest=served.url()
    )


def deepgram_of(served: Served, key: str = "any") -> DeepgramClient:
    return DeepgramClient(api_key=key, environment=environment_of(served), timeout=PATIENCE)


def heard(served: Served, sound: Pcm, then: Callable[[Any], None], **options: Any) -> list[Any]:
    """What the daemon sends of a sound to its end; `then`: what follows on the sound."""
    messages: list[Any] = []
    form = {"encoding": "linear16", "sample_rate": sound.rate, "channels": sound.channels}
    with deepgram_of(served).listen.v1.connect(model="nova-3", **(form | options)) as connection:
        connection.on(EventType.MESSAGE, messages.append)
        connection.on(EventType.ERROR, messages.append)
        reader = threading.Thread(target=connection.start_listening)
        reader.start()
        for chunk in sound.chunks(sound.rate // 10):
            connection.send_media(chunk)
        then(connection)
        reader.join(PATIENCE)
        assert not reader.is_alive()
    return messages


def close_stream(connection: Any) -> None:
    connection.send_close_stream()


def final_results(messages: list[Any]) -> list[Any]:
    return [m for m in messages if m.type == "Results" and m.is_final]


def text_of(results: list[Any]) -> str:
    texts = [result.channel.alternatives[0].transcript for result in results]
    return " ".join(text for text in texts if text)


@pytest.mark.real
def test_deepgram(serve: Serve) -> None:
    served = serve({}, REAL_MODEL)
    messages = heard(served, paused(pcm(LONG)), close_stream, interim_results=True, vad_events=True)
    assert messages[-1].type == "Metadata"
    assert messages[-1].duration == pytest.approx(paused(pcm(LONG)).seconds(), abs=0.01)
    assert messages[-1].channels == 1
    assert messages[0].type == "SpeechStarted" and messages[0].channel == [0, 1]
    finals = final_results(messages)
    assert is_nearly(text_of(finals), served.transcribed(LONG))
    assert [result.speech_final for result in finals] == [False] * (len(finals) - 1) + [True]
    interim = [m for m in messages if m.type == "Results" and not m.is_final]
    assert interim and not any(result.speech_final for result in interim)
    at = 0.0
    for result in finals:
        assert result.start == pytest.approx(at, abs=0.6) and result.duration >= 0
        at = result.start + result.duration
        for word in result.channel.alternatives[0].words:
            assert result.start - 0.01 <= word.start <= word.end <= at + 0.01
            assert 0 < word.confidence <= 1
            assert word.word.strip(".,") == word.punctuated_word.strip(".,").lower()
        assert result.metadata.request_id == messages[-1].request_id
        assert result.metadata.model_info.arch == "hearken"


def test_deepgram_without_interim_results(attentive: Served) -> None:
    messages = heard(attentive, paused(pcm(SHORT)), close_stream)
    kinds = [message.type for message in messages]
    assert set(kinds) == {"Results", "Metadata"} and text_of(final_results(messages))
    assert all(m.is_final for m in messages if m.type == "Results")


def test_deepgram_finalize(attentive: Served) -> None:
    """All that was said so far comes at once, though nobody has stopped speaking."""

    def finalize(connection: Any) -> None:
        connection.send_finalize()
        connection.send_keep_alive()
        connection.send_finalize()
        connection.send_close_stream()

    messages = heard(attentive, pcm(SHORT).first(2), finalize)
    finals = final_results(messages)
    marked = [result.from_finalize for result in finals]
    assert marked[-2:] == [True, True] and not any(marked[:-2])
    assert text_of(finals[:-1]) and text_of(finals[-1:]) == ""


def test_deepgram_configure(attentive: Served) -> None:
    with Live(attentive, "/v1/listen?encoding=linear16&sample_rate=16000&keyterm=Haydn") as session:
        session.send({"type": "Configure", "keyterms": ["Mozart", "Salieri"]})
        event = session.next()
        assert event["type"] == "ConfigureSuccess" and event["keyterms"] == ["Mozart", "Salieri"]
        session.send({"type": "Configure", "keyterms": ["x" * 200]})
        event = session.next()
        assert event["type"] == "ConfigureFailure" and event["description"]
        session.send(paused(pcm(SHORT)).data)
        session.send({"type": "CloseStream"})
        assert of_kind(session.rest(), "Results")


def test_deepgram_utterance_end(attentive: Served) -> None:
    messages = heard(attentive, paused(pcm(SHORT), 3), close_stream, utterance_end_ms=1000)
    (end,) = [m for m in messages if m.type == "UtteranceEnd"]
    words = [w for m in final_results(messages) for w in m.channel.alternatives[0].words]
    assert end.channel == [0, 1] and end.last_word_end == pytest.approx(words[-1].end)


def test_deepgram_endpointing(attentive: Served) -> None:
    messages = heard(attentive, paused(pcm(SHORT)), close_stream, endpointing=False)
    assert not any(result.speech_final for result in final_results(messages))
    messages = heard(attentive, paused(pcm(SHORT)), close_stream, endpointing=10)
    assert final_results(messages)[-1].speech_final


def test_deepgram_channels(attentive: Served) -> None:
    """One speaker a channel, by turns."""
    one, other, pause = samples(SHORT), samples(LONG)[:48000], np.zeros(48000, np.int16)
    left = np.concatenate([one, pause, np.zeros(len(other), np.int16), pause])
    right = np.concatenate([np.zeros(len(one), np.int16), pause, other, pause])
    stereo = Pcm(16000, 2, 2, np.stack([left, right], axis=1).astype("<i2").tobytes())
    messages = heard(attentive, stereo, close_stream, multichannel=True)
    assert messages[-1].channels == 2
    finals = final_results(messages)
    assert {tuple(result.channel_index) for result in finals} == {(0, 2), (1, 2)}
    for channel, (start, end) in enumerate([(0, 3.5), (5, 9.5)]):
        own = [r for r in finals if r.channel_index[0] == channel]
        assert text_of(own) and all(start <= r.start <= end for r in own)


def test_deepgram_async(attentive: Served) -> None:
    async def work() -> list[Any]:
        client = AsyncDeepgramClient(api_key="any", environment=environment_of(attentive))
        form: Any = {"encoding": "mulaw", "sample_rate": 8000}
        messages = []
        async with client.listen.v1.connect(model="nova-3", **form) as connection:
            sound = silence(1).data
            await connection.send_media(b"\xff" * len(sound))
            await connection.send_close_stream()
            async for message in connection:
                messages.append(message)
        return messages

    (metadata,) = complete(work())
    assert metadata.type == "Metadata" and metadata.duration == pytest.approx(4)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_deepgram_recordings_over_a_websocket(attentive: Served, folder: Path, kind: str) -> None:
    """Without an encoding the sound says itself what it is."""
    sound = paused(pcm(SHORT))
    if kind == "wav":
        data = write_wav(folder / "sound.wav", sound).read_bytes()
    else:
        soundfile.write(folder / "sound.flac", np.frombuffer(sound.data, "<i2"), sound.rate)
        data = (folder / "sound.flac").read_bytes()
    with Live(attentive, "/v1/listen?model=nova-3") as session:
        for i in range(0, len(data), 5000):
            session.send(data[i : i + 5000])
        session.send({"type": "CloseStream"})
        events = session.rest()
        assert session.socket.protocol.close_code == 1000
    words = [event["channel"]["alternatives"][0]["words"] for event in of_kind(events, "Results")]
    assert any(words) and events[-1]["type"] == "Metadata"
    assert events[-1]["duration"] == pytest.approx(sound.seconds(), abs=0.1)


def test_deepgram_no_recording(served: Served) -> None:
    with Live(served, "/v1/listen") as session:
        session.send(b"this is not sound at all " * 1000)
        session.send({"type": "CloseStream"})
        events = session.rest()
        assert events[0]["type"] == "Error" and events[0]["description"]
        assert session.socket.protocol.close_code == 1008


def test_deepgram_wrong_messages(attentive: Served) -> None:
    """The session goes on."""
    with Live(attentive, "/v1/listen?encoding=linear16&sample_rate=16000") as session:
        for wrong in ("no JSON", '{"type": "Dance"}', "[]"):
            session.send(wrong)
            assert session.next()["type"] == "Error"
        session.send(paused(pcm(SHORT)).data)
        session.send(b"")  # the end, to older clients
        assert of_kind(session.rest(), "Results")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("encoding=linear16", "sample_rate"),
        ("encoding=linear16&sample_rate=10", "sample_rate"),
        ("encoding=speex&sample_rate=16000", "encoding"),
        ("encoding=linear16&sample_rate=8000&channels=0", "channels"),
        ("encoding=linear16&sample_rate=8000&channels=9&multichannel=true", "channels"),
        ("language=xx", "language"),
        ("endpointing=soon", "endpointing"),
        ("redact=pci", "redact"),
        ("interim_results=perhaps", "interim_results"),
        ("hearken=5", "hearken"),
        ("keyterm=" + "x" * 200, "keywords"),
    ],
)
def test_deepgram_wrong_query(served: Served, query: str, field: str | None) -> None:
    answer = served.ask(
        f"/v1/listen?{query}",
        headers={
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status == 400
    assert answer.error()["param"] == field


def test_deepgram_keys(serve: Serve, folder: Path) -> None:
    (folder / "keys").write_text("sesame\n")
    served = serve({"http.tokens_file": str(folder / "keys")})
    wrong = deepgram_of(served, "open").listen.v1.connect(model="nova-3", encoding="mulaw")
    with pytest.raises(InvalidStatus) as caught, wrong:
        pass
    assert caught.value.response.status_code == 401
    with deepgram_of(served, "sesame").listen.v1.connect(model="nova-3", encoding="mulaw"):
        pass


@pytest.mark.real
def test_deepgram_recording(serve: Serve) -> None:
    """A POST of a file to the same path."""
    served = serve({}, REAL_MODEL)
    answer: Any = deepgram_of(served).listen.v1.media.transcribe_file(
        request=LONG.read_bytes(), model="nova-3", utterances=True, smart_format=True
    )
    (channel,) = answer.results.channels
    (alternative,) = channel.alternatives
    assert is_nearly(alternative.transcript, served.transcribed(LONG))
    assert answer.metadata.duration == pytest.approx(pcm(LONG).seconds(), abs=0.01)
    assert [word.punctuated_word for word in alternative.words] == alternative.transcript.split()
    assert answer.results.utterances[0].transcript in alternative.transcript


def test_deepgram_wrong_recordings(served: Served) -> None:
    for body, kind, code in (
        (b"no sound", "audio/wav", "invalid_audio"),
        (b"", "audio/wav", "missing"),
        (b'{"url": "http://example.org/a.wav"}', "application/json", "not_supported"),
    ):
        answer = served.ask("/v1/listen?model=nova-3", "POST", body, {"Content-Type": kind})
        assert answer.status == 400 and answer.error()["code"] == code
    answer = served.ask("/v1/listen?language=xx", "POST", SHORT.read_bytes())
    assert answer.status == 400 and answer.error()["param"] == "language"


def test_open_webui(served: Served) -> None:
    """Its engine for Deepgram."""
    headers = {"Authorization": "Token any", "Content-Type": "audio/mpeg"}
    answer = served.ask(
        "/v1/listen?model=nova-2&smart_format=true", "POST", SHORT.read_bytes(), headers
    )
    assert answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"]


def test_recording_of_two_channels(served: Served, folder: Path) -> None:
    stereo = np.stack([samples(SHORT), np.zeros_like(samples(SHORT))], axis=1)
    soundfile.write(folder / "stereo.wav", stereo, 16000)
    body = (folder / "stereo.wav").read_bytes()
    mixed = served.ask("/v1/listen", "POST", body).json()
    assert mixed["metadata"]["channels"] == 1
    apart = served.ask("/v1/listen?multichannel=true&detect_language=true", "POST", body).json()
    assert apart["results"]["channels"][0]["alternatives"][0]["transcript"]


# ---- Vosk's clients ----


def lockstep(served: Served, sound: Pcm, path: str = "/", **config: Any) -> list[Event]:
    """As test.py of Vosk's server does it: an answer for each message."""
    answers = []
    with Live(served, path) as session:
        session.send({"config": {"sample_rate": sound.rate} | config})
        for chunk in sound.chunks(int(sound.rate * 0.2)):
            session.send(chunk)
            answers.append(session.next())
        session.send('{"eof" : 1}')
        answers.append(session.next())
        assert session.rest() == []
        assert session.socket.protocol.close_code == 1000
    return answers


@pytest.mark.real
def test_vosk(serve: Serve) -> None:
    served = serve({}, REAL_MODEL)
    sound = paused(pcm(SHORT))
    answers = lockstep(served, sound)
    assert len(answers) == len(sound.chunks(3200)) + 1
    assert all(set(answer) in ({"partial"}, {"text"}, {"text", "result"}) for answer in answers)
    results = [answer for answer in answers if answer.get("text")]
    assert len(results) == 1 and is_nearly(results[0]["text"], served.transcribed(SHORT))
    words = results[0]["result"]
    assert " ".join(word["word"] for word in words) == results[0]["text"]
    for word in words:
        assert 0 <= word["start"] <= word["end"] <= sound.seconds() and 0 < word["conf"] <= 1
    assert any(answer.get("partial") for answer in answers)
    assert answers[-1] == {"text": ""}


def test_vosk_speech_to_the_end(attentive: Served) -> None:
    """`eof` gets the text of what was still spoken."""
    answers = lockstep(attentive, pcm(SHORT, rate=8000), "/vosk", words=False)
    assert answers[-1]["text"] and "result" not in answers[-1]


def test_vosk_all_at_once(attentive: Served) -> None:
    """Jigasi and others do not wait for answers."""
    sound = paused(pcm(SHORT))
    chunks = sound.chunks(1600) * 3
    with Live(attentive, "/") as session:
        session.send({"config": {"sample_rate": 16000.0, "phrase_list": ["haydn"]}})
        for chunk in chunks:
            session.send(chunk)
        session.send('{"eof" : 1}')
        answers = session.rest()
    assert len(answers) == len(chunks) + 1
    assert len([answer for answer in answers if answer.get("text")]) == 3


def test_vosk_reset(attentive: Served) -> None:
    with Live(attentive, "/") as session:
        session.send(pcm(SHORT).data)
        first = session.next()
        session.send('{"reset" : 1}')
        second = session.next()
        assert second["text"] and "partial" in first
        session.send(pcm(SHORT).data)
        assert "partial" in session.next()
        session.send('{"eof" : 1}')
        assert session.next()["text"]


@pytest.mark.parametrize(
    "wrong",
    ["hello", "{}", '{"config": {"sample_rate": 1}}', '{"config": {"phrase_list": [1]}}'],
)
def test_vosk_wrong_messages(served: Served, wrong: str) -> None:
    with Live(served, "/") as session:
        session.send(wrong)
        assert session.close_code() == 1008


# ---- A microphone in real time, as all of these have it ----


@pytest.mark.real
@pytest.mark.live
def test_in_real_time(serve: Serve) -> None:
    """Text comes while it is spoken."""
    sound = paused(pcm(LONG), 1.5)
    served = serve({}, REAL_MODEL)
    came: list[tuple[float, Event]] = []
    with Realtime(served) as session:
        session.configure(hearken={"partial": True})
        began = time.monotonic()

        def read() -> None:
            while not came or came[-1][1]["type"] != COMPLETED:
                event = session.next()
                came.append((time.monotonic() - began, event))

        reader = threading.Thread(target=read)
        reader.start()
        for i, chunk in enumerate(sound.chunks(800)):
            time.sleep(max(0, began + i * 0.05 - time.monotonic()))
            session.append(chunk)
        reader.join(PATIENCE)
    partial = [at for at, event in came if event.get("hearken", {}).get("text")]
    assert partial[0] < 5
    assert completed_of(event for _, event in came)
