# SPDX-License-Identifier: MIT
"""A model file's weights as a checkpoint: to train on, where the runs that made it are gone.

usage: python -m speech.rebuilt MODEL CHECKPOINT OUT

The vocabulary and its embedding come from CHECKPOINT, the folder that MODEL was once made of; the
other weights from MODEL, as rounded as they are there.
"""

import argparse
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch

from . import whisper
from .checkpoint import read_checkpoint, write_checkpoint
from .export import BESIDE

# Of a layer: its parts here, and in a model file.
LISTENER = {
    "self_norm": "attention_norm",
    "self_attention.qkv": "qkv",
    "self_attention.out": "attention_out",
}
SPELLER = {
    "self_attention.qkv": "self_qkv",
    "self_attention.out": "self_out",
    "attention.query": "attention_query",
    "attention.key": "attention_key",
    "attention.value": "attention_value",
    "attention.out": "attention_out",
}
BOTH = {"mlp.up": "mlp_up", "mlp.down": "mlp_down"}


def name_of(weight: str) -> str:
    """PyTorch's name of one of the network's weights -> that in the file."""
    side, *rest = weight.split(".")
    if rest[0] != "layers":
        return weight
    part, kind = ".".join(rest[2:-1]), rest[-1]
    folder, own = ("block", LISTENER) if side == "listener" else ("layer", SPELLER)
    return f"{side}.{folder}.{rest[1]}.{(BOTH | own).get(part, part)}.{kind}"


def read_weights(model: Path, names: list[str]) -> dict[str, torch.Tensor]:
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(model).tensors}
    weights = {}
    for name in names:
        tensor = tensors[name_of(name)]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        weights[name] = torch.from_numpy(np.array(values, np.float32))
    return weights


def rebuild(model: Path, checkpoint: Path, out: Path) -> None:
    weights = read_checkpoint(checkpoint / "model.bin")
    names = [
        name for name, _ in whisper.load(weights).named_parameters() if ".embedding." not in name
    ]
    whisper.store(read_weights(model, names), weights)
    out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(weights, out / "model.bin")
    for name in BESIDE:
        if (checkpoint / name).exists():
            shutil.copyfile(checkpoint / name, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.rebuilt", description=__doc__.split("\n")[0])
    for name in ("model", "checkpoint", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    rebuild(arguments.model, arguments.checkpoint, arguments.out)


if __name__ == "__main__":
    main()
