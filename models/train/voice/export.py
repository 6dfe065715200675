# SPDX-License-Identifier: MIT
"""Write a trained voice network as a GGUF file, and what it hears in a recording.

usage: python -m voice.export CHECKPOINT OUT.gguf [--parity PARITY.gguf --recording FILE]

The names and formulas are in docs/model-format.md and models/vad/vad.h. PARITY.gguf gets the
features of the recording's beginning and PyTorch's probabilities, from the weights as rounded in
OUT: tests/unit/models/test_vad.c compares with them.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
import soundfile
import torch

from .network import VoiceNetwork
from .sounds import MELS, RATE, LogMel

PARITY_SECONDS = 2.5

Tensors = dict[str, np.ndarray]


def tensors_of(network: VoiceNetwork) -> Tensors:
    """By the file's names; matrices in half precision, biases in single."""
    gru = {name: value.detach() for name, value in network.gru.named_parameters()}
    named = {
        "voice.input.weight": network.input.weight.detach(),
        "voice.input.bias": network.input.bias.detach(),
    }
    for i in range(network.gru.num_layers):
        for ours, theirs in (("input", "ih"), ("hidden", "hh")):
            named[f"voice.layer.{i}.{ours}.weight"] = gru[f"weight_{theirs}_l{i}"]
            named[f"voice.layer.{i}.{ours}.bias"] = gru[f"bias_{theirs}_l{i}"]
    named["voice.output.weight"] = network.output.weight.detach()
    named["voice.output.bias"] = network.output.bias.detach()
    kinds = {1: np.float32, 2: np.float16}
    return {name: value.numpy().astype(kinds[value.ndim]) for name, value in named.items()}


def round_weights(network: VoiceNetwork) -> None:
    """To what the file holds."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                parameter.copy_(parameter.half().float())


def write(path: Path, architecture: str, tensors: Tensors, keys: dict[str, int | float]) -> None:
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in keys.items():
        if isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_float32(key, value)
    for name, values in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def keys_of(network: VoiceNetwork) -> dict[str, int | float]:
    scaling = network.scaling
    return {
        "hearken.voice.mels": MELS,
        "hearken.voice.width": network.gru.hidden_size,
        "hearken.voice.layers": network.gru.num_layers,
        "hearken.voice.floor": scaling.floor,
        "hearken.voice.shift": scaling.shift,
        "hearken.voice.scale": scaling.scale,
    }


def parity_of(network: VoiceNetwork, recording: Path) -> Tensors:
    samples, rate = soundfile.read(recording, dtype="float32", frames=int(PARITY_SECONDS * RATE))
    if rate != RATE or samples.ndim != 1:
        raise ValueError(f"{recording}: expected {RATE} Hz mono")
    with torch.no_grad():
        logmel = LogMel()(torch.from_numpy(samples)[None])
        logits, _ = network(logmel)
    return {"log_mel": logmel[0].numpy(), "probabilities": torch.sigmoid(logits[0]).numpy()}


def read(path: Path) -> VoiceNetwork:
    """The network of a file that write made."""
    tensors = {t.name: torch.from_numpy(np.array(t.data)) for t in gguf.GGUFReader(path).tensors}
    network = VoiceNetwork()
    theirs = {"voice.input": "input", "voice.output": "output"}
    state = {}
    for name, values in tensors.items():
        prefix, kind = name.rsplit(".", 1)
        if prefix in theirs:
            state[f"{theirs[prefix]}.{kind}"] = values.float()
        else:
            _, _, layer, part = prefix.split(".")
            state[f"gru.{kind}_{'ih' if part == 'input' else 'hh'}_l{layer}"] = values.float()
    network.load_state_dict(state)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(prog="voice.export", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parity", type=Path)
    parser.add_argument("--recording", type=Path, help="16 kHz mono")
    arguments = parser.parse_args()
    network = VoiceNetwork()
    network.load_state_dict(torch.load(arguments.checkpoint, weights_only=True))
    round_weights(network)
    write(arguments.out, "hearken-voice", tensors_of(network), keys_of(network))
    if arguments.parity:
        parity = parity_of(network, arguments.recording)
        write(arguments.parity, "hearken-parity", parity, {})


if __name__ == "__main__":
    main()
