# SPDX-License-Identifier: MIT
"""A run's weights as a CTranslate2 checkpoint, for hearken-convert.

usage: python -m speech.export RUN [RUN ...] CHECKPOINT OUT [--share S]

The vocabulary and all that was not trained come from CHECKPOINT, the folder that the run began
with. Of several runs the mean is taken, and with a share below 1 what it lacks of the checkpoint's
weights.
"""

import argparse
import shutil
from pathlib import Path

import torch

from . import whisper
from .checkpoint import read_checkpoint, write_checkpoint

BESIDE = ("config.json", "vocabulary.json", "vocabulary.txt", "tokenizer.json")
Weights = dict[str, torch.Tensor]


def mixed(runs: list[Weights], before: Weights, share: float) -> Weights:
    """The mean of the runs, mixed with what was `before`; of the embedding nothing is taken."""
    out = {}
    for name in runs[0]:
        mean = torch.stack([run[name].float() for run in runs]).mean(0)
        known = before.get(name)
        if share == 1 or known is None or known.shape != mean.shape:
            out[name] = mean
        else:
            out[name] = known.float().lerp(mean, share)
    return out


def export(runs: list[Path], checkpoint: Path, out: Path, share: float = 1.0) -> None:
    states = [torch.load(run / "last.pt", weights_only=True)["average"] for run in runs]
    weights = read_checkpoint(checkpoint / "model.bin")
    before = whisper.load(weights).state_dict() if share < 1 else {}
    whisper.store(mixed(states, before, share), weights)
    out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(weights, out / "model.bin")
    for name in BESIDE:
        if (checkpoint / name).exists():
            shutil.copyfile(checkpoint / name, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.export", description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    for name in ("checkpoint", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the runs' weights")
    arguments = parser.parse_args()
    export(arguments.runs, arguments.checkpoint, arguments.out, arguments.share)


if __name__ == "__main__":
    main()
