# SPDX-License-Identifier: MIT
"""Train the voice network.

usage: python -m voice.train OUT --corpus DIR [--minutes M] [--rehearse]

OUT is a checkpoint for voice.export. --rehearse takes a minute at most and makes a network that
has been trained on next to nothing, to see that everything runs.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from .mixtures import Mixer, find_speech
from .network import VoiceNetwork
from .sounds import LogMel, Recording, read_pack

SPEECH = ["train-librispeech", "train-commonvoice", "train-ocean"]
# Some recordings of OVOS hold talk from a television.
NOISE = ["moodist", "gsc_background_noise", "speechbrain_noise"]
# Kept for measuring: all of blanket, and one of each kind of moodist's.
KEPT_OUT = {
    "beehive",
    "seagulls",
    "jungle",
    "walk-on-gravel",
    "restaurant",
    "subway-station",
    "light-rain",
    "rain-on-window",
    "vinyl-effect",
    "typewriter",
    "inside-a-train",
    "busy-street",
}


def training_noise(corpus: Path, cache: Path) -> list[Recording]:
    recordings = read_pack(corpus, "noise", cache)
    return [r for r in recordings if r.dataset in NOISE and r.name not in KEPT_OUT]


def colour(logmel: torch.Tensor) -> torch.Tensor:
    """Microphones and rooms: a smooth curve over the bands, for half of the batch."""
    knots = torch.randn(len(logmel), 1, 6) * 0.3 * (torch.rand(len(logmel), 1, 1) < 0.5)
    curve = functional.interpolate(knots, logmel.shape[2], mode="linear", align_corners=True)
    return (logmel + curve).clamp_min(-10)


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voice.train", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("out", type=Path)
    add("--corpus", type=Path, required=True, help="packed sets")
    add("--cache", type=Path, default=Path("/tmp/pcm"), help="for decoded packs")
    add("--minutes", type=float, default=18.0)
    add("--batch", type=int, default=16)
    add("--frames", type=int, default=480, help="of a mixture")
    add("--rate", type=float, default=3e-3, help="the learning rate's highest value")
    add("--seed", type=int, default=1)
    add("--rehearse", action="store_true", help="a minute, on little data")
    return parser.parse_args()


def train(network: VoiceNetwork, mixer: Mixer, arguments: argparse.Namespace) -> int:
    """By the clock: the rate rises for a twentieth of the time and falls along a cosine."""
    logmel = LogMel()
    optimizer = torch.optim.AdamW(network.parameters(), arguments.rate, weight_decay=1e-3)
    begun, steps, shown, losses = time.monotonic(), 0, 0.0, []
    state = None
    while (done := (time.monotonic() - begun) / (60 * arguments.minutes)) < 1:
        warm = min(done / 0.05, 1) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * max(warm, 1e-3)
        samples, active = mixer.batch(arguments.batch)
        # A microphone's stream does not begin anew every few seconds: neither does half of these.
        state = state.detach() if state is not None and mixer.random.random() < 0.5 else None
        logits, state = network(colour(logmel(torch.from_numpy(samples))), state)
        loss = functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(active))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        steps += 1
        losses.append(loss.item())
        if done >= shown:
            shown += 0.05
            print(f"{done:5.0%} step {steps} loss {np.mean(losses[-50:]):.4f}", flush=True)
    return steps


def main() -> None:
    arguments = arguments_of()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    sets = SPEECH
    if arguments.rehearse:
        sets, arguments.minutes = SPEECH[1:2], 0.3
    recordings = [
        recording
        for name in sets
        for recording in read_pack(arguments.corpus, name, arguments.cache)
    ]
    if arguments.rehearse:
        recordings = recordings[:200]
    speech = find_speech(recordings, LogMel())
    frames = sum(len(s.active) for s in speech)
    spoken = sum(int(s.active.sum()) for s in speech)
    print(
        f"{len(speech)} of {len(recordings)} recordings are clean, {frames / 360000:.2f} h,"
        f" {spoken / max(frames, 1):.0%} of them speech",
        flush=True,
    )
    noise = training_noise(arguments.corpus, arguments.cache)
    network = VoiceNetwork()
    mixer = Mixer(speech, noise, arguments.frames, arguments.seed)
    steps = train(network, mixer, arguments)
    torch.save(network.state_dict(), arguments.out)
    weights = sum(p.numel() for p in network.parameters())
    print(f"{weights} weights, {steps} steps of {arguments.batch * arguments.frames} frames")


if __name__ == "__main__":
    main()
