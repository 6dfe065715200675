# SPDX-License-Identifier: MIT
"""Lists of custom words: from the configuration, a file, a request, the client."""

import signal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import StartDaemon
from programs import HEARKEND, REAL_MODEL, Daemon, run, succeed, wait_until
from sounds import DATA, SHORT, pcm
from talking import answer, error_of, text_of, transcribed

WORD = "theater"  # the model writes theatre


@cache
def heard(*options: str) -> str:
    return succeed(
        "transcribe", "--local", "--model", REAL_MODEL, *options, SHORT, folder=DATA
    ).strip()


def plain() -> str:
    assert WORD not in heard()
    return heard()


def with_word(words: str = WORD) -> str:
    text = heard("--custom-words", words)
    assert text == plain().replace("theatre", WORD)
    return text


def ask(daemon: Daemon, own: dict[str, Any], **request: Any) -> str:
    return text_of(answer(daemon.socket, pcm(SHORT), request | {"hearken": own}))


@pytest.mark.real
def test_words_of_a_request(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(REAL_MODEL)
    assert transcribed(daemon.socket, pcm(SHORT)) == plain()
    assert ask(daemon, {"custom_words": [WORD]}) == with_word()
    assert ask(daemon, {"custom_words": []}) == plain()
    assert ask(daemon, {"custom_words": ["Xylophon", "Łódź", "New York"]}) == plain()
    assert ask(daemon, {"custom_words": [WORD], "custom_words_boost": 0}) == plain()
    assert ask(daemon, {}, transcript_names=[WORD]) == with_word()
    assert ask(daemon, {}, transcript_terms=["x" * 200, WORD]) == with_word()


@pytest.mark.real
def test_words_of_the_configuration(start_daemon: StartDaemon, folder: Path) -> None:
    file = folder / "words"
    file.write_text("Łódź\n\n", encoding="utf-8-sig")
    settings = {"custom_words_file": str(file), "custom_words": f"Ada, {WORD}"}
    daemon = start_daemon(
        REAL_MODEL, {f"recognition.{name}": value for name, value in settings.items()}
    )
    assert transcribed(daemon.socket, pcm(SHORT)) == with_word(f"Łódź,Ada,{WORD}")
    assert ask(daemon, {"custom_words": ["Ada"]}) == plain(), "a request's list takes its place"
    daemon.settings["recognition.custom_words"] = "Ada"
    file.write_text("Ada\n")
    for expected in (plain(), with_word(f"Ada,{WORD}")):
        daemon.write_configuration()
        before = daemon.log().count("reloaded")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda b=before: daemon.log().count("reloaded") > b, "the reload")
        assert transcribed(daemon.socket, pcm(SHORT)) == expected
        file.write_text(f"{WORD}\n", encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("you", "custom_words: got a string, expected a list of strings"),
        (["you", 1], "custom_words: got a number in a list, expected a list of strings"),
        (["x" * 101], "custom words: line 1 has 101 bytes, expected up to 100"),
        (["a"] * 2001, "custom words: there are more than 2000"),
        (["a\tb", "a\u0007"], "custom words: line 2 has a control character, byte 0x07"),
    ],
)
def test_lists_that_are_refused(daemon: Daemon, words: object, said: str) -> None:
    error = error_of(answer(daemon.socket, pcm(SHORT), {"hearken": {"custom_words": words}}))
    assert error.code == "bad-value" and said in error.text
    assert transcribed(daemon.socket, pcm(SHORT))


def test_long_lists(daemon: Daemon) -> None:
    names = [f"Name{i}" for i in range(3000)]
    assert ask(daemon, {"custom_words": names[:2000]})
    assert ask(daemon, {}, transcript_names=names, transcript_terms=names)


def test_files_that_are_refused(folder: Path) -> None:
    file = folder / "words"
    configuration = folder / "c"
    configuration.write_text(f"[recognition]\ncustom_words_file = {file}\n")
    command = ("--config", configuration, "--check-config")
    for content, said in (
        (None, "No such file"),
        (b"a\n" + b"x" * 101, f"{file}: custom words: line 2 has 101 bytes"),
        (b"a\xff", f"{file}: custom words: line 1 is not text in UTF-8"),
        (b"a\0b", "expected text, one word or phrase per line"),
    ):
        if content is not None:
            file.write_bytes(content)
        checked = run(*command, folder=folder, program=HEARKEND)
        assert checked.returncode == 2 and said in checked.stderr.decode(), checked


@pytest.mark.real
def test_client(start_daemon: StartDaemon, folder: Path) -> None:
    daemon = start_daemon(REAL_MODEL)
    file = folder / "words"
    file.write_text(f"Ada\n{WORD}\n")
    at = ("transcribe", "--socket", daemon.socket, "--quiet", SHORT)
    listed = f"Ada,{WORD}"
    for options in (("--custom-words", listed), ("--custom-words-file", file)):
        assert run(*at, *options, folder=folder).stdout.decode().strip() == with_word(listed)
    wrong = run(*at, "--custom-words", "x" * 101, folder=folder)
    assert wrong.returncode == 2 and b"line 1 has 101 bytes" in wrong.stderr
    wrong = run(*at, "--custom-words-file", folder / "none", folder=folder)
    assert wrong.returncode == 2 and b"No such file" in wrong.stderr


@pytest.mark.real
def test_partial_texts(start_daemon: StartDaemon) -> None:
    """The last text is the one with the word, however it was looked at before."""
    daemon = start_daemon(REAL_MODEL)
    own = {"custom_words": [WORD], "events": True, "partial_seconds": 0.4, "partial_share": 0}
    events = answer(daemon.socket, pcm(SHORT), {"hearken": own})
    assert any(event.data.get("type") == "partial" for event in events)
    assert text_of(events) == with_word()
