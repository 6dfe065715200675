# SPDX-License-Identifier: MIT
"""Whether hearken writes the very tokens that faster-whisper writes of the same recordings.

Both search greedily in windows of 30 s, without the guards and without voice activity. The tokens
are compared by their texts, where they have one of their own.

usage: tests/bench/same_tokens CHECKPOINT MODEL [OPTION...]   (--help lists them)
"""

import argparse
import base64
import json
import socket
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from packed import Clip, read_clips, read_sound
from recognise import FORM, daemon
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, read_event, write_event

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 28  # seconds, of a segment
EXACT = {
    "recognition.exact": "on",
    "recognition.voice": "off",
    "recognition.log_probability_threshold": "-100",
    "recognition.compression_threshold": "1000",
}


@dataclass(frozen=True)
class Found:
    """What one of them has written."""

    text: str
    tokens: list[str]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/same_tokens", description=__doc__)
    add = parser.add_argument
    add("checkpoint", type=Path, help="folder of a Whisper checkpoint in CTranslate2's format")
    add("model", type=Path, help="what hearken-convert -t f16 or f32 made of it")
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--build", type=Path, default=REPOSITORY / "build", metavar="DIR")
    add("--backend", default="auto", metavar="NAME")
    add("--threads", type=int, default=0, metavar="N", help="of hearken (default: all)")
    add("--limit", type=int, default=50, metavar="N", help="recordings (default 50)")
    add("--beam", type=int, default=1, metavar="N")
    add("--padding", choices=("silence", "zeros"), default="silence", help="see peer_tokens.py")
    add("--answers", type=Path, metavar="FILE", help="keep faster-whisper's answers there")
    return parser.parse_args()


def chosen_clips(arguments: argparse.Namespace) -> list[Clip]:
    clips = read_clips(arguments.corpus, arguments.set, None)
    fitting = [clip for clip in clips if clip.seconds < LONGEST]
    count = min(arguments.limit, len(fitting))
    return [fitting[i * len(fitting) // count] for i in range(count)]


# ---- hearken ----


def take_segment(event: Event, tokens: list[str]) -> None:
    alignment = event.data.get("alignment")
    if event.data["type"] == "final" and alignment:
        tokens += alignment["texts"]


def ask(path: Path, samples: np.ndarray) -> Found:
    wanted = {"events": True, "alignment": True}
    tokens: list[str] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        with connection.makefile("wb") as out, connection.makefile("rb") as into:
            write_event(Event("transcribe", {"language": "en", "hearken": wanted}), out)
            write_event(AudioStart(**FORM).event(), out)
            write_event(AudioChunk(**FORM, audio=samples.tobytes()).event(), out)
            write_event(AudioStop().event(), out)
            while (event := read_event(into)) is not None:
                if event.type == "hearken-segment":
                    take_segment(event, tokens)
                elif Transcript.is_type(event.type):
                    return Found(event.data["text"], tokens)
                elif Error.is_type(event.type):
                    raise RuntimeError(json.dumps(event.data))
    raise RuntimeError("hearkend closed the connection")


# ---- faster-whisper ----


class Peer:
    """faster-whisper, in a process of its own."""

    def __init__(self, stack: ExitStack, arguments: argparse.Namespace) -> None:
        python = REPOSITORY / "build" / "peers-venv" / "bin" / "python"
        script = Path(__file__).with_name("peer_tokens.py")
        command = [str(python), str(script), str(arguments.checkpoint), str(arguments.beam)]
        self.process = stack.enter_context(
            subprocess.Popen(
                [*command, arguments.padding],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self.process.kill)
        self.answer()

    def answer(self) -> dict[str, object]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("faster-whisper ended")
        return json.loads(line)

    def ask(self, samples: np.ndarray) -> dict[str, object]:
        assert self.process.stdin
        request = {"samples": base64.b64encode(samples.tobytes()).decode()}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()


def read_answers(arguments: argparse.Namespace) -> dict[str, dict[str, object]]:
    if not arguments.answers or not arguments.answers.exists():
        return {}
    lines = arguments.answers.read_text().splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def found_of(answer: dict[str, object]) -> Found:
    tokens = [str(token[1]) for token in answer["tokens"]]  # type: ignore[attr-defined]
    return Found(str(answer["text"]), [token.strip(" ") for token in tokens])


# ---- Both ----


def show_difference(clip: Clip, ours: Found, theirs: Found) -> None:
    pairs = zip(ours.tokens, theirs.tokens, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    print(f"\n{clip.name}, {clip.seconds:.1f} s, from token {at}")
    print(f"  said            {clip.text}")
    print(f"  hearken         {ours.text}")
    print(f"  faster-whisper  {theirs.text}")


def main() -> int:
    arguments = parse_arguments()
    clips = chosen_clips(arguments)
    kept = read_answers(arguments)
    same = tokens = 0
    settings = EXACT | {
        "model.file": str(arguments.model.resolve()),
        "compute.backend": arguments.backend,
        "compute.threads": str(arguments.threads),
        "recognition.beam_width": str(arguments.beam),
    }
    with ExitStack() as stack:
        peer = None if all(clip.name in kept for clip in clips) else Peer(stack, arguments)
        path = stack.enter_context(daemon(arguments.build, settings))
        for clip, samples in read_sound(arguments.corpus, arguments.set, clips):
            if clip.name not in kept:
                assert peer
                kept[clip.name] = {"id": clip.name, **peer.ask(samples)}
            ours, theirs = ask(path, samples), found_of(kept[clip.name])
            tokens += len(theirs.tokens)
            if ours == theirs:
                same += 1
            else:
                show_difference(clip, ours, theirs)
    if arguments.answers:
        rows = (json.dumps(row) + "\n" for row in kept.values())
        arguments.answers.write_text("".join(rows))
    print(f"\n{same} of {len(clips)} recordings have the same tokens, of {tokens} in all")
    return 0 if same == len(clips) else 1
