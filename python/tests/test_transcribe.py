# SPDX-License-Identifier: MIT
"""Recordings and arrays to transcripts."""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LONG, LONG_TEXT, SHORT, SHORT_TEXT, SHORT_TEXTS

import hearken


def test_recording(model: hearken.Model) -> None:
    transcript = model.transcribe(LONG)
    assert transcript.text == str(transcript) == LONG_TEXT
    assert transcript.language == "en" and transcript.duration == pytest.approx(8.995, abs=0.01)
    assert " ".join(word.text for word in transcript.words) == LONG_TEXT
    times = [time for word in transcript.words for time in (word.start, word.end)]
    assert times == sorted(times) and 0 < times[0] and times[-1] < transcript.duration
    assert all(0 < word.confidence <= 1 for word in transcript.words)
    (segment,) = transcript.segments
    assert segment.alignment is None and segment.channel == 0 and 0.5 < segment.confidence <= 1


def test_what_a_recording_may_be(model: hearken.Model) -> None:
    content = SHORT.read_bytes()
    with SHORT.open("rb") as file:
        given: list[Any] = [str(SHORT), SHORT, content, io.BytesIO(content), file]
        assert [model.transcribe(audio).text for audio in given] == [SHORT_TEXT] * 5


def arrays() -> dict[str, tuple[Any, int]]:
    mono = hearken.decode_audio(SHORT)
    tripled = np.interp(np.arange(3 * len(mono)) / 3, np.arange(len(mono)), mono)
    scaled = np.round(mono * 32767)
    return {
        "float32": (mono, 16000),
        "float64 at 48 kHz": (tripled, 48000),
        "int16": (scaled.astype(np.int16), 16000),
        "int16, big endian": (scaled.astype(">i2"), 16000),
        "int32": ((scaled * 65536).astype(np.int32), 16000),
        "stereo": (np.stack([mono, mono], 1), 16000),
        "every other frame of an array": (np.repeat(mono, 2)[::2], 16000),
        "columns in the order of Fortran": (np.asfortranarray(np.stack([mono] * 3, 1)), 16000),
        "a list": (mono.tolist(), 16000),
        "read only": (np.frombuffer(mono.tobytes(), np.float32), 16000),
    }


@pytest.mark.parametrize("name", arrays())
def test_arrays(model: hearken.Model, name: str) -> None:
    samples, rate = arrays()[name]
    assert model.transcribe(samples, rate=rate).text == SHORT_TEXT


def test_channels(model: hearken.Model, tmp_path: Path) -> None:
    left, right = (hearken.decode_audio(path) for path in (SHORT, LONG))
    both = np.zeros((len(right), 2), np.float32)
    both[: len(left), 0], both[:, 1] = left, right
    transcript = model.transcribe(both, channels="each")
    texts = {segment.channel: segment.text for segment in transcript.segments}
    assert texts.keys() == {1, 2} and texts[1] in SHORT_TEXTS and texts[2] == LONG_TEXT


def test_nothing_said(model: hearken.Model) -> None:
    for samples in (np.zeros(0, np.float32), np.zeros(32000, np.int16)):
        transcript = model.transcribe(samples)
        assert transcript.text == "" and transcript.segments == () and transcript.language == ""
        assert transcript.alignment is None and "nothing was said" in transcript._repr_html_()


def test_alignment(model: hearken.Model) -> None:
    transcript = model.transcribe(LONG, alignment=True)
    (segment,) = transcript.segments
    own = segment.alignment
    assert own and np.asarray(own).shape == (len(own.tokens), own.weights.shape[1])
    assert "".join(own.tokens) == LONG_TEXT.replace(" ", "")
    assert np.allclose(own.weights.sum(axis=1), 1, atol=0.05)
    whole = transcript.alignment
    assert whole and whole.tokens == own.tokens and whole.start == 0
    looked_at = own.start + own.step_seconds * own.weights.argmax(axis=1)
    assert np.corrcoef(looked_at, np.arange(len(looked_at)))[0, 1] > 0.9, "from left to right"


def test_picture(model: hearken.Model) -> None:
    shown = model.transcribe(LONG, alignment=True)._repr_html_()
    root = xml.etree.ElementTree.fromstring(shown)
    svg = root.find("{http://www.w3.org/2000/svg}svg")
    assert svg is not None
    texts = [node.text for node in svg if node.tag.endswith("text")]
    words = LONG_TEXT.split()
    assert texts[: len(words)] == words and texts[-1] == "8 s"
    images = [node.get("href", "") for node in svg if node.tag.endswith("image")]
    assert len(images) == 2 and all(image.startswith("data:image/png;base64,") for image in images)
    assert "<svg" not in model.transcribe(SHORT)._repr_html_()


def test_html_of_what_is_no_html() -> None:
    word = hearken.Word("<b>&", 0, 1, 1)
    segment = hearken.Segment(start=0, end=1, text="<b>&", words=(word,))
    shown = hearken.Transcript(segments=(segment,), duration=1)._repr_html_()
    assert "&lt;b&gt;&amp;" in shown and "<b>" not in shown


