# SPDX-License-Identifier: MIT
"""What a load balancer is told: the agent's line, and that the daemon is about to leave."""

import re
import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import programs
import pytest
from conftest import Serve, StartDaemon
from live_sessions import COMPLETED, STARTED, Realtime, completed_of, kinds_of, paused
from programs import HEARKEND, PATIENCE, RANDOM_MODELS, Daemon, free_port, wait_until
from sounds import LONG, SHORT, pcm
from talking import Bare, transcribed
from web import Form, Served, recording, request

SAID = Form([("model", "whisper-1")], recording(SHORT))
LINE = re.compile(r"up ready (\d+)% maxconn:(\d+)\n")


def asked(where: Path | tuple[str, int], says: bytes = b"") -> str:
    """All that the agent says until it closes."""
    with Bare(where) as bare:
        if says:
            bare.send(says)
        return bare.reader.read().decode()


def room(where: Path | tuple[str, int]) -> tuple[int, int]:
    """Percent, and requests at a time."""
    found = LINE.fullmatch(asked(where))
    assert found
    return int(found[1]), int(found[2])


def running(served: Served, count: int) -> None:
    wait_until(lambda: served.running() == count, f"{count} requests to run")


def test_line(serve: Serve, folder: Path) -> None:
    """The speed is not known before something was recognised."""
    where = folder / "agent"
    served = serve({"server.agent": str(where), "http.requests": "9"})
    alone = "up ready 100% maxconn:8\n"
    wait_until(lambda: asked(where) == alone, "the clients to go that looked for the daemon")
    for _ in range(3):
        assert served.send(SAID).status == 200
    percent, places = room(where)
    assert percent >= 1 and percent != 100 and places == 8
    with Bare(served.daemon.socket):
        wait_until(lambda: room(where)[1] == 7, "a place less for a client of Wyoming")


@pytest.mark.parametrize("says", [b"", b"hello\n", bytes(100000)])
def test_clients_that_send(start_daemon: StartDaemon, says: bytes) -> None:
    """What they send is nothing to the daemon, and keeps none from the answer (agent-send)."""
    port = free_port()
    start_daemon(settings={"server.agent": f"127.0.0.1:{port}"})
    for _ in range(20):
        assert LINE.fullmatch(asked(("127.0.0.1", port), says))


def test_clients_that_do_nothing(serve: Serve) -> None:
    """They neither read nor close, and are no connections."""
    port = free_port()
    settings = {"server.agent": f"127.0.0.1:{port}", "limits.connections": "5"}
    served = serve(settings)
    assert served.daemon.process is not None
    descriptors = Path(f"/proc/{served.daemon.process.pid}/fd")
    assert served.send(SAID).status == 200  # what opens more than it needs later
    before = len(list(descriptors.iterdir()))
    with ExitStack() as held:
        for _ in range(300):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.settimeout(PATIENCE)
        assert LINE.fullmatch(asked(("127.0.0.1", port)))
        assert served.send(SAID).status == 200
        assert len(list(descriptors.iterdir())) < before + 20
        assert LINE.fullmatch(client.makefile().read())
        wait_until(lambda: len(list(descriptors.iterdir())) <= before, "them to be left alone")


def test_socket_from_systemd(folder: Path) -> None:
    """One that is called agent, beside the one for clients."""
    paths = {name: folder / name for name in ("agent", "clients")}
    with ExitStack() as held:
        listeners = {}
        for name, path in paths.items():
            listeners[name] = held.enter_context(socket.socket(socket.AF_UNIX))
            listeners[name].bind(str(path))
            listeners[name].listen()
        daemon = Daemon(folder, {"model.file": str(RANDOM_MODELS["recurrent"])})
        script = (
            "exec 3<&0 0</dev/null 4<&1 1>&2; export LISTEN_FDS=2 LISTEN_FDNAMES=agent:clients; "
        )
        script += 'LISTEN_PID=$$ exec "$0" --config "$1"'
        with daemon.log_file.open("ab") as log:
            daemon.process = subprocess.Popen(
                ["sh", "-c", script, str(HEARKEND), str(daemon.configuration)],
                stdin=listeners["agent"],
                stdout=listeners["clients"],
                stderr=log,
                env=daemon.environment,
            )
        try:
            assert LINE.fullmatch(asked(paths["agent"]))
            assert not daemon.socket.exists(), "it made a socket of its own as well"
            with Bare(paths["clients"]) as bare:
                bare.event("ping", {"text": "x"})
                event = bare.read()
                assert event is not None and event.type == "pong"
            daemon.stop()
        finally:
            daemon.kill()


