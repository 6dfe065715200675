# SPDX-License-Identifier: MIT
"""Programs that were written for faster-whisper."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import LONG, LONG_TEXT, SHORT, SHORT_TEXT

import hearken
from hearken.faster_whisper import (
    BatchedInferencePipeline,
    WhisperModel,
    decode_audio,
    download_model,
    format_timestamp,
)

SCRIPT = Path(__file__).with_name("faster_whisper_script.py")


@pytest.fixture(scope="module")
def whisper() -> WhisperModel:
    return WhisperModel("base.en", device="cpu", compute_type="int8")


def test_script(tmp_path: Path) -> None:
    """Unchanged but for its import."""
    changed = SCRIPT.read_text().replace("from faster_whisper", "from hearken.faster_whisper")
    script = tmp_path / "script.py"
    script.write_text(changed)
    command = [sys.executable, "-W", "error", str(script), str(LONG)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == "Detected language 'en' with probability 1.000000"
    assert re.fullmatch(r"\[0\.\d\ds -> \d\.\d\ds\]  " + re.escape(LONG_TEXT), lines[1])
    words = [re.fullmatch(r"\[\d\.\d\ds -> \d\.\d\ds\]  (\S+)", line) for line in lines[2:-2]]
    assert " ".join(match[1] for match in words if match) == LONG_TEXT and all(words)
    assert lines[-2] == f" {LONG_TEXT}" and lines[-1] == lines[1]


def test_audio(whisper: WhisperModel) -> None:
    for audio in (str(SHORT), io.BytesIO(SHORT.read_bytes()), decode_audio(str(SHORT))):
        segments, info = whisper.transcribe(audio)
        (segment,) = segments
        assert segment.text == f" {SHORT_TEXT}" and segment.id == 1 and segment.words is None
        assert -1 < segment.avg_logprob < 0 and 0 <= segment.no_speech_prob < 0.5
        assert info.language == "en" and info.duration == pytest.approx(2.505)


def test_lazy(whisper: WhisperModel) -> None:
    segments, info = whisper.transcribe(np.zeros(16000, np.float32))
    assert list(segments) == [] and info.language == "en" and info.duration == 1


def test_arguments(whisper: WhisperModel) -> None:
    segments, _ = whisper.transcribe(
        str(SHORT), beam_size=1, temperature=0.0, no_speech_threshold=None, suppress_tokens=None,
        hotwords="theatre, London", vad_filter=True, vad_parameters={"threshold": 0.4},
        condition_on_previous_text=False, language="en",
    )  # fmt: skip
    assert [segment.text for segment in segments] == [f" {SHORT_TEXT}"]
    with pytest.warns(UserWarning, match="repetition_penalty has no counterpart"):
        whisper.transcribe(str(SHORT), repetition_penalty=1.2)
    segments, _ = whisper.transcribe(str(SHORT), initial_prompt="At the theatre.")
    assert [segment.text for segment in segments] == [f" {SHORT_TEXT}"]
    small = WhisperModel("hearken-en-small")
    with pytest.warns(UserWarning, match="takes no initial_prompt"):
        small.transcribe(str(SHORT), initial_prompt="London")
    with pytest.raises(ValueError, match="de"):
        whisper.transcribe(str(SHORT), language="de")


def test_signature(whisper: WhisperModel) -> None:
    """The arguments of faster-whisper 1.2.1 in their order, which callers may rely on."""
    names = list(inspect.signature(WhisperModel.transcribe).parameters)
    assert names[:7] == [
        "self",
        "audio",
        "language",
        "task",
        "log_progress",
        "beam_size",
        "best_of",
    ]
    assert len(names) == 36


def test_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert download_model("tiny.en").endswith("/hearken-en-light.gguf")
    with pytest.raises(ValueError, match="there is no model 'large-v3'"):
        WhisperModel("large-v3")
    with pytest.raises(ValueError, match="is a folder; make a model file of it: hearken-convert"):
        WhisperModel(str(tmp_path))
    with pytest.warns(UserWarning, match="hearken-en, which is Whisper base, stands for small.en"):
        assert download_model("small.en").endswith("/hearken-en.gguf")
    monkeypatch.setenv("HEARKEN_FASTER_WHISPER_MODEL", "hearken-en-small")
    model = WhisperModel("large-v3", device="cuda", compute_type="float16")
    assert model.model.name == "hearken-en-small"


def test_languages(whisper: WhisperModel) -> None:
    assert whisper.supported_languages == ["en"] and not whisper.is_multilingual
    assert whisper.detect_language(hearken.decode_audio(SHORT)) == ("en", 1.0, [("en", 1.0)])


def test_batched(whisper: WhisperModel) -> None:
    segments, _ = BatchedInferencePipeline(model=whisper).transcribe(str(SHORT), batch_size=4)
    assert [segment.text for segment in segments] == [f" {SHORT_TEXT}"]


def test_timestamps() -> None:
    assert format_timestamp(3661.5) == "01:01:01.500" and format_timestamp(1.0004) == "00:01.000"
    assert format_timestamp(1, always_include_hours=True, decimal_marker=",") == "00:00:01,000"
