# SPDX-License-Identifier: MIT
"""The page for live transcription: in a browser, and how hearken web finds it."""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import programs
import pytest
from conftest import Serve, StartDaemon
from normalise import word_errors, words
from programs import REAL_MODEL, REAL_MODELS, REPOSITORY, free_port, run
from sounds import LONG, SHORT, Pcm, pcm, silence, transcripts, write_wav
from web import Served

try:
    import browser
    from browser import Page, page_of
except ImportError:  # without selenium there is no browser either
    browser = None  # type: ignore[assignment]

in_browser = pytest.mark.skipif(
    not (browser and browser.CHROMIUM and browser.DRIVER),
    reason="there is no chromium, chromedriver or selenium",
)
FILES = sorted(path.name for path in (REPOSITORY / "daemon" / "api" / "page").iterdir())
# How far the end of the text is out of sight.
REST = (
    "const box = document.querySelector('#scroller');"
    "return box.scrollHeight - box.clientHeight - box.scrollTop;"
)
OthersPage = Callable[..., AbstractContextManager["Page"]]


def spoken(*recordings: Path) -> list[str]:
    return [word for path in recordings for word in words(transcripts()[path.stem])]


def wrong_words(recordings: tuple[Path, ...], found: list[str]) -> int:
    return word_errors(spoken(*recordings), words(" ".join(found))).total()


@pytest.fixture
def real(serve: Serve) -> Served:
    return serve(model=REAL_MODEL)


@pytest.fixture
def browse(folder: Path) -> OthersPage:
    """A browser that hears recordings, with a pause behind each."""

    @contextmanager
    def start(*recordings: Path, pause: float = 2.0) -> Iterator[Page]:
        data = b"".join(pcm(path).data + silence(pause).data for path in recordings)
        heard = folder / "heard.wav"
        if recordings:
            write_wav(heard, Pcm(16000, 2, 1, data))
        with browser.browsing(folder, heard if recordings else None) as page:
            yield page

    return start


def listen(page: Page, count: int) -> None:
    """Until so many words are final."""
    page.start()
    page.wait(lambda: len(page.words()) >= count, f"{count} words")
    page.stop()


# ---- In a browser ------------------------------------------------------------------------------


@in_browser
@pytest.mark.real
def test_live_text(real: Served, browse: OthersPage) -> None:
    """What is said is on the page, from its first word; nothing goes elsewhere."""
    with browse(SHORT, LONG) as page:
        page.open(page_of(real)).ready()
        listen(page, len(spoken(SHORT, LONG)) - 1)
        found = page.words()
        assert wrong_words((SHORT, LONG), found) <= 1
        assert words(" ".join(found))[:2] == spoken(SHORT)[:2]
        assert not page.all(".current"), "nothing is left that may change"
        assert re.fullmatch(r"\d+\.\d s behind", page.text("#latency"))
        assert page.hosts() == {f"127.0.0.1:{real.port}"}
        assert page.complaints() == []
        assert float(page.find("canvas").get_attribute("height") or 0) > 150
        assert "author" in (page.find("canvas").get_attribute("aria-label") or "")


@in_browser
@pytest.mark.real
def test_partial_text(real: Served, browse: OthersPage) -> None:
    """It is dimmed and not told to screen readers, who get each committed word once."""
    with browse(LONG) as page:
        page.open(page_of(real)).ready()
        page.start()
        page.wait(lambda: page.all(".current .tail"), "text that may change")
        assert page.find(".tail").get_attribute("aria-hidden") == "true"
        assert "connection" not in page.text("#spoken")
        page.wait(lambda: "nature" in "".join(page.words()), "the last word")
        page.stop()
        assert page.find("#spoken").get_attribute("aria-live") == "polite"
        told = page.text("#spoken").removeprefix("Listening").removesuffix("Stopped")
        assert words(told) == words(" ".join(page.words()))


@in_browser
@pytest.mark.real
def test_attention_is_drawn(real: Served, browse: OthersPage) -> None:
    """Below the sound, marks go from the upper left to the lower right."""
    with browse(SHORT) as page:
        page.open(page_of(real)).ready()
        listen(page, 8)
        script = """
            const canvas = document.querySelector('canvas');
            const {width, height} = canvas, top = 96, bottom = height - 24;
            const {data} = canvas.getContext('2d').getImageData(0, top, width, bottom - top);
            const marks = [];
            for (let at = 0; at < data.length; at += 4)
              if (data[at + 2] - data[at] > 100)
                marks.push([(at / 4) % width / width, Math.floor(at / 4 / width) / (bottom - top)]);
            return marks;"""
        marks: list[list[float]] = page.run(script)
        assert len(marks) > 100
        upper = [x for x, y in marks if y < 0.3]
        lower = [x for x, y in marks if y > 0.7]
        assert sum(upper) / len(upper) < 0.4 < sum(lower) / len(lower)


