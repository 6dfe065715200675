# SPDX-License-Identifier: MIT
"""What `hearken transcribe` writes: text, words, JSON, SubRip and WebVTT."""

import json
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from programs import RANDOM_MODELS, Daemon, alone, run
from sounds import LONG, SHORT, pcm, silence, write_wav

RECURRENT = RANDOM_MODELS["recurrent"]
CUE_TIME = r"(\d\d+):([0-5]\d):([0-5]\d)[.,](\d{3})"


def through(daemon: Daemon, form: str) -> tuple[str, ...]:
    return ("transcribe", "--socket", str(daemon.socket), "--format", form)


def seconds(*parts: str) -> float:
    hours, minutes, whole, thousandths = map(int, parts)
    return hours * 3600 + minutes * 60 + whole + thousandths / 1000


def cues(text: str) -> list[tuple[float, float, list[str]]]:
    """Start, end and lines of each block that has a time."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        for i, line in enumerate(lines):
            if match := re.fullmatch(f"{CUE_TIME} --> {CUE_TIME}", line):
                times = match.groups()
                found.append((seconds(*times[:4]), seconds(*times[4:]), lines[i + 1 :]))
    return found


def words_of(document: dict) -> list[dict]:
    return [word for segment in document["segments"] for word in segment["words"]]


@pytest.fixture
def document(daemon: Daemon, hearken) -> dict:
    """Of the long recording."""
    return json.loads(hearken(*through(daemon, "json"), LONG))


def test_json(document: dict) -> None:
    assert document["file"] == str(LONG)
    assert document["seconds"] == pytest.approx(pcm(LONG).seconds(), abs=0.001)
    assert document["text"] == alone(RECURRENT, LONG).replace("\n", " ").strip()
    assert " ".join(segment["text"] for segment in document["segments"]) == document["text"]
    assert " ".join(word["text"] for word in words_of(document)) == document["text"]
    for part in document["segments"] + words_of(document):
        assert 0 <= part["start"] <= part["end"] <= document["seconds"] + 0.1
        assert 0 <= part["confidence"] <= 1


def test_json_is_the_same_without_a_daemon(document: dict) -> None:
    """But for the last digit of confidences, which the daemon has rounded once before."""
    other = json.loads(alone(RECURRENT, LONG, "--format", "json"))
    for one in (document, other):
        for part in one["segments"] + words_of(one):
            del part["confidence"]
    assert other == document


def test_json_has_an_object_for_each_file(daemon: Daemon, folder: Path) -> None:
    absent = folder / "absent.wav"
    result = run(*through(daemon, "json"), SHORT, absent, LONG, folder=folder)
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert [found["file"] for found in objects] == [str(SHORT), str(absent), str(LONG)]
    assert [set(found) >= {"text"} for found in objects] == [True, False, True]
    assert objects[1]["error"] in result.stderr.decode()


@pytest.mark.parametrize("made", [True, False], ids=["done", "failed"])
def test_json_gives_back_a_name_that_is_not_utf8(daemon: Daemon, folder: Path, made: bool) -> None:
    name = b"100% caf\xe9\xc3\xa4 \x9b1m\xc2\x9b.flac"
    file = folder / os.fsdecode(name)
    if made:
        shutil.copy(SHORT, file)
    result = run(*through(daemon, "json"), file, SHORT, folder=folder)
    odd, plain = map(json.loads, result.stdout.splitlines())
    assert unquote_to_bytes(odd["file_bytes"]) == os.fsencode(file)
    assert odd["file"] == os.fsencode(file).decode(errors="replace")
    assert ("text" in odd) == made
    assert plain["file"] == str(SHORT) and "file_bytes" not in plain
    told = result.stderr.decode()  # all of it UTF-8
    assert made == (told == "")
    assert made or "100% caf?ä ?1m?.flac" in told


@pytest.mark.parametrize("option", ["--prompt", "--model", "--language", "--set", "--socket"])
def test_arguments_that_are_not_utf8(daemon: Daemon, folder: Path, option: str) -> None:
    """What the daemon would have to be told is refused, in words that a terminal can show."""
    value = os.fsdecode(b"prompt=\xe9\x9b" if option == "--set" else b"\xe9\x9b")
    result = run(*through(daemon, "json"), option, value, SHORT, folder=folder)
    told = result.stderr.decode()
    if option == "--socket":  # a path may be any bytes
        assert result.returncode == 3 and "??" in told
        return
    assert result.returncode == 2
    assert "UTF-8 text" in told


def test_words(daemon: Daemon, hearken, document: dict) -> None:
    lines = hearken(*through(daemon, "text"), "--words", LONG).splitlines()
    rows = [line.split("\t") for line in lines]
    expected = [[f"{w['start']:.2f}", f"{w['end']:.2f}", w["text"]] for w in words_of(document)]
    assert [[start, end, word] for start, end, _, word in rows] == expected
    assert all(0 <= float(confidence) <= 1 for _, _, confidence, _ in rows)


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles(daemon: Daemon, hearken, document: dict, form: str) -> None:
    text = hearken(*through(daemon, form), LONG)
    assert text.startswith("WEBVTT\n\n" if form == "vtt" else "1\n")
    found = cues(text)
    assert found
    joined = " ".join(line for _, _, lines in found for line in lines)
    unescaped = joined.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    shown = unescaped if form == "vtt" else joined
    assert shown.replace(" ", "") == document["text"].replace(" ", "")
    words = words_of(document)
    assert found[0][0] == words[0]["start"] and found[-1][1] >= words[-1]["end"]
    for start, end, lines in found:
        assert 0 <= start < end
        assert 1 <= len(lines) <= 2
        assert form == "vtt" or all(1 <= len(line) <= 42 for line in lines)
    for (_, end, _), (start, _, _) in pairwise(found):
        assert end <= start
    if form == "srt":
        numbers = re.findall(r"(?:^|\n\n)(\d+)\n", text)
        assert numbers == [str(i + 1) for i in range(len(found))]


@pytest.mark.parametrize(("form", "expected"), [("text", ""), ("srt", ""), ("vtt", "WEBVTT\n\n")])
def test_nothing_said(daemon: Daemon, hearken, folder: Path, form: str, expected: str) -> None:
    file = write_wav(folder / "silence.wav", silence(3))
    assert hearken(*through(daemon, form), file) == expected


def test_nothing_said_in_json(daemon: Daemon, hearken, folder: Path) -> None:
    file = write_wav(folder / "silence.wav", silence(3))
    found = json.loads(hearken(*through(daemon, "json"), file))
    assert found == {"file": str(file), "seconds": 3.0, "text": "", "segments": []}
