# SPDX-License-Identifier: MIT
"""A daemon under mixed load for hours: does anything grow, does any text change?

    tests/bench/soak --hours 8
    tests/bench/soak --minutes 15 --clients 6 --seed 7

Clients that send recordings as fast as they go (over Wyoming and HTTP), speak live (in real time and
faster, with partial text), hold realtime sessions, cancel, and, about a third of the time, vanish in the
middle; two models, one of which comes and goes; now and then a reload, which every other time
opens the model again. The daemon's memory, threads and descriptors are noted in intervals.

The rules. What grows: the median of the last quarter of the notes is compared with that of the second
quarter (the first warms up), and may exceed it by the tolerance in GROWTH. What is left: before the notes
begin and after they end, all clients leave; then there are no more threads and descriptors, and not much more
memory (LEFT), at the end than before. What changes: every undisturbed recording has the text that it
had the first time, whatever else the daemon does, be it sent over Wyoming or HTTP; and so has live
speech whose schedule does not depend on the clock (partial_share 0). Any error of a client fails, too.
"""

import argparse
import base64
import io
import json
import math
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
os.environ.setdefault("HEARKEN_PATIENCE", "600")  # others may need the machine for a while

from live_sessions import TEXT, BareLive, Realtime, frame
from long_recordings import join
from packed import RATE, read_clips, read_sound
from programs import (
    REAL_MODEL,
    REAL_MODELS,
    REPOSITORY,
    SANITIZER,
    Daemon,
    free_port,
    wait_until,
)
from sounds import Pcm
from talking import Bare, text_of
from web import Form, Recording, Served, request

SHORT_CLIPS, LONG_CLIPS = 48, (6, 6, 9, 12, 24)  # recordings of one clip, and of so many
SPOKEN_SECONDS = 12  # at most, of what is sent in real time
OTHER, RELEASE_SECONDS = "other", 10
RELOAD_SECONDS = 60
BUSY = ("requests_running", "workers_busy", "live_workers_busy", "queued")
MIB = 1 << 20
FORM = {"rate": RATE, "width": 2, "channels": 1}
# Under load memory goes up and down by some 30 MiB with what is recognised just now, and the medians of
# quarters of 18 minutes by 32; when all have left, by 5. Sanitizers keep what was freed.
LOADED, IDLE = (math.inf, math.inf) if SANITIZER else (40 * MIB, 12 * MIB)
GROWTH = {"resident": LOADED, "anonymous": LOADED, "threads": 4, "descriptors": 4}
LEFT = {"resident": IDLE, "anonymous": IDLE, "threads": 0, "descriptors": 0}

# Of a client that is not answered as it should be. After so many the rest is not worth the time.
MOST_PROBLEMS = 10

Note = dict[str, float]


