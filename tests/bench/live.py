# SPDX-License-Identifier: MIT
"""Plays recordings into a microphone in real time and watches what `hearken listen` makes of it.

The microphone is that of the end-to-end tests: a PulseAudio of its own. Latencies are counted from
when the daemon has the sound, which is told by the times in its level events.
"""

import argparse
import json
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from microphones import SoundServer
from normalise import word_errors, words
from packed import RATE, read_clips, read_sound
from programs import HEARKEN, REAL_MODEL, REPOSITORY, Daemon, environment, run
from recognise import processor_seconds
from sounds import Pcm, write_wav

LEAD_SECONDS = 2.0

# A recording is brought to the microphone's rate: by the usual method its upper band suffers.
RESAMPLING = "--resample-method=soxr-vhq"

# Before and behind a recording, in its file and so in the microphone: a segment has its pre-roll in
# both.
QUIET_SECONDS = 1.0


@dataclass
class Listener:
    """`hearken listen` with the time at which each event came."""

    process: "subprocess.Popen[str]"
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append((time.monotonic(), json.loads(line)))


@dataclass
class Figures:
    """Seconds, one for each clip, word or segment."""

    first_partial: list[float] = field(default_factory=list)
    word_shown: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)

    def report(self) -> None:
        for name, values in (
            ("first partial after speech starts", self.first_partial),
            ("word shown after it was spoken", self.word_shown),
            ("final text after the endpoint", self.final),
        ):
            if values:
                middle, high = np.percentile(values, [50, 95])
                print(f"{name:36} median {middle:6.3f} s  95 % {high:6.3f} s  of {len(values)}")


def clock_offset(events: list[tuple[float, dict[str, Any]]]) -> float:
    """When the daemon's first sound came: what was told fastest counts."""
    return min(at - event["time"] for at, event in events if event["type"] == "level")


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def shown_since(
    partials: list[tuple[float, dict[str, Any]]], index: int, text: str
) -> float | None:
    """When the word of a final text was to be seen first at its place."""
    for at, event in partials:
        if index < len(event["words"]) and plain(event["words"][index]["text"]) == plain(text):
            return at
    return None


def measure(events: list[tuple[float, dict[str, Any]]], figures: Figures) -> None:
    """Segment after segment."""
    offset = clock_offset(events)
    seen: list[tuple[float, dict[str, Any]]] = []
    started: float | None = None
    stopped: float | None = None
    for at, event in events:
        if event["type"] == "voice-started" and started is None:
            started = event["time"]
        elif event["type"] == "voice-stopped":
            stopped = at
        elif event["type"] == "partial" and event["text"]:
            if not seen and started is not None:
                figures.first_partial.append(at - offset - started)
            seen.append((at, event))
        elif event["type"] == "final":
            seen.append((at, event))
            for i, word in enumerate(event["words"]):
                shown = shown_since(seen, i, word["text"])
                if shown is not None:
                    figures.word_shown.append(shown - offset - word["end"])
            if stopped is not None:
                figures.final.append(at - stopped)
            seen, started, stopped = [], None, None


def play_all(server: SoundServer, listener: Listener, daemon: Daemon, folder: Path, options) -> int:
    """Returns how many texts are not those of the file."""
    clips = read_clips(options.corpus, options.set, options.limit or 50)
    different = lost = doubled = changed = total = 0
    for clip, samples in read_sound(options.corpus, options.set, clips):
        quiet = np.zeros(int(QUIET_SECONDS * RATE), samples.dtype)
        sound = np.concatenate([quiet, samples, quiet])
        file = write_wav(folder / "clip.wav", Pcm(RATE, 2, 1, sound.tobytes()))
        before = len(listener.events)
        server.play("mic", file)
        time.sleep(options.pause)
        heard = " ".join(e["text"] for _, e in listener.events[before:] if e["type"] == "final")
        ends = ["--set", "endpointing=on"] if options.endpointing else []
        result = run("transcribe", "--socket", daemon.socket, *ends, file, folder=folder)
        expected = result.stdout.decode().replace("\n", " ").strip()
        errors = word_errors(words(expected), words(heard))
        lost, doubled = lost + errors.deletions, doubled + errors.insertions
        changed += errors.substitutions
        total += len(words(expected))
        if errors.total():
            different += 1
            print(f"{clip.name}\n  file {expected}\n  live {heard}", flush=True)
    print(
        f"{len(clips)} recordings, {total} words: {different} texts differ: {lost} words lost, "
        f"{doubled} doubled or new, {changed} others"
    )
    return different


