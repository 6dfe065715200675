# SPDX-License-Identifier: MIT
"""The Wyoming protocol as other programs use it."""

import asyncio
import itertools
import os
import re
import subprocess
import sys

import programs
import pytest
from conftest import StartDaemon
from programs import Daemon, alone
from sounds import LONG, SHORT, Pcm, pcm, silence
from talking import (
    EXTENDED,
    Bare,
    answer,
    ask,
    complete,
    connected,
    error_of,
    of_type,
    read_answer,
    send_sound,
    text_of,
    transcribed,
)
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong


def expected(model, recording) -> str:
    """The whole text on one line, as a transcript has it."""
    return alone(model, recording).replace("\n", " ").strip()


RECURRENT = programs.RANDOM_MODELS["recurrent"]


def test_describe(daemon: Daemon) -> None:
    async def work() -> Info:
        async with connected(daemon.socket) as client:
            await client.write_event(Describe().event())
            event = await client.read_event()
            assert event is not None and Info.is_type(event.type)
            return Info.from_event(event)

    (program,) = complete(work()).asr
    assert program.name == "hearken" and program.installed
    assert program.supports_transcript_streaming
    (model,) = program.models
    assert model.name and model.languages == ["en"] and model.installed


def test_ping(daemon: Daemon) -> None:
    async def work() -> list[str | None]:
        async with connected(daemon.socket) as client:
            texts = []
            for text in ("hello", None, "zwölf"):
                await client.write_event(Ping(text=text).event())
                event = await client.read_event()
                assert event is not None and Pong.is_type(event.type)
                texts.append(Pong.from_event(event).text)
            return texts

    assert complete(work()) == ["hello", None, "zwölf"]


@pytest.mark.parametrize("recording", [SHORT, LONG], ids=["short", "long"])
def test_transcript(start_daemon: StartDaemon, random_model, recording) -> None:
    daemon = start_daemon(random_model)
    text = transcribed(daemon.socket, pcm(recording))
    assert text and text == expected(random_model, recording)


def test_recordings_differ() -> None:
    """Else the tests that mix recordings up could not fail."""
    assert expected(RECURRENT, SHORT) != expected(RECURRENT, LONG)


def test_tcp(start_daemon: StartDaemon) -> None:
    port = programs.free_port()
    daemon = start_daemon(settings={"server.tcp": f"127.0.0.1:{port}"})
    text = expected(RECURRENT, SHORT)
    assert transcribed(("127.0.0.1", port), pcm(SHORT)) == text
    assert transcribed(daemon.socket, pcm(SHORT)) == text


@pytest.mark.parametrize("inline", [False, True], ids=["data_length", "inline"])
def test_both_forms_of_data(daemon: Daemon, inline: bool) -> None:
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {"language": "en"}, inline=inline)
        bare.sound(pcm(SHORT), inline=inline)
        events = []
        while not events or events[-1].type != "transcript-stop":
            event = bare.read()
            assert event is not None
            events.append(event)
    assert text_of(events) == expected(RECURRENT, SHORT)


@pytest.mark.parametrize("size", [1, 7, 333])
def test_bytes_cut_anywhere(daemon: Daemon, size: int) -> None:
    """Events that arrive in small pieces; the sound is short, for each piece is a system call."""
    with Bare(daemon.socket) as bare:
        recorder = bytearray()
        bare.send = recorder.extend  # type: ignore[method-assign]
        bare.event("transcribe", {})
        bare.sound(silence(0.05))
        bare.event("ping", {"text": "after"})
        for i in range(0, len(recorder), size):
            bare.socket.sendall(recorder[i : i + size])
        kinds = [getattr(bare.read(), "type", None) for _ in range(5)]
    assert set(kinds) >= {"transcript", "transcript-stop", "pong"}


