# SPDX-License-Identifier: MIT
"""A daemon instead of a model in this process."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import LONG, LONG_TEXT, SHORT, SHORT_TEXTS, Daemon

import hearken


@pytest.fixture(params=["socket", "tcp", "http"])
def client(request: pytest.FixtureRequest, daemon: Daemon) -> hearken.Client:
    addresses = {
        "socket": str(daemon.socket),
        "tcp": f"127.0.0.1:{daemon.ports[0]}",
        "http": f"http://127.0.0.1:{daemon.ports[1]}",
    }
    return hearken.Client(addresses[request.param], timeout=60)


def test_transcribe(client: hearken.Client) -> None:
    transcript = client.transcribe(LONG)
    assert transcript.text == LONG_TEXT and transcript.duration == pytest.approx(8.995, abs=0.01)
    assert " ".join(word.text for word in transcript.words) == LONG_TEXT
    samples = hearken.decode_audio(SHORT)
    pcm = (samples * 32767).astype(np.int16)
    for audio in (samples, pcm, np.stack([pcm, pcm], 1), SHORT.read_bytes()):
        assert client.transcribe(audio).text in SHORT_TEXTS
    assert client.transcribe(np.zeros(16000, np.float32)).text == ""


def test_options(client: hearken.Client) -> None:
    text = client.transcribe(SHORT, custom_words=["theater"], custom_words_boost=5.0).text
    assert "theater" in text.lower()
    with pytest.raises(hearken.ServerError, match="beam_width.* from 1 to 16"):
        client.transcribe(SHORT, beam_width=99)
    with pytest.raises(TypeError, match="there is no option 'beam'"):
        client.transcribe(SHORT, beam=5)  # type: ignore[call-arg]


def test_models(client: hearken.Client) -> None:
    assert client.models()[0] == "hearken-en" and client.status()


def test_alignment(client: hearken.Client, model: hearken.Model) -> None:
    """Words, times and weights, as a model in this process gives them."""
    theirs = client.transcribe(LONG, alignment=True)
    ours = model.transcribe(LONG, alignment=True)
    assert [word.text for word in theirs.words] == [word.text for word in ours.words]
    for here, there in zip(ours.words, theirs.words, strict=True):
        assert (there.start, there.end) == pytest.approx((here.start, here.end), abs=0.002)
        assert there.confidence == pytest.approx(here.confidence, abs=0.002)
    assert ours.alignment and theirs.alignment
    assert theirs.alignment.tokens == ours.alignment.tokens
    assert theirs.alignment.step_seconds == pytest.approx(ours.alignment.step_seconds)
    assert np.allclose(theirs.alignment.weights, ours.alignment.weights, atol=1e-6)
    assert client.transcribe(LONG).alignment is None


def test_events(daemon: Daemon) -> None:
    client = hearken.Client(daemon.socket)
    events = list(client.iter(LONG, partial_seconds=1.0, voice_events=True))
    kinds = {event.type for event in events}
    assert kinds == {"partial", "final", "voice-started", "voice-stopped"}
    assert events[-1].text == events[-1].committed == LONG_TEXT


def test_unknown_model(daemon: Daemon) -> None:
    with pytest.raises(hearken.ServerError) as refused:
        hearken.Client(daemon.socket).transcribe(SHORT, model="no-such-model")
    assert refused.value.code == "unknown-model" and "no-such-model" in str(refused.value)


def test_async_is_cancelled(daemon: Daemon) -> None:
    samples = np.tile(hearken.decode_audio(LONG), 100)
    before = threading.active_count()

    async def work() -> None:
        async for _ in hearken.Client(daemon.socket).iter(samples):
            pass

    async def limited() -> None:
        await asyncio.wait_for(work(), 1)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(limited())
    assert threading.active_count() == before


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/none: No such file"):
        hearken.Client(tmp_path / "none").status()
    with pytest.raises(ConnectionError):
        hearken.Client("127.0.0.1:1").transcribe(SHORT)
    with pytest.raises(ConnectionError, match="127.0.0.1:1"):
        hearken.Client("http://127.0.0.1:1").transcribe(SHORT)
    with pytest.raises(ValueError, match="speaks HTTP"):
        hearken.Client("http://127.0.0.1:1").listen()
