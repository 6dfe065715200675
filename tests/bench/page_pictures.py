# SPDX-License-Identifier: MIT
"""Takes the pictures of the page that docs/ shows, while a recording is spoken to it:

build/venv/bin/python tests/bench/page_pictures.py [--out docs] [recording...]

Needs pngquant, which makes them a third as large.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))
from browser import Page, browsing
from programs import REAL_MODEL, Daemon, free_port, wait_until
from sounds import LONG, SHORT, Pcm, pcm, silence, write_wav

PICTURES = {
    "page-light": (1280, 880, False),
    "page-dark": (1280, 880, True),
    "page-narrow": (360, 760, False),
}

# What is said now, once some of it is committed.
CURRENT = """
const now = document.querySelector('.current');
return now?.firstChild.data && now.querySelector('.tail').textContent ? now.textContent : '';
"""


def picture(page: Page, name: str, out: Path) -> None:
    width, height, dark = PICTURES[name]
    page.resize(width, height, dark)
    page.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 300))")
    file = str(out / f"{name}.png")
    page.driver.save_screenshot(file)
    subprocess.run(["pngquant", "--force", "--strip", "--output", file, "128", file], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("recordings", type=Path, nargs="*", default=[SHORT, LONG])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        folder = Path(name)
        sound = b"".join(pcm(path).data + silence(1.5).data for path in arguments.recordings)
        heard = write_wav(folder / "heard.wav", Pcm(16000, 2, 1, sound))
        port = free_port()
        settings = {"model.file": str(REAL_MODEL), "http.listen": f"127.0.0.1:{port}"}
        daemon = Daemon(folder, settings).start()
        try:
            with browsing(folder, heard) as page:
                page.resize(*PICTURES["page-light"])
                page.open(f"http://127.0.0.1:{port}/").ready().start()
                wait_until(lambda: "would" in page.run(CURRENT), "the last sentence, nearly")
                for each in PICTURES:
                    picture(page, each, arguments.out)
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
