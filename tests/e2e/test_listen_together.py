# SPDX-License-Identifier: MIT
"""Clients that come, go, hold and let go all at once, while the microphone is unplugged: for the
sanitizers, with a random network that says something of any sound."""

import threading
import time
from collections import Counter
from pathlib import Path

from conftest import StartDaemon
from microphones import SoundServer
from programs import wait_until
from sounds import LONG, SHORT
from talking import Bare

CLIENTS = 4
ROUNDS = 8


def read_all(bare: Bare, counts: Counter[str]) -> None:
    while (event := bare.read()) is not None:
        counts[event.type] += 1


def test_together(start_daemon: StartDaemon, folder: Path) -> None:
    with SoundServer(folder) as server:
        settings = {"capture.device": "mic", "capture.release": "when-held"}
        daemon = start_daemon(settings=settings, extra_environment=server.environment)
        clients = [Bare(daemon.socket) for _ in range(CLIENTS)]
        counts: list[Counter[str]] = [Counter() for _ in clients]
        threads = []
        for number, bare in enumerate(clients):
            wanted = {"transcripts": True, "meter": True, "beam_width": 1 + number % 2}
            bare.event("hearken-listen", {"hearken": wanted})
            threads.append(threading.Thread(target=read_all, args=(bare, counts[number])))
            threads[-1].start()
        player = server.start_playing("mic", LONG)
        for number in range(ROUNDS):
            time.sleep(0.5)
            clients[number % CLIENTS].event("hearken-toggle")
        player.kill()
        player.wait()
        opened = ROUNDS // 2 + 1
        wait_until(lambda: daemon.log().count("microphone: mic (") == opened, "the last opening")
        server.unplug("mic")
        time.sleep(1)
        server.plug_in("mic")
        clients[0].event("hearken-listen-stop")
        clients[1].event("audio-stop")  # wrong: it is closed
        wait_until(lambda: "microphone: mic" in daemon.log().split("lost mic")[-1], "mic again")
        server.play("mic", SHORT)
        daemon.stop()
        for thread in threads:
            thread.join()
        for bare in clients:
            bare.__exit__()
    for count in counts:
        assert count["hearken-listening"] == 1 and count["hearken-hearing"] >= ROUNDS / 2
        assert count["hearken-segment"] > 0 and count["transcript"] > 0
    stopped = [count["hearken-listen-stopped"] for count in counts]
    assert stopped == [1, 0, 1, 1] and counts[1]["error"] == 1


def test_vanishing(start_daemon: StartDaemon, folder: Path) -> None:
    """Clients that are gone without a word, as soon as they are told anything, while one stays and
    others start and stop it for all."""
    with SoundServer(folder) as server:
        settings = {"capture.device": "mic", "capture.release": "when-held"}
        daemon = start_daemon(settings=settings, extra_environment=server.environment)
        counts: Counter[str] = Counter()
        with Bare(daemon.socket) as stays:
            stays.event("hearken-listen", {"hearken": {"meter": True, "transcripts": True}})
            thread = threading.Thread(target=read_all, args=(stays, counts))
            thread.start()
            player = server.start_playing("mic", LONG)
            wait_until(lambda: counts["hearken-level"] > 0, "sound")
            for number in range(ROUNDS):
                with Bare(daemon.socket) as first, Bare(daemon.socket) as second:
                    wanted = {"hearken": {"meter": True, "beam_width": 1 + number % 3}}
                    for bare in (first, second):
                        bare.event("hearken-listen", wanted)
                        assert bare.read() is not None
                    second.event("hearken-toggle")
                    second.event("hearken-toggle")
                    if number % 2:
                        first.event("hearken-listen-stop")
            player.wait()
            with Bare(daemon.socket) as bare:
                status = {"listeners": 0}
                while status["listeners"] != 1:
                    bare.event("hearken-status")
                    event = bare.read()
                    assert event is not None
                    status = event.data
            stays.event("hearken-stop")
            stays.event("hearken-listen-stop")
            wait_until(lambda: counts["hearken-listen-stopped"] == 1, "its last words")
            daemon.stop()
            thread.join()
        assert counts["transcript"] > 0 and counts["error"] == 0
