# SPDX-License-Identifier: MIT
"""What recognition gives: transcripts, segments, words, alignments, events."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hearken.picture import Spectrogram

EventType = Literal["partial", "final", "voice-started", "voice-stopped"]


@dataclass(frozen=True)
class Word:
    """A word with its punctuation. Times are seconds from the start of the recording; `confidence`
    is 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where the network listened: for each token a row of attention weights over time.

    `numpy.asarray(alignment)` is `weights`. Token i was written while the network attended to
    `start + step_seconds * numpy.argmax(weights[i])` seconds.
    """

    weights: NDArray[np.float32]  # [tokens, steps]; rows sum to about 1
    tokens: tuple[str, ...]
    start: float  # seconds: of the first step
    step_seconds: float

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.weights if dtype is None else self.weights.astype(dtype, copy=False)
        return array.copy() if copy else array


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of a recording between pauses, with its text.

    `confidence` is 0 to 1: the geometric mean of the tokens' probabilities. `channel` counts from 1
    where channels are recognised each, and is 0 otherwise. `language_probability` is 0 unless the
    language was detected. `alignment` is None unless asked for.
    """

    start: float
    end: float
    text: str
    confidence: float = 0.0
    words: tuple[Word, ...] = ()
    language: str = ""
    language_probability: float = 0.0
    no_speech_probability: float = 0.0
    channel: int = 0
    alignment: Alignment | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Event(Segment):
    """What happens while sound is recognised. By `type`:

    "partial"        text of the segment so far. It may change, but for `committed`, its beginning
    "final"          text of a whole segment
    "voice-started", "voice-stopped"    if `voice_events` were asked for; without text
    """

    type: EventType
    committed: str = ""

    @property
    def segment(self) -> Segment:
        """The same without `type` and `committed`."""
        names = Segment.__dataclass_fields__
        return Segment(**{name: getattr(self, name) for name in names})


def join_alignments(parts: list[Alignment]) -> Alignment | None:
    """One alignment of several segments: all tokens, over all of the time."""
    if not parts:
        return None
    step = parts[0].step_seconds
    places = [round(part.start / step) for part in parts]
    steps = max(p + part.weights.shape[1] for p, part in zip(places, parts, strict=True))
    tokens = tuple(token for part in parts for token in part.tokens)
    weights = np.zeros((len(tokens), steps), np.float32)
    row = 0
    for place, part in zip(places, parts, strict=True):
        rows, columns = part.weights.shape
        weights[row : row + rows, place : place + columns] = part.weights
        row += rows
    return Alignment(weights, tokens, 0.0, step)


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The text of a recording. `str(transcript)` and `transcript.text` are the text; in a notebook it
    shows itself with its words, and with the attention picture if `alignment=True` was asked for."""

    segments: tuple[Segment, ...]
    duration: float  # seconds that were heard
    warnings: tuple[str, ...] = ()  # what was wrong with a recording that was read all the same
    spectrogram: Spectrogram | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """All segments' texts, with spaces between them."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """Those of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def language(self) -> str:
        """The first segment's; "" if nothing was said."""
        return self.segments[0].language if self.segments else ""

    @property
    def language_probability(self) -> float:
        """The first segment's; 0 unless the language was detected."""
        return self.segments[0].language_probability if self.segments else 0.0

    @property
    def alignment(self) -> Alignment | None:
        """Those of all segments in one array, [all tokens, steps from 0 to the end]; None unless it
        was asked for with `alignment=True`. Each segment has its own, too."""
        return join_alignments([s.alignment for s in self.segments if s.alignment])

    def to_dict(self) -> dict[str, Any]:
        """Text, language, times, segments and words as plain values for `json.dumps`."""
        segments = []
        for segment in self.segments:
            plain = asdict(segment)
            del plain["alignment"]
            segments.append(plain)
        return {
            "text": self.text,
            "language": self.language,
            "duration": self.duration,
            "segments": segments,
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        from hearken.picture import transcript_html

        return transcript_html(self)
