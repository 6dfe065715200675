# SPDX-License-Identifier: MIT
"""Listening that ends for want of something: a model, a microphone. With random networks, so that
it runs with every sanitizer."""

import signal
from pathlib import Path
from typing import Any

from conftest import StartDaemon
from microphones import SoundServer
from programs import RANDOM_MODELS, Daemon, wait_until
from sounds import SHORT
from talking import Bare

HOLD = {"hearken": {"hold": True}}


def read_until(bare: Bare, kind: str) -> dict[str, Any]:
    """The data of the first event of this kind."""
    while (event := bare.read()) is not None:
        if event.type == kind:
            return event.data
    raise AssertionError(f"closed before {kind}")


def reload(daemon: Daemon) -> None:
    before = daemon.log().count("reloaded")
    daemon.write_configuration()
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count("reloaded") > before, "the daemon to reload")


def test_model_is_gone_while_listening(start_daemon: StartDaemon, folder: Path) -> None:
    model = str(RANDOM_MODELS["recurrent"])
    with SoundServer(folder) as server:
        settings = {"capture.device": "mic", "model second.file": model}
        daemon = start_daemon(settings=settings, extra_environment=server.environment)
        with Bare(daemon.socket) as bare, Bare(daemon.socket) as other:
            bare.event("hearken-listen", {"name": "second"})
            other.event("hearken-listen")
            for client in (bare, other):
                read_until(client, "hearken-capture")
            server.play("mic", SHORT)
            del daemon.settings["model second.file"]
            reload(daemon)
            server.play("mic", SHORT)  # it ends in a pause
            assert read_until(bare, "error")["code"] == "unknown-model"
            other.event("hearken-listen-stop")
            read_until(other, "hearken-listen-stopped")


def test_no_microphone_for_the_held(start_daemon: StartDaemon, folder: Path) -> None:
    """Who asks to be heard is refused; who is paused is told, and gets the microphone when there is
    one."""
    with SoundServer(folder) as server:
        settings = {"capture.device": "nosuch", "capture.release": "when-held"}
        daemon = start_daemon(settings=settings, extra_environment=server.environment)
        with Bare(daemon.socket) as held, Bare(daemon.socket) as bare:
            held.event("hearken-listen", HOLD)
            held.event("hearken-start")
            lost = read_until(held, "hearken-capture")
            assert lost["type"] == "lost" and lost["device"] == "nosuch"
            assert "nosuch" in lost["reason"]
            bare.event("hearken-listen")
            error = read_until(bare, "error")
            assert error["code"] == "no-microphone" and "nosuch" in error["text"]
            tried = daemon.log().count("nosuch")
            wait_until(lambda: daemon.log().count("nosuch") > tried, "another attempt")
            daemon.settings["capture.device"] = "mic"
            reload(daemon)
            assert read_until(held, "hearken-capture")["type"] == "started"
            held.event("hearken-listen-stop")
            read_until(held, "hearken-listen-stopped")


def test_model_is_gone_at_start(start_daemon: StartDaemon) -> None:
    """Who listened with a model that is gone is told so, may listen again on the same connection, and
    nobody else notices."""
    model = str(RANDOM_MODELS["recurrent"])
    settings = {"model second.file": model, "capture.release": "when-held"}
    daemon = start_daemon(settings=settings)
    with Bare(daemon.socket) as bare, Bare(daemon.socket) as other:
        bare.event("hearken-listen", {"name": "second"} | HOLD)
        read_until(bare, "hearken-listening")
        del daemon.settings["model second.file"]
        reload(daemon)
        bare.event("hearken-start")
        error = read_until(bare, "error")
        assert error["code"] == "unknown-model"
        assert error["text"] == "model second is no longer configured"
        bare.event("hearken-listen", HOLD)
        read_until(bare, "hearken-listening")
        for client in (bare, other):
            client.event("ping", {"text": "there"})
            assert read_until(client, "pong") == {"text": "there"}
        other.event("hearken-status")
        assert read_until(other, "hearken-status")["listeners"] == 1