def test_dictionary(model: hearken.Model) -> None:
    plain = json.loads(json.dumps(model.transcribe(SHORT, alignment=True).to_dict()))
    assert plain["text"] == SHORT_TEXT and len(plain["segments"][0]["words"]) == 9


def test_custom_words(model: hearken.Model) -> None:
    for words in (["theater"], "theater"):
        text = model.transcribe(SHORT, custom_words=words, custom_words_boost=5.0).text
        assert "theater" in text.lower()


# ---- Errors ----


def test_wrong_files(model: hearken.Model, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/no/such/file: No such file"):
        model.transcribe("/no/such/file")
    with pytest.raises(IsADirectoryError):
        model.transcribe(tmp_path)
    text = tmp_path / "text.wav"
    text.write_text("This is not a recording.\n" * 100)
    with pytest.raises(ValueError, match="text.wav: is text: expected WAV, FLAC"):
        model.transcribe(text)
    with pytest.raises(ValueError, match="expected WAV"):
        model.transcribe(b"This is not a recording.\n" * 100)
    with pytest.raises(TypeError, match="expected one opened as 'rb'"):
        model.transcribe(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="zero character"):
        model.transcribe("a\0b")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(100, np.int64), "samples are int64, expected float32"),
        (np.zeros(100, np.complex64), "samples are complex64, expected float32"),
        (np.array(["text"]), "samples are <U4, expected float32"),
        (np.zeros((2, 3, 4), np.float32), "shape .2, 3, 4., expected .frames. or .frames, chann"),
        (np.zeros((2, 16000), np.float32), "16000 channels, .*turn it round with .T"),
        (np.zeros((100, 0), np.float32), "0 channels"),
        (np.float32(1), "samples have the shape"),
    ],
)
def test_wrong_arrays(model: hearken.Model, samples: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.transcribe(samples)


def test_wrong_rates(model: hearken.Model) -> None:
    samples = np.zeros(100, np.float32)
    for rate in (10, 0, -16000, 10**6, 2**40):
        with pytest.raises(ValueError, match="rate"):
            model.transcribe(samples, rate=rate)
    with pytest.raises(TypeError, match="rate is 44.1, expected a whole number"):
        model.transcribe(samples, rate=44.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"beam_width": 17}, ValueError, "beam_width is 17, expected 1 to 16"),
        ({"beam_width": -1}, ValueError, "beam_width is -1, expected 1 to 16"),
        ({"beam_width": 4.0}, TypeError, "beam_width is 4.0, expected a whole number"),
        ({"beam_size": 4}, TypeError, "no option 'beam_size', did you mean beam_width"),
        ({"voice": 1}, TypeError, "voice is 1, expected True or False"),
        ({"padding": "much"}, TypeError, "padding is 'much', expected a number"),
        ({"padding": 31}, ValueError, "padding is 31, expected -1 to 30"),
        ({"channels": "both"}, ValueError, "channels is 'both', expected 'mix' or"),
        ({"language": "xx"}, ValueError, "xx"),
        ({"language": "much too long for a code"}, ValueError, "longer than 15 bytes"),
        ({"language": "e\0"}, ValueError, "zero character"),
        ({"prompt": None}, TypeError, "prompt is None, expected a string"),
        ({"custom_words": "x" * 200}, ValueError, "200|100"),
        ({"track": -1}, ValueError, "track is -1"),
    ],
)
def test_wrong_options(
    model: hearken.Model, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        model.transcribe(SHORT, **options)


def test_wrong_models(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-model.gguf: No such file"):
        hearken.Model("no-such-model")
    text = tmp_path / "text.gguf"
    text.write_text("This is not a model.\n" * 100)
    with pytest.raises(ValueError, match="text.gguf"):
        hearken.Model(text)
    with pytest.raises(OSError, match="no-such-backend"):
        hearken.Model("hearken-en-small", backend="no-such-backend")
    with pytest.raises(ValueError, match="threads is -1"):
        hearken.Model("hearken-en-small", threads=-1)


def test_models_that_are_not_installed() -> None:
    """In a process that does not see the package with the model."""
    code = (
        "import hearken, hearken._models as m\n"
        "m.packaged_models = lambda: {}\n"
        "try: hearken.Model()\n"
        "except FileNotFoundError as error: print(error)"
    )
    environment = {**os.environ, "HEARKEN_MODEL_PATH": ""}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert "the package hearken-model-en has it" in told


def test_closed_model() -> None:
    with hearken.Model("hearken-en-small") as model:
        stream = model.stream()
        assert repr(model) == "<hearken.Model hearken-en-small, on cpu>"
    for call in (
        lambda: model.transcribe(SHORT),
        lambda: model.iter(SHORT),
        lambda: model.stream(),
        lambda: model.listen(),
    ):
        with pytest.raises(ValueError, match="the model is closed"):
            call()
    assert repr(model) == "<hearken.Model hearken-en-small, closed>"
    stream.write(hearken.decode_audio(SHORT))  # it keeps the weights
    assert [event.type for event in stream.finish()] == ["final"]
    stream.close()
    with pytest.raises(ValueError, match="the stream is closed"):
        stream.write(np.zeros(10, np.float32))


# ---- Threads, memory ----


def test_threads(small: hearken.Model) -> None:
    alone = [small.transcribe(path).text for path in (SHORT, LONG)]
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda path: small.transcribe(path).text, [SHORT, LONG] * 4))
    assert texts == alone * 4