def test_streaming_events(daemon: Daemon) -> None:
    """For clients that show text as it comes: chunks that join to the transcript."""
    events = answer(daemon.socket, pcm(LONG))
    kinds = [event.type for event in events]
    assert kinds[0] == "transcript-start" and kinds[-1] == "transcript-stop"
    chunks = [event.data["text"] for event in of_type(events, "transcript-chunk")]
    assert chunks and "".join(chunks) == text_of(events)
    assert not of_type(events, "hearken-segment"), "only those who ask get what Wyoming lacks"


def test_segments_and_words(daemon: Daemon) -> None:
    events = answer(daemon.socket, pcm(LONG), EXTENDED)
    segments = [event.data for event in of_type(events, "hearken-segment")]
    assert segments and all(segment["type"] == "final" for segment in segments)
    assert " ".join(segment["text"] for segment in segments) == text_of(events)
    for segment in segments:
        assert 0 <= segment["start"] < segment["end"] <= pcm(LONG).seconds() + 0.1
        assert 0 <= segment["confidence"] <= 1
        words = segment["words"]
        assert " ".join(word["text"] for word in words) == segment["text"]
        times = [time for word in words for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert segment["start"] - 0.05 <= times[0] and times[-1] <= segment["end"] + 0.05
        assert all(0 <= word["confidence"] <= 1 for word in words)
    (transcript,) = of_type(events, "transcript")
    assert [s["text"] for s in transcript.data["segments"]] == [s["text"] for s in segments]


def test_partial_text(start_daemon: StartDaemon) -> None:
    """A network of random weights does not know when to end, and such a partial text is not shown;
    test_real_model.py sees those that are."""
    request = {"hearken": {"events": True, "partial_seconds": 1}}
    daemon = start_daemon()
    events = answer(daemon.socket, pcm(LONG), request)
    final = of_type(events, "hearken-segment")[-1].data
    assert final["type"] == "final"
    assert final["committed"] == len(final["text"].encode())
    assert text_of(events) == expected(RECURRENT, LONG), "partial text changes the final one"


def test_alignment(daemon: Daemon) -> None:
    request = {"hearken": {"events": True, "alignment": True}}
    events = answer(daemon.socket, pcm(SHORT), request)
    (segment,) = of_type(events, "hearken-segment")
    alignment = segment.data["alignment"]
    tokens, steps = alignment["tokens"], alignment["steps"]
    assert tokens == len(alignment["texts"]) > 0 and steps > 0
    assert segment.payload is not None and len(segment.payload) == 4 * tokens * steps
    assert len(segment.data["text"]) > 0


def test_implicit_start(daemon: Daemon) -> None:
    """Neither transcribe nor audio-start: the first chunk says all there is to know."""
    sound = pcm(SHORT)

    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            for chunk in sound.chunks(1024):
                event = AudioChunk(sound.rate, sound.width, sound.channels, chunk).event()
                await client.write_event(event)
            await client.write_event(AudioStop().event())
            return await read_answer(client)

    assert text_of(complete(work())) == expected(RECURRENT, SHORT)


def test_start_without_transcribe(daemon: Daemon) -> None:
    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            await send_sound(client, pcm(SHORT))
            return await read_answer(client)

    assert text_of(complete(work())) == expected(RECURRENT, SHORT)


def test_many_requests_on_one_connection(daemon: Daemon) -> None:
    recordings = [SHORT, LONG, SHORT, SHORT, LONG]

    async def work() -> list[str]:
        async with connected(daemon.socket) as client:
            return [text_of(await ask(client, pcm(recording))) for recording in recordings]

    assert complete(work()) == [expected(RECURRENT, recording) for recording in recordings]


def test_requests_ahead_of_answers(daemon: Daemon) -> None:
    """A client that does not wait for a transcript before it asks again."""
    recordings = [SHORT, LONG, SHORT]

    async def work() -> list[str]:
        async with connected(daemon.socket) as client:

            async def send() -> None:
                for recording in recordings:
                    await client.write_event(Transcribe().event())
                    await send_sound(client, pcm(recording))

            sending = asyncio.create_task(send())
            texts = [text_of(await read_answer(client)) for _ in recordings]
            await sending
            return texts

    assert complete(work()) == [expected(RECURRENT, recording) for recording in recordings]


def test_no_audio_at_all(daemon: Daemon) -> None:
    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            await client.write_event(Transcribe().event())
            await client.write_event(AudioStop().event())
            return await read_answer(client)

    assert text_of(complete(work())) == ""


def test_ping_while_listening(daemon: Daemon) -> None:
    sound = pcm(SHORT)
    form = (sound.rate, sound.width, sound.channels)

    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            for i, chunk in enumerate(sound.chunks(8000)):
                await client.write_event(AudioChunk(*form, chunk).event())
                await client.write_event(Ping(text=str(i)).event())
            await client.write_event(AudioStop().event())
            return await read_answer(client)

    events = complete(work())
    assert [event.data["text"] for event in of_type(events, "pong")] == list("012345")
    assert text_of(events) == expected(RECURRENT, SHORT)


def test_unknown_events_are_dropped(daemon: Daemon) -> None:
    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            await client.write_event(Event("synthesize", {"text": "hello"}))
            await client.write_event(Event("no-such-thing", {"a": [1]}, b"payload"))
            return await ask(client, pcm(SHORT))

    assert text_of(complete(work())) == expected(RECURRENT, SHORT)


def test_settings_of_a_request(daemon: Daemon) -> None:
    """They hold for that request only."""
    narrow = alone(RECURRENT, LONG, "--beam", "1").replace("\n", " ").strip()

    async def work() -> list[str]:
        async with connected(daemon.socket) as client:
            requests = [{"hearken": {"beam_width": 1}}, None, {"hearken": {"beam_width": 1}}]
            return [text_of(await ask(client, pcm(LONG), request)) for request in requests]

    assert complete(work()) == [narrow, expected(RECURRENT, LONG), narrow]


# How hearkend.conf(5) says what a setting is, without its default.
VALUE = re.compile(
    r"(On or off|One of: [\w, ]+|(?:UTF-8 t|T)ext(?: of at most \d+ bytes)?"
    r"|A (?:whole )?number from \S+ to \S+); by default"
)

# Its first word, and the type that the protocol gives.
TYPES = {"On": "true, false", "One": "string", "Text": "string", "UTF-8": "string", "A": "number"}

# Keys of `hearken` that no setting has, or one of another type.
OWN_KEYS = {"events", "words", "alignment", "voice_events", "custom_words"}


@pytest.fixture
def options() -> dict[str, tuple[str, str]]:
    """The library's options of streams as the daemon prints them: value and default by name."""
    command = [programs.HEARKEND, "--help-config"]
    text = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    found = {}
    for block in text.split("[recognition]\n\n")[1].split("\n\n[")[0].split("\n\n"):
        *comment, assignment = block.split("\n")
        name, default = assignment.removeprefix("#").split(" =")
        value = VALUE.search(" ".join(line.removeprefix("# ") for line in comment))
        assert value, block
        if name not in ("custom_words", "custom_words_file"):
            found[name] = (value[1], default.strip())
    return found


def test_manual_tells_all_options(options: dict[str, tuple[str, str]]) -> None:
    """docs/protocol.md has each option of a stream among the keys of `hearken`, with its type."""
    text = (programs.REPOSITORY / "docs" / "protocol.md").read_text()
    table = text.split("| key of `hearken` | type | |\n")[1].split("\n\n")[0]
    rows = [row.split(" | ") for row in table.splitlines()[1:]]
    told = {key: row[1] for row in rows for key in re.findall(r"`(\w+)`", row[0])}
    expected = {name: TYPES[value.split()[0]] for name, (value, _) in options.items()}
    assert {key: kind for key, kind in told.items() if key not in OWN_KEYS} == expected
    assert OWN_KEYS < set(told)


def test_header_tells_the_options(options: dict[str, tuple[str, str]]) -> None:
    """hearken.h has each option; where it states a range or a default, that is the table's."""
    header = (programs.REPOSITORY / "include" / "hearken" / "hearken.h").read_text()
    struct = re.search(
        r"^struct hearken_stream_options \{(.*?)^\};", header, re.MULTILINE | re.DOTALL
    )
    members = re.findall(r"(\w+)(?:\[\w+\])?; +/\*(.*?)\*/", struct[1], re.DOTALL)
    comments = {name: " ".join(re.sub(r"\n *\*? ", " ", text).split()) for name, text in members}
    assert set(options) <= set(re.findall(r"(\w+)(?:\[\w+\])?;", struct[1]))
    for name in set(options) & set(comments):
        value, default = options[name]
        limits = re.search(r"from (\S+) to (\S+)", value)
        stated = re.search(r"(-?[\d.]*\d)\.\.(-?\d[\d.]*\d|\d)", comments[name])
        if limits and stated and name != "padding":  # below 0 it is something else
            assert stated.groups() == limits.groups(), (name, comments[name])
        stated = re.search(r"[Dd]efault (-?[\d.]*\d|true|false)", comments[name])
        if stated:
            assert {"true": "on", "false": "off"}.get(stated[1], stated[1]) == default, name


def test_language_that_need_not_be_found(daemon: Daemon) -> None:
    """A model of one language takes it, and "auto"."""

    async def work() -> list[str]:
        async with connected(daemon.socket) as client:
            requests = [{"language": "auto"}, {"language": "en-GB"}, {"hearken": {"language": ""}}]
            return [text_of(await ask(client, pcm(SHORT), request)) for request in requests]

    assert complete(work()) == [expected(RECURRENT, SHORT)] * 3


@pytest.mark.parametrize(
    ("request_data", "code", "said"),
    [
        ({"language": "tlh", "hearken": {}}, "unknown-language", "tlh"),
        ({"name": "whisper-huge", "hearken": {}}, "unknown-model", "whisper-huge"),
        ({"language": 7, "hearken": {}}, "bad-value", "language: got a number, expected a string"),
        ({"hearken": {"beam_width": 0}}, "bad-value", "beam_width"),
        ({"hearken": {"beam_width": 1e300}}, "bad-value", "got 1e+300"),
        ({"hearken": {"beam_width": -(2**63)}}, "bad-value", "from 1 to 16"),
        ({"hearken": {"seed": 2**32}}, "bad-value", "got 4294967296"),
        ({"hearken": {"seed": -1}}, "bad-value", "got -1"),
        ({"hearken": {"padding": -1e300}}, "bad-value", "got -1e+300"),
        (
            {"hearken": {"beam_width": "many"}},
            "bad-value",
            "beam_width: got a string, expected a whole",
        ),
        ({"hearken": {"language": 3}}, "bad-value", "language"),
        ({"hearken": {"task": "sing"}}, "bad-value", "transcribe, translate"),
        ({"hearken": {"prompt": "x" * 1024}}, "bad-value", "at most 1023 bytes"),
        ({"hearken": {"exact": "yes"}}, "bad-value", "exact: got a string, expected true"),
        ({"hearken": {"task": "translate"}}, "recognition-failed", "translate"),
        ({"hearken": {"timestamps": True}}, "recognition-failed", "timestamps"),
        ({"hearken": {"prompt": "Dear all"}}, "recognition-failed", "<|startofprev|>"),
        ({"hearken": {"suppress_tokens": "1,x"}}, "recognition-failed", "suppress_tokens"),
        ({"hearken": {"frobnicate": True}}, "bad-value", "frobnicate"),
        ({"hearken": {"": 1}}, "bad-value", 'unknown: ""'),
        ({"hearken": 1}, "bad-value", "hearken: got a number, expected an object"),
    ],
)
def test_refused_requests(daemon: Daemon, request_data, code: str, said: str) -> None:
    """The error says what was wrong, and the connection goes on."""

    async def work() -> tuple[list[Event], list[Event]]:
        async with connected(daemon.socket) as client:
            refused = await ask(client, pcm(SHORT), request_data)
            return refused, await ask(client, pcm(SHORT), {"language": "en"})

    refused, accepted = complete(work())
    error = error_of(refused)
    assert error.code == code and said in error.text
    assert text_of(accepted) == expected(RECURRENT, SHORT)


@pytest.mark.parametrize(
    ("settings", "request_data", "code"),
    [
        ({}, {"language": "tlh"}, "unknown-language"),
        ({}, {"name": "whisper-huge"}, "unknown-model"),
        ({"limits.audio_seconds": "1"}, {}, "too-long"),
        ({"recognition.timestamps": "on"}, {}, "recognition-failed"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_refused_plain_requests(
    start_daemon: StartDaemon, tcp: bool, settings, request_data, code: str
) -> None:
    """A client that knows no errors sends all, and gets the end of the connection."""
    port = programs.free_port()
    daemon = start_daemon(settings=settings | {"server.tcp": f"127.0.0.1:{port}"})

    async def work() -> list[Event]:
        async with connected(("127.0.0.1", port) if tcp else daemon.socket) as client:
            await client.write_event(Event("transcribe", request_data))
            await send_sound(client, pcm(SHORT))
            events = []
            while (event := await client.read_event()) is not None:
                events.append(event)
            return events

    (event,) = complete(work())
    assert error_of([event]).code == code


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"rate": 0, "width": 2, "channels": 1}, "rate"),
        ({"rate": 16000, "width": 5, "channels": 1}, "width"),
        ({"rate": 16000, "width": 2, "channels": 0}, "channels"),
        ({"rate": "fast", "width": 2, "channels": 1}, "rate"),
        ({"rate": 10**30, "width": 2, "channels": 1}, None),
        ({"width": 2, "channels": 1}, "rate"),
    ],
)
def test_bad_formats(daemon: Daemon, form, said: str | None) -> None:
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {})
        bare.event("audio-start", form)
        event = bare.read()
        assert event is not None
        error = error_of([event])
        assert said is None or said in error.text
    assert transcribed(daemon.socket, pcm(SHORT)) == expected(RECURRENT, SHORT)


