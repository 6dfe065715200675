# SPDX-License-Identifier: MIT
"""Sound in every form that Wyoming can carry, and recordings that are not as they should be."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import StartDaemon
from normalise import word_errors, words
from programs import RANDOM_MODELS, REAL_MODEL, Daemon, alone, run
from sounds import LONG, SHORT, pcm, samples, silence, transcripts
from talking import EXTENDED, answer, of_type, text_of, transcribed

RECURRENT = RANDOM_MODELS["recurrent"]


def expected(recording) -> str:
    return alone(RECURRENT, recording).replace("\n", " ").strip()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_width_and_channels(daemon: Daemon, width: int, channels: int) -> None:
    """16 bits fit all of these, and equal channels mix to themselves: the text is the same."""
    assert transcribed(daemon.socket, pcm(SHORT, 16000, width, channels)) == expected(SHORT)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_rates(daemon: Daemon, rate: int, width: int) -> None:
    """All of the sound is heard, to a sample. What a random network writes may hang on the last bit
    of one, so whether the words are right is for the real one to say: test_real_model.py."""
    sound = pcm(SHORT, rate, width, 2)
    events = answer(daemon.socket, sound, EXTENDED)
    (transcript,) = of_type(events, "transcript")
    assert text_of(events)
    assert abs(transcript.data["audio_seconds"] - sound.seconds()) < 1 / 8000


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_little_sound(daemon: Daemon, rate: int, seconds: float) -> None:
    events = answer(daemon.socket, pcm(SHORT, rate).first(seconds))
    assert isinstance(text_of(events), str)


def test_loud_noise_at_the_limits(daemon: Daemon) -> None:
    """Full-scale square waves and extreme rates upset nothing."""
    square = (b"\xff\x7f" * 40 + b"\x00\x80" * 40) * 400
    for rate in (1000, 16000, 768000):
        sound = replace(silence(0), rate=rate, data=square)
        assert isinstance(text_of(answer(daemon.socket, sound)), str)


# ---- Recordings that are not as they should be ----

MP3 = {"format": "MP3", "subtype": "MPEG_LAYER_III"}
WRITTEN = {
    "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": MP3,
    "wav": {"subtype": "PCM_16"},
}


def write(path: Path, signal: np.ndarray, **options: str) -> bytes:
    soundfile.write(path, signal, 16000, **options)
    return path.read_bytes()


def misses(recording: Path, text: str) -> int:
    """Words of the recording that the text, which may hold more, has not.

    One is none: "theater" and "theatre" are equally likely.
    """
    found = word_errors(words(transcripts()[recording.stem]), words(text))
    return found.substitutions + found.deletions


def transcribe(
    folder: Path, *arguments: str | Path, daemon: Daemon | None = None
) -> tuple[int, str, str]:
    where = ("--socket", daemon.socket) if daemon else ("--local", "--model", REAL_MODEL)
    command = ("transcribe", "--quiet", *where, *arguments)
    result = run(*command, folder=folder)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


@pytest.mark.real
@pytest.mark.parametrize("kind", sorted(WRITTEN))
def test_joined_recordings(folder: Path, kind: str) -> None:
    file = folder / f"joined.{kind}"
    first = write(file, samples(LONG), **WRITTEN[kind])
    second = write(file, samples(SHORT), **WRITTEN[kind])
    file.write_bytes(first + second)
    status, text, told = transcribe(folder, file)
    assert (status, told) == (0, "")
    assert misses(LONG, text) <= 2 and misses(SHORT, text) <= 1


@pytest.mark.real
@pytest.mark.parametrize("form", ["text", "srt", "json"])
@pytest.mark.parametrize("kind", ["flac", "mp3", "opus"])
def test_damage_in_the_middle(
    start_daemon: StartDaemon, folder: Path, kind: str, form: str
) -> None:
    """What is before and behind is written, and one line tells of it, with a daemon or without."""
    file = folder / f"damaged.{kind}"
    content = bytearray(write(file, samples(LONG), **WRITTEN[kind]))
    size = 1 if kind == "flac" else 700
    middle = len(content) // 2
    content[middle : middle + size] = bytes(byte ^ 0x55 for byte in content[middle : middle + size])
    file.write_bytes(content)
    status, text, told = transcribe(folder, "--format", form, file)
    assert status == 1
    assert "if permitted by the historical" in text.lower() and "of this nature" in text
    assert told.count("\n") == 1
    found = re.search(rf"{re.escape(str(file))}: is damaged at (\d+\.\d\d) s \(", told)
    assert found and 3 < float(found[1]) < 6
    daemon = start_daemon(REAL_MODEL)
    again = transcribe(folder, "--format", form, file, daemon=daemon)
    assert (again[0], again[2]) == (status, told)
    if form == "json":
        assert json.loads(again[1])["text"] == json.loads(text)["text"]
    else:
        assert again[1] == text


@pytest.mark.real
@pytest.mark.parametrize("kind", ["flac", "mp3", "opus", "wav"])
def test_truncated_recording(folder: Path, kind: str) -> None:
    file = folder / f"cut.{kind}"
    content = write(file, samples(LONG), **WRITTEN[kind])
    file.write_bytes(content[: len(content) * 2 // 3])
    status, text, told = transcribe(folder, file)
    assert status == 1 and text.lower().startswith("if permitted by the historical")
    found = re.search(r"cut\.\w+: ends too early, at (\d+\.\d\d) s \(", told)
    assert found and 3 < float(found[1]) < 7 and told.count("\n") == 1


@pytest.mark.real
@pytest.mark.parametrize("junk", [b"\n", b"\xef\xbb\xbf", bytes(2048), b"ID3\x03" + bytes(5006)])
@pytest.mark.parametrize("kind", ["mp3", "wav"])
def test_junk_in_front(folder: Path, kind: str, junk: bytes) -> None:
    file = folder / f"junk.{kind}"
    file.write_bytes(junk + write(file, samples(SHORT), **WRITTEN[kind]))
    status, text, told = transcribe(folder, file)
    assert (status, told) == (0, "") and misses(SHORT, text) <= 1


@pytest.mark.real
def test_size_that_has_wrapped(folder: Path) -> None:
    """4 GiB of a hole in front of the sentence: a file that takes no room."""
    channels, rate = 64, 384000
    signal = np.repeat(samples(SHORT), rate // 16000)
    frame = 4 * channels
    data = -(-(2**32) // frame) * frame
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, 32)
    sound = np.repeat((signal.astype("<i4") << 16)[:, None], channels, 1).tobytes()
    total = data + len(sound)
    file = folder / "wrapped.wav"
    with file.open("wb") as out:
        out.write(b"RIFF" + struct.pack("<I", (total + 36) % 2**32) + b"WAVEfmt ")
        out.write(struct.pack("<I", 16) + head + b"data" + struct.pack("<I", total % 2**32))
        out.seek(44 + data)
        out.write(sound)
    status, text, told = transcribe(folder, file)
    assert (status, told) == (0, "") and misses(SHORT, text) <= 1


@pytest.mark.real
def test_channels_that_cancel(start_daemon: StartDaemon, folder: Path) -> None:
    file = folder / "cancel.wav"
    signal = samples(SHORT)
    write(file, np.stack([signal, -signal], 1))
    status, text, told = transcribe(folder, file)
    assert status == 0 and misses(SHORT, text) <= 1
    assert told.count("\n") == 1 and "its channels cancel each other from 0." in told
    stereo = pcm(SHORT, 16000, 2, 2)
    both = np.frombuffer(stereo.data, "<i2").reshape(-1, 2) * np.array([1, -1], "<i2")
    sent = replace(stereo, data=both.astype("<i2").tobytes())
    daemon = start_daemon(REAL_MODEL)
    assert misses(SHORT, transcribed(daemon.socket, sent)) <= 1


@pytest.mark.real
def test_floats_of_another_scale(folder: Path) -> None:
    file = folder / "float.wav"
    write(file, samples(SHORT).astype("float32"), subtype="FLOAT")
    status, text, told = transcribe(folder, file)
    assert status == 0 and misses(SHORT, text) <= 1
    assert told.count("\n") == 1 and "floating point samples far beyond -1 to 1" in told


@pytest.mark.real
@pytest.mark.parametrize("peak", [-65, -70, -75])
def test_very_quiet_speech(folder: Path, peak: float) -> None:
    file = folder / "quiet.wav"
    signal = samples(SHORT)
    write(file, signal / np.abs(signal).max() * 10 ** (peak / 20), subtype="PCM_24")
    status, text, told = transcribe(folder, file)
    assert (status, told) == (0, "") and misses(SHORT, text) <= 1


@pytest.mark.real
@pytest.mark.parametrize("level", [-95, -80, -70])
def test_quiet_noise_is_no_speech(folder: Path, level: float) -> None:
    file = folder / "noise.wav"
    noise = np.random.default_rng(5).normal(0, 10 ** (level / 20), 16000 * 20)
    write(file, noise, subtype="PCM_24")
    assert transcribe(folder, file) == (0, "", "")


FOREIGN = {
    "m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(64), "an MP4 file"),
    "webm": (b"\x1a\x45\xdf\xa3" + bytes(64), "a Matroska or WebM file"),
    "wma": (b"\x30\x26\xb2\x75" + bytes(64), "a Windows Media file"),
    "aac": (b"\xff\xf1\x60\x40\x04\x7f\xfc" + bytes(64), "AAC"),
    "ts": ((b"\x47" + bytes(187)) * 4, "an MPEG transport stream"),
    "spx": (
        b"OggS\0\2" + bytes(20) + b"\1\x50Speex   1.2" + bytes(80),
        "Speex",
    ),
    "caf": (
        b"caff\0\1\0\0desc" + struct.pack(">qd", 32, 48000) + b"opus" + bytes(20),
        "'opus' in a CAF file",
    ),
    "wav": (
        b"RIFF\x80\0\0\0WAVEfmt \x10\0\0\0"
        + struct.pack("<HHIIHH", 0x45, 1, 8000, 4000, 1, 4)
        + b"data\x40\0\0\0"
        + bytes(64),
        "G.726 in a WAV file",
    ),
}


@pytest.mark.parametrize("ending", sorted(FOREIGN))
def test_formats_that_are_not_read(folder: Path, ending: str) -> None:
    content, name = FOREIGN[ending]
    file = folder / f"sound.{ending}"
    file.write_bytes(content)
    command = ("transcribe", "--local", "--model", RECURRENT, file)
    without = {"HEARKEN_DECODER": "/nowhere"}
    result = run(*command, folder=folder, extra_environment=without)
    assert result.returncode == 1 and result.stdout == b""
    told = result.stderr.decode()
    assert told.startswith(f"hearken: {file}: is {name}")
    assert ", which needs hearken-decode: it is not installed (/nowhere)" in told
    assert told.endswith("convert it: ffmpeg -i FILE -f wav - | hearken transcribe -\n")
    assert told.count("\n") == 1
