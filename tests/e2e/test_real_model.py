# SPDX-License-Identifier: MIT
"""Real speech, the real model: what users hear of all this."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import StartDaemon
from programs import DATA, REAL_MODEL, REAL_MODELS, REPOSITORY, Daemon
from sounds import LONG, SHORT, pcm, silence, transcripts, write_wav
from talking import EXTENDED, answer, of_type, text_of, transcribed

sys.path.insert(0, str(REPOSITORY / "tests" / "bench"))
from normalise import word_errors, words

pytestmark = pytest.mark.real

FIRST_START, LAST_END = 0.31, 2.33  # seconds: where the words of SHORT begin and end


@pytest.fixture(params=REAL_MODELS, ids=lambda model: model.stem)
def real(start_daemon: StartDaemon, request: pytest.FixtureRequest) -> Daemon:
    assert request.param.exists(), f"{request.param} is missing: make"
    return start_daemon(request.param)


def errors(recording: Path, text: str) -> int:
    return word_errors(words(transcripts()[recording.stem]), words(text)).total()


def allowed(model: Path) -> int:
    """Words of SHORT: the recurrent speller is not as good."""
    return 2 if model.stem == "hearken-en-small" else 1


def test_words_are_right(real: Daemon) -> None:
    wrong = errors(SHORT, transcribed(real.socket, pcm(SHORT)))
    assert wrong <= allowed(Path(real.settings["model.file"]))
    assert errors(LONG, transcribed(real.socket, pcm(LONG))) <= 2


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_rates(start_daemon: StartDaemon, rate: int, width: int) -> None:
    daemon = start_daemon(REAL_MODEL)
    assert errors(SHORT, transcribed(daemon.socket, pcm(SHORT, rate, width))) <= 2


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(22050, 3, 1), (44100, 2, 2), (48000, 4, 2)]
)
def test_forms_of_sound(start_daemon: StartDaemon, rate: int, width: int, channels: int) -> None:
    daemon = start_daemon(REAL_MODEL)
    assert errors(SHORT, transcribed(daemon.socket, pcm(SHORT, rate, width, channels))) <= 2


def test_times_of_words(real: Daemon) -> None:
    """In order, within the speech, none of absurd length."""
    events = answer(real.socket, pcm(LONG), EXTENDED)
    found = [w for event in of_type(events, "hearken-segment") for w in event.data["words"]]
    times = [time for word in found for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < 1.5 and pcm(LONG).seconds() - 2 < times[-1] <= pcm(LONG).seconds() + 0.1
    assert max(word["end"] - word["start"] for word in found) < 1.5
    assert sum(word["confidence"] for word in found) / len(found) > 0.7


@pytest.mark.parametrize("pause", [0.4, 2.0, 4.0])
def test_words_keep_out_of_pauses(start_daemon: StartDaemon, pause: float) -> None:
    """SHORT, twice; the pause is made of the room before its first word."""
    daemon = start_daemon(REAL_MODEL)
    once = pcm(SHORT)
    room = once.first(0.2).data
    between = (room * int(pause / 0.2 + 1))[: int(pause * 16000) * 2]
    sound = replace(once, data=once.data + between + once.data)
    events = answer(daemon.socket, sound, EXTENDED)
    found = [w for event in of_type(events, "hearken-segment") for w in event.data["words"]]
    assert len(found) == 18
    for said, began in ((found[:9], 0.0), (found[9:], once.seconds() + pause)):
        assert said[0]["start"] == pytest.approx(began + FIRST_START, abs=0.1)
        assert said[-1]["end"] == pytest.approx(began + LAST_END, abs=0.15)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ends-early-1", "You see, the treatment is a trifle fanciful."),
        ("ends-early-2", "How wonderfully responsive to every emotion of the human soul"),
    ],
)
@pytest.mark.parametrize("lead", [0.0, 0.1])
def test_nothing_is_left_out(start_daemon: StartDaemon, name: str, text: str, lead: float) -> None:
    """With the silence that is enough for other recordings, these gave one word or none."""
    daemon = start_daemon(REAL_MODEL)
    sound = pcm(DATA / f"{name}.flac")
    sound = replace(sound, data=bytes(int(lead * 16000) * 2) + sound.data)
    found = words(transcribed(daemon.socket, sound))
    assert word_errors(words(text), found).total() <= 1, found


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 30.0])
def test_silence_gives_no_text(real: Daemon, seconds: float, rate: int) -> None:
    assert transcribed(real.socket, silence(seconds, rate)) == ""


def test_a_click_gives_no_text(real: Daemon) -> None:
    """50 ms out of the middle of a word."""
    sound = pcm(LONG)
    offset = 4 * 16000 * 2
    assert transcribed(real.socket, replace(sound, data=sound.data[offset : offset + 1600])) == ""


def test_client(real: Daemon, hearken, folder: Path) -> None:
    model = Path(real.settings["model.file"])
    text = hearken("transcribe", "--socket", real.socket, SHORT)
    assert errors(SHORT, text) <= allowed(model)
    assert text == hearken("transcribe", "--local", "--model", model, SHORT)
    quiet = write_wav(folder / "quiet.wav", silence(5))
    assert hearken("transcribe", "--socket", real.socket, quiet) == ""


def test_installed_models(hearken) -> None:
    assert errors(SHORT, hearken("transcribe", "--local", SHORT)) <= 1
    for model in REAL_MODELS:
        text = hearken("transcribe", "--local", "--model", model.stem, SHORT)
        assert errors(SHORT, text) <= allowed(model)


def test_long_recording(real: Daemon, folder: Path, hearken) -> None:
    """Longer than one segment may be: nothing is lost at the seams, nothing is repeated."""
    pause = silence(0.7).data
    sound = pcm(LONG)
    file = write_wav(folder / "long.wav", replace(sound, data=(sound.data + pause) * 4))
    reference = words(transcripts()[LONG.stem]) * 4
    text = hearken("transcribe", "--socket", real.socket, "--no-filename", file)
    assert word_errors(reference, words(text.replace("\n", " "))).total() <= 8
    assert len(text_of(answer(real.socket, sound))) > 0


@pytest.mark.parametrize("recording", [SHORT, LONG])
def test_committed_words_stay(real: Daemon, recording: Path) -> None:
    """What was committed is in all later texts; that seldom changes a word of the final one."""
    settings = {"events": True, "words": True, "partial_seconds": 0.32, "partial_share": 0}
    events = answer(real.socket, pcm(recording), {"hearken": settings})
    segments = [event.data for event in of_type(events, "hearken-segment")]
    committed, commits = b"", 0
    for segment in segments:
        text = segment["text"].encode()
        assert text.startswith(committed)
        assert 0 <= segment["committed_words"] <= len(segment["words"])
        commits += segment["committed"] > len(committed)
        committed = text[: segment["committed"]] if segment["type"] == "partial" else b""
        assert segment["type"] == "partial" or segment["committed"] == len(text)
    assert len(segments) > 1 and (commits > 0 or recording == SHORT)
    without = words(transcribed(real.socket, pcm(recording)))
    assert word_errors(without, words(text_of(events))).total() <= 1
