# SPDX-License-Identifier: MIT
"""Small vocabularies of both kinds, and their tokens as text."""

BLANK, START, END, UNKNOWN = "<blank>", "<s>", "</s>", "<unk>"
WORD = "\u2581"  # the space before a word, in pieces of the recurrent kind

_WORDS = ["the", "a", "and", "of", "to", "in", "he", "I", "was", "that", "it", "is"]
_ENDINGS = ["ing", "ed", "er", "th"]
RECURRENT = [BLANK, START, END, UNKNOWN, "!", "'", ",", "-", ".", "?", WORD]
RECURRENT += [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
RECURRENT += [WORD + word for word in _WORDS] + _ENDINGS

END_OF_TEXT, START_OF_TRANSCRIPT, ENGLISH = "<|endoftext|>", "<|startoftranscript|>", "<|en|>"
TRANSCRIBE, NO_SPEECH = "<|transcribe|>", "<|nospeech|>"
NO_TIMESTAMPS = "<|notimestamps|>"
CONTROL = [END_OF_TEXT, START_OF_TRANSCRIPT, ENGLISH, TRANSCRIBE, NO_SPEECH, NO_TIMESTAMPS]

_MERGED = [" the", " a", " and", "in", "er", "th", " to", " of", "ing", " w", "ed", " he", " is"]
_MERGED += [" it", " you", "ll", " that", "ou", "re", "caf\u00e9", "\u2026"]


def _byte_order() -> list[int]:
    """GPT-2's order: the bytes that print as themselves in Latin-1, then the others."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printing + [byte for byte in range(0x100) if byte not in printing]


BYTES = _byte_order()
_PRINTING = 188
_LETTER = {
    byte: chr(byte) if place < _PRINTING else chr(0x100 + place - _PRINTING)
    for place, byte in enumerate(BYTES)
}
_BYTE = {letter: byte for byte, letter in _LETTER.items()}


def _byte_level(text: str) -> str:
    return "".join(_LETTER[byte] for byte in text.encode())


BYTE_LEVEL = [_LETTER[byte] for byte in BYTES] + [_byte_level(t) for t in _MERGED] + CONTROL


def recurrent_text(tokens: list[str]) -> str:
    """Pieces joined; the space before the first word is not part of the text."""
    special = (BLANK, START, END, UNKNOWN)
    return "".join(t for t in tokens if t not in special).replace(WORD, " ").removeprefix(" ")


def byte_level_text(tokens: list[str]) -> str:
    """Bytes joined, then UTF-8 (UnicodeDecodeError if it is not), without the first space."""
    letters = "".join(t for t in tokens if t not in CONTROL)
    return bytes(_BYTE[letter] for letter in letters).decode().removeprefix(" ")
