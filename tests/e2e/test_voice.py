# SPDX-License-Identifier: MIT
"""A model that is given a voice network hears where somebody speaks."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import programs
from conftest import StartDaemon
from programs import CONVERT, RANDOM_MODELS, VOICE, run, unguarded_options
from sounds import SHORT, Pcm, pcm, silence, write_wav
from talking import answer, of_type, text_of

PAUSE = 3.0


def utterances(count: int) -> Pcm:
    """Silence, then each with silence behind it."""
    spoken, pause = pcm(SHORT), silence(PAUSE).data
    return replace(spoken, data=pause + (spoken.data + pause) * count)


def test_adding_a_voice(hearing: Path, folder: Path, hearken: Callable[..., str]) -> None:
    """All else stays; a voice takes the place of the one that was there."""
    before = hearken("model", RANDOM_MODELS["recurrent"]).splitlines()
    after = hearken("model", hearing).splitlines()
    facts = {line for line in before if line.startswith("  ") and "  all" not in line}
    added = [line for line in after if "voice." in line]
    assert len(added) == 6
    kinds = ("  F32", "  F16")  # of tensors, and how many there are
    assert {f for f in facts if not f.startswith(kinds)} <= set(after)
    programs.add_voice(hearing, VOICE, folder / "again.gguf")
    assert (folder / "again.gguf").read_bytes() == hearing.read_bytes()
    programs.add_voice(hearing, VOICE, hearing)
    assert (folder / "again.gguf").read_bytes() == hearing.read_bytes()


def test_adding_a_voice_to_an_aligned_model(folder: Path, hearken: Callable[..., str]) -> None:
    """What a file says of its own layout is no fact of the model: the new one has another."""
    key = b"general.alignment"
    data = RANDOM_MODELS["recurrent"].read_bytes()
    tensors, entries = struct.unpack_from("<QQ", data, 8)
    added = struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, 32)
    name = b"x" * (-(len(added) + 13) % 32)  # so that what follows stays where it may be
    added += struct.pack("<Q", len(name)) + name + struct.pack("<IB", 0, 0)
    head = data[:8] + struct.pack("<QQ", tensors, entries + 2)
    (folder / "aligned.gguf").write_bytes(head + added + data[24:])
    hearken("model", folder / "aligned.gguf")  # it opens
    programs.add_voice(folder / "aligned.gguf", VOICE, folder / "out.gguf")
    assert key not in (folder / "out.gguf").read_bytes()
    hearken("model", folder / "out.gguf")


def test_what_is_no_voice(folder: Path) -> None:
    out = folder / "out.gguf"
    arguments = ["--add-voice", "--voice", RANDOM_MODELS["transformer"], "-o", out]
    result = run(*arguments, RANDOM_MODELS["recurrent"], folder=folder, program=CONVERT)
    assert result.returncode == 1 and b"expected hearken.voice.mels" in result.stderr
    assert not out.exists()
    result = run(*arguments, folder=folder, program=CONVERT)
    assert result.returncode == 2 and b"0 models given, expected one" in result.stderr


def test_voice_events(start_daemon: StartDaemon, hearing: Path) -> None:
    """Where it starts and stops, in milliseconds, for those who ask; a text for each utterance."""
    daemon = start_daemon(hearing)
    length = pcm(SHORT).seconds()
    asked = {"hearken": {"voice_events": True, "endpointing": True, "events": True}}
    events = answer(daemon.socket, utterances(3), asked)
    kinds = [e.type for e in events if e.type.startswith("voice-") or e.type == "hearken-segment"]
    assert kinds == ["voice-started", "voice-stopped", "hearken-segment"] * 3
    for i, event in enumerate(of_type(events, "voice-started")):
        start = PAUSE + i * (length + PAUSE)
        assert start - 0.1 < event.data["timestamp"] / 1000 < start + 0.7
    for i, event in enumerate(of_type(events, "voice-stopped")):
        end = (i + 1) * (length + PAUSE)
        assert end - 0.7 < event.data["timestamp"] / 1000 < end + 0.1
    for i, event in enumerate(of_type(events, "hearken-segment")):
        start = PAUSE + i * (length + PAUSE)
        assert start - 0.4 < event.data["start"] < start + 0.5
        assert start + length - 0.6 < event.data["end"] < start + length + 0.5
    assert not of_type(answer(daemon.socket, utterances(1), {"hearken": {}}), "voice-started")


def test_recordings_stay_whole(start_daemon: StartDaemon, hearing: Path) -> None:
    """Who does not wait gets one segment over pauses that are shorter than 5 seconds."""
    daemon = start_daemon(hearing)
    events = answer(daemon.socket, utterances(2), {"hearken": {"events": True}})
    (segment,) = of_type(events, "hearken-segment")
    assert segment.data["end"] - segment.data["start"] > 2 * pcm(SHORT).seconds()


def hum(seconds: float) -> Pcm:
    """A mains hum, well above what counts as silence."""
    time = np.arange(int(seconds * 16000)) / 16000
    signal = 2000 * np.sin(2 * np.pi * 50 * time) + 700 * np.sin(2 * np.pi * 150 * time)
    return Pcm(16000, 2, 1, np.rint(signal).astype("<i2").tobytes())


def test_no_text_for_what_is_no_voice(start_daemon: StartDaemon, hearing: Path) -> None:
    daemon = start_daemon(hearing)
    assert text_of(answer(daemon.socket, hum(5))) == ""
    assert text_of(answer(daemon.socket, hum(5), {"hearken": {"voice": False}})) != ""
    deaf = start_daemon(hearing, {"recognition.voice": "off"})
    assert text_of(answer(deaf.socket, hum(5))) != ""


def test_client_settings(hearing: Path, folder: Path, hearken: Callable[..., str]) -> None:
    file = write_wav(folder / "hum.wav", hum(5))
    local = ["transcribe", "--local", "--model", hearing, *unguarded_options()]
    assert hearken(*local, file) == ""
    assert hearken(*local, "--set", "voice=off", file) != ""
    wrong = run(*local, "--set", "voice=perhaps", file, folder=folder)
    assert wrong.returncode == 2 and b"voice=perhaps: expected on or off" in wrong.stderr
