# SPDX-License-Identifier: MIT
"""Choose the tokens of Whisper's vocabulary that English text needs.

Every token gets the share of English that it would spell: words by their frequency in wordfreq's
English list, in the cases that the texts and word lists show; punctuation, digits and pieces by
how often they occur in the texts. The best COUNT tokens are kept, and whatever must not be
missing: all bytes, digits, common punctuation, the special tokens. Output: one token a line, in
the order of the checkpoint's ids, for hearken-convert --keep.

usage: english_vocabulary.py CHECKPOINT OUT --count N --words FILE... --texts FILE... [--check FILE]

CHECKPOINT is a directory with tokenizer.json, config.json and vocabulary.json or .txt. --texts takes
plain text, gzip'd or not, and JSON lines (their "label", or their "text" where that is cased).
--check reports how much of other texts is spelled by tokens that were cut.
Needs: pip install tokenizers wordfreq
"""

import argparse
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import wordfreq
from speech.corpus import MULTILINGUAL, names_of
from tokenizers import Tokenizer

# What a text is worth beside the frequency list: it knows punctuation and numbers.
TEXT_SHARE = 0.2
# Words inside of others, after a hyphen or a quotation mark: no space before them.
JOINED_SHARE = 0.02
# How many occurrences in the texts outweigh what the word lists say about a word's case.
PRIOR_COUNT = 5.0
# Shares of lower case, capitalised and upper case, by the word lists that a word is in.
PRIOR_SHARES = {
    (True, False): (0.93, 0.06, 0.01),
    (False, True): (0.05, 0.93, 0.02),
    (True, True): (0.60, 0.38, 0.02),
    (False, False): (0.45, 0.40, 0.15),
}
# Signs of typeset English, which Whisper writes too; with and without a space before them.
SIGNS = "’‘“”–—…£€°½é"
# Kept for what they are: the prompt, the guard against silence, the language's probability.
CONTROL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|nocaptions|>",
    "<|notimestamps|>",
]

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def byte_names() -> dict[int, str]:
    """GPT-2's characters for bytes: printable ones as themselves, the others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in names)
    return names | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


BYTE_NAMES = byte_names()
NAME_BYTES = {name: byte for byte, name in BYTE_NAMES.items()}


def name_of(text: str) -> str:
    return "".join(BYTE_NAMES[byte] for byte in text.encode())


def text_of(name: str) -> str | None:
    """None for special tokens and for tokens that are not whole characters."""
    try:
        return bytes(NAME_BYTES[character] for character in name).decode()
    except (KeyError, UnicodeDecodeError):
        return None


def is_ascii(name: str) -> bool:
    text = text_of(name)
    return bool(text) and text.isascii() and text.isprintable()


def lines(path: Path) -> list[str]:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return text.decode(errors="replace").splitlines()


def sentences(path: Path) -> Iterator[str]:
    """Lines of plain text, or the cased text of JSON lines."""
    if path.suffix != ".jsonl":
        yield from (line.strip() for line in lines(path))
        return
    for line in lines(path):
        row = json.loads(line)
        text = row.get("label") or row.get("text")
        if text and not text.isupper() and not text.islower():
            yield text


def clean(sentence: str) -> str:
    """As speech is written down: one space between words, no markup or tables."""
    return re.sub(r"[\s_*|~=<>\\#^]+", " ", sentence).strip()


class Counts:
    """Shares of tokens, and the cases in which words occur."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.shares: Counter[int] = Counter()
        self.cases: dict[str, Counter[str]] = {}

    def add(self, weighted: Iterable[tuple[str, float]], piece: int = 100_000) -> None:
        batch = list(weighted)
        for at in range(0, len(batch), piece):
            part = batch[at : at + piece]
            encoded = self.tokenizer.encode_batch_fast(
                [text for text, _ in part], add_special_tokens=False
            )
            for encoding, (_, weight) in zip(encoded, part, strict=True):
                for token in encoding.ids:
                    self.shares[token] += weight

    def add_text(self, path: Path, share: float) -> None:
        texts = [" " + text for text in map(clean, sentences(path)) if text]
        for text in texts:
            # A sentence's first word says nothing about the case of the word.
            for word in WORD.findall(text)[1:]:
                self.cases.setdefault(word.lower(), Counter())[word] += 1
        size = sum(len(text) for text in texts)
        self.add((text, share / max(size, 1)) for text in texts)

    def case_shares(self, word: str, known: set[str]) -> tuple[float, ...]:
        capital = word[:1].upper() + word[1:]
        forms = (word, capital, word.upper())
        prior = PRIOR_SHARES[(word in known, capital in known)]
        seen = self.cases.get(word, Counter())
        counts = [seen[form] + PRIOR_COUNT * p for form, p in zip(forms, prior, strict=True)]
        if len(word) == 1:
            counts[2] = 0.0  # a capital letter is its own upper case
        return tuple(count / sum(counts) for count in counts)

    def add_words(self, known: set[str], share: float) -> None:
        frequencies = wordfreq.get_frequency_dict("en", wordlist="large")
        total = sum(frequencies.values())
        weighted = []
        for word, frequency in frequencies.items():
            forms = (word, word[:1].upper() + word[1:], word.upper())
            for form, case in zip(forms, self.case_shares(word, known), strict=True):
                weight = share * case * frequency / total
                weighted.append((" " + form, weight * (1 - JOINED_SHARE)))
                weighted.append((form, weight * JOINED_SHARE))
        self.add(weighted)


