# SPDX-License-Identifier: MIT
"""How well words are placed in time: recordings joined with pauses of known length.

Each sound holds several clips of a set, cut to their speech, with pauses of 0.3 to 5 s of soft noise
between them. So it is known when the first word of a clip starts and when its last word ends. These
times are compared with those of hearken, and of faster-whisper.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import soundfile
from normalise import words
from packed import RATE, Clip, read_clips, read_sound, spread

REPOSITORY = Path(__file__).resolve().parents[2]
PEER = "faster-whisper base"
PIECES = 6  # clips in a sound
CLIP_SECONDS = (1.5, 6.0)
PAUSES = (0.3, 5.0)
FLOOR = 10 ** (-66 / 20)  # noise in the pauses, as a share of full scale
FRAME = RATE // 100
BELOW_PEAK = 35  # dB; frames above are speech
SOFT = 12  # dB; speech may be softer than that by this at its edges
LONG = 1.5  # seconds: hardly a word

Word = tuple[str, float, float]


@dataclass(frozen=True)
class Piece:
    """A clip within a sound."""

    words: list[str]
    start: float
    end: float


@dataclass
class Sound:
    samples: np.ndarray
    pieces: list[Piece] = field(default_factory=list)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/word_times", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--build", type=Path, default=Path(os.environ.get("HEARKEN_BUILD", "build")), metavar="DIR")
    add("--limit", type=int, default=240, metavar="N", help="clips (default 240)")
    add("--seed", type=int, default=1, metavar="N", help="of the pauses and the order (default 1)")
    add("--peer", action="store_true", help=f"{PEER} as well, which tests/bench/peers installs")
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="for hearken -s")
    add("--keep", type=Path, metavar="DIR", help="keep the sounds and what was recognised there")
    add("-v", "--verbose", action="store_true", help="show the worst words")
    arguments = parser.parse_args()
    arguments.build = REPOSITORY / arguments.build
    return arguments


# ---- Sounds ----


def find_speech(samples: np.ndarray) -> tuple[int, int]:
    """The first sample of speech and the one behind the last, by level: for clean recordings."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1)
    floor = np.percentile(level, 5)
    threshold = max(level.max() - BELOW_PEAK, floor + SOFT)
    loud = np.flatnonzero(level > threshold)
    return int(loud[0]) * FRAME, (int(loud[-1]) + 1) * FRAME


def join(clips: list[tuple[Clip, np.ndarray]], random: np.random.Generator) -> Sound:
    def pause() -> np.ndarray:
        count = round(random.uniform(*PAUSES) * RATE)
        return (random.standard_normal(count) * FLOOR * 32768).round().astype(np.int16)

    parts, position = [pause()], 0
    sound = Sound(np.zeros(0, np.int16))
    for clip, samples in clips:
        start, end = find_speech(samples)
        position = sum(len(part) for part in parts)
        parts += [samples[start:end], pause()]
        sound.pieces.append(
            Piece(words(clip.text or ""), position / RATE, (position + end - start) / RATE)
        )
    sound.samples = np.concatenate(parts)
    return sound


def make_sounds(arguments: argparse.Namespace) -> list[Sound]:
    random = np.random.default_rng(arguments.seed)
    low, high = CLIP_SECONDS
    clips = [
        c
        for c in read_clips(arguments.corpus, arguments.set)
        if low <= c.seconds <= high and c.text
    ]
    chosen = list(read_sound(arguments.corpus, arguments.set, spread(clips, arguments.limit)))
    random.shuffle(chosen)
    return [join(chosen[i : i + PIECES], random) for i in range(0, len(chosen), PIECES)]


# ---- Recognisers ----


def lines_of(command: list[str]) -> list[str]:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return result.stdout.splitlines()


def ask_hearken(arguments: argparse.Namespace, files: list[Path]) -> list[list[Word]]:
    command = [str(arguments.build / "bin" / "hearken"), "transcribe", "--local", "-f", "json"]
    for option in arguments.option:
        command += ["-s", option]
    return [
        [
            (word["text"], word["start"], word["end"])
            for segment in json.loads(line)["segments"]
            for word in segment["words"]
        ]
        for line in lines_of([*command, *map(str, files)])
    ]