def test_format_may_not_change(daemon: Daemon) -> None:
    with Bare(daemon.socket) as bare:
        form = {"rate": 16000, "width": 2, "channels": 1}
        bare.event("audio-chunk", form, bytes(3200))
        bare.event("audio-chunk", form | {"rate": 8000}, bytes(3200))
        event = bare.read()
        assert event is not None and error_of([event]).code == "format-changed"


def answer_to_pieces(daemon: Daemon, sound: Pcm, sizes: list[int], rest: bytes = b"") -> str:
    """What a client gets whose chunks have these sizes in bytes, in turn."""
    form = {"rate": sound.rate, "width": sound.width, "channels": sound.channels}
    data, offset = sound.data + rest, 0
    with Bare(daemon.socket) as bare:
        bare.event("transcribe", {})
        bare.event("audio-start", form)
        for size in itertools.cycle(sizes):
            if offset >= len(data):
                break
            bare.event("audio-chunk", form, data[offset : offset + size])
            offset += size
        bare.event("audio-stop")
        events = []
        while not events or events[-1].type not in ("transcript-stop", "error"):
            event = bare.read()
            assert event is not None
            events.append(event)
    return text_of(events)


@pytest.mark.parametrize(
    ("sizes", "width", "channels", "seconds"),
    [
        ([1], 2, 1, 1.0),
        ([3], 3, 2, 1.0),
        ([101, 37, 512, 999], 2, 1, 2.5),
        ([101, 37, 512, 999], 4, 64, 2.5),
        ([0, 7, 20001], 3, 2, 2.5),
    ],
)
def test_chunks_of_any_size(
    daemon: Daemon, sizes: list[int], width: int, channels: int, seconds: float
) -> None:
    """A frame may begin in one chunk and end in the next, or in one after that."""
    sound = pcm(SHORT, width=width, channels=channels).first(seconds)
    text = transcribed(daemon.socket, sound)
    assert text and answer_to_pieces(daemon, sound, sizes) == text


