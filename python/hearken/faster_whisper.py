# SPDX-License-Identifier: MIT
"""The interface of faster-whisper 1.2, for programs that were written for it:

    from hearken.faster_whisper import WhisperModel        # was: from faster_whisper import ...

    model = WhisperModel("base.en", device="cpu", compute_type="int8")
    segments, info = model.transcribe("talk.flac", beam_size=5, word_timestamps=True)
    for segment in segments:
        print(f"[{segment.start:.2f}s -> {segment.end:.2f}s] {segment.text}")

What differs:

- Models are hearken's. "base.en" is hearken-en and "tiny.en" hearken-en-light; other names of Whisper
  need that model as NAME.gguf or whisper-NAME.gguf where hearken keeps models, or the variable
  HEARKEN_FASTER_WHISPER_MODEL, which names the model to use instead. Nothing is downloaded.
- Speech is always found by hearken's voice network; `vad_filter=False` does not turn it off.
- A segment is what is between pauses, at most 28 s, not what is between two timestamps of Whisper.
- `tokens` are empty, `temperature` is 0, `all_language_probs` is None. `avg_logprob` is the logarithm of
  hearken's confidence.
- Arguments without a counterpart are ignored; those that would change the text give a warning.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log
from types import SimpleNamespace
from typing import Any, BinaryIO
from warnings import warn

import numpy as np

import hearken
from hearken._models import find_model
from hearken._options import Options
from hearken.audio import Source, is_recording

__all__ = [
    "BatchedInferencePipeline",
    "Segment",
    "TranscriptionInfo",
    "VadOptions",
    "WhisperModel",
    "Word",
    "available_models",
    "decode_audio",
    "download_model",
    "format_timestamp",
]

__version__ = hearken.__version__

ENGLISH = {"tiny.en": "hearken-en-light", "base.en": "hearken-en"}
SMALLER = ("small.en", "medium.en", "distil-small.en", "distil-medium.en")
MULTILINGUAL = (
    "tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3", "large",
    "distil-large-v2", "distil-large-v3", "distil-large-v3.5", "large-v3-turbo", "turbo",
)  # fmt: skip
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Of faster-whisper; they mean that hearken's own defaults hold.
LOG_PROB_THRESHOLD = -1.0
# Arguments that would change the text, and their defaults.
WITHOUT_COUNTERPART: dict[str, object] = {
    "patience": 1,
    "repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "prefix": None,
    "max_new_tokens": None,
    "clip_timestamps": "0",
    "hallucination_silence_threshold": None,
}


@dataclass
class Word:
    start: float
    end: float
    word: str
    probability: float


@dataclass
class Segment:
    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[Word] | None
    temperature: float | None


@dataclass
class VadOptions:
    """`threshold`, `speech_pad_ms` and `max_speech_duration_s` are used, the others accepted."""

    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: int = 0
    max_speech_duration_s: float = float("inf")
    min_silence_duration_ms: int = 2000
    speech_pad_ms: int = 400
    min_silence_at_max_speech: int = 98
    use_max_poss_sil_at_max_speech: bool = True


@dataclass
class TranscriptionInfo:
    language: str
    language_probability: float
    duration: float
    duration_after_vad: float
    all_language_probs: list[tuple[str, float]] | None
    transcription_options: SimpleNamespace  # the arguments of transcribe
    vad_options: VadOptions | None


def available_models() -> list[str]:
    """Names that faster-whisper knows; those that are not English alone must be put there."""
    return [*ENGLISH, *SMALLER, *MULTILINGUAL]


def _find(name: str) -> str | None:
    """The path of a model of that name, of hearken or as whisper-NAME."""
    bare = name.rpartition("/")[2].removeprefix("faster-")
    for candidate in (name, bare, f"whisper-{bare}", f"whisper-{bare.removeprefix('whisper-')}"):
        path = find_model(candidate)
        if os.path.isfile(path):
            return path
    return None


def download_model(size_or_id: str, output_dir: str | None = None, *_: object, **__: object) -> str:
    """The path of a model that is already here; nothing is downloaded."""
    instead = os.environ.get("HEARKEN_FASTER_WHISPER_MODEL")
    if instead:
        return find_model(instead)
    if os.path.isdir(size_or_id):
        raise ValueError(
            f"{size_or_id} is a folder; make a model file of it: "
            f"hearken-convert -o model.gguf {size_or_id}"
        )
    own = os.path.join(output_dir, f"{size_or_id}.gguf") if output_dir else ""
    found = own if os.path.isfile(own) else _find(size_or_id)
    if found:
        return found
    if size_or_id in ENGLISH:
        return find_model(ENGLISH[size_or_id])  # opening it says what is missing
    if size_or_id in SMALLER:
        warn(f"hearken-en, which is Whisper base, stands for {size_or_id}", stacklevel=3)
        return find_model("hearken-en")
    if os.sep in size_or_id and os.path.exists(os.path.dirname(size_or_id)):
        return size_or_id
    raise ValueError(
        f"there is no model {size_or_id!r}, expected a file, one of {', '.join(ENGLISH)}, or "
        f"whisper-{size_or_id}.gguf where hearken keeps models; HEARKEN_FASTER_WHISPER_MODEL="
        "hearken-en uses the English one instead"
    )


def decode_audio(
    input_file: str | BinaryIO, sampling_rate: int = 16000, split_stereo: bool = False
) -> Any:
    """A recording as float32 samples; with `split_stereo` those of the left and of the right."""
    if sampling_rate != 16000:
        raise ValueError(f"sampling_rate is {sampling_rate}, expected 16000")
    if not split_stereo:
        return hearken.decode_audio(input_file)
    source = Source(input_file)
    source.separate("each")
    chunks = list(source.whole_chunks())
    samples = np.concatenate(chunks) if chunks else np.zeros((0, 2), np.float32)
    return np.ascontiguousarray(samples[:, 0]), np.ascontiguousarray(samples[:, -1])


def format_timestamp(
    seconds: float, always_include_hours: bool = False, decimal_marker: str = "."
) -> str:
    """[HH:]MM:SS.mmm"""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours:02d}:" if always_include_hours or hours else ""
    return f"{shown}{minutes:02d}:{rest // 1000:02d}{decimal_marker}{rest % 1000:03d}"


def _hotwords(text: str) -> list[str]:
    parts = re.split(r"[,;\n]" if re.search(r"[,;\n]", text) else r"\s", text)
    return [part.strip() for part in parts if part.strip()]


def _segment(number: int, event: hearken.Event, with_words: bool) -> Segment:
    encoded = event.text.encode()
    words = [Word(w.start, w.end, f" {w.text}", w.confidence) for w in event.words]
    return Segment(
        id=number,
        seek=int(event.start * 100),
        start=event.start,
        end=event.end,
        text=f" {event.text}",
        tokens=[],
        avg_logprob=log(max(event.confidence, 1e-9)),
        compression_ratio=len(encoded) / len(zlib.compress(encoded)),
        no_speech_prob=event.no_speech_probability,
        words=words if with_words else None,
        temperature=0.0,
    )


class WhisperModel:
    """As faster_whisper.WhisperModel: help(hearken.faster_whisper) says what differs.

    `cpu_threads` are those of one call. Any number of threads may transcribe at once, whatever
    `num_workers` says. `device` may be a plugin of hearken ("opencl"); "cuda" is taken for "auto".
    """

    def __init__(
        self,
        model_size_or_path: str,
        device: str = "auto",
        device_index: int | list[int] = 0,
        compute_type: str = "default",
        cpu_threads: int = 0,
        num_workers: int = 1,
        download_root: str | None = None,
        local_files_only: bool = False,
        files: dict[str, Any] | None = None,
        **model_kwargs: Any,
    ) -> None:
        if files:
            raise ValueError("models in memory are not supported, expected a name or a path")
        backend = "auto" if device.startswith("cuda") else device
        path = download_model(os.fspath(model_size_or_path), download_root)
        self.model = hearken.Model(path, backend=backend, threads=cpu_threads)

    @property
    def supported_languages(self) -> list[str]:
        return list(self.model.languages)

    @property
    def is_multilingual(self) -> bool:
        return len(self.model.languages) > 1

    def _can(self, **options: Any) -> bool:
        """Whether the model has what an option needs."""
        try:
            self.model.stream(**options).close()
        except ValueError:
            return False
        return True

    def _options(self, given: SimpleNamespace, vad: VadOptions | None) -> Options:
        options: Options = {
            "beam_width": given.beam_size,
            "length_penalty": given.length_penalty,
            "task": given.task,
            "suppress_blank": given.suppress_blank,
            "suppress_tokens": ",".join(map(str, given.suppress_tokens or ())),
            "no_speech_threshold": _or(given.no_speech_threshold, 1.0),
            "compression_threshold": _or(given.compression_ratio_threshold, 1000.0),
        }
        if given.log_prob_threshold != LOG_PROB_THRESHOLD:
            options["log_probability_threshold"] = _or(given.log_prob_threshold, -100.0)
        temperatures = given.temperature
        if isinstance(temperatures, (list, tuple)) and tuple(temperatures) != TEMPERATURES:
            options["temperature_step"] = float(([*temperatures, 0.0, 0.0])[1])
        if given.language or self.is_multilingual:
            options["language"] = given.language or "auto"
        if given.initial_prompt:
            if isinstance(given.initial_prompt, str) and self._can(prompt="a"):
                options["prompt"] = given.initial_prompt.encode()[-1000:].decode(errors="ignore")
            else:
                warn("the model takes no initial_prompt: it is ignored", stacklevel=4)
        if vad:
            options["voice_threshold"] = min(max(vad.threshold, 0.05), 0.95)
            options["pre_roll"] = min(max(vad.speech_pad_ms / 1000, 0.0), 2.0)
            options["segment_seconds"] = min(max(vad.max_speech_duration_s, 2.0), 28.0)
        return options

    def transcribe(
        self,
        audio: str | BinaryIO | np.ndarray[Any, Any],
        language: str | None = None,
        task: str = "transcribe",
        log_progress: bool = False,
        beam_size: int = 5,
        best_of: int = 5,
        patience: float = 1,
        length_penalty: float = 1,
        repetition_penalty: float = 1,
        no_repeat_ngram_size: int = 0,
        temperature: float | list[float] | tuple[float, ...] = TEMPERATURES,
        compression_ratio_threshold: float | None = 2.4,
        log_prob_threshold: float | None = LOG_PROB_THRESHOLD,
        no_speech_threshold: float | None = 0.6,
        condition_on_previous_text: bool = True,
        prompt_reset_on_temperature: float = 0.5,
        initial_prompt: str | Iterable[int] | None = None,
        prefix: str | None = None,
        suppress_blank: bool = True,
        suppress_tokens: list[int] | None = [-1],  # noqa: B006
        without_timestamps: bool = False,
        max_initial_timestamp: float = 1.0,
        word_timestamps: bool = False,
        prepend_punctuations: str = "\"'“¿([{-",
        append_punctuations: str = "\"'.。,，!！?？:：”)]}、",
        multilingual: bool = False,
        vad_filter: bool = False,
        vad_parameters: dict[str, Any] | VadOptions | None = None,
        max_new_tokens: int | None = None,
        chunk_length: int | None = None,
        clip_timestamps: str | list[float] = "0",
        hallucination_silence_threshold: float | None = None,
        hotwords: str | None = None,
        language_detection_threshold: float | None = 0.5,
        language_detection_segments: int = 1,
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """Segments, recognised as they are iterated over, and what is known of the recording."""
        given = SimpleNamespace(**{k: v for k, v in locals().items() if k not in ("self", "audio")})
        for name, standard in WITHOUT_COUNTERPART.items():
            if getattr(given, name) != standard:
                warn(f"{name} has no counterpart in hearken: it is ignored", stacklevel=2)
        vad = VadOptions(**vad_parameters) if isinstance(vad_parameters, dict) else vad_parameters
        samples = hearken.decode_audio(audio) if is_recording(audio) else np.asarray(audio)  # type: ignore[arg-type]
        duration = len(samples) / 16000
        events = self.model.iter(
            samples,
            custom_words=_hotwords(hotwords) if hotwords else None,
            **self._options(given, vad if vad_filter else None),
        )
        first = next(events, None)
        info = TranscriptionInfo(
            language=(first and first.language) or language or self.model.languages[0],
            language_probability=(first and first.language_probability) or 1.0,
            duration=duration,
            duration_after_vad=duration,
            all_language_probs=None,
            transcription_options=given,
            vad_options=vad,
        )

        def segments() -> Iterator[Segment]:
            if first:
                yield _segment(1, first, word_timestamps)
                for number, event in enumerate(events, 2):
                    yield _segment(number, event, word_timestamps)

        return segments(), info

    def detect_language(
        self,
        audio: np.ndarray[Any, Any] | None = None,
        features: Any = None,
        vad_filter: bool = False,
        vad_parameters: dict[str, Any] | VadOptions | None = None,
        language_detection_segments: int = 1,
        language_detection_threshold: float = 0.5,
    ) -> tuple[str, float, list[tuple[str, float]]]:
        """Of the first half minute: the language, its probability, and the same as a list."""
        if audio is None:
            raise ValueError("features are not supported, expected audio")
        if not self.is_multilingual:
            only = self.model.languages[0]
            return only, 1.0, [(only, 1.0)]
        found = self.model.transcribe(np.asarray(audio)[: 30 * 16000], language="auto")
        pair = (found.language, found.language_probability)
        return *pair, [pair]


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


class BatchedInferencePipeline:
    """As faster_whisper.BatchedInferencePipeline. hearken recognises one segment after the other:
    `batch_size` has no effect."""

    def __init__(self, model: WhisperModel) -> None:
        self.model = model

    def transcribe(
        self,
        audio: str | BinaryIO | np.ndarray[Any, Any],
        language: str | None = None,
        task: str = "transcribe",
        *,
        batch_size: int = 8,
        vad_filter: bool = True,
        **options: Any,
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """As WhisperModel.transcribe."""
        return self.model.transcribe(audio, language, task, vad_filter=vad_filter, **options)
