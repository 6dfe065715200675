# SPDX-License-Identifier: MIT
"""Four daemons behind the real HAProxy and 200 clients of all protocols: one daemon is slowed down by
a processor quota, one is killed, one told to stop. Prints latencies and what each daemon did."""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import programs
import pytest
from balanced import Balancer, Crowd, Member, Outcome, balanced, check_lost, lost_of, p95
from programs import RANDOM_MODELS, VOICE, alone
from sounds import SHORT

HTTP, WYOMING, LIVE = 90, 60, 50
PERIOD_MICROSECONDS, QUOTA_MICROSECONDS = 100_000, 5_000
KINDS = ("http", "wyoming", "realtime")


@contextmanager
def quota(process: int) -> Iterator[str]:
    """A twentieth of a processor for a process, by a control group; says by which."""
    old, new = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    group = (old if old.is_dir() else new) / f"hearken-scale-{os.getpid()}"
    group.mkdir()
    try:
        if old.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_MICROSECONDS))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA_MICROSECONDS))
        else:
            (group / "cpu.max").write_text(f"{QUOTA_MICROSECONDS} {PERIOD_MICROSECONDS}")
        (group / "cgroup.procs").write_text(str(process))
        yield f"cgroup v{1 if old.is_dir() else 2}"
    finally:
        for line in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(line)
        group.rmdir()


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def report(title: str, outcomes: list[Outcome], servers: dict[str, str]) -> Counter[str]:
    """Prints what became of requests; returns how many each daemon did."""
    seconds = outcomes[-1].ended - outcomes[0].ended
    done = [outcome for outcome in outcomes if outcome.result == "ok"]
    shares = Counter(servers[outcome.key] for outcome in done)
    results = Counter(outcome.result for outcome in outcomes)
    parts = [
        f"{kind} {len(mine)} (p95 {p95(mine):.2f} s)"
        for kind in KINDS
        if (mine := [outcome for outcome in done if outcome.kind == kind])
    ]
    print(f"\n{title}, {seconds:.0f} s: {', '.join(parts)}")
    print("  shares: " + ", ".join(f"{s} {percent(shares[s], len(done))}" for s in sorted(shares)))
    print(f"  results: {dict(results)}")
    return shares


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        yield Path(name)


@pytest.fixture
def model(folder: Path) -> Path:
    """The small one of the tests, which hears where speech begins and ends."""
    programs.add_voice(RANDOM_MODELS["recurrent"], VOICE, folder / "model.gguf")
    return folder / "model.gguf"


@dataclass
class Slow:
    """How a daemon was slowed down, and what HAProxy made of the daemons then."""

    means: str
    weights: dict[str, int]
    in_hand: Counter[str]


async def play(crowd: Crowd, fleet: list[Member], marks: dict[str, float]) -> Slow:
    """What happens to the daemons while the clients ask; notes when."""
    slowed, killed, drained, _ = fleet
    assert slowed.daemon.process is not None
    await crowd.more(LIVE)
    marks["all well"] = time.monotonic()
    with quota(slowed.daemon.process.pid) as means:
        await crowd.more(LIVE)  # it has work in hand
        marks["slowed"] = time.monotonic()
        await crowd.more(2 * LIVE)
        marks["one slow"] = time.monotonic()
        balancer = crowd.balancer
        slow = Slow(means, balancer.weights("hearken"), balancer.in_hand())
    await asyncio.to_thread(killed.daemon.kill)
    marks["gone"] = time.monotonic()
    await crowd.more(LIVE)
    marks["one killed"] = time.monotonic()
    drained.daemon.signal(signal.SIGTERM)
    assert await asyncio.to_thread(drained.daemon.wait) == 0
    marks["one drained"] = time.monotonic()
    await crowd.more(LIVE)
    marks["two left"] = time.monotonic()
    return slow


def test_four_daemons(folder: Path, model: Path) -> None:
    settings = {
        "server.workers": "2",
        "http.requests": "200",
        "limits.connections": "400",
        "timeouts.lame_duck_seconds": "3",
        "timeouts.drain_seconds": "60",
    }
    text = alone(model, SHORT).replace("\n", " ").strip()
    marks: dict[str, float] = {}
    found: list[Slow] = []
    with balanced(folder, model, 4, settings) as (fleet, balancer):
        crowd = Crowd(balancer, text)

        async def script(playing: Crowd) -> None:
            found.append(await play(playing, fleet, marks))

        asyncio.run(crowd.run(HTTP, WYOMING, LIVE, 2, script))
        judge(crowd, balancer, fleet, marks, found[0])


def judge(
    crowd: Crowd,
    balancer: Balancer,
    fleet: list[Member],
    marks: dict[str, float],
    slow: Slow,
) -> None:
    slowed, killed, drained, _ = fleet
    servers = crowd.servers()
    shares: dict[str, Counter[str]] = {}
    since = 0.0
    for title, until in marks.items():
        mine = [outcome for outcome in crowd.outcomes if since <= outcome.ended < until]
        if mine:
            shares[title] = report(title, mine, servers)
        since = until
    everybody = crowd.outcomes
    report(f"all of it (quota by {slow.means})", everybody, servers)
    lost = lost_of(crowd)
    moved = [outcome for outcome in everybody if outcome.result == "moved"]
    print(f"  weights where {slowed.name} was slow: {slow.weights}, in hand: {dict(slow.in_hand)}")
    print(f"  lost with {killed.name}: {Counter((o.kind, o.result) for o in lost)}")
    print(f"  sessions that {drained.name} ended at a border: {len(moved)}")
    check_lost(crowd, balancer, killed, marks["gone"])
    assert lost, "nothing ran on the one that was killed"
    for outcome in moved:
        assert servers[outcome.key] == drained.name, outcome
    rest = [member.name for member in fleet if member is not slowed]
    done = shares["one slow"]
    assert done[slowed.name] < min(done[name] for name in rest) / 2, done
    # By the word of the agents: by the number of requests alone it would have as many as the others.
    assert slow.weights[slowed.name] < min(slow.weights[name] for name in rest), slow
    assert slow.in_hand[slowed.name] < min(slow.in_hand[name] for name in rest), slow
    late = [outcome for outcome in everybody if outcome.begun > marks["one drained"]]
    assert late and {servers[outcome.key] for outcome in late} == {slowed.name, rest[-1]}
