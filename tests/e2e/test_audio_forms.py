# SPDX-License-Identifier: MIT
"""Sound in every form that Wyoming can carry."""

from dataclasses import replace
from difflib import SequenceMatcher

import pytest
from programs import RANDOM_MODELS, Daemon, alone
from sounds import SHORT, pcm, silence, write_wav
from talking import answer, text_of, transcribed

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
def test_rates(daemon: Daemon, folder, rate: int, width: int) -> None:
    """As the same sound from a file. `hearken` rounds what it converts to 32 bits, the daemon does
    not, and a network that has learnt nothing may take that for another sound."""
    sound = pcm(SHORT, rate, width, 2)
    file = write_wav(folder / "sound.wav", sound)
    text = transcribed(daemon.socket, sound)
    assert text and SequenceMatcher(None, text, expected(file)).ratio() > 0.5


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
