# SPDX-License-Identifier: MIT
"""Each stage of the network beside what this machine could do: a roofline in a table.

The profiling plugin says what the kernels need, in operations and bytes, and how long they took;
peaks-bench what the processor and its memory give, in the same run. The least time of a stage is
that of its operations or of its bytes, whichever is longer: once in single precision, once with the
products in integers and only functions such as exp in single precision. Weights, keys and values
of the memory come from where the speller's weights lie: each token needs all of them before the
first come again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
from packed import RATE, Clip, read_clips, read_sound

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = "profile"
CONVOLUTIONS = "convolutions"
LISTENER = "listener, products"
LISTENER_ATTENTION = "listener, self-attention"
SPELLER = "speller, products"
LOGITS = "logits"
ATTEND = "speller, attention to the memory"
SPELLER_ATTENTION = "speller, self-attention"
CHOICE = "log-softmax and top-k"
REST = "norms, embeddings, copies"
STAGES = (
    CONVOLUTIONS,
    LISTENER,
    LISTENER_ATTENTION,
    SPELLER,
    LOGITS,
    ATTEND,
    SPELLER_ATTENTION,
    CHOICE,
    REST,
)
# What they read has just been written, so it is in the core's own cache.
FRESH = (CHOICE, REST)


@dataclass(frozen=True)
class Peaks:
    """Operations and bytes a second, of all threads."""

    set: str
    single: float
    integers: float  # 0: no such instruction
    own: float
    weights: float
    memory: float

    def better(self, other: "Peaks") -> "Peaks":
        names = ("single", "integers", "own", "weights", "memory")
        return Peaks(self.set, *(max(getattr(self, n), getattr(other, n)) for n in names))


@dataclass
class Stage:
    calls: float = 0
    products: float = 0
    functions: float = 0
    bytes: float = 0
    seconds: float = 0

    def add(self, other: "Stage", share: float = 1) -> None:
        self.calls += share * other.calls
        self.products += share * other.products
        self.functions += share * other.functions
        self.bytes += share * other.bytes
        self.seconds += share * other.seconds

    def least(self, peaks: Peaks, rate: float, integers: bool) -> tuple[float, bool]:
        """Seconds, and whether the bytes take longer than the operations."""
        products = self.products / (peaks.integers if integers else peaks.single)
        operations, reading = products + self.functions / peaks.single, self.bytes / rate
        return max(operations, reading), reading > operations


@dataclass
class Profile:
    """Of one recording."""

    stages: dict[str, Stage] = field(default_factory=lambda: {name: Stage() for name in STAGES})
    seconds: float = 0  # that its queue was there: kernels and all else

    def in_kernels(self) -> float:
        return sum(stage.seconds for stage in self.stages.values())

    def add(self, other: "Profile", share: float) -> None:
        for name in STAGES:
            self.stages[name].add(other.stages[name], share)
        self.seconds += share * other.seconds


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/roofline", description=__doc__)
    add = parser.add_argument
    add("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus", metavar="DIR")
    add("--set", default="dev-librispeech")
    add("--sound", type=Path, metavar="FILE", help="this recording, not those of a set")
    add("--build", type=Path, default=Path(os.environ.get("HEARKEN_BUILD", "build")), metavar="DIR")
    add("--model", type=Path, metavar="FILE", help="default: the installed one")
    add("--seconds", type=float, default=10, metavar="N", help="of speech (default 10)")
    add("--limit", type=int, default=6, metavar="N", help="clips of about that length (default 6)")
    add("--rounds", type=int, default=7, metavar="N", help="times each; the quickest counts")
    add("--threads", default="1,2", metavar="N,...", help="default 1,2")
    arguments = parser.parse_args()
    arguments.build = REPOSITORY / arguments.build
    return arguments


# ---- Sounds ----


def write_sounds(arguments: argparse.Namespace, folder: Path) -> dict[Path, float]:
    """The recordings and their seconds: the clips whose length is nearest to what is asked for."""
    if arguments.sound:
        return {arguments.sound: soundfile.info(arguments.sound).duration}
    clips = [clip for clip in read_clips(arguments.corpus, arguments.set) if clip.text]

    def distance(clip: Clip) -> float:
        return abs(clip.seconds - arguments.seconds)

    chosen = sorted(sorted(clips, key=distance)[: arguments.limit], key=lambda clip: clip.start)
    written = {}
    for clip, samples in read_sound(arguments.corpus, arguments.set, chosen):
        file = folder / f"{len(written)}.wav"
        soundfile.write(file, samples, RATE, subtype="PCM_16")
        written[file] = clip.seconds
    return written


# ---- Measuring ----


def output_of(command: list[str], variables: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | (variables or {})
    )
    if result.returncode:
        raise RuntimeError(f"{command[0]}: {result.stderr.strip()}")
    return result.stdout


def measure_peaks(arguments: argparse.Namespace, threads: int, mib: int) -> Peaks:
    program = str(arguments.build / "bin" / "peaks-bench")
    found = json.loads(output_of([program, str(threads), str(mib)]))
    del found["threads"]
    return Peaks(**found)


def stage_of(entry: dict, vocabulary: int) -> str:
    kernel, few = entry["kernel"], entry["few_rows"]
    if kernel == "convolve":
        return CONVOLUTIONS
    if kernel == "linear" and entry["outputs"] == vocabulary:
        return LOGITS
    if kernel in ("linear", "lstm"):
        return SPELLER if few else LISTENER
    if kernel == "self_attend":
        return SPELLER_ATTENTION if few else LISTENER_ATTENTION
    if kernel == "attend":
        return ATTEND
    return CHOICE if kernel in ("log_softmax", "top_k") else REST


def read_profile(file: Path) -> Profile:
    """Encoder and speller have queues of their own, and each queue its line."""
    queues = [json.loads(line) for line in file.read_text().splitlines()]
    entries = [entry for queue in queues for entry in queue["entries"]]
    vocabulary = max(e["outputs"] for e in entries if e["kernel"] == "linear")
    profile = Profile(seconds=max(queue["seconds"] for queue in queues))
    for e in entries:
        work = Stage(e["calls"], e["products"], e["functions"], e["bytes"], e["clock"])
        profile.stages[stage_of(e, vocabulary)].add(work)
    return profile


def measure_profile(
    arguments: argparse.Namespace, sounds: dict[Path, float], threads: int, folder: Path
) -> Profile:
    """For so many seconds of speech: the mean of all recordings, of each its quickest round."""
    build = arguments.build
    command = [str(build / "bin" / "hearken"), "transcribe", "--local", "-q", "--backend", PLUGIN]
    command += ["--plugin-dir", str(build / "tests" / "bench"), "--threads", str(threads)]
    if arguments.model:
        command += ["--model", str(arguments.model)]
    profiled = {"HEARKEN_PROFILED": str(build / "lib" / "hearken" / "cpu.so")}
    mean = Profile()
    for number, file in enumerate(sounds):
        rounds = []
        for turn in range(arguments.rounds):
            lines = folder / f"profile-{threads}-{number}-{turn}"
            output_of([*command, str(file)], profiled | {"HEARKEN_PROFILE_LINES": str(lines)})
            rounds.append(read_profile(lines))
        mean.add(min(rounds, key=Profile.in_kernels), arguments.seconds / sum(sounds.values()))
    return mean


def weights_mib(profile: Profile) -> int:
    """What a step of the speller reads, beside its attention."""
    products = profile.stages[SPELLER].bytes + profile.stages[LOGITS].bytes
    return max(1, round(products / profile.stages[LOGITS].calls / (1 << 20)))


# ---- Tables ----


def threads_of(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def show_peaks(peaks: dict[int, Peaks], mib: int) -> None:
    set_name = next(iter(peaks.values())).set
    print(f"| {set_name} | " + " | ".join(map(threads_of, peaks)) + " |")
    print("| --- |" + " --- |" * len(peaks))
    rows = {
        "single precision, Gop/s": [p.single for p in peaks.values()],
        "products of integers, Gop/s": [p.integers for p in peaks.values()],
        "read from a core's own cache, GB/s": [p.own for p in peaks.values()],
        f"read of {mib} MiB of weights, GB/s": [p.weights for p in peaks.values()],
        "read from memory, GB/s": [p.memory for p in peaks.values()],
    }
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value / 1e9:.0f}" for value in values) + " |")


def row(name: str, stage: Stage, peaks: Peaks) -> tuple[str, float]:
    """A line of the table, and the least time."""
    rate = peaks.own if name in FRESH else peaks.weights
    single, bound = stage.least(peaks, rate, False)
    least, integers = single, "-"
    if stage.products and peaks.integers:
        least, bound = stage.least(peaks, rate, True)
        integers = f"{1e3 * least:.2f}"
    least = min(least, single)
    limit = "bytes" if bound else "operations"
    line = (
        f"| {name} | {stage.calls:.0f} | {(stage.products + stage.functions) / 1e6:.0f} "
        f"| {stage.bytes / 1e6:.0f} | {1e3 * single:.2f} | {integers} | {limit} "
        f"| {1e3 * stage.seconds:.2f} | {percent(least, stage.seconds)} |"
    )
    return line, least


def percent(least: float, reached: float) -> str:
    return f"{100 * least / reached:.0f} %" if reached > 0 else "-"


def show_stages(profile: Profile, peaks: Peaks) -> None:
    print(
        "| stage | calls | Mop | MB | least ms, single | integers | limit | reached ms "
        "| least / reached |"
    )
    print("| --- |" + " --- |" * 8)
    total = 0.0
    for name, stage in profile.stages.items():
        if not stage.calls:
            continue
        line, least = row(name, stage, peaks)
        total += least
        print(line)
    kernels = profile.in_kernels()
    print(f"| all kernels | | | | | {1e3 * total:.2f} | | {1e3 * kernels:.2f} ", end="")
    print(f"| {percent(total, kernels)} |")
    print(f"| between them | | | | | | | {1e3 * (profile.seconds - kernels):.2f} | |")


def measure(arguments: argparse.Namespace) -> None:
    counts = [int(count) for count in arguments.threads.split(",")]
    with tempfile.TemporaryDirectory(prefix="roofline-") as name:
        folder = Path(name)
        sounds = write_sounds(arguments, folder)
        profiles = {n: measure_profile(arguments, sounds, n, folder) for n in counts}
    mib = weights_mib(profiles[counts[0]])
    peaks = {n: measure_peaks(arguments, n, mib) for n in counts}
    # A second time, as other work may have been in the way.
    peaks = {n: found.better(measure_peaks(arguments, n, mib)) for n, found in peaks.items()}
    print(f"{arguments.seconds:g} s of speech, the mean of {len(sounds)} recordings\n")
    show_peaks(peaks, mib)
    for threads, profile in profiles.items():
        print(f"\n{threads_of(threads)}\n")
        show_stages(profile, peaks[threads])


def main() -> int:
    try:
        measure(parse_arguments())
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"tests/bench/roofline: {problem}", file=sys.stderr)
        return 1
    return 0
