# SPDX-License-Identifier: MIT
"""How many spoken commands are understood if all of them are listed as custom words.

usage: tests/bench/commands [OPTION...]   (--help lists them)

The list holds 50 commands of a house and the single words of the corpus: English digits and some
of Speech Commands. espeak-ng says the commands; the words are recordings. Nobody says them in the
other sets, so there a text that is on the list is wrong.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import soundfile
from measure import REPOSITORY, add_places
from normalise import words
from packed import RATE, Clip, read_clips, read_sound, spread
from recognise import Result, daemon, recognise

WORD_DATASETS = ("speech_commands_v1_subset", "fsdd")
OTHER_WORDS = ("custom_keywords", "ovos_wakewords", "picovoice_wakewords", "klettres")
NOISE = ("moodist", "blanket")
VOICES = ("en-us", "en-gb", "en-gb-scotland+f3", "en-us+f2")
SPEEDS = ("140", "190")  # words a minute
COMMANDS = """
turn on the kitchen light
turn off the kitchen light
turn on the bedroom light
turn off the bedroom light
turn on all lights
turn off all lights
dim the lights
make it brighter
open the blinds
close the blinds
open the garage door
close the garage door
lock the front door
unlock the front door
start the washing machine
stop the washing machine
start the vacuum cleaner
what time is it
what is the weather
will it rain tomorrow
set a timer
stop the timer
set an alarm
play music
pause
resume
next song
previous song
volume up
volume down
mute
turn up the heating
turn down the heating
turn on the fan
turn off the fan
turn on the television
turn off the television
add milk to the shopping list
read my messages
call home
good morning
good night
I am leaving
I am home
movie time
cancel
help
yes
no
stop
""".strip().splitlines()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/commands", description="Spoken commands that are understood."
    )
    add = parser.add_argument
    add_places(parser)
    add("--words", type=int, default=200, metavar="N", help="recordings of words (default 200)")
    add("--others", type=int, default=200, metavar="N", help="clips of each other set, at most")
    add("--jobs", type=int, default=2, metavar="N", help="clips at a time (default 2)")
    add("--boosts", default="0.6", help="that are tried (default 0.6)")
    add("-v", "--verbose", action="store_true", help="show what is wrong")
    arguments = parser.parse_args()
    arguments.build = REPOSITORY / arguments.build
    return arguments


Sounds = Callable[[], Iterator[tuple[Clip, np.ndarray]]]


def say(text: str, voice: str, speed: str) -> np.ndarray:
    command = ["espeak-ng", "--stdout", "-v", voice, "-s", speed, text]
    # Standard output cannot be sought, so the header has no length.
    wave = subprocess.run(command, capture_output=True, check=True).stdout
    samples, rate = soundfile.read(
        io.BytesIO(wave[44:]), format="RAW", subtype="PCM_16", channels=1, samplerate=22050
    )
    count = len(samples) * RATE // rate
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    return np.round(np.fft.irfft(spectrum, count) * count / len(samples) * 2**15).astype(np.int16)


def say_commands() -> Iterator[tuple[Clip, np.ndarray]]:
    for i, (text, voice, speed) in enumerate(product(COMMANDS, VOICES, SPEEDS)):
        samples = say(text, voice, speed)
        yield Clip(f"{text} {voice} {speed}", "espeak", i, len(samples) / RATE, text), samples


def part_of(arguments: argparse.Namespace, name: str, datasets: tuple[str, ...]) -> list[Clip]:
    clips = read_clips(arguments.corpus, name)
    return [clip for clip in clips if not datasets or clip.dataset in datasets]


def recorded(arguments: argparse.Namespace, name: str, clips: list[Clip]) -> Sounds:
    return lambda: read_sound(arguments.corpus, name, clips)


def run(arguments: argparse.Namespace, sounds: Sounds, extra: dict[str, str]) -> list[Result]:
    settings = {"server.workers": str(arguments.jobs)} | extra
    if arguments.model:
        settings["model.file"] = str(arguments.model.resolve())
    with daemon(arguments.build, settings) as path:
        return recognise(path, sounds(), arguments.jobs, lambda result: None)


def print_said(name: str, results: list[Result], verbose: bool) -> None:
    right = [words(r.text) == words(r.clip.text or "") for r in results]
    empty = sum(not words(r.text) for r in results)
    seconds = sum(r.worker_seconds for r in results)
    print(
        f"{name:24} {len(results):4} clips: {sum(right)} right, "
        f"{len(results) - sum(right) - empty} wrong, {empty} empty; {seconds:.1f} s of workers",
        flush=True,
    )
    for result, good in zip(results, right, strict=True):
        if verbose and not good:
            print(f"  {result.clip.text}: {result.text}")


def print_unsaid(name: str, results: list[Result], listed: list[str], verbose: bool) -> None:
    commands = {tuple(words(text)) for text in listed}
    wrong = [r for r in results if words(r.text) and tuple(words(r.text)) in commands]
    minutes = sum(r.clip.seconds for r in results) / 60
    written = sum(len(words(r.text)) for r in results)
    print(
        f"{name:24} {len(results):4} clips, {minutes:.1f} min: {len(wrong)} commands; "
        f"{written} words",
        flush=True,
    )
    for result in wrong if verbose else []:
        print(f"  {result.clip.text}: {result.text}")


def measure(arguments: argparse.Namespace) -> None:
    all_words = part_of(arguments, "train-words", WORD_DATASETS)
    listed = COMMANDS + sorted({clip.text or "" for clip in all_words} - set(COMMANDS))
    said: dict[str, Sounds] = {
        "commands": say_commands,
        "words": recorded(arguments, "train-words", spread(all_words, arguments.words)),
    }
    unsaid: dict[str, Sounds] = {}
    for name, datasets in (
        ("train-words", OTHER_WORDS),
        ("dev-commonvoice", ()),
        ("dev-librispeech", ()),
        ("noise", NOISE),
    ):
        clips = spread(part_of(arguments, name, datasets), arguments.others)
        unsaid[f"not listed: {name}"] = recorded(arguments, name, clips)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(listed))
        file.flush()
        for boost in ["none", *arguments.boosts.split(",")]:
            extra = {
                "recognition.custom_words_file": file.name,
                "recognition.custom_words_boost": boost,
            }
            print(f"boost {boost}, {len(listed)} listed" if boost != "none" else "no list")
            settings = {} if boost == "none" else extra
            for name, sounds in said.items():
                print_said(name, run(arguments, sounds, settings), arguments.verbose)
            for name, sounds in unsaid.items():
                results = run(arguments, sounds, settings)
                print_unsaid(name, results, listed, arguments.verbose)


def main() -> int:
    arguments = parse_arguments()
    try:
        measure(arguments)
    except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as problem:
        print(f"tests/bench/commands: {problem}", file=sys.stderr)
        return 1
    return 0
