# SPDX-License-Identifier: MIT
"""Listening that ends for want of something: a model, a microphone. With random networks, so that
it runs with every sanitizer."""

import signal
from typing import Any

from conftest import StartDaemon
from programs import RANDOM_MODELS, Daemon, wait_until
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
        assert error["text"] == "model second is not in the configuration any more"
        bare.event("hearken-listen", HOLD)
        read_until(bare, "hearken-listening")
        for client in (bare, other):
            client.event("ping", {"text": "there"})
            assert read_until(client, "pong") == {"text": "there"}
        other.event("hearken-status")
        assert read_until(other, "hearken-status")["listeners"] == 1