@in_browser
@pytest.mark.real
def test_click_plays_the_word(real: Served, browse: OthersPage) -> None:
    with browse(SHORT) as page:
        page.open(page_of(real)).ready()
        listen(page, 8)
        page.all(".word")[3].click()
        page.wait(lambda: page.run("return window.played[0]?.seconds > 0"), "the end of the word")
        saved = json.loads(page.save("json"))
        word = saved["segments"][0]["words"][3]
        played = page.run("return window.played")
        assert len(played) == 1 and played[0]["source"].startswith("blob:")
        assert played[0]["seconds"] == pytest.approx(word["end"] - word["start"] + 0.1, abs=0.3)
        assert not page.all(".playing")


@in_browser
@pytest.mark.real
def test_keys(real: Served, browse: OthersPage) -> None:
    """The space bar starts and stops, but where it writes; arrows lead through the words."""
    with browse(SHORT) as page:
        page.open(page_of(real)).ready()
        words_field = page.find("#words")
        words_field.send_keys("a b ")
        assert page.find("#record").get_attribute("aria-pressed") == "false"
        page.run("document.activeElement.blur()")
        body = page.find("body")
        body.send_keys(" ")
        page.wait(lambda: page.text("#state") == "Listening", "listening")
        page.wait(lambda: len(page.words()) >= 8, "text")
        body.send_keys(" ")
        page.wait(lambda: page.text("#record") == "Start" and not page.text("#state"), "the end")
        targets = page.all("#text [tabindex]")
        assert [target.get_attribute("tabindex") for target in targets].count("0") == 1
        targets[0].send_keys("\ue014\ue014")  # to the right, twice
        assert page.run("return document.activeElement.textContent") == page.words()[1]
        page.driver.switch_to.active_element.send_keys("\ue007")
        page.wait(lambda: page.run("return window.played.length"), "the word")


@in_browser
@pytest.mark.real
def test_saves(real: Served, browse: OthersPage) -> None:
    with browse() as page:
        page.open(page_of(real)).ready()
        page.drop(SHORT, LONG)
        page.wait(lambda: len(page.all("#text h2")) == 2, "both files")
        found = page.words()
        assert wrong_words((SHORT, LONG), found) <= 2
        assert words(page.save("txt")) == words(" ".join(found))
        document = json.loads(page.save("json"))
        listed = [word["text"] for segment in document["segments"] for word in segment["words"]]
        assert listed == found
        times = [
            t
            for segment in document["segments"]
            for w in segment["words"]
            for t in (w["start"], w["end"])
        ]
        assert times == sorted(times), "the second file comes behind the first"
        check_subtitles(page.save("srt"), ",", found)
        vtt = page.save("vtt")
        assert vtt.startswith("WEBVTT\n\n")
        check_subtitles(vtt.removeprefix("WEBVTT\n\n"), ".", found)