def must_have(names: list[str], suppressed: set[int]) -> set[int]:
    """Bytes, special tokens, numbers, short runs of punctuation, typeset signs."""
    ids = {name: i for i, name in enumerate(names)}
    wanted = [*BYTE_NAMES.values(), *CONTROL]
    wanted += [name_of(space + sign) for sign in SIGNS for space in ("", " ")]
    kept = {ids[name] for name in wanted if name in ids}
    kept |= {ids[name] for name in languages(names)}
    for i, name in enumerate(names):
        text = text_of(name)
        if not text or not text.isascii() or i in suppressed:
            continue
        if re.fullmatch(r" ?\d{1,4}", text) or re.fullmatch(r" ?[-.,?!'\"%$&:;]{1,3}", text):
            kept.add(i)
    return kept


def languages(names: list[str]) -> list[str]:
    """All that the model knows: the probability of silence is measured against them."""
    if len(names) < MULTILINGUAL:
        return []
    first, last = names.index("<|en|>"), names.index("<|translate|>")
    return names[first:last]


def choose(
    counts: Counts, names: list[str], suppressed: set[int], wanted: int
) -> tuple[list[int], float]:
    """The ids that are kept, and the share that the rarest of them has."""
    kept = must_have(names, suppressed)
    rarest = 0.0
    for token, share in counts.shares.most_common():
        if len(kept) >= wanted:
            break
        if token not in suppressed and token not in kept:
            kept.add(token)
            rarest = share
    return sorted(kept), rarest


def report_cut(tokenizer: Tokenizer, kept: list[int], path: Path) -> None:
    """How many tokens of a text are not kept: each is spelled with smaller ones instead."""
    inside, cut = set(kept), Counter()
    total = 0
    for sentence in sentences(path):
        encoding = tokenizer.encode(" " + sentence, add_special_tokens=False)
        total += len(encoding.ids)
        cut.update(
            name for i, name in zip(encoding.ids, encoding.tokens, strict=True) if i not in inside
        )
    number = cut.total()
    print(
        f"{path.name}: {number} of {total} tokens cut, one in {total / max(number, 1):.0f}",
        *(f"{name}*{n}" for name, n in cut.most_common(12)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, required=True, help="tokens to keep")
    parser.add_argument("--words", type=Path, nargs="+", default=[], help="word lists, cased")
    parser.add_argument("--texts", type=Path, nargs="+", default=[])
    parser.add_argument("--check", type=Path, nargs="+", default=[])
    parser.add_argument("--always", type=Path, nargs="+", default=[], help="tokens, one a line")
    arguments = parser.parse_args()

    tokenizer = Tokenizer.from_file(str(arguments.checkpoint / "tokenizer.json"))
    names = names_of(arguments.checkpoint)
    config = json.loads((arguments.checkpoint / "config.json").read_text())
    ids = {name: i for i, name in enumerate(names)}
    # Bytes and special tokens are kept all the same.
    suppressed = set(config["suppress_ids"])
    known = {word.strip() for path in arguments.words for word in lines(path)}

    counts = Counts(tokenizer)
    for path in arguments.texts:
        counts.add_text(path, TEXT_SHARE / len(arguments.texts))
    counts.add_words(known, 1 - TEXT_SHARE if arguments.texts else 1.0)
    for path in arguments.always:
        counts.shares.update({ids[line]: 1.0 for line in lines(path)})
    kept, rarest = choose(counts, names, suppressed, arguments.count)
    arguments.out.write_text("".join(names[i] + "\n" for i in kept))

    english = sum(is_ascii(names[i]) for i in kept)
    lost = 1 - sum(counts.shares[i] for i in kept) / counts.shares.total()
    print(
        f"{len(kept)} of {len(names)} tokens kept, {english} of them ASCII text;"
        f" {len(counts.shares)} have a share, the rarest kept one {rarest:.2g};"
        f" {lost:.2g} of all shares cut"
    )
    for path in arguments.check:
        report_cut(tokenizer, kept, path)


if __name__ == "__main__":
    main()
