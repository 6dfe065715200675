# SPDX-License-Identifier: MIT
"""The options of recognition, from the library's own table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from hearken._binding import ffi, lib
from hearken._native import NULL, text


class Options(TypedDict, total=False):
    """Keyword arguments of everything that recognises. `hearken.options()` lists them with their
    ranges, defaults and meanings, and `help(hearken.Options)` ends with that list."""

    beam_width: int
    length_penalty: float
    ctc_weight: float
    padding: float
    segment_seconds: float
    no_speech_threshold: float
    log_probability_threshold: float
    compression_threshold: float
    partial_seconds: float
    partial_share: float
    voice: bool
    voice_threshold: float
    pre_roll: float
    endpoint_seconds: float
    endpointing: bool
    language: str
    task: Literal["transcribe", "translate"]
    timestamps: bool
    previous_text: bool
    prompt: str
    suppress_tokens: str
    suppress_blank: bool
    temperature_step: float
    seed: int
    exact: bool
    custom_words_boost: float
    channels: Literal["mix", "each", "auto"]


@dataclass(frozen=True)
class Option:
    """One option: see `hearken.options`."""

    name: str
    type: str  # "number", "count", "switch", "choice" or "text"
    default: str  # as one would write it
    minimum: float
    maximum: float  # of a text: its bytes
    choices: tuple[str, ...]
    help: str


TYPES = ("number", "count", "switch", "choice", "text")


def _table() -> Iterator[Option]:
    index = 0
    while found := lib.hearken_stream_option(index):
        choices: list[str] = []
        while found.choices and found.choices[len(choices)]:
            choices.append(text(found.choices[len(choices)]))
        is_text = TYPES[found.type] == "text"
        yield Option(
            text(found.name),
            TYPES[found.type],
            text(found.standard_text) or text(found.meaning),
            found.minimum,
            found.size - 1 if is_text else found.maximum,
            tuple(choices),
            text(found.help),
        )
        index += 1


_TABLE = {option.name: option for option in _table()}


def options() -> list[Option]:
    """The options of recognition that this version of the library has.

    >>> {option.name: option.default for option in hearken.options()}["beam_width"]
    '4'
    """
    return list(_TABLE.values())


def _describe(option: Option) -> str:
    expected = {
        "switch": "True or False",
        "choice": " or ".join(map(repr, option.choices)),
        "text": f"up to {option.maximum:g} bytes",
    }.get(option.type, f"{option.minimum:g} to {option.maximum:g}")
    return f"{option.name}: {expected}; default {option.default or 'none'}\n    {option.help}"


Options.__doc__ = f"{Options.__doc__}\n\n" + "\n".join(map(_describe, _TABLE.values()))


def _wrong(option: Option, value: object, expected: str) -> TypeError:
    return TypeError(f"{option.name} is {value!r}, expected {expected}")


def _convert(option: Option, value: object) -> object:
    """A value as the member of the struct takes it; the library checks its range."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if option.type == "number":
        if not is_number:
            raise _wrong(option, value, "a number")
    elif option.type == "count":
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(option, value, "a whole number")
        if not option.minimum <= value <= option.maximum:
            raise ValueError(
                f"{option.name} is {value}, expected {option.minimum:g} to {option.maximum:g}"
            )
    elif option.type == "switch":
        if not isinstance(value, bool):
            raise _wrong(option, value, "True or False")
    elif option.type == "choice":
        if value not in option.choices:
            expected = " or ".join(map(repr, option.choices))
            raise ValueError(f"{option.name} is {value!r}, expected {expected}")
        return option.choices.index(str(value))
    else:
        return _encode(option, value)
    return value


def _encode(option: Option, value: object) -> bytes:
    if not isinstance(value, str):
        raise _wrong(option, value, "a string")
    encoded = value.encode()
    if b"\0" in encoded:
        raise ValueError(f"{option.name} holds a zero character")
    if len(encoded) > option.maximum:
        raise ValueError(f"{option.name} is longer than {option.maximum:g} bytes")
    return encoded


def custom_words_text(words: str | Iterable[str]) -> str:
    """A word or phrase a line."""
    return words if isinstance(words, str) else "\n".join(words)


def check_names(given: Mapping[str, object]) -> None:
    """Raises TypeError for a name that is no option."""
    for name in given:
        if name not in _TABLE:
            near = difflib.get_close_matches(name, _TABLE, 1)
            hint = f", did you mean {near[0]}?" if near else "; hearken.options() lists them"
            raise TypeError(f"there is no option {name!r}{hint}")


class StreamOptions:
    """A struct hearken_stream_options and what it points to."""

    def __init__(
        self,
        given: Mapping[str, object],
        *,
        rate: int,
        channels: int,
        sample_type: int,
        custom_words: str | Iterable[str] | None,
        alignment: bool,
        voice_events: bool,
    ) -> None:
        check_names(given)
        self.pointer: Any = ffi.new("struct hearken_stream_options *")
        lib.hearken_stream_options_init_sized(
            self.pointer, ffi.sizeof("struct hearken_stream_options")
        )
        for name, value in given.items():
            setattr(self.pointer, name, _convert(_TABLE[name], value))
        self.pointer.audio.rate = rate
        self.pointer.audio.channels = channels
        self.pointer.audio.type = sample_type
        self.pointer.alignment = alignment
        self.pointer.voice_events = voice_events
        self._words = NULL
        if custom_words is not None:
            listed = custom_words_text(custom_words).encode()
            if b"\0" in listed:
                raise ValueError("custom_words holds a zero character")
            self._words = ffi.new("char[]", listed)
        self.pointer.custom_words = self._words
