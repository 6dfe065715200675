# SPDX-License-Identifier: MIT
"""Several daemons behind the real HAProxy, with the configuration of deploy/, and what it asks them.
tests/scale/ has more of them, and more clients."""

import asyncio
import json
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from balanced import CONFIGURATION, HAPROXY, SAID, Crowd, balanced, check_lost
from programs import PATIENCE, RANDOM_MODELS, REPOSITORY, SANITIZER, alone, wait_until
from prometheus_client.parser import text_string_to_metric_families as parse
from sounds import SHORT, pcm
from talking import Bare, transcribed
from web import Form, Recording, Served

needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
BOARD = REPOSITORY / "deploy" / "grafana" / "hearken.json"


def names_in_queries() -> set[str]:
    """Metrics that Grafana's board asks for."""
    board = json.loads(BOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) > 10
    queries += [
        variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"
    ]
    return {name for query in queries for name in re.findall(r"[a-z]+(?:_[a-z]+)+", query)} - {
        "histogram_quantile",
        "label_values",
        "__rate_interval",
        "rate_interval",
    }


def names_of(page: str) -> set[str]:
    """Metrics on a page for Prometheus."""
    return {sample.name for family in parse(page) for sample in family.samples}


def test_board_of_the_daemon(served: Served) -> None:
    """All that it asks for is there, once requests have been made."""
    assert served.send(SAID).status == 200
    assert served.send(Form([("model", "whisper-1")], Recording(b"no sound"))).status == 400
    wanted = {name for name in names_in_queries() if not name.startswith("haproxy_")}
    assert "hearken_requests_waiting" in wanted
    missing = wanted - names_of(served.ask("/metrics").body.decode())
    assert not missing


@needs_haproxy
def test_board_of_the_balancer(folder: Path) -> None:
    with balanced(folder, RANDOM_MODELS["recurrent"], 1, {}) as (_, balancer):
        address = f"http://127.0.0.1:{balancer.statistics}/metrics"
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            page = answer.read().decode()
    wanted = {name for name in names_in_queries() if name.startswith("haproxy_")}
    assert wanted and not wanted - names_of(page)


@needs_haproxy
def test_configuration_over_the_network(folder: Path) -> None:
    """The other form of deploy/haproxy/haproxy.cfg: its servers are those that are commented out."""
    lines = []
    for line in CONFIGURATION.read_text().splitlines():
        if line.startswith("    #server"):
            lines.append(line.replace("#", "", 1))
        elif not line.startswith("    server"):
            lines.append(line)
    assert sum(line.startswith("    server s") for line in lines) == 4
    file = folder / "haproxy.cfg"
    file.write_text("\n".join(lines) + "\n")
    assert HAPROXY
    result = subprocess.run(
        [HAPROXY, "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0 and "WARNING" not in result.stderr, result.stderr


@needs_haproxy
def test_agents_set_the_weights(folder: Path) -> None:
    """HAProxy takes what they say, in both backends, and takes back what it was told by hand."""
    settings = {"http.requests": "9"}
    with balanced(folder, RANDOM_MODELS["recurrent"], 2, settings) as (fleet, balancer):
        for member in fleet:
            wait_until(lambda: "maxconn:8" in member.told(), "the check to leave")  # noqa: B023

        def all_have(name: str, value: str) -> bool:
            return all(row[name] == value for row in balancer.statuses().values())

        wait_until(lambda: all_have("slim", "8"), "HAProxy to know how many requests it may send")
        assert all_have("weight", "100")
        with Bare(balancer.folder / "admin") as bare:
            bare.send(b"set server hearken/s1 state drain\n")
            assert bare.reader.read() == b"\n"
        wait_until(lambda: balancer.statuses()["hearken", "s1"]["status"] == "UP", "ready")
        for _ in range(3):
            assert transcribed(("127.0.0.1", balancer.wyoming), pcm(SHORT))
        wait_until(lambda: not all_have("weight", "100"), "a speed to be known")


@needs_haproxy
@pytest.mark.skipif(SANITIZER == "thread", reason="slower than HAProxy's checks wait")
def test_one_killed_one_drained(folder: Path, hearing: Path) -> None:
    settings = {"timeouts.lame_duck_seconds": "2.5", "server.workers": "1"}
    with balanced(folder, hearing, 3, settings) as (fleet, balancer):
        killed, drained, _ = fleet
        text = alone(hearing, SHORT).replace("\n", " ").strip()
        gone = 0.0

        async def script(crowd: Crowd) -> None:
            nonlocal gone
            await crowd.more(2)
            await asyncio.to_thread(killed.daemon.kill)
            gone = time.monotonic()
            await crowd.more(2)
            drained.daemon.signal(signal.SIGTERM)
            assert await asyncio.to_thread(drained.daemon.wait) == 0
            await crowd.more(2)

        crowd = Crowd(balancer, text)
        asyncio.run(crowd.run(8, 6, 6, 1, script))
        check_lost(crowd, balancer, killed, gone)
        assert set(balancer.servers().values()) == {member.name for member in fleet}
