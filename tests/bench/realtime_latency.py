# SPDX-License-Identifier: MIT
"""Latency of live text through /v1/realtime beside that of `hearken listen`, recording by recording.

    build/venv/bin/python tests/bench/realtime_latency.py [--limit 20]
    build/venv/bin/python tests/bench/realtime_latency.py --sessions 4 --hearken '{"partial_share": 0}'
    build/venv/bin/python tests/bench/realtime_latency.py --sessions 1 --beside 3

With --beside, sessions have the daemon for themselves first, then beside clients that have it
transcribe files all the time.

One daemon serves both. Each recording is played into its microphone, a PulseAudio of its own, then sent over
a WebSocket in real time, in pieces of 20 ms as the microphone gives them. Latencies count from when the
daemon has the sound, as in live.py.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from live import LEAD_SECONDS, QUIET_SECONDS, RESAMPLING, Figures, Listener, measure
from live_sessions import COMPLETED, DELTA, Realtime
from microphones import SoundServer
from packed import RATE, read_clips, read_sound
from programs import HEARKEN, REAL_MODEL, REPOSITORY, Daemon, environment, free_port
from sounds import Pcm, write_wav
from web import Served
from websockets.exceptions import ConnectionClosed

PIECE = RATE // 50
FILE_SECONDS = 300  # at most, of what clients transcribe beside the sessions
LEAST_SECONDS = 0.01  # nobody notices whether a text is later by a factor of less than this
Timed = tuple[float, dict[str, Any]]


def as_listened(at: float, event: dict[str, Any]) -> list[Timed]:
    """An event of the session as `hearken listen` has it."""
    kind = event["type"]
    if kind == "input_audio_buffer.speech_started":
        return [(at, {"type": "voice-started", "time": event["audio_start_ms"] / 1000})]
    if kind == "input_audio_buffer.speech_stopped":
        return [(at, {"type": "voice-stopped", "time": event["audio_end_ms"] / 1000})]
    if kind == DELTA and "hearken" in event:
        return [(at, event["hearken"])]
    if kind == COMPLETED:
        return [(at, segment) for segment in event["hearken"]["segments"]]
    return []


class Speaker:
    """A session to which recordings are sent as they would be spoken."""

    def __init__(self, served: Served, options: dict[str, Any] | None = None) -> None:
        self.session = Realtime(served)
        self.session.configure(hearken={"partial": True, "words": True} | (options or {}))
        self.events: list[Timed] = []
        self.sent = 0  # samples
        self.begun = self.completed = 0  # items
        self.ends = False
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self) -> None:
        try:
            while True:
                event = json.loads(self.session.socket.recv())
                self.events += as_listened(time.monotonic(), event)
                self.begun += event["type"] == "input_audio_buffer.speech_started"
                self.completed += event["type"] == COMPLETED
                if event["type"] == COMPLETED and self.ends:
                    self.done.set()
        except ConnectionClosed:
            pass

    def say(self, samples: np.ndarray, pause: float = 1.0) -> list[Timed]:
        before = len(self.events)
        began = time.monotonic() - self.sent / RATE
        for i in range(0, len(samples), PIECE):
            self.sent += len(piece := samples[i : i + PIECE])
            time.sleep(max(0.0, began + self.sent / RATE - time.monotonic()))
            audio = base64.b64encode(piece.tobytes()).decode()
            self.session.send({"type": "input_audio_buffer.append", "audio": audio})
        time.sleep(pause)
        return [(began, {"type": "level", "time": 0.0}), *self.events[before:]]

    def finish(self) -> None:
        """Waits for the text of all that was said: an item that was committed, or an empty one."""
        self.ends = True
        assert self.done.wait(60)

    def close(self) -> None:
        self.session.socket.close()
        self.thread.join()


def metrics(served: Served) -> dict[str, float]:
    """Those without labels."""
    lines = served.ask("/metrics").body.decode().splitlines()
    return {name: float(value) for name, value in (s.split() for s in lines if s.count(" ") == 1)}


class FileClients:
    """Clients that have a daemon transcribe a file of some minutes, again and again."""

    def __init__(self, count: int, daemon: Daemon, file: Path, folder: Path) -> None:
        self.done = 0  # files
        self.stopping = False
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lock = threading.Lock()
        command = [HEARKEN, "transcribe", "-q", "--socket", daemon.socket, file]
        self.command = list(map(str, command))
        self.environment = environment(folder)
        self.threads = [threading.Thread(target=self.transcribe) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def transcribe(self) -> None:
        while True:
            with self.lock:
                if self.stopping:
                    return
                process = subprocess.Popen(
                    self.command, stdout=subprocess.DEVNULL, env=self.environment
                )
                self.processes.append(process)
            status = process.wait()
            with self.lock:
                assert status == 0 or self.stopping, f"a file client ended with {status}"
                self.processes.remove(process)
                self.done += status == 0

    def stop(self) -> None:
        with self.lock:
            self.stopping = True
            for process in self.processes:
                process.terminate()
        for thread in self.threads:
            thread.join()


def crowd(folder: Path, options: argparse.Namespace) -> None:
    """Many sessions at once, each with recordings of its own order."""
    port = free_port()
    settings = {"model.file": str(options.model), "http.listen": f"127.0.0.1:{port}"}
    daemon = Daemon(folder, settings).start()
    clips = read_clips(options.corpus, options.set, options.limit)
    quiet = np.zeros(int(QUIET_SECONDS * RATE), np.int16)
    sounds = [np.concatenate([s, quiet]) for _, s in read_sound(options.corpus, options.set, clips)]
    alone = speak_together(Served(daemon, port), sounds, options)
    if options.beside:
        all_sounds = np.concatenate(sounds)[: FILE_SECONDS * RATE]
        file = write_wav(folder / "file.wav", Pcm(RATE, 2, 1, all_sounds.tobytes()))
        clients = FileClients(options.beside, daemon, file, folder)
        print(f"beside {options.beside} clients with files of {len(all_sounds) / RATE:.0f} s:")
        beside = speak_together(Served(daemon, port), sounds, options)
        clients.stop()
        print(f"files transcribed meanwhile: {clients.done}")
        for name in ("first_partial", "word_shown", "final"):
            before, after = (np.percentile(getattr(f, name), [50, 95]) for f in (alone, beside))
            times = np.maximum(after, LEAST_SECONDS) / np.maximum(before, LEAST_SECONDS)
            print(f"{name}: median {times[0]:.2f} times as late, 95 % {times[1]:.2f} times")
    daemon.stop()


def speak_together(
    served: Served, sounds: list[np.ndarray], options: argparse.Namespace
) -> Figures:
    """How late the text of the sessions is, and what they cost."""
    before = metrics(served)
    speakers = [Speaker(served, options.hearken) for _ in range(options.sessions)]
    until = time.monotonic() + options.seconds
    figures = [Figures() for _ in speakers]
    spoken = [0] * len(speakers)

    def speak(number: int) -> None:
        at = number * len(sounds) // len(speakers)
        events: list[Timed] = []
        while time.monotonic() < until:
            events += speakers[number].say(sounds[at % len(sounds)], 0.0)
            spoken[number] += 1
            at += 1
        speakers[number].session.commit()
        speakers[number].finish()
        measure([events[0], *speakers[number].events], figures[number])

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(len(speakers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Figures()
    for one in figures:
        whole.first_partial += one.first_partial
        whole.word_shown += one.word_shown
        whole.final += one.final
    print(f"{len(speakers)} sessions, {options.seconds} s, {sum(spoken)} recordings spoken")
    print(
        f"items begun {sum(s.begun for s in speakers)}, completed {sum(s.completed for s in speakers)}"
    )
    whole.report()
    after = metrics(served)
    spent = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    said = after["hearken_audio_seconds_total"] - before["hearken_audio_seconds_total"]
    print(f"processor time {spent:.1f} s for {said:.0f} s of sound: {100 * spent / said:.2f} %")
    memory = [one["process_resident_memory_bytes"] / 2**20 for one in (before, after)]
    print(f"memory {memory[0]:.0f} MiB without sessions, {memory[1]:.0f} MiB with them")
    for speaker in speakers:
        speaker.close()
    return whole


def compare(folder: Path, options: argparse.Namespace) -> None:
    listened, sent = Figures(), Figures()
    with SoundServer(folder, ("mic",), RESAMPLING, form="rate=16000 channels=1") as server:
        port = free_port()
        settings = {
            "model.file": str(options.model),
            "capture.device": "mic",
            "capture.rate": "16000",
            "http.listen": f"127.0.0.1:{port}",
        }
        daemon = Daemon(folder, settings, extra_environment=server.environment).start()
        clips = read_clips(options.corpus, options.set, options.limit)
        command = [HEARKEN, "listen", "--socket", daemon.socket, "-f", "json", "--meter"]
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment(folder)
        ) as process:
            listener = Listener(process)
            thread = threading.Thread(target=listener.read)
            thread.start()
            time.sleep(LEAD_SECONDS)
            speaker = Speaker(Served(daemon, port))
            for _, samples in read_sound(options.corpus, options.set, clips):
                quiet = np.zeros(int(QUIET_SECONDS * RATE), samples.dtype)
                sound = np.concatenate([quiet, samples, quiet])
                file = write_wav(folder / "clip.wav", Pcm(RATE, 2, 1, sound.tobytes()))
                server.play("mic", file)
                time.sleep(1.0)
                # The microphone goes on with silence, which ends what was said.
                measure(speaker.say(np.concatenate([sound, quiet])), sent)
            speaker.close()
            process.terminate()
            thread.join()
        daemon.stop()
    measure(listener.events, listened)
    for name, figures in (("hearken listen", listened), ("/v1/realtime", sent)):
        print(f"{name}, {len(clips)} recordings")
        figures.report()
    for name in ("first_partial", "word_shown", "final"):
        medians = [float(np.median(getattr(figures, name))) for figures in (listened, sent)]
        print(f"{name}: median differs by {1000 * (medians[1] - medians[0]):+.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    parser.add_argument("--set", default="dev-librispeech")
    parser.add_argument("--limit", type=int, default=20, help="recordings")
    parser.add_argument("--model", type=Path, default=REAL_MODEL)
    parser.add_argument("--sessions", type=int, help="so many at once, instead of the comparison")
    parser.add_argument(
        "--beside", type=int, metavar="N", help="with --sessions: then beside N clients with files"
    )
    parser.add_argument("--seconds", type=int, default=120, help="with --sessions")
    parser.add_argument(
        "--hearken", type=json.loads, help="with --sessions: their options, as JSON"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-") as name:
        (crowd if options.sessions else compare)(Path(name), options)


if __name__ == "__main__":
    main()