def play_noise(server: SoundServer, listener: Listener, folder: Path, options) -> bool:
    """Recordings without speech, then digital silence; returns whether more than a word a minute was invented."""
    clips = read_clips(options.corpus, "noise", None)
    clips = [clip for clip in clips if not options.only or clip.dataset in options.only]
    limit = min(options.limit or len(clips), len(clips))
    clips = [clips[i * len(clips) // limit] for i in range(limit)]
    silence = np.zeros(options.silence * 60 * RATE, np.int16)
    invented, seconds = 0, 0.0
    for name, samples in [
        *((clip.name, samples) for clip, samples in read_sound(options.corpus, "noise", clips)),
        ("silence", silence),
    ]:
        file = write_wav(folder / "clip.wav", Pcm(RATE, 2, 1, samples.tobytes()))
        before = len(listener.events)
        server.play("mic", file)
        time.sleep(options.pause)
        heard = [e["text"] for _, e in listener.events[before:] if e["type"] == "final"]
        count = sum(len(words(text)) for text in heard)
        invented, seconds = invented + count, seconds + len(samples) / RATE
        if count:
            print(f"{name}: {count} words: {' '.join(heard)}", flush=True)
    print(f"{seconds / 60:.1f} min: {invented} words, {60 * invented / seconds:.2f} a minute")
    return invented > seconds / 60


def listen_and_play(folder: Path, options: argparse.Namespace) -> int:
    form = f"rate={options.rate} channels=1"
    with SoundServer(folder, ("mic",), RESAMPLING, form=form) as server:
        settings = {
            "model.file": str(options.model),
            "capture.device": "mic",
            "capture.rate": str(options.rate),
        }
        daemon = Daemon(folder, settings, extra_environment=server.environment).start()
        command = [HEARKEN, "listen", "--socket", daemon.socket, "-f", "json", "--meter"]
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, text=True, env=environment(folder)
        ) as process:
            listener = Listener(process)
            thread = threading.Thread(target=listener.read)
            thread.start()
            time.sleep(LEAD_SECONDS)
            assert daemon.process
            begin, spent = time.monotonic(), processor_seconds(daemon.process.pid)
            if options.noise:
                wrong = play_noise(server, listener, folder, options)
            else:
                wrong = play_all(server, listener, daemon, folder, options)
            passed = time.monotonic() - begin
            spent = processor_seconds(daemon.process.pid) - spent
            process.terminate()
            thread.join()
        daemon.stop()
    if options.events:
        options.events.write_text(json.dumps(listener.events))
    figures = Figures()
    measure(listener.events, figures)
    figures.report()
    print(f"daemon: {spent:.0f} s of a processor in {passed:.0f} s, the files' own texts included")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    parser.add_argument("--set", default="dev-librispeech")
    parser.add_argument("--limit", type=int, help="recordings (default 50; with --noise: all)")
    parser.add_argument(
        "--noise", action="store_true", help="play recordings without speech, count the words"
    )
    parser.add_argument("--only", action="append", help="with --noise: moodist, blanket")
    parser.add_argument(
        "--silence", type=int, default=0, metavar="MINUTES", help="with --noise: then zeros"
    )
    parser.add_argument(
        "--rate", type=int, default=44100, help="of the microphone; 16000 takes the sound as it is"
    )
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between them")
    parser.add_argument(
        "--endpointing", action="store_true", help="transcribe the files with endpoints, too"
    )
    parser.add_argument("--events", type=Path, help="write each event there, and when it came")
    parser.add_argument("--model", type=Path, default=REAL_MODEL)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-") as name:
        return listen_and_play(Path(name), options)