def check_subtitles(text: str, mark: str, expected: list[str]) -> None:
    cues = [cue.split("\n") for cue in text.strip().split("\n\n")]
    time = rf"(\d\d):(\d\d):(\d\d){re.escape(mark)}(\d\d\d)"
    spans = []
    for number, cue in enumerate(cues, 1):
        lines = cue
        if mark == ",":
            assert cue[0] == str(number)
            lines = cue[1:]
        matched = re.fullmatch(f"{time} --> {time}", lines[0])
        assert matched, lines[0]
        values = [int(group) for group in matched.groups()]
        spans.append(
            [h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (values[:4], values[4:])]
        )
        assert 1 <= len(lines[1:]) <= 2 and max(map(len, lines[1:])) <= 42
    assert all(start < end <= start + 7.5 for start, end in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    joined = " ".join(
        line for cue in cues for line in cue[-2:] if "-->" not in line and not line.isdigit()
    )
    assert joined.split() == " ".join(expected).split()


@in_browser
@pytest.mark.real
def test_files(real: Served, browse: OthersPage, folder: Path) -> None:
    """By the button too; what is no recording is told, and the next one goes on."""
    text = folder / "notes.txt"
    text.write_text("no sound\n" * 100)
    with browse() as page:
        page.open(page_of(real)).ready()
        page.find("#file").send_keys(f"{text}\n{SHORT}")
        page.wait(lambda: page.all("#text h2"), "the text")
        assert page.text("#text h2") == SHORT.name
        assert wrong_words((SHORT,), page.words()) <= 1
        assert page.notice().startswith("notes.txt: ")
        assert page.text("#uploads") == ""
        page.all(".word")[2].click()
        page.wait(lambda: page.run("return window.played[0]?.seconds > 0"), "a word of the file")


@in_browser
@pytest.mark.real
def test_reconnects(serve: Serve, browse: OthersPage) -> None:
    """The daemon is killed while somebody speaks, and comes back: nothing is lost or doubled."""
    real = serve(model=REAL_MODEL)
    with browse(SHORT, LONG) as page:
        page.open(page_of(real)).ready()
        page.start()
        page.wait(lambda: len(page.words()) >= 8, "the first sentence")
        page.wait(lambda: page.all(".current .tail"), "the beginning of the second one")
        real.daemon.kill()
        page.wait(lambda: "The sound is kept" in page.text("#state"), "the loss to be told")
        real.daemon.start()
        page.wait(lambda: page.text("#state") == "Listening", "the new connection")
        page.wait(lambda: "nature" in "".join(page.words()), "the last word")
        page.stop()
        assert wrong_words((SHORT, LONG), page.words()) <= 1


@in_browser
@pytest.mark.real
def test_stops_while_the_daemon_is_away(real: Served, browse: OthersPage) -> None:
    """What was said until then becomes text once it is back."""
    with browse(SHORT, LONG) as page:
        page.open(page_of(real)).ready()
        page.start()
        page.wait(lambda: page.all(".current .tail"), "the first words")
        real.daemon.kill()
        page.wait(lambda: "The sound is kept" in page.text("#state"), "the loss to be told")
        page.wait(lambda: page.text("#time") == "0:05", "all of the first sentence")
        page.find("#record").click()
        page.wait(lambda: page.text("#record") == "Start", "the stop")
        real.daemon.start()
        page.wait(lambda: page.text("#state") == "", "the last text")
        found = words(" ".join(page.words()))
        assert word_errors(spoken(SHORT), found[: len(spoken(SHORT))]).total() <= 1


@in_browser
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NotAllowedError", "may not use the microphone"),
        ("NotFoundError", "There is no microphone"),
        ("NotReadableError", "another program may hold it"),
        ("OverconstrainedError", "The chosen microphone is gone"),
    ],
)
def test_no_microphone(served: Served, browse: OthersPage, name: str, said: str) -> None:
    refusal = (
        "navigator.mediaDevices.getUserMedia = () =>"
        f" Promise.reject(new DOMException('no', '{name}'));"
    )
    with browse() as page:
        page.open(page_of(served), refusal).ready()
        page.find("#record").click()
        page.wait(page.notice, "a reason")
        assert said in page.notice()
        assert page.text("#record") == "Start"
        page.drop(SHORT)
        page.wait(lambda: page.all("#text h2"), "a file's text all the same")


@in_browser
def test_page_that_is_not_secure(served: Served, browse: OthersPage) -> None:
    """Browsers hide microphones from it; the page says so at once, and takes files."""
    with browse() as page:
        page.open(page_of(served, browser.PLAIN_HOST)).ready()
        assert page.run("return window.isSecureContext") is False
        assert f"http://localhost:{served.port}" in page.notice()
        page.find("#record").click()
        assert "HTTPS" in page.notice()
        page.drop(SHORT)
        page.wait(lambda: page.all("#text h2"), "a file's text all the same")
        page.find("#copy").click()
        page.wait(lambda: page.text("#copy") == "Copied", "the old way to copy")


@in_browser
@pytest.mark.real
def test_what_is_refused_is_told(real: Served, browse: OthersPage) -> None:
    """A word that is too long: the page stops, and goes on once it is gone."""
    with browse(SHORT) as page:
        page.open(page_of(real)).ready()
        field = page.find("#words")
        field.send_keys("x" * 101)
        page.find("#record").click()
        page.wait(page.notice, "a reason")
        assert "custom" in page.notice()
        page.wait(lambda: page.text("#record") == "Start", "the end")
        field.clear()
        listen(page, 8)
        assert wrong_words((SHORT,), page.words()) <= 1


@in_browser
@pytest.mark.real
@pytest.mark.parametrize("model", REAL_MODELS[1:], ids=lambda model: model.stem)
def test_other_models(serve: Serve, browse: OthersPage, model: Path) -> None:
    with browse(LONG) as page:
        page.open(page_of(serve(model=model))).ready()
        listen(page, 20)
        assert wrong_words((LONG,), page.words()) <= 3
        assert page.find("canvas").is_displayed()


