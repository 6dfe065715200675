# SPDX-License-Identifier: MIT
"""A run's weights as a CTranslate2 checkpoint, for hearken-convert.

usage: python -m speech.export RUN CHECKPOINT OUT

The vocabulary and all that was not trained come from CHECKPOINT, the folder that the run began
with.
"""

import argparse
import shutil
from pathlib import Path

import torch

from . import whisper
from .checkpoint import read_checkpoint, write_checkpoint

BESIDE = ("config.json", "vocabulary.json", "tokenizer.json")


def export(run: Path, checkpoint: Path, out: Path) -> None:
    state = torch.load(run / "last.pt", weights_only=True)
    weights = read_checkpoint(checkpoint / "model.bin")
    whisper.store(state["average"], weights)
    out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(weights, out / "model.bin")
    for name in BESIDE:
        if (checkpoint / name).exists():
            shutil.copyfile(checkpoint / name, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.export", description=__doc__.split("\n")[0])
    for name in ("run", "checkpoint", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    export(arguments.run, arguments.checkpoint, arguments.out)


if __name__ == "__main__":
    main()