def ask_peer(files: list[Path]) -> list[list[Word]]:
    python = REPOSITORY / "build" / "peers-venv" / "bin" / "python"
    script = Path(__file__).resolve().parent / "peer_words.py"
    command = [str(python), str(script), str(REPOSITORY / "build"), *map(str, files)]
    return [[(w[0], w[1], w[2]) for w in json.loads(line)] for line in lines_of(command)]


# ---- Scores ----


@dataclass
class Scores:
    starts: list[float] = field(default_factory=list)  # found minus known, seconds
    ends: list[float] = field(default_factory=list)
    known: int = 0
    longest: list[tuple[float, str]] = field(default_factory=list)
    worst: list[tuple[float, str]] = field(default_factory=list)


def score(scores: Scores, sound: Sound, found: list[Word]) -> None:
    """Adds the errors of the words at the edges of pieces, where these were recognised."""
    spoken = [(bare, i) for i, word in enumerate(found) for bare in words(word[0])]
    known = [(bare, i) for i, piece in enumerate(sound.pieces) for bare in piece.words]
    matcher = SequenceMatcher(None, [k[0] for k in known], [s[0] for s in spoken], autojunk=False)
    heard = {
        block.a + k: spoken[block.b + k][1]
        for block in matcher.get_matching_blocks()
        for k in range(block.size)
    }
    at = 0
    for piece in sound.pieces:
        first, last = at, at + len(piece.words) - 1
        at += len(piece.words)
        scores.known += 2
        if first in heard:
            text, start, _ = found[heard[first]]
            scores.starts.append(start - piece.start)
            scores.worst.append((abs(scores.starts[-1]), f"start of '{text}' at {piece.start:.2f}"))
        if last in heard:
            text, _, end = found[heard[last]]
            scores.ends.append(end - piece.end)
            scores.worst.append((abs(scores.ends[-1]), f"end of '{text}' at {piece.end:.2f}"))
    scores.longest += [(end - start, text) for text, start, end in found]


def print_scores(name: str, scores: Scores) -> None:
    starts, ends = np.abs(scores.starts) * 1000, np.abs(scores.ends) * 1000
    matched = len(starts) + len(ends)
    print(
        f"{name:22} {matched:4} of {scores.known:4}"
        f" {np.median(starts):8.0f} {np.percentile(starts, 95):7.0f} {max(starts):7.0f}"
        f" {np.median(ends):8.0f} {np.percentile(ends, 95):7.0f} {max(ends):7.0f}"
        f" {sum(length > LONG for length, _ in scores.longest):6}"
        f"   {np.median(scores.starts) * 1000:+.0f} {np.median(scores.ends) * 1000:+.0f}"
    )


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    sounds = make_sounds(arguments)
    files = [folder / f"{i:03}.wav" for i in range(len(sounds))]
    for file, sound in zip(files, sounds, strict=True):
        soundfile.write(file, sound.samples, RATE)
    seconds = sum(len(sound.samples) for sound in sounds) / RATE
    print(f"{len(sounds)} sounds, {seconds:.0f} s; errors in ms, |error|: median, 95 %, most")
    print(f"{'':22} {'words':>12} {'starts':>24} {'ends':>24}  >{LONG} s   signed medians")
    for name in ["hearken", PEER] if arguments.peer else ["hearken"]:
        results = ask_hearken(arguments, files) if name == "hearken" else ask_peer(files)
        scores = Scores()
        for sound, found in zip(sounds, results, strict=True):
            score(scores, sound, found)
        print_scores(name, scores)
        if arguments.keep:
            (folder / f"{name}.json").write_text(json.dumps(results))
        for away, text in sorted(scores.worst, reverse=True)[:20] if arguments.verbose else []:
            print(f"  {away:.2f} s: {text}")


def main() -> int:
    arguments = parse_arguments()
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            measure(arguments, arguments.keep)
        else:
            with tempfile.TemporaryDirectory(prefix="word-times-") as folder:
                measure(arguments, Path(folder))
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"tests/bench/word_times: {problem}", file=sys.stderr)
        return 1
    return 0
