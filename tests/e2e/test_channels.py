# SPDX-License-Identifier: MIT
"""One speaker a channel: recordings whose channels are told apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import StartDaemon
from normalise import word_errors, words
from programs import RANDOM_MODELS, REAL_MODEL, Daemon, run, unguarded_options
from sounds import LONG, SHORT, Pcm, samples
from talking import EXTENDED, answer, of_type, text_of, transcribed

RECURRENT = RANDOM_MODELS["recurrent"]


def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[frames, 2], of 16 bits."""
    signal = np.zeros((max(len(left), len(right)), 2), np.int16)
    signal[: len(left), 0] = left
    signal[: len(right), 1] = right
    return signal


def leaking(signal: np.ndarray, decibels: float = -20, delay: int = 37) -> np.ndarray:
    """Each channel picks up the other one."""
    exact = signal.astype(float)
    exact[delay:] += signal[:-delay, ::-1] * 10 ** (decibels / 20)
    return np.rint(exact).clip(-32768, 32767).astype(np.int16)


def interleaved(signal: np.ndarray) -> Pcm:
    return Pcm(16000, 2, signal.shape[1], signal.tobytes())


def asking(channels: str) -> dict:
    return {"hearken": EXTENDED["hearken"] | {"channels": channels}}


def texts_of(segments: list[dict]) -> dict[int, str]:
    found: dict[int, str] = {}
    for segment in segments:
        channel = segment.get("channel", 0)
        found[channel] = f"{found.get(channel, '')} {segment['text']}".strip()
    return found


@pytest.fixture
def conversation() -> np.ndarray:
    """SHORT in the one channel, then LONG in the other."""
    short, long = samples(SHORT), samples(LONG)
    pause = np.zeros(len(short) + 8000, np.int16)
    return both(short, np.concatenate([pause, long]))


# ---- Real speech ----


@pytest.mark.real
@pytest.mark.parametrize("channels", ["each", "auto"])
@pytest.mark.parametrize("leak", [False, True])
def test_two_at_once(start_daemon: StartDaemon, channels: str, leak: bool) -> None:
    daemon = start_daemon(REAL_MODEL)
    signal = both(samples(SHORT), samples(LONG))
    events = answer(
        daemon.socket, interleaved(leaking(signal) if leak else signal), asking(channels)
    )
    (transcript,) = of_type(events, "transcript")
    found = texts_of(transcript.data["segments"])
    alone = {
        number + 1: transcribed(daemon.socket, interleaved(signal[:, [number]]))
        for number in range(2)
    }
    assert set(found) == set(alone)
    for channel, text in alone.items():
        wrong = word_errors(words(text), words(found[channel])).total()
        assert wrong <= (1 if leak else 0)  # a spelling: "theater"
    assert sorted(text_of(events).split()) == sorted(" ".join(found.values()).split())


@pytest.mark.real
@pytest.mark.parametrize("channels", ["each", "auto"])
def test_mono_in_two_channels(start_daemon: StartDaemon, channels: str) -> None:
    daemon = start_daemon(REAL_MODEL)
    mono = samples(LONG)
    events = answer(daemon.socket, interleaved(both(mono, mono)), asking(channels))
    (transcript,) = of_type(events, "transcript")
    assert text_of(events) == transcribed(daemon.socket, interleaved(mono[:, None]))
    assert set(texts_of(transcript.data["segments"])) == {1 if channels == "each" else 0}


@pytest.mark.real
def test_turns(start_daemon: StartDaemon, folder: Path, conversation: np.ndarray) -> None:
    """The client's outputs, with and without a daemon: each turn is labelled, and in its time."""
    daemon = start_daemon(REAL_MODEL)
    file = folder / "call.flac"
    soundfile.write(file, leaking(conversation), 16000)
    outputs = []
    for way in (("--socket", daemon.socket), ("--local", "--model", REAL_MODEL)):
        result = run("transcribe", *way, "--channels", "each", file, folder=folder)
        assert result.returncode == 0, result.stderr
        outputs.append(result.stdout.decode())
    lines = outputs[0].splitlines()
    assert outputs[1] == outputs[0]
    assert [line[:4] for line in lines] == ["[1] ", "[2] "]
    assert "delightful" in lines[0] and "historical connection" in lines[1]
    for form, label in (("srt", "[2] If permitted"), ("vtt", "<v Channel 2>If permitted")):
        result = run(
            "transcribe", "--socket", daemon.socket, "-s", "channels=auto", "-f", form, file,
            folder=folder,
        )  # fmt: skip
        assert label in result.stdout.decode()
    result = run(
        "transcribe", "--socket", daemon.socket, "--channels", "auto", "-f", "json", file,
        folder=folder,
    )  # fmt: skip
    (document,) = map(json.loads, result.stdout.splitlines())
    starts = [segment["start"] for segment in document["segments"]]
    assert starts == sorted(starts) and abs(starts[1] - len(samples(SHORT)) / 16000) < 1
    for segment in document["segments"]:
        assert {word["channel"] for word in segment["words"]} == {segment["channel"]}