@in_browser
@pytest.mark.real
@pytest.mark.parametrize("key", ["secret-key", "with/other=signs"])
def test_key(serve: Serve, browse: OthersPage, folder: Path, key: str) -> None:
    """Asked for until it is right, and then used for all that the page does."""
    tokens = folder / "tokens"
    tokens.write_text(f"{key}\n")
    real = serve({"http.tokens_file": str(tokens)}, REAL_MODEL)
    with browse(SHORT) as page:
        page.open(page_of(real))
        for answer in ("wrong", key):
            page.wait(lambda: page.find("#ask").is_displayed(), "the question")
            page.find("#key").send_keys(answer)
            page.find("#ask button").click()
        page.ready()
        listen(page, 8)
        assert wrong_words((SHORT,), page.words()) <= 1
        page.drop(SHORT)
        page.wait(lambda: page.all("#text h2"), "a file's text")
        assert page.run("return JSON.stringify(localStorage)").find(key) < 0
        page.driver.refresh()
        page.ready()
        assert not page.find("#ask").is_displayed(), "it is kept until the tab is closed"


@in_browser
def test_models(serve: Serve, browse: OthersPage) -> None:
    """Models are listed without the aliases of the default."""
    small = REPOSITORY / "tests" / "parity" / "transformer.gguf"
    served = serve({"model other.file": str(small)})
    with browse() as page:
        page.open(page_of(served)).ready()
        listed = [option.text for option in page.all("#model option")]
        models = served.ask("/v1/models").json()["data"]
        assert listed == [model["id"] for model in models if model["id"] == model["root"]]
        assert "whisper-1" not in listed and "other" in listed


@in_browser
@pytest.mark.parametrize("width", [360, 1280])
def test_layout(served: Served, browse: OthersPage, width: int) -> None:
    """Nothing sticks out, and the button is in sight."""
    with browse() as page:
        page.resize(width, 740)
        page.open(page_of(served)).ready()
        page.drop(LONG)
        page.wait(lambda: page.all("#text h2"), "text")
        assert page.run("return document.scrollingElement.scrollWidth") <= width
        box = page.run("return document.querySelector('#record').getBoundingClientRect().toJSON()")
        assert 0 <= box["left"] < box["right"] <= width and 0 < box["bottom"] <= 740
        for _ in range(5):
            page.drop(LONG)
        page.wait(lambda: len(page.all("#text h2")) == 6, "more text")
        page.wait(lambda: page.run(REST) < 2, "the end of the text to be in sight")


@in_browser
def test_follows_until_somebody_scrolls(served: Served, browse: OthersPage) -> None:
    """Text that comes before the event of the last scrolling is told leaves the end in sight."""
    with browse() as page:
        page.open(page_of(served)).ready()
        page.run(
            "const text = document.querySelector('#text');"
            "const box = document.querySelector('#scroller');"
            "window.add = () => {"
            "  const p = document.createElement('p'); p.style.height = '2000px'; text.append(p);"
            "};"
            "add(); box.scrollTop = box.scrollHeight; add();"
        )
        page.wait(lambda: page.run(REST) < 2, "the end of the text to be in sight")
        page.run("document.querySelector('#scroller').scrollTop = 500")
        told = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]));"
        page.driver.execute_async_script(told)
        page.run("add()")
        page.driver.execute_async_script(told)
        assert page.run("return document.querySelector('#scroller').scrollTop") == 500


@in_browser
def test_names_of_controls(served: Served, browse: OthersPage) -> None:
    """Whatever takes the focus says what it is."""
    with browse() as page:
        page.open(page_of(served)).ready()
        page.drop(SHORT)
        page.wait(lambda: page.all("#text h2"), "text")
        tree: dict[str, Any] = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
        focusable = [
            node
            for node in tree["nodes"]
            if any(
                p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", [])
            )
            and node["role"]["value"] not in ("RootWebArea", "MenuListPopup", "option")
        ]
        assert len(focusable) > 10
        nameless = [node["role"] for node in focusable if not node.get("name", {}).get("value")]
        assert nameless == []


# ---- What is served ----------------------------------------------------------------------------