@pytest.mark.parametrize(
    ("address", "said"),
    [("localhost", "agent: got localhost"), (f"/tmp/{'x' * 120}", "107")],
)
def test_wrong_address(folder: Path, address: str, said: str) -> None:
    arguments = ("--check-config", "--config", "/dev/null", "--set", f"server.agent={address}")
    result = programs.run(*arguments, folder=folder, program=HEARKEND)
    assert result.returncode == 2 and said in result.stderr.decode()


# ---- Leaving ----


def leave(served: Served, agent: Path) -> None:
    """It says so at once, and accepts what comes."""
    served.daemon.signal(signal.SIGTERM)
    wait_until(lambda: asked(agent) == "drain\n", "the agent to say so")
    ready = served.ask("/health/ready")
    assert (ready.status, ready.body) == (503, b"stopping\n")
    assert served.ask("/health/live").status == 200


def test_lame_duck(serve: Serve, folder: Path) -> None:
    """All is served, with the advice to come with a new connection next time; then it drains."""
    agent = folder / "agent"
    seconds = str(3 * programs.SCALE)
    settings = {"server.agent": str(agent), "timeouts.lame_duck_seconds": seconds}
    served = serve(settings)
    text = served.transcribed(SHORT)
    with served.bare() as kept:
        kept.send(request(path="/health", method="GET"))
        assert "connection" not in kept.answer().headers
        leave(served, agent)
        kept.send(request(SAID))
        answer = kept.answer()
        assert answer.text() == text and answer.headers["connection"] == "close"
        assert kept.is_closed()
    assert served.send(SAID).text() == text
    assert transcribed(served.daemon.socket, pcm(SHORT)) == text
    assert served.ask("/health/live").status == 200, "it still accepts"
    wait_until(lambda: not served.is_open(), "the port to close")
    assert served.daemon.wait() == 0
    assert not agent.exists(), "the socket stays behind"


def test_nothing_is_cut(serve: Serve, hearing: Path, folder: Path) -> None:
    """A recording and a speech that go on beyond the lame duck's time are finished; the speech ends
    in its pause, without an error."""
    agent = folder / "agent"
    settings = {"server.agent": str(agent), "timeouts.lame_duck_seconds": "0.5"}
    served = serve(settings, hearing)
    text = served.transcribed(LONG)
    form = Form([], recording(LONG))
    with served.bare() as bare, Realtime(served) as session:
        bare.send(request(form)[:-1000])
        session.configure()
        session.say(pcm(SHORT).first(1.5))
        session.until(STARTED)
        served.daemon.signal(signal.SIGTERM)
        wait_until(lambda: not served.is_open(), "the port to close")
        session.say(paused(pcm(SHORT)))
        events = session.rest()
        assert completed_of(events) and "error" not in kinds_of(events)
        assert kinds_of(events)[-1] == COMPLETED
        assert session.socket.protocol.close_code == 1001
        bare.send(request(form)[-1000:])
        assert bare.answer().text() == text
    assert served.daemon.wait() == 0


def test_second_signal_while_leaving(serve: Serve, folder: Path) -> None:
    agent = folder / "agent"
    served = serve({"server.agent": str(agent), "timeouts.lame_duck_seconds": "1000"})
    with served.bare() as bare:
        bare.send(request(SAID)[:-1000])
        running(served, 1)
        leave(served, agent)
        served.daemon.signal(signal.SIGTERM)
        assert bare.is_closed()
        assert served.daemon.wait() == 0