def test_other_threads_go_on(model: hearken.Model) -> None:
    """The interpreter's lock is released: another thread runs within one call of the library."""
    ticks: list[float] = []
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.001):
            ticks.append(time.monotonic())

    stream = model.stream()
    ticker = threading.Thread(target=tick)
    ticker.start()
    start = time.monotonic()
    stream.write(hearken.decode_audio(LONG)[: 8 * 16000])
    events = stream.finish()
    end = time.monotonic()
    over.set()
    ticker.join()
    assert [event.type for event in events] == ["final"]
    assert sum(start < at < end for at in ticks) > 10, "nothing else ran"


class _Timed:
    """The library, with the time of this thread that passes in functions of the name's `part`."""

    def __init__(self, library: Any, part: str) -> None:
        self._library = library
        self._part = part
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        return self.timed(found) if name.startswith(self._part) else found

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.thread_time() - start

        return call


def test_little_time_is_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all of a transcription passes within the library, as in a client in C."""
    module, audio = (importlib.import_module(f"hearken.{name}") for name in ("model", "audio"))
    stream = _Timed(module.lib, "hearken_stream_")
    source = _Timed(audio.lib, "hearken_source_")
    events = _Timed(None, "")  # they are read in a callback, within the stream's time
    monkeypatch.setattr(module, "lib", stream)
    monkeypatch.setattr(audio, "lib", source)
    monkeypatch.setattr(module, "_read_event", events.timed(module._read_event))
    model = hearken.Model("hearken-en", threads=1)  # all in this thread
    model.transcribe(SHORT)
    seconds = [timed.seconds for timed in (stream, source, events)]
    start = time.thread_time()
    assert model.transcribe(LONG).text
    whole = time.thread_time() - start
    in_stream, in_source, in_events = (
        timed.seconds - before
        for timed, before in zip((stream, source, events), seconds, strict=True)
    )
    assert min(in_stream, in_source, in_events) > 0
    within = in_stream + in_source - in_events
    assert within < whole < 1.03 * within


def test_interrupt() -> None:
    """Ctrl-C ends a transcription; the model goes on."""
    code = f"""
import hearken, numpy as np, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
model = hearken.Model("hearken-en-small")
samples = np.tile(hearken.decode_audio({str(LONG)!r}), 200)
threading.Timer(1, lambda: signal.raise_signal(signal.SIGINT)).start()
try:
    model.transcribe(samples)
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
print(len(model.transcribe({str(SHORT)!r}).words) > 5)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["interrupted", "True"]


def resident() -> int:
    """Bytes of this process."""
    found = re.search(r"^VmRSS:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def test_no_leak(small: hearken.Model) -> None:
    def work(count: int) -> None:
        for i in range(count):
            small.transcribe(SHORT, alignment=i % 2 == 0)
            with pytest.raises(ValueError):
                small.transcribe(SHORT, beam_width=99)
            if i % 10 == 0:
                next(small.iter(SHORT))  # left early

    work(20)
    gc.collect()
    before = resident()
    work(200)
    gc.collect()
    assert resident() - before < 4 << 20


def test_models_are_freed() -> None:
    for _ in range(2):
        hearken.Model("hearken-en-small").close()
    before = resident()
    for _ in range(10):
        hearken.Model("hearken-en-small").close()
        hearken.Model("hearken-en-small")  # collected
    assert resident() - before < 10 << 20


# ---- What there is ----


def test_backends() -> None:
    found = {backend.name: backend for backend in hearken.backends()}
    assert found["reference"].score == 1 and found["cpu"].score > 1


def test_inspect() -> None:
    items = {item.name: item for item in hearken.inspect("hearken-en-small")}
    assert items["general.name"].value == "hearken-en-small" and items["general.name"].shape == ""
    assert any(item.shape and item.bytes for item in items.values())


def test_options_are_those_of_the_library() -> None:
    assert {o.name for o in hearken.options()} == set(hearken.Options.__annotations__)
    for option in hearken.options():
        assert option.name in (hearken.Options.__doc__ or "") and option.help


def test_help() -> None:
    """Everything public says what it is."""
    for name in hearken.__all__:
        thing = getattr(hearken, name)
        assert thing.__doc__ and not thing.__doc__.startswith(f"{name}("), name
        if isinstance(thing, type):
            for key, value in vars(thing).items():
                if callable(value) and not key.startswith("_"):
                    assert value.__doc__, f"{name}.{key}"