def test_rest_of_a_frame(daemon: Daemon) -> None:
    """It is dropped at the end, and belongs to no other request."""
    sound = pcm(SHORT, channels=2)
    text = transcribed(daemon.socket, sound)
    assert text and answer_to_pieces(daemon, sound, [999], rest=b"xyz") == text
    assert "3 of 4 bytes dropped" in daemon.log()


def test_frames_of_other_requests(daemon: Daemon) -> None:
    """The start of a frame does not outlive its request, on one connection."""
    sound = pcm(SHORT)
    form = {"rate": sound.rate, "width": sound.width, "channels": sound.channels}

    async def work() -> list[str]:
        texts = []
        async with connected(daemon.socket) as client:
            for end in ("audio-stop", "transcribe"):
                await client.write_event(Event("audio-chunk", form, bytes(1)))
                await client.write_event(Event(end, {}))
                if end == "audio-stop":
                    await read_answer(client)
                texts.append(text_of(await ask(client, sound)))
        return texts

    assert complete(work()) == [expected(RECURRENT, SHORT)] * 2


@pytest.mark.parametrize(
    "before", [["transcribe"], ["audio-start"], ["transcribe", "audio-start", "audio-chunk"]]
)
def test_transcribe_starts_anew(daemon: Daemon, before: list[str]) -> None:
    """Of what came before nothing is left, neither sound nor what was asked for."""
    form = {"rate": 8000, "width": 2, "channels": 1}

    async def work() -> list[Event]:
        async with connected(daemon.socket) as client:
            for kind in before:
                data = {"hearken": {"events": True}} if kind == "transcribe" else form
                payload = pcm(LONG).data if kind == "audio-chunk" else None
                await client.write_event(Event(kind, data, payload))
            return await ask(client, pcm(SHORT), {})

    events = complete(work())
    assert text_of(events) == expected(RECURRENT, SHORT)
    assert not of_type(events, "hearken-segment")


