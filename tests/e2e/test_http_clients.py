# SPDX-License-Identifier: MIT
"""The programs that speak to HTTP servers of this kind, unchanged, or byte for byte as they do."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
import sounds
from conftest import Serve
from programs import PATIENCE, RANDOM_MODELS, REAL_MODEL, environment, succeed, wait_until
from sounds import LONG, SHORT, Pcm, pcm, write_wav
from talking import complete
from web import TRANSCRIPTIONS, Field, Form, Recording, Served, recording

IN_PIECES = json.dumps({"segment_seconds": 3})


def whole(recording: Path, folder: Path, times: int) -> Path:
    """A longer recording: one that is repeated."""
    sound = pcm(recording)
    return write_wav(folder / "long.wav", Pcm(sound.rate, sound.width, 1, sound.data * times))


# ---- The package of OpenAI ----


def client_of(served: Served, key: str = "any", retries: int = 0) -> openai.OpenAI:
    url = served.url("/v1")
    return openai.OpenAI(base_url=url, api_key=key, max_retries=retries, timeout=PATIENCE)


def async_client_of(served: Served) -> openai.AsyncOpenAI:
    url = served.url("/v1")
    return openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0, timeout=PATIENCE)


def opened(path: Path) -> Any:
    return path.open("rb")


@pytest.mark.parametrize(
    "give",
    [
        lambda path: path,
        opened,
        lambda path: path.read_bytes(),
        lambda path: BytesIO(path.read_bytes()),
        lambda path: ("speech.webm", path.read_bytes(), "video/webm"),
        lambda path: ('Größe "1".flac', path.read_bytes()),
    ],
    ids=["path", "file", "bytes", "BytesIO", "name that lies", "odd name"],
)
def test_openai_files(served: Served, give: Callable[[Path], Any]) -> None:
    answer = client_of(served).audio.transcriptions.create(model="whisper-1", file=give(SHORT))
    assert answer.text and answer.text == served.transcribed(SHORT)
    assert answer.usage is not None and answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(pcm(SHORT).seconds(), abs=0.01)


def test_openai_plain_formats(served: Served) -> None:
    """For these the package returns the body as it is."""
    create = client_of(served).audio.transcriptions.create
    expected = served.transcribed(LONG)
    assert create(model="whisper-1", file=LONG, response_format="text") == expected + "\n"
    for form in ("srt", "vtt"):
        options = ("--socket", served.daemon.socket, "-f", form)
        subtitles = succeed("transcribe", *options, LONG, folder=served.daemon.folder)
        assert create(model="whisper-1", file=LONG, response_format=form) == subtitles


def test_openai_verbose(served: Served) -> None:
    answer = client_of(served).audio.transcriptions.create(
        model="whisper-1",
        file=LONG,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"hearken": IN_PIECES},
    )
    options = ("--socket", served.daemon.socket, "-f", "json", "--set", "segment_seconds=3")
    printed = succeed("transcribe", *options, LONG, folder=served.daemon.folder)
    expected = json.loads(printed)
    assert answer.language == "english"
    assert answer.duration == pytest.approx(pcm(LONG).seconds(), abs=0.01)
    assert answer.text == expected["text"]
    assert answer.segments is not None and answer.words is not None
    assert len(answer.segments) == len(expected["segments"]) > 1
    for number, (segment, other) in enumerate(
        zip(answer.segments, expected["segments"], strict=True)
    ):
        assert segment.id == number and segment.text == other["text"]
        assert segment.start == pytest.approx(other["start"], abs=0.002)
        assert segment.end == pytest.approx(other["end"], abs=0.002)
        assert segment.avg_logprob <= 0 and segment.compression_ratio > 0
        assert segment.tokens == [] and segment.temperature == segment.no_speech_prob == 0
    words = [word for segment in expected["segments"] for word in segment["words"]]
    assert [word.word for word in answer.words] == [word["text"] for word in words]
    for word, other in zip(answer.words, words, strict=True):
        assert word.start == pytest.approx(other["start"], abs=0.002)
        assert word.end == pytest.approx(other["end"], abs=0.002)


@pytest.mark.parametrize("granularities", [None, ["word"], ["segment"]], ids=str)
def test_openai_granularities(served: Served, granularities: Any) -> None:
    """Segments always; words unless only segments are wanted."""
    answer = client_of(served).audio.transcriptions.create(
        model="whisper-1",
        file=SHORT,
        response_format="verbose_json",
        timestamp_granularities=granularities or openai.omit,
    )
    assert answer.segments
    assert bool(answer.words) == (granularities != ["segment"])


def test_openai_diarized(served: Served) -> None:
    answer = client_of(served).audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize",
        file=LONG,
        response_format="diarized_json",
        chunking_strategy="auto",
        extra_body={"hearken": IN_PIECES},
    )
    assert answer.text == " ".join(segment.text for segment in answer.segments)
    assert len(answer.segments) > 1
    for segment in answer.segments:
        assert segment.type == "transcript.text.segment" and segment.speaker == "A"
        assert isinstance(segment.id, str) and segment.start <= segment.end


def test_openai_log_probabilities(served: Served) -> None:
    answer = client_of(served).audio.transcriptions.create(
        model="gpt-4o-transcribe", file=SHORT, include=["logprobs"]
    )
    assert answer.logprobs
    tokens = [entry.token or "" for entry in answer.logprobs]
    assert "".join(tokens) == answer.text
    for entry in answer.logprobs:
        assert entry.logprob is not None and entry.logprob <= 0
        assert bytes(int(value) for value in entry.bytes or []).decode() == entry.token


def test_openai_async(served: Served) -> None:
    async def work() -> list[str]:
        async with async_client_of(served) as client:
            create = client.audio.transcriptions.create
            files = [SHORT, LONG, SHORT]
            answers = [create(model="whisper-1", file=file.read_bytes()) for file in files]
            return [answer.text for answer in await asyncio.gather(*answers)]

    short, long = served.transcribed(SHORT), served.transcribed(LONG)
    assert complete(work()) == [short, long, short]


def told(events: Sequence[Any]) -> str:
    """The text of a stream, in both of its ways."""
    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert done.usage.seconds == pytest.approx(pcm(LONG).seconds(), abs=0.01)
    return str(done.text)


def test_openai_stream(served: Served) -> None:
    stream = client_of(served).audio.transcriptions.create(
        model="gpt-4o-mini-transcribe",
        file=LONG,
        stream=True,
        include=["logprobs"],
        extra_body={"hearken": IN_PIECES},
    )
    events = list(stream)
    assert len(events) > 2
    assert told(events) == served.transcribed(LONG, "--set", "segment_seconds=3")
    for event in events[:-1]:
        assert "".join(entry.token for entry in event.logprobs) == event.delta
    assert "".join(entry.token for entry in events[-1].logprobs) == events[-1].text


def test_openai_async_stream(served: Served) -> None:
    async def work() -> list[Any]:
        async with async_client_of(served) as client:
            stream = await client.audio.transcriptions.create(
                model="gpt-4o-mini-transcribe",
                file=LONG,
                stream=True,
                extra_body={"hearken": IN_PIECES},
            )
            return [event async for event in stream]

    assert told(complete(work())) == served.transcribed(LONG, "--set", "segment_seconds=3")


def test_openai_stream_that_fails(serve: Serve, folder: Path) -> None:
    """After its first text: the package raises what comes as an event."""
    limits = {"limits.audio_seconds": "60", "limits.audio_queue_kib": "64"}
    stream = client_of(serve(limits)).audio.transcriptions.create(
        model="whisper-1",
        file=whole(LONG, folder, 10),
        stream=True,
        extra_body={"hearken": IN_PIECES},
    )
    assert next(iter(stream)).type == "transcript.text.delta"
    with pytest.raises(openai.APIError, match="more than 60 seconds") as raised:
        list(stream)
    assert raised.value.code == "too_long" and raised.value.param == "file"


@pytest.mark.parametrize(
    "options",
    [
        {"language": "en"},
        {"language": "en-US"},
        {"language": ""},
        {"language": "english"},
        {"languages": ["en"]},
        {"prompt": ""},
        {"temperature": 0.0},
        {"known_speaker_names": ["Ann", "Bob"]},
        {"extra_body": {"unknown": "field", "and_more[]": ["a", "b"]}},
    ],
    ids=str,
)
def test_openai_options_that_change_nothing(served: Served, options: dict[str, Any]) -> None:
    create = client_of(served).audio.transcriptions.create
    assert create(model="whisper-1", file=LONG, **options).text == served.transcribed(LONG)


def test_openai_keywords(served: Served) -> None:
    words = ["Haydn", "thex Ith", "Größe"]
    answer = client_of(served).audio.transcriptions.create(
        model="gpt-transcribe", file=LONG, keywords=words
    )
    assert answer.text == served.transcribed(LONG, "--custom-words", ",".join(words))


def test_openai_chunking(served: Served) -> None:
    """The package writes it as fields of their own: chunking_strategy[type] and others."""
    create = client_of(served).audio.transcriptions.create
    strategy: Any = {"type": "server_vad", "silence_duration_ms": 300, "threshold": 0.4}
    answer = create(model="whisper-1", file=LONG, chunking_strategy=strategy)
    settings = ("endpointing=on", "endpoint_seconds=0.3", "voice_threshold=0.4")
    options = [word for setting in settings for word in ("--set", setting)]
    assert answer.text == served.transcribed(LONG, *options)
    wrong: Any = strategy | {"threshold": 7}
    with pytest.raises(openai.BadRequestError) as raised:
        create(model="whisper-1", file=LONG, chunking_strategy=wrong)
    assert "voice_threshold" in raised.value.message
    assert raised.value.param == "chunking_strategy"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_openai_translation(served: Served) -> None:
    """A model that knows English alone has nothing to translate."""
    create = client_of(served).audio.translations.create
    assert create(model="whisper-1", file=SHORT).text == served.transcribed(SHORT)
    verbose: Any = create(model="whisper-1", file=SHORT, response_format="verbose_json")
    assert verbose.task == "translate" and verbose.language == "english"


def test_openai_models(serve: Serve) -> None:
    other = {"model other.file": str(RANDOM_MODELS["transformer"])}
    served = serve(other)
    client = client_of(served)
    names = [model.id for model in client.models.list()]
    assert names[0] == "hearken-test-recurrent" and "whisper-1" in names
    assert len(names) == len(set(names)) >= 4
    for name in names:
        model = client.models.retrieve(name)
        assert model.id == name and model.object == "model" and model.owned_by == "hearken"
        assert model.created > 1_500_000_000
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("org/unknown")
    assert raised.value.code == "model_not_found" and raised.value.param == "model"
    answers = [client.audio.transcriptions.create(model=name, file=SHORT) for name in names[:2]]
    assert answers[0].text == served.transcribed(SHORT)
    assert answers[1].text == served.transcribed(SHORT, "--model", "other")
    assert answers[0].text != answers[1].text


def test_openai_errors(served: Served) -> None:
    """Never one that the package would send again."""
    client = client_of(served, retries=2)
    create = client.audio.transcriptions.create
    for content in (b"hello " * 1000, b"\x00" * 5000, b"\x1aE\xdf\xa3" + bytes(3000), b""):
        with pytest.raises(openai.BadRequestError) as raised:
            create(model="whisper-1", file=("a.wav", content))
        assert (raised.value.code, raised.value.param) == ("invalid_audio", "file")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("response_format", {"response_format": "yaml"}),
        ("language", {"language": "tlh"}),
        ("temperature", {"temperature": 7}),
        ("timestamp_granularities", {"timestamp_granularities": ["letter"]}),
        ("include", {"include": ["everything"]}),
        ("known_speaker_references", {"known_speaker_references": ["data:audio/wav;base64,AA"]}),
        ("stream", {"extra_body": {"stream": "perhaps"}}),
        ("hearken", {"extra_body": {"hearken": "[1]"}}),
        ("hearken", {"extra_body": {"hearken": '{"beam_width":0}'}}),
        ("chunking_strategy", {"extra_body": {"chunking_strategy": "none"}}),
        ("chunking_strategy", {"extra_body": {"chunking_strategy": '{"type":5}'}}),
    ]
    for param, options in wrong:
        with pytest.raises(openai.BadRequestError) as raised:
            create(model="whisper-1", file=SHORT, **options)
        assert raised.value.param == param and param in raised.value.message
        assert raised.value.type == "invalid_request_error"
    done = ": POST /audio/transcriptions: "
    wait_until(lambda: served.daemon.log().count(done) >= 4 + len(wrong), "the lines in the log")
    assert served.daemon.log().count(done + "400") == served.daemon.log().count(done)
    assert served.daemon.log().count(done) == 4 + len(wrong)


def test_openai_strict_models(serve: Serve) -> None:
    served = serve({"http.strict_models": "on"})
    create = client_of(served).audio.transcriptions.create
    assert create(model="gpt-4o-transcribe", file=SHORT).text == served.transcribed(SHORT)
    with pytest.raises(openai.NotFoundError) as raised:
        create(model="large-v3", file=SHORT)
    assert raised.value.code == "model_not_found" and raised.value.param == "model"
    assert "hearken-test-recurrent" in raised.value.message


def test_openai_keys(serve: Serve, folder: Path) -> None:
    tokens = folder / "tokens"
    tokens.write_text("right\n")
    served = serve({"http.tokens_file": str(tokens)})
    assert client_of(served, "right").audio.transcriptions.create(model="x", file=SHORT).text
    with pytest.raises(openai.AuthenticationError) as raised:
        client_of(served, "wrong").models.list()
    assert raised.value.code == "invalid_api_key"


def test_openai_tries_again(serve: Serve) -> None:
    """Where there was no room: the package waits as long as it is told, and succeeds."""
    served = serve({"http.requests": "1"})
    client = client_of(served, retries=1)
    with served.bare() as busy:
        busy.send(b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n")
        busy.send(b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n")
        wait_until(lambda: served.running() == 1, "the request to begin")
        with pytest.raises(openai.InternalServerError) as raised:
            client_of(served).audio.transcriptions.create(model="x", file=SHORT)
        assert raised.value.status_code == 503 and raised.value.code == "overloaded"
        assert int(raised.value.response.headers["retry-after"]) >= 1
    answer = client.audio.transcriptions.create(model="x", file=SHORT)
    assert answer.text == served.transcribed(SHORT)


@pytest.mark.real
def test_openai_real_words(serve: Serve) -> None:
    """Both recordings at once, with the model that is installed."""
    served = serve(model=REAL_MODEL)
    texts = sounds.transcripts()
    for file in (SHORT, LONG):
        answer = client_of(served).audio.transcriptions.create(model="whisper-1", file=file)
        heard = "".join(c for c in answer.text.lower() if c.isalpha() or c == " ").split()
        said = texts[file.stem].lower().split()
        assert len(set(said) & set(heard)) >= 0.7 * len(set(said)), answer.text


# ---- curl ----


def curl(served: Served, *arguments: str, path: str = TRANSCRIPTIONS) -> bytes:
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *arguments]
    return subprocess.run(
        [*command, served.url(path)],
        env=environment(served.daemon.folder),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


def fields(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--form-string", pair)]


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ((), ()),
        (('hearken={"beam_width":1}',), ("--beam", "1")),
        (("keywords[]=thex", "keywords[]=Haydn"), ("--custom-words", "thex,Haydn")),
        (("keywords=thex", "keywords=Haydn"), ("--custom-words", "thex,Haydn")),
        (
            ('hearken={"segment_seconds":3}', 'chunking_strategy={"type":"server_vad"}'),
            ("--set", "segment_seconds=3", "--set", "endpointing=on"),
        ),
        (("chunking_strategy[type]=server_vad",), ("--set", "endpointing=on")),
        (("chunking_strategy=auto", "model=whisper-1"), ()),
    ],
    ids=str,
)
def test_curl_in_both_orders(served: Served, given: Sequence[str], options: Sequence[str]) -> None:
    """Fields behind the file, as the manual has it, change what is recognised all the same."""
    file = ["-F", f"file=@{LONG}"]
    expected = served.transcribed(LONG, *options)
    assert json.loads(curl(served, *fields(*given), *file))["text"] == expected
    assert json.loads(curl(served, *file, *fields(*given)))["text"] == expected
    half = len(given) // 2
    mixed = [*fields(*given[:half]), *file, *fields(*given[half:])]
    assert json.loads(curl(served, *mixed))["text"] == expected


def test_curl_changes_its_mind(served: Served) -> None:
    """Of fields that come twice the last counts, also behind the file."""
    wide, narrow = fields('hearken={"beam_width":4}'), fields('hearken={"beam_width":1}')
    file = ["-F", f"file=@{LONG}"]
    answer = json.loads(curl(served, *wide, *file, *narrow))
    assert answer["text"] == served.transcribed(LONG, "--beam", "1")
    assert answer["text"] != served.transcribed(LONG, "--beam", "4")
    lists = fields("keywords[]=Haydn"), fields("keywords[]=thex")
    answer = json.loads(curl(served, *lists[0], *file, *lists[1]))
    assert answer["text"] == served.transcribed(LONG, "--custom-words", "Haydn,thex")


def test_curl_puts_it_right(serve: Serve) -> None:
    """What is wrong in front of the file need not be wrong with what stands behind it."""
    other = {"model other.file": str(RANDOM_MODELS["transformer"]), "http.strict_models": "on"}
    served = serve(other)
    file = ["-F", f"file=@{LONG}"]
    for wrong, right in (
        ('hearken={"beam_width":99}', 'hearken={"beam_width":1}'),
        ("model=unknown", "model=other"),
        ("temperature=9", "temperature=1"),
        ("language=tlh", "language=en"),
    ):
        expected = json.loads(curl(served, *fields(right), *file))["text"]
        assert json.loads(curl(served, *fields(wrong), *file, *fields(right)))["text"] == expected


@pytest.mark.parametrize("order", [1, -1], ids=["fields first", "file first"])
def test_curl_lists(served: Served, order: int) -> None:
    given = fields("timestamp_granularities=segment", "timestamp_granularities[]=word")
    given += fields("response_format=verbose_json", "stream=false")
    parts = [given, ["-F", f"file=@{SHORT}"]][::order]
    answer = json.loads(curl(served, *parts[0], *parts[1]))
    assert answer["words"] and answer["segments"]


@pytest.mark.parametrize(
    "more",
    [
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue"),
        ("-0",),
        ("-H", "Expect:"),
    ],
    ids=["chunked", "expect", "1.0", "at once"],
)
def test_curl_ways_to_send(served: Served, folder: Path, more: Sequence[str]) -> None:
    long = whole(LONG, folder, 4)  # more than curl sends without asking
    answer = json.loads(curl(served, *more, "-F", f"file=@{long}"))
    assert answer["text"] == served.transcribed(long)


def test_curl_stream(served: Served) -> None:
    form = [*fields("stream=true", f"hearken={IN_PIECES}"), "-F", f"file=@{LONG}"]
    text = curl(served, "-N", *form).decode()
    blocks = text.removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    assert blocks.pop() == "data: [DONE]"
    events = [json.loads(block.removeprefix("data: ")) for block in blocks]
    assert "".join(event.get("delta", "") for event in events) == events[-1]["text"]


# ---- Others, as they send ----


@dataclass(frozen=True)
class Client:
    """What a program sends, and what it reads of the answer."""

    name: str
    form: Form
    path: str = TRANSCRIPTIONS
    key: str = "Bearer sk-0"
    read: Callable[[Any], str] = lambda answer: answer["text"]


FLAC = recording(SHORT)
WEBM = recording(SHORT, "audio.webm", "audio/webm;codecs=opus")


def segments(answer: Any) -> str:
    return " ".join(segment["text"] for segment in answer["segments"])


def words(answer: Any) -> str:
    return " ".join(word["word"] for word in answer["words"])


HOME_ASSISTANT: list[Field] = [
    ("model", "whisper-1"),
    ("language", "en"),
    ("temperature", "0"),
    ("prompt", ""),
    ("response_format", "json"),
]
VERBOSE: list[Field] = [
    ("response_format", "verbose_json"),
    ("timestamp_granularities[]", "word"),
    ("timestamp_granularities[]", "segment"),
]
CLIENTS = [
    Client("Open WebUI", Form([("model", "whisper-1"), ("language", "en")], WEBM, boundary="0e5a")),
    Client("Open WebUI, older", Form([("model", "whisper-1")], FLAC), path="/audio/transcriptions"),
    Client(
        "LibreChat",
        Form((), WEBM, [("model", "whisper-1"), ("language", "en")], boundary="-" * 26 + "07331"),
        path="/openai/v1/audio/transcriptions",
    ),
    Client(
        "Home Assistant, whisper_cloud",
        Form(HOME_ASSISTANT, recording(SHORT, "audio.wav", "audio/wav"), boundary="a1b2c3"),
    ),
    Client(
        "Home Assistant, local_openai_stt",
        Form([("model", "gpt-4o-mini-transcribe"), ("language", "en-US")], FLAC),
        path="/v1/audio/transcriptions",
    ),
    Client("n8n", Form((), FLAC, [("model", "whisper-1"), *VERBOSE]), read=words),
    Client(
        "Nextcloud",
        Form([("model", "whisper-1"), ("response_format", "verbose_json")], FLAC),
        read=segments,
    ),
    Client(
        "SubtitleEdit",
        Form([("model", "whisper-1"), *VERBOSE], FLAC, boundary='"8f6e-4711"'.strip('"'), quote=""),
        read=segments,
    ),
    Client("Obsidian", Form((), WEBM, [("model", "whisper-1")]), path=TRANSCRIPTIONS + "/"),
    Client(
        "OpenWhispr",
        Form([("model", "gpt-4o-mini-transcribe")], WEBM, end=b""),
        path="/api/v1/audio/transcriptions",
    ),
    Client(
        "whisper.cpp",
        Form(
            (),
            FLAC,
            [
                ("temperature", "0.0"),
                ("temperature_inc", "0.2"),
                ("no_timestamps", "true"),
                ("translate", "false"),
                ("response_format", "json"),
            ],
        ),
        path="/inference",
        key="",
    ),
    Client(
        "whisper.cpp's addon",
        Form([("response_format", "verbose_json")], FLAC),
        path="/inference",
        read=segments,
    ),
    Client("speakr", Form((), FLAC), path=TRANSCRIPTIONS + "/audio/transcriptions"),
    Client("twice", Form((), FLAC), path="/v1" + TRANSCRIPTIONS),
    Client("whole, and v1", Form((), FLAC), path=TRANSCRIPTIONS * 2),
    Client("query", Form((), FLAC), path=TRANSCRIPTIONS + "?api-version=2024-06-01", key=""),
    Client("proxy", Form((), FLAC), path="http://example.org" + TRANSCRIPTIONS),
]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_other_clients(served: Served, client: Client) -> None:
    headers = {"Authorization": client.key} if client.key else {}
    answer = served.send(client.form, client.path, headers)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert client.read(answer.json()) == served.transcribed(SHORT)


def test_other_clients_read_errors(served: Served) -> None:
    """All of them show error.message, so it must say what to do."""
    noise = Form([("model", "whisper-1")], Recording(b"<html>" * 99, "audio.webm", "audio/webm"))
    error = served.send(noise).error()
    assert "expected WAV, FLAC, Ogg, Opus, MP3" in error["message"]
    for path in (TRANSCRIPTIONS, "/inference"):
        assert "file" in served.send(Form([("model", "x")]), path).error()["message"]