@pytest.mark.real
def test_events_of_a_channel(start_daemon: StartDaemon, conversation: np.ndarray) -> None:
    """Partial texts and voice events name the channel, too."""
    daemon = start_daemon(REAL_MODEL)
    request = asking("each")
    request["hearken"] |= {"partial_seconds": 1, "voice_events": True}
    events = answer(daemon.socket, interleaved(conversation), request)
    for kind in ("voice-started", "voice-stopped", "hearken-segment"):
        assert {event.data["channel"] for event in of_type(events, kind)} == {1, 2}
    (started, _) = (e.data["timestamp"] for e in of_type(events, "voice-started"))
    assert started < 1000


# ---- What is asked for ----


def test_configured(start_daemon: StartDaemon, conversation: np.ndarray) -> None:
    """The configuration holds unless the request says otherwise; mixed by default."""
    sound = interleaved(conversation)
    plain, each = start_daemon(), start_daemon(settings={"recognition.channels": "each"})
    (mixed,) = of_type(answer(plain.socket, sound, EXTENDED), "transcript")
    (asked,) = of_type(answer(plain.socket, sound, asking("each")), "transcript")
    (told,) = of_type(answer(each.socket, sound, EXTENDED), "transcript")
    (not_told,) = of_type(answer(each.socket, sound, asking("mix")), "transcript")
    assert told.data["segments"] == asked.data["segments"] != mixed.data["segments"]
    assert not_told.data["segments"] == mixed.data["segments"]
    assert set(texts_of(told.data["segments"])) == {1, 2}
    assert set(texts_of(mixed.data["segments"])) == {0}


@pytest.mark.parametrize("channels", [9, 64])
def test_too_many(daemon: Daemon, channels: int) -> None:
    """Beyond what is recognised each, a request is refused; the daemon serves the next one."""
    sound = interleaved(np.zeros((16000, channels), np.int16))
    error = answer(daemon.socket, sound, asking("each"))[-1]
    assert error.type == "error" and error.data["code"] == "bad-format"
    assert f"got {channels}, expected at most 8" in error.data["text"]
    assert text_of(answer(daemon.socket, sound, asking("auto"))) == ""


@pytest.mark.parametrize("value", ["all", "", 3, True, None, ["each"]])
def test_other_values(daemon: Daemon, value: object) -> None:
    sound = interleaved(np.zeros((1600, 2), np.int16))
    error = answer(daemon.socket, sound, {"hearken": {"channels": value}})[-1]
    assert error.type == "error" and error.data["code"] == "bad-value"
    assert "channels" in error.data["text"]


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_noise(daemon: Daemon, channels: int) -> None:
    """Full scale, in all channels alike or not."""
    random = np.random.default_rng(channels)
    noise = random.integers(-32768, 32767, (48000, channels)).astype(np.int16)
    noise[16000:32000] = np.where(np.arange(16000) % 80 < 40, 32767, -32768)[:, None]
    for mode in ("each", "auto"):
        assert isinstance(text_of(answer(daemon.socket, interleaved(noise), asking(mode))), str)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--channels", "9"], "--rate, --channels and --sample-type need --raw"),
        (["--channels", "0"], "--channels 0: expected mix, each, auto or a number 1..64"),
        (["--channels", "both"], "--channels both: expected mix, each or auto"),
        (["--channels", "each", "--attention"], "not with --channels"),
    ],
)
def test_command_lines(folder: Path, arguments: list[str], problem: str) -> None:
    result = run("transcribe", "--local", *arguments, SHORT, folder=folder)
    assert result.returncode == 2 and problem in result.stderr.decode()


def test_recordings(folder: Path, conversation: np.ndarray) -> None:
    """Mono needs no telling apart, headerless audio can have it, and too many channels fail alone."""
    many = folder / "many.wav"
    soundfile.write(many, np.repeat(samples(SHORT)[:, None], 9, 1), 16000)
    raw = folder / "call.raw"
    raw.write_bytes(conversation.tobytes())
    local = ("transcribe", "--local", "--model", RECURRENT, *unguarded_options())
    result = run(*local, "--channels", "each", many, SHORT, folder=folder)
    assert result.returncode == 1
    assert "it has 9 channels: at most 8 can be recognised each" in result.stderr.decode()
    assert str(SHORT) in result.stdout.decode() and "[1]" not in result.stdout.decode()
    result = run(*local, "--channels", "auto", many, folder=folder)
    assert result.returncode == 0 and "[" not in result.stdout.decode()[:1]
    result = run(*local, "--raw", "--channels", "2", "--channels", "each", raw, folder=folder)
    assert result.returncode == 0
    assert {line[:4] for line in result.stdout.decode().splitlines()} == {"[1] ", "[2] "}
