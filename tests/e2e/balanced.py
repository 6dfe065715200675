# SPDX-License-Identifier: MIT
"""Daemons behind HAProxy with the configuration of deploy/haproxy, and a crowd of clients that keeps
account of what becomes of each request."""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import programs
from live_sessions import COMPLETED, REALTIME, STARTED, paused
from programs import PATIENCE, REPOSITORY, Daemon, free_port, wait_until
from sounds import SHORT, pcm
from talking import Bare
from web import Form, recording, request
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import async_read_event, async_write_event

CONFIGURATION = REPOSITORY / "deploy" / "haproxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SERVER = re.compile(r"^    (?P<hash>#?)server s1 .*$", re.MULTILINE)
OTHER_SERVERS = re.compile(r"^    #?server s(?!1 ).*\n", re.MULTILINE)
# What HAProxy logs: "127.0.0.1:40000 [...] http hearken/s1 ... {id} ...".
LOGGED = re.compile(
    r"(?P<address>127\.\d+\.\d+\.\d+):\d+ \[[^]]+\] (?P<front>\w+) [\w-]+/(?P<server>[\w<>-]+) "
    r"(?:.* \{(?P<id>[^}]*)\} )?"
)


# ---- The daemons ----


@dataclass
class Member:
    """A daemon of the fleet; its name is HAProxy's for it."""

    name: str
    daemon: Daemon
    http: Path
    agent: int

    def told(self) -> str:
        """The agent's line."""
        with Bare(("127.0.0.1", self.agent)) as bare:
            return bare.reader.read().decode()


def start_fleet(
    folder: Path, model: Path, count: int, settings: Mapping[str, str]
) -> Iterator[Member]:
    """Daemons s1, s2, ...; whoever takes them ends them."""
    for number in range(1, count + 1):
        own = folder / f"s{number}"
        own.mkdir()
        agent = free_port()
        member = Member(
            own.name,
            Daemon(
                own,
                {
                    "model.file": str(model),
                    "http.listen": str(own / "http"),
                    "server.agent": f"127.0.0.1:{agent}",
                }
                | programs.unguarded_settings()
                | dict(settings),
            ),
            own / "http",
            agent,
        )
        member.daemon.start()
        yield member


# ---- The balancer ----


def replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"{CONFIGURATION} has no {old}"
    return text.replace(old, new)


@dataclass
class Balancer:
    """HAProxy for a fleet."""

    folder: Path
    http: int
    wyoming: int
    statistics: int
    process: subprocess.Popen[bytes] | None = None

    def configure(self, fleet: Sequence[Member]) -> Path:
        """The file that is installed, with other addresses."""
        text = OTHER_SERVERS.sub("", CONFIGURATION.read_text())

        def lines(found: re.Match[str]) -> str:
            if found["hash"]:
                return found[0]
            line = found[0].replace("/run/hearken/s1/hearken.sock", "FOLDER/s")
            line = replaced(replaced(line, "10311", "AGENT"), "s1", "NAME")
            line = line.replace("/run/hearken/NAME/http", "FOLDER/http")
            return "\n".join(
                line.replace("NAME", member.name)
                .replace("AGENT", str(member.agent))
                .replace("FOLDER", str(member.http.parent))
                for member in fleet
            )

        text = SERVER.sub(lines, text)
        text = replaced(text, "bind :8080", f"bind 127.0.0.1:{self.http}")
        text = replaced(text, "bind :10300", f"bind 127.0.0.1:{self.wyoming}")
        text = replaced(text, "bind 127.0.0.1:8405", f"bind 127.0.0.1:{self.statistics}")
        text = replaced(text, "/run/haproxy/admin.sock", str(self.folder / "admin"))
        file = self.folder / "haproxy.cfg"
        file.write_text(text)
        return file

    def log_file(self) -> Path:
        return self.folder / "haproxy.log"

    def start(self, fleet: Sequence[Member]) -> None:
        assert HAPROXY
        file = self.configure(fleet)
        with self.log_file().open("wb") as log:
            self.process = subprocess.Popen(
                [HAPROXY, "-W", "-f", str(file)], stdout=log, stderr=log, cwd=self.folder
            )
        process = self.process

        def ready() -> bool:
            assert process.poll() is None, self.log_file().read_text()
            return self.usable() == len(fleet)

        wait_until(ready, "HAProxy to find all daemons")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def statuses(self) -> dict[tuple[str, str], dict[str, str]]:
        """Of each server in each backend: HAProxy's line of statistics."""
        with Bare(self.folder / "admin") as bare:
            bare.send(b"show stat\n")
            text = bare.reader.read().decode()
        head, *rows = text.removeprefix("# ").strip().splitlines()
        found = [dict(zip(head.split(","), row.split(","), strict=False)) for row in rows]
        return {(row["pxname"], row["svname"]): row for row in found if row["type"] == "2"}

    def weights(self, backend: str) -> dict[str, int]:
        """As the agents set them."""
        rows = self.statuses().items()
        return {name: int(row["weight"]) for (group, name), row in rows if group == backend}

    def in_hand(self) -> Counter[str]:
        """Requests and sessions that each server has."""
        found: Counter[str] = Counter()
        for (_, name), row in self.statuses().items():
            found[name] += int(row["scur"])
        return found

    def usable(self) -> int:
        """Servers that both backends send to; -1: HAProxy does not answer."""
        try:
            statuses = self.statuses()
        except OSError:
            return -1
        up = Counter(
            name for (_, name), row in statuses.items() if row["status"] in ("UP", "no check")
        )
        return sum(1 for count in up.values() if count == 2)

    def logged(self, key: str) -> list[str]:
        """Lines on a request."""
        lines = self.log_file().read_text(errors="replace").splitlines()
        return [line for line in lines if f"{{{key}}}" in line or line.startswith(f"{key}:")]

    def servers(self) -> dict[str, str]:
        """Which server had a request, by its id, or for Wyoming by the client's address."""
        found = LOGGED.finditer(self.log_file().read_text(errors="replace"))
        return {line["id"] or line["address"]: line["server"] for line in found}


@contextmanager
def balanced(
    folder: Path, model: Path, count: int, settings: Mapping[str, str]
) -> Iterator[tuple[list[Member], Balancer]]:
    """A fleet behind HAProxy. Who is still there at the end has to end well."""
    fleet: list[Member] = []
    balancer = Balancer(folder, free_port(), free_port(), free_port())
    try:
        fleet += start_fleet(folder, model, count, settings)
        balancer.start(fleet)
        yield fleet, balancer
        balancer.stop()
        for member in fleet:
            if member.daemon.process is not None and member.daemon.process.poll() is None:
                member.daemon.stop()
    finally:
        balancer.stop()
        for member in fleet:
            member.daemon.kill()


# ---- The crowd ----


@dataclass
class Outcome:
    """What became of a request: "ok", "moved" (a session that the daemon ended where it may), or
    what went wrong."""

    kind: str
    key: str  # as Balancer.servers has it
    begun: float
    ended: float
    result: str
    latency: float = 0  # seconds


SAID = Form([("model", "whisper-1")], recording(SHORT))
SPEECH = pcm(SHORT)
PHRASE = paused(SPEECH, 1.2)
FORMAT = {"rate": SPEECH.rate, "width": SPEECH.width, "channels": SPEECH.channels}
PIECE_SECONDS = 0.2


@dataclass
class Crowd:
    """Clients that ask again and again until they are told to stop."""

    balancer: Balancer
    text: str  # of the recording
    outcomes: list[Outcome] = field(default_factory=list)
    over: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(
        self, kind: str, key: str, begun: float, result: str, latency: float | None = None
    ) -> None:
        now = time.monotonic()
        latency = now - begun if latency is None else latency
        self.outcomes.append(Outcome(kind, key, begun, now, result, latency))
        self.changed.set()

    def servers(self) -> dict[str, str]:
        """Which server had each request. HAProxy logs a connection a little after its end."""
        keys = {outcome.key for outcome in self.outcomes}
        wait_until(lambda: keys <= self.balancer.servers().keys(), "HAProxy to log all requests")
        return self.balancer.servers()

    async def more(self, count: int) -> None:
        """Waits for so many further outcomes of each kind."""

        def kinds() -> Counter[str]:
            return Counter(outcome.kind for outcome in self.outcomes)

        before = kinds()
        while any(kinds()[kind] < before[kind] + count for kind in ("http", "wyoming", "realtime")):
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE)

    # -- HTTP: a connection that is kept as long as it may be --

    async def http_answer(self, reader: asyncio.StreamReader, key: str) -> tuple[int, bytes, bool]:
        """Status, body, and whether the connection is kept."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert f"x-request-id: {key}\r\n" in head.lower(), head
        length = re.search(r"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
        assert length, head
        body = await reader.readexactly(int(length[1]))
        return int(head.split()[1]), body, "connection: close" not in head.lower()

    async def http_client(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self.over:
            key, begun = uuid.uuid4().hex, time.monotonic()
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self.balancer.http)
                connection[1].write(request(SAID, headers=[f"X-Request-Id: {key}"]))
                status, body, kept = await self.http_answer(connection[0], key)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.note("http", key, begun, repr(error))
                connection = None
                continue
            if status == 200:
                text = json.loads(body)["text"]
                self.note("http", key, begun, "ok" if text == self.text else f"said {text}")
            else:
                self.note("http", key, begun, str(status))
            if not kept:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    # -- Wyoming: a connection for each request --

    async def wyoming_text(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | None:
        await async_write_event(Transcribe().event(), writer)
        await async_write_event(AudioStart(**FORMAT).event(), writer)
        for chunk in SPEECH.chunks(8000):
            await async_write_event(AudioChunk(**FORMAT, audio=chunk).event(), writer)
        await async_write_event(AudioStop().event(), writer)
        while (event := await async_read_event(reader)) is not None:
            if event.type == "error":
                return f"error: {event.data}"
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text
        return None

    async def wyoming_client(self) -> None:
        while not self.over:
            begun = time.monotonic()
            number = next(self.numbers)
            key = f"127.1.{number >> 8}.{number & 255}"  # an address of its own, to know it in the log
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.balancer.wyoming, local_addr=(key, 0)
            )
            try:
                text = await self.wyoming_text(reader, writer)
            except OSError:
                text = None
            finally:
                writer.close()
            result = "ok" if text == self.text else "cut" if text is None else text
            self.note("wyoming", key, begun, result)

    # -- Live speech: sessions of a few phrases, at the pace of speech --

    async def speak(self, socket: ClientConnection) -> None:
        for chunk in PHRASE.chunks(int(PHRASE.rate * PIECE_SECONDS)):
            audio = base64.b64encode(chunk).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            await asyncio.sleep(PIECE_SECONDS)

    async def phrase(self, socket: ClientConnection, open_items: Counter[str]) -> float:
        """Seconds from the end of the sound to the last text."""
        speaking = asyncio.create_task(self.speak(socket))
        completed = 0
        try:
            while completed == 0 or +open_items or not speaking.done():
                # A text may be there before its last silence was sent.
                wait = PATIENCE if completed == 0 or +open_items else PIECE_SECONDS
                with suppress(TimeoutError):
                    event = json.loads(await asyncio.wait_for(socket.recv(), wait))
                    assert event["type"] != "error", event
                    open_items[event.get("item_id", "")] += event["type"] == STARTED
                    open_items[event.get("item_id", "")] -= event["type"] == COMPLETED
                    completed += event["type"] == COMPLETED
                    last = time.monotonic()
                assert wait < PATIENCE or time.monotonic() < last + PATIENCE
        finally:
            speaking.cancel()
        return last

    async def session(self, key: str, phrases: int) -> None:
        begun = time.monotonic()
        address = f"ws://127.0.0.1:{self.balancer.http}{REALTIME}"
        open_items: Counter[str] = Counter()
        result, latency = "ok", 0.0
        try:
            async with connect(
                address,
                additional_headers={"X-Request-Id": key},
                compression=None,
                ping_interval=None,  # its answers wait where the daemon does not read
                open_timeout=PATIENCE,
            ) as socket:
                sound = {"format": {"type": "audio/pcm", "rate": PHRASE.rate}}
                session = {"type": "transcription", "audio": {"input": sound}}
                await socket.send(json.dumps({"type": "session.update", "session": session}))
                for _ in range(phrases):
                    start = time.monotonic()
                    last = await self.phrase(socket, open_items)
                    latency = max(latency, last - start - SPEECH.seconds())
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            result = "moved" if code == 1001 and not +open_items else f"cut {code}"
        except InvalidStatus as refused:
            result = str(refused.response.status_code)
        except (OSError, InvalidHandshake) as error:
            result = repr(error)
        self.note("realtime", key, begun, result, latency)

    async def live_client(self, phrases: int) -> None:
        while not self.over:
            await self.session(uuid.uuid4().hex, phrases)

    # -- All of them --

    async def run(
        self,
        http: int,
        wyoming: int,
        live: int,
        phrases: int,
        script: Callable[["Crowd"], Awaitable[None]],
    ) -> None:
        """The clients ask while the script runs, and finish what they began then."""
        clients = [self.http_client() for _ in range(http)]
        clients += [self.wyoming_client() for _ in range(wyoming)]
        clients += [self.live_client(phrases) for _ in range(live)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client)
            await script(self)
            self.over = True


def p95(outcomes: Iterable[Outcome]) -> float:
    latencies = sorted(outcome.latency for outcome in outcomes if outcome.result == "ok")
    return latencies[int(len(latencies) * 0.95)] if latencies else 0.0


def lost_of(crowd: Crowd) -> list[Outcome]:
    return [outcome for outcome in crowd.outcomes if outcome.result not in ("ok", "moved")]


def check_lost(crowd: Crowd, balancer: Balancer, killed: Member, when: float) -> None:
    """Nothing is lost but what was sent to the daemon that was gone at `when`, and these clients are
    told so."""
    servers = crowd.servers()
    for outcome in lost_of(crowd):
        assert outcome.begun <= when, outcome
        assert servers.get(outcome.key) == killed.name, (outcome, balancer.logged(outcome.key))
        told = {"http": {"502"}, "wyoming": {"cut"}, "realtime": {"502", "cut 1006"}}
        assert outcome.result in told[outcome.kind], outcome
