# SPDX-License-Identifier: MIT
"""The page in a real browser: Debian's chromium, with a recording for its microphone."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from programs import PATIENCE, environment, wait_until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from web import Served

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
# Named hosts are not secure, unlike 127.0.0.1; this one is the machine itself all the same.
PLAIN_HOST = "hearken.test"
# Keeps what is played: the source, where it begins, and for how long it goes on.
LISTEN = """
window.played = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  const entry = {source: this.src, start: this.currentTime};
  window.played.push(entry);
  this.addEventListener('pause', () => { entry.seconds = this.currentTime - entry.start; });
  return play.call(this);
};
"""


class Page:
    """The page of a daemon."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def open(self, url: str, before: str = "") -> "Page":
        """`before`: what runs before the page's own scripts."""
        script = {"source": LISTEN + before}
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
        self.driver.get(url)
        return self

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """As it is in the document, also where it is not in sight."""
        return cast(
            str, self.run("return document.querySelector(arguments[0]).textContent", selector)
        )

    def words(self) -> list[str]:
        """Those whose text is final."""
        script = "return [...document.querySelectorAll('#text .word')].map((w) => w.textContent)"
        return cast(list[str], self.run(script))

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        wait_until(condition, f"{what}: {self.text('body')}", interval=0.05)

    def ready(self) -> "Page":
        self.wait(lambda: self.all("#model option"), "the list of models")
        return self

    def start(self) -> None:
        self.find("#record").click()
        self.wait(lambda: self.text("#state") == "Listening", "listening")

    def stop(self) -> None:
        self.find("#record").click()
        self.wait(lambda: self.text("#state") == "", "the last text")

    def notice(self) -> str:
        return self.text("#notice p") if self.find("#notice").is_displayed() else ""

    def drop(self, *files: Path) -> None:
        """Chromium has no way to drag files in by itself: they come from a field of a form."""
        field = self.run(
            "const field = document.createElement('input');"
            "field.type = 'file'; field.multiple = true; field.id = 'dropped';"
            "document.body.append(field); return field;"
        )
        field.send_keys("\n".join(map(str, files)))
        self.run(
            "const field = arguments[0], data = new DataTransfer();"
            "for (const file of field.files) data.items.add(file);"
            "for (const type of ['dragover', 'drop'])"
            "  document.body.dispatchEvent(new DragEvent("
            "    type, {dataTransfer: data, bubbles: true, cancelable: true}));"
            "field.remove();",
            field,
        )

    def save(self, form: str) -> str:
        """What is saved in a format."""
        known = set(self.folder.glob("hearken-*"))
        found: list[Path] = []
        self.find(f"#save option[value={form}]").click()

        def arrived() -> bool:
            found[:] = set(self.folder.glob(f"hearken-*.{form}")) - known
            return bool(found)

        self.wait(arrived, f"the file in {form}")
        return found[0].read_text()

    def hosts(self) -> set[str]:
        """Those that the page spoke to since it was opened."""
        entries = cast(list[dict[str, str]], self.driver.get_log("performance"))
        found = set()
        for entry in entries:
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(parameters["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                found.add(parameters["url"])
        remote = (urlsplit(url) for url in found)
        return {url.netloc for url in remote if url.scheme in ("http", "https", "ws", "wss")}

    def complaints(self) -> list[str]:
        """What the console has of errors, such as what the content policy forbade."""
        entries = cast(list[dict[str, str]], self.driver.get_log("browser"))
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Also below what a window has at least."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


@contextmanager
def browsing(folder: Path, microphone: Path | None = None) -> Iterator[Page]:
    """A browser whose microphone is a WAV file, from when it is opened."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
        f"--user-data-dir={folder / 'chromium'}",
        "--window-size=1280,900",
    ]
    if microphone:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(DRIVER, env=environment(folder))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(PATIENCE)
        allow = {"behavior": "allow", "downloadPath": str(folder)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
        yield Page(driver, folder)
    finally:
        driver.quit()


def page_of(served: Served, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{served.port}/"
