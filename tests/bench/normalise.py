# SPDX-License-Identifier: MIT
"""Text as word error rates compare it, by the same rules as the trainer's figures.

Case and punctuation do not count, numbers are spelled out as they are read, titles too. What is
left are words of the letters a to z with apostrophes within.
"""

import re
import unicodedata
from typing import NamedTuple

import numpy as np
from num2words import num2words

TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "mr.": "mister",
    "mrs.": "missus",
    "dr.": "doctor",
    "st.": "saint",  # without its stop it may be a street
}
# What becomes of marks before everything beyond ASCII is dropped.
MARKS = str.maketrans(
    {
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": "",
        "\N{RIGHT DOUBLE QUOTATION MARK}": "",
        '"': "",
        "&": " and ",
        "\N{EM DASH}": ", ",
        "\N{EN DASH}": "-",
        ";": ",",
        ":": ",",
        "\N{HORIZONTAL ELLIPSIS}": ".",
    }
)


def _whole(digits: str) -> str:
    """ "1,234": commas between digits go, and a lone comma is nothing."""
    bare = digits.replace(",", "")
    return num2words(int(bare)) if bare else ""


def _dollars(found: re.Match[str]) -> str:
    unit = " dollar" if found[1] == "1" else " dollars"
    return num2words(found[1].replace(",", "")) + unit


# In this order: each takes what the ones before have left.
NUMBERS = (
    (re.compile(r"\$(\d[\d,]*)(?![\d.])"), _dollars),
    (re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?%"), lambda m: m[1] + " percent"),
    (re.compile(r"\b(\d+)(st|nd|rd|th)\b"), lambda m: num2words(int(m[1]), to="ordinal")),
    # 1100 to 2099 are read as years
    (re.compile(r"\b(1[1-9]|20)(\d\d)\b(?!,)"), lambda m: num2words(int(m[0]), to="year")),
    (re.compile(r"\d[\d,]*\.\d+"), lambda m: num2words(float(m[0].replace(",", "")))),
    (re.compile(r"\d[\d,]*"), lambda m: _whole(m[0])),
)


def spell_numbers(text: str) -> str:
    for pattern, spelled in NUMBERS:
        text = pattern.sub(spelled, text)
    return text


def _to_ascii(text: str) -> str:
    marked = unicodedata.normalize("NFKC", text).translate(MARKS)
    return unicodedata.normalize("NFKD", marked).encode("ascii", "ignore").decode()


def words(text: str) -> list[str]:
    """The words that count."""
    plain = spell_numbers(_to_ascii(text))
    plain = re.sub(r"[^A-Za-z' .,?!-]", " ", plain)
    plain = re.sub(r"\s+([.,?!])", r"\1", plain)
    plain = re.sub(r"([.,?!])[.,?!]+", r"\1", plain)
    titled = (TITLES.get(word, word) for word in plain.lower().split())
    separated = re.sub(r"[.,?!-]", " ", " ".join(titled))
    return [bare for word in separated.split() if (bare := word.strip("'"))]


class Errors(NamedTuple):
    """Of a hypothesis against its reference."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def total(self) -> int:
        return sum(self)

    def plus(self, other: "Errors") -> "Errors":
        return Errors(*(a + b for a, b in zip(self, other, strict=True)))


# A hypothesis' edits in one number, so that an alignment is a few sums and minima of whole rows: the
# number of edits above, then insertions, then substitutions, 20 bits each.
EDIT = 1 << 40
SUBSTITUTION, DELETION, INSERTION = EDIT + 1, EDIT, EDIT + (1 << 20)


def word_errors(reference: list[str], hypothesis: list[str]) -> Errors:
    """The fewest edits that make one of the other (Levenshtein); of these, the fewest insertions."""
    numbers: dict[str, int] = {}
    said = [numbers.setdefault(word, len(numbers)) for word in reference]
    heard = np.array([numbers.setdefault(word, len(numbers)) for word in hypothesis], np.int64)
    inserted = INSERTION * np.arange(len(heard) + 1, dtype=np.int64)
    row = inserted
    for word in said:
        best = row + DELETION
        np.minimum(best[1:], row[:-1] + SUBSTITUTION * (heard != word), out=best[1:])
        # Insertions: of all places to the left, the one that costs least with those from there on.
        row = np.minimum.accumulate(best - inserted) + inserted
    edits, insertions, substitutions = (int(row[-1]) >> shift for shift in (40, 20, 0))
    insertions, substitutions = insertions % (1 << 20), substitutions % (1 << 20)
    return Errors(substitutions, edits - insertions - substitutions, insertions)