class Crowd:
    """Clients, each a thread with a random order of its own, and what they heard."""

    def __init__(self, served: Served, sounds: dict[str, Pcm]) -> None:
        self.served, self.socket, self.sounds = served, served.daemon.socket, sounds
        self.lock = threading.Lock()
        self.first: dict[tuple[str, str], str] = {}  # texts of recordings
        self.same = self.others = 0  # later ones
        self.deeds: Counter[str] = Counter()
        self.problems = 0
        self.over = threading.Event()
        self.threads: list[threading.Thread] = []

    def heard(self, kind: str, name: str, text: str) -> None:
        with self.lock:
            known = (kind, name) in self.first
            first = self.first.setdefault((kind, name), text)
            self.same += known and first == text
            self.others += first != text
        if first != text:
            print(f"{kind}, {name}:\n  first {first}\n  now   {text}", flush=True)

    def start(self, count: int, seed: str) -> None:
        self.over.clear()
        draws = [random.Random(f"{seed} {number}") for number in range(count)]
        self.threads = [threading.Thread(target=self.work, args=(draw,)) for draw in draws]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def work(self, draw: random.Random) -> None:
        deeds: dict[Callable[[random.Random], None], int] = {
            self.send_files: 5,
            self.send_http: 3,
            self.speak: 3,
            self.hold_session: 2,
            self.cancel: 1,
            self.cut_file: 3,
            self.cut_http: 2,
            self.cut_session: 2,
        }
        while not self.over.is_set():
            (deed,) = draw.choices(list(deeds), list(deeds.values()))
            try:
                deed(draw)
            except Exception:  # noqa: BLE001 - whatever it is counts, and the others go on
                traceback.print_exc()
                with self.lock:
                    self.problems += 1
                    if self.problems >= MOST_PROBLEMS:
                        self.over.set()
            with self.lock:
                self.deeds[deed.__name__] += 1

    def choose(self, draw: random.Random, longest: float = 1e9) -> tuple[str, Pcm]:
        return draw.choice([s for s in self.sounds.items() if s[1].seconds() <= longest])

    def read_text(self, bare: Bare) -> str:
        events = []
        while (event := bare.read()) is not None:
            events.append(event)
            if event.type in ("transcript-stop", "error"):
                break
        return str(text_of(events))

    def send_files(self, draw: random.Random) -> None:
        with Bare(self.socket) as bare:
            for _ in range(draw.randint(1, 3)):
                name, sound = self.choose(draw)
                model = draw.choice(["", "", "", OTHER])
                bare.event("transcribe", {"name": model, "hearken": {"words": draw.random() < 0.5}})
                bare.sound(sound)
                self.heard(f"file {model}".strip(), name, self.read_text(bare))

    def form(self, sound: Pcm) -> Form:
        wav = io.BytesIO()
        soundfile.write(wav, np.frombuffer(sound.data, np.int16), RATE, "PCM_16", format="WAV")
        file = Recording(wav.getvalue(), "sound.wav", "audio/wav")
        return Form([("model", "whisper-1"), ("response_format", "verbose_json")], file)

    def send_http(self, draw: random.Random) -> None:
        name, sound = self.choose(draw)
        self.heard("file", name, self.served.send(self.form(sound)).text())

    def speak(self, draw: random.Random) -> None:
        """Live: pieces of 100 ms in real time or four times as fast."""
        name, sound = self.choose(draw, SPOKEN_SECONDS)
        speed, share = draw.choice([1, 1, 4]), draw.choice([0, 0, 0.5])
        with Bare(self.socket) as bare:
            options = {"events": True, "words": True, "endpointing": True, "voice_events": True}
            more = {"partial_seconds": 0.64, "partial_share": share}
            bare.event("transcribe", {"hearken": options | more})
            bare.event("audio-start", FORM)
            began = time.monotonic()
            for number, piece in enumerate(sound.chunks(RATE // 10)):
                time.sleep(max(0.0, began + number / 10 / speed - time.monotonic()))
                bare.event("audio-chunk", FORM, piece)
            bare.event("audio-stop")
            text = self.read_text(bare)
        if share == 0:
            self.heard("live", name, text)

    def hold_session(self, draw: random.Random) -> None:
        with Realtime(self.served) as session:
            session.configure(push_to_talk=True, hearken={"partial": True, "partial_share": 0})
            for _ in range(draw.randint(1, 3)):
                name, sound = self.choose(draw, SPOKEN_SECONDS)
                self.heard("session", name, session.transcript(sound))

    def cancel(self, draw: random.Random) -> None:
        """Another request in the middle of one, which the daemon forgets."""
        with Bare(self.socket) as bare:
            self.begin(bare, self.choose(draw)[1], draw)
            name, sound = self.choose(draw, SPOKEN_SECONDS)
            bare.event("transcribe", {"hearken": {}})
            bare.sound(sound)
            self.heard("file", name, self.read_text(bare))

    def begin(self, bare: Bare, sound: Pcm, draw: random.Random) -> None:
        """A request up to a random place."""
        options = {"events": True, "partial_seconds": draw.choice([0, 0.64])}
        bare.event("transcribe", {"name": draw.choice(["", "", OTHER]), "hearken": options})
        bare.event("audio-start", FORM)
        for piece in sound.first(draw.random() * sound.seconds()).chunks(4000):
            bare.event("audio-chunk", FORM, piece)

    def cut_file(self, draw: random.Random) -> None:
        with Bare(self.socket) as bare:
            self.begin(bare, self.choose(draw)[1], draw)
            if draw.random() < 0.5:
                bare.event("audio-stop")
            time.sleep(draw.choice([0, draw.random()]))

    def cut_http(self, draw: random.Random) -> None:
        self.cut(self.served.bare(), request(self.form(self.choose(draw)[1])), draw)

    def cut_session(self, draw: random.Random) -> None:
        sound = self.choose(draw, SPOKEN_SECONDS)[1]
        audio = base64.b64encode(sound.data).decode()
        message = {"type": "input_audio_buffer.append", "audio": audio}
        self.cut(BareLive(self.served), frame(TEXT, json.dumps(message).encode()), draw)

    def cut(self, bare: Bare, data: bytes, draw: random.Random) -> None:
        """Sends all or a part of it, and waits for no answer."""
        with bare:
            bare.send(data[: draw.choice([len(data), draw.randrange(len(data))])])
            time.sleep(draw.choice([0, draw.random()]))


def read_sounds(corpus: Path, name: str, seed: int) -> dict[str, Pcm]:
    clips = read_clips(corpus, name, SHORT_CLIPS + sum(LONG_CLIPS))
    all_sounds = list(read_sound(corpus, name, clips))
    random.Random(seed).shuffle(all_sounds)
    rng = np.random.default_rng(seed)
    chosen, rest = all_sounds[:SHORT_CLIPS], all_sounds[SHORT_CLIPS:]
    for number, count in enumerate(LONG_CLIPS):
        chosen.append(join(rest[:count], f"long {number}", rng))
        rest = rest[count:]
    return {clip.name: Pcm(RATE, 2, 1, samples.tobytes()) for clip, samples in chosen}


def status_of(daemon: Daemon) -> dict[str, Any]:
    with Bare(daemon.socket) as bare:
        bare.event("hearken-status")
        event = bare.read()
    assert event is not None
    data: dict[str, Any] = event.data
    return data


def take_note(daemon: Daemon) -> Note:
    assert daemon.process
    place = Path(f"/proc/{daemon.process.pid}")
    sizes = dict(re.findall(r"(\w+): +(\d+) kB", (place / "smaps_rollup").read_text()))
    status = status_of(daemon)
    return {
        "resident": int(sizes["Rss"]) * 1024,
        "anonymous": int(sizes["Anonymous"]) * 1024,
        "threads": len(os.listdir(place / "task")),
        "descriptors": len(os.listdir(place / "fd")),
    } | {name: status[name] for name in (*BUSY, "connections", "requests", "audio_seconds")}


def rest(daemon: Daemon) -> Note:
    """When nobody is there any more."""

    def is_idle() -> bool:
        status = status_of(daemon)
        busy = any(status[name] for name in BUSY) or status["connections"] > 1
        return not busy and status["models"][1]["state"] == "not loaded"

    wait_until(is_idle, "the daemon to be idle", interval=0.5)
    time.sleep(2)
    return take_note(daemon)


def show(minutes: float, note: Note, crowd: Crowd) -> None:
    print(
        f"{minutes:7.1f} min {note['resident'] / MIB:7.1f} {note['anonymous'] / MIB:7.1f} MiB "
        f"{note['threads']:3.0f} threads {note['descriptors']:3.0f} descriptors "
        f"{note['connections']:3.0f} connections, busy {note['workers_busy']:.0f} and "
        f"{note['live_workers_busy']:.0f} live, {note['queued']:2.0f} queued, "
        f"{note['audio_seconds'] / 3600:6.2f} h of speech, {crowd.same} texts",
        flush=True,
    )


def watch(daemon: Daemon, crowd: Crowd, model: Path, seconds: float) -> list[Note]:
    notes: list[Note] = []
    begin = time.monotonic()
    shown = reloads = 0
    while (passed := time.monotonic() - begin) < seconds and not crowd.over.is_set():
        notes.append(take_note(daemon))
        if passed >= seconds * shown / 20:
            show(passed / 60, notes[-1], crowd)
            shown += 1
        if passed >= RELOAD_SECONDS * (reloads + 1):
            reloads += 1
            if reloads % 2 == 0:
                os.utime(model)  # another one, for all that the daemon knows
            daemon.signal(signal.SIGHUP)
        time.sleep(min(60.0, max(5.0, seconds / 200)))
    return notes


def judge(before: Note, notes: list[Note], after: Note) -> bool:
    """Prints what became of each, and returns whether all is well."""
    quarter = len(notes) // 4
    if quarter == 0:
        print(f"{len(notes)} notes: too few to tell")
        return False
    well = True
    print(f"{'':12} {'2nd quarter':>12} {'3rd':>8} {'last':>8} {'idle before':>12} {'after':>8}")
    for name, tolerance in GROWTH.items():
        parts = [notes[i * quarter : (i + 1) * quarter] for i in (1, 2)] + [notes[3 * quarter :]]
        medians = [statistics.median(note[name] for note in part) for part in parts]
        grew = medians[2] - medians[0] > tolerance
        left = after[name] - before[name] > LEFT[name]
        well = well and not grew and not left
        scale = MIB if tolerance > MIB else 1
        second, third, last, idle, end = (v / scale for v in (*medians, before[name], after[name]))
        print(
            f"{name:12} {second:12.1f} {third:8.1f} {last:8.1f} {idle:12.1f} {end:8.1f}"
            f"{' GREW' if grew else ''}{' LEFT BEHIND' if left else ''}"
        )
    return well


def soak(daemon: Daemon, crowd: Crowd, model: Path, options: argparse.Namespace) -> bool:
    began = time.monotonic()
    crowd.start(options.clients, f"{options.seed} warm")
    time.sleep(options.warm)
    crowd.stop()
    before = rest(daemon)
    show(0, before, crowd)
    crowd.start(options.clients, str(options.seed))
    try:
        notes = watch(daemon, crowd, model, options.hours * 3600 + options.minutes * 60)
    finally:
        crowd.stop()
    after = rest(daemon)
    well = judge(before, notes, after)
    daemon.stop()
    print(
        f"{after['audio_seconds'] / 3600:.2f} h of speech in {(time.monotonic() - began) / 3600:.2f} h, "
        f"{after['requests']:.0f} requests; {dict(crowd.deeds)}\n"
        f"{crowd.same} texts were as the first time, {crowd.others} were not, of "
        f"{len(crowd.first)} recordings; {crowd.problems} errors"
    )
    return well and crowd.same > 0 and crowd.others + crowd.problems == 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    add("--set", default="dev-librispeech")
    add("--hours", type=float, default=0.0)
    add("--minutes", type=float, default=0.0, help="more; together 15 minutes unless said")
    add("--clients", type=int, default=6)
    add("--warm", type=float, default=60, help="seconds of load before anything is noted")
    add("--seed", type=int, default=random.SystemRandom().randrange(1 << 16))
    options = parser.parse_args()
    if options.hours == options.minutes == 0:
        options.minutes = 15
    print(f"seed {options.seed}", flush=True)
    sounds = read_sounds(options.corpus, options.set, options.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        model, port = Path(name) / "model.gguf", free_port()
        shutil.copy(REAL_MODEL, model)
        settings = {
            "model.file": str(model),
            f"model {OTHER}.file": str(REAL_MODELS[1]),
            "model.release_seconds": str(RELEASE_SECONDS),
            "http.listen": f"127.0.0.1:{port}",
            "timeouts.stall_seconds": os.environ["HEARKEN_PATIENCE"],
        }
        daemon = Daemon(Path(name), settings).start()
        try:
            return 0 if soak(daemon, Crowd(Served(daemon, port), sounds), model, options) else 1
        finally:
            daemon.kill()


if __name__ == "__main__":
    sys.exit(main())