def test_files_of_the_page(served: Served) -> None:
    """All of them together are small, come from here alone, and are asked for once."""
    total = 0
    for name in FILES:
        path = "/" if name == "index.html" else f"/page/{name}"
        answer = served.ask(path, headers={"Accept-Encoding": "gzip, deflate"})
        assert answer.status == 200
        total += len(answer.body)
        content = zlib.decompress(answer.body)
        assert content == (REPOSITORY / "daemon" / "api" / "page" / name).read_bytes()
        assert content == served.ask(path).body
        kinds = {
            "js": "text/javascript",
            "css": "text/css",
            "html": "text/html",
            "svg": "image/svg+xml",
        }
        assert answer.headers["content-type"].startswith(kinds[name.rsplit(".", 1)[1]])
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        known = served.ask(path, headers={"If-None-Match": answer.headers["etag"]})
        assert known.status == 304 and known.body == b""
        other = served.ask(path, headers={"If-None-Match": '"other"'})
        assert other.status == 200
        assert served.ask(path, "HEAD").status == 200
    assert total < 60000
    assert served.ask("/page/none.js").status == 404
    assert served.ask("/", "POST", b"").status == 405


def test_page_needs_no_key(serve: Serve, folder: Path) -> None:
    """It is the page that asks for one."""
    tokens = folder / "tokens"
    tokens.write_text("secret\n")
    served = serve({"http.tokens_file": str(tokens)})
    assert served.ask("/").status == served.ask("/page/main.js").status == 200
    assert served.ask("/v1/models").status == 401


# ---- hearken web -------------------------------------------------------------------------------


def fake_opener(folder: Path) -> dict[str, str]:
    """An environment with a display, where xdg-open writes what it is to open."""
    opener = folder / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(
        f'#!/bin/sh\nprintf "%s" "$1" >"{folder}/part" && mv "{folder}/part" "{folder}/opened"\n'
    )
    opener.chmod(0o755)
    return {"PATH": f"{opener.parent}:/usr/bin:/bin", "DISPLAY": ":0"}


def test_web_opens_the_page(served: Served, folder: Path) -> None:
    environment = fake_opener(folder)
    command = ("web", "--socket", served.daemon.socket)
    result = run(*command, folder=folder, extra_environment=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == f"{served.url('/')}\n"
    opened = folder / "opened"
    programs.wait_until(opened.exists, "xdg-open")
    assert opened.read_text() == served.url("/")


@pytest.mark.parametrize("closed", ["--no-open", "no display"])
def test_web_only_prints(served: Served, folder: Path, closed: str) -> None:
    environment = fake_opener(folder)
    options = ["--no-open"] if closed == "--no-open" else []
    if not options:
        environment["DISPLAY"] = environment["WAYLAND_DISPLAY"] = ""
    socket = served.daemon.socket
    result = run("web", *options, "--socket", socket, folder=folder, extra_environment=environment)
    assert result.returncode == 0 and result.stdout.decode() == f"{served.url('/')}\n"
    assert not (folder / "opened").exists()


def test_web_without_opener(served: Served, folder: Path) -> None:
    environment = {"PATH": str(folder), "DISPLAY": ":0"}
    command = ("web", "--socket", served.daemon.socket)
    result = run(*command, folder=folder, extra_environment=environment)
    assert result.returncode == 1 and result.stdout.decode() == f"{served.url('/')}\n"
    assert "xdg-open" in result.stderr.decode()


@pytest.mark.parametrize(
    ("listened", "shown"),
    [
        ("127.0.0.1:{}", "http://127.0.0.1:{}/"),
        ("[::1]:{}", "http://[::1]:{}/"),
        ("0.0.0.0:{}", "http://localhost:{}/"),
    ],
)
def test_web_addresses(start_daemon: StartDaemon, hearken, listened: str, shown: str) -> None:
    port = free_port()
    settings = {"http.listen": listened.format(port), "http.allow_anonymous": "on"}
    daemon = start_daemon(settings=settings)
    text = hearken("web", "--no-open", "--socket", daemon.socket)
    assert text == f"{shown.format(port)}\n"


def test_web_takes_an_address(hearken) -> None:
    address = "https://speech.example.org"
    assert hearken("web", "--no-open", "--url", address) == f"{address}\n"


@pytest.mark.parametrize("setting", ["", "/socket"])
def test_web_without_http(start_daemon: StartDaemon, folder: Path, setting: str) -> None:
    """What to do about it is said."""
    settings = {"http.listen": f"{folder}{setting}"} if setting else {}
    daemon = start_daemon(settings=settings)
    result = run("web", "--no-open", "--socket", daemon.socket, folder=folder)
    assert result.returncode == 1 and result.stdout == b""
    assert "127.0.0.1:8080" in result.stderr.decode()


def test_web_without_a_daemon(folder: Path) -> None:
    result = run("web", "--socket", folder / "none", folder=folder)
    assert result.returncode == 3 and b"no daemon" in result.stderr