def test_select_program(daemon: Daemon) -> None:
    async def work(name: str) -> list[Event]:
        async with connected(daemon.socket) as client:
            await client.write_event(SelectProgram(name=name).event())
            return await ask(client, pcm(SHORT))

    assert text_of(complete(work("hearken"))) == expected(RECURRENT, SHORT)
    with Bare(daemon.socket) as bare:
        bare.event("select-program", {"name": "piper"})
        (event,) = bare.read_all()
        assert error_of([event]).code == "unknown-program"


@pytest.mark.parametrize("count", [20])
def test_many_clients_at_once(start_daemon: StartDaemon, random_model, count: int) -> None:
    """Each hears what it would hear alone."""
    daemon = start_daemon(random_model)
    recordings = [SHORT if i % 3 else LONG for i in range(count)]

    async def one(recording) -> str:
        async with connected(daemon.socket) as client:
            return text_of(await ask(client, pcm(recording)))

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(one, recordings))

    texts = complete(all_of_them())
    assert texts == [expected(random_model, recording) for recording in recordings]


def open_files(daemon: Daemon) -> int:
    assert daemon.process is not None
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_connections_leave_nothing(daemon: Daemon) -> None:
    transcribed(daemon.socket, pcm(SHORT))
    before = open_files(daemon)
    for i in range(20):
        with Bare(daemon.socket) as bare:
            bare.event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, bytes(3200))
            if i % 2:
                bare.event("ping", {})
                assert bare.read() is not None
    programs.wait_until(lambda: open_files(daemon) <= before, "descriptors to be closed")
