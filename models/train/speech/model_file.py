# SPDX-License-Identifier: MIT
"""A model file with a recurrent speller, and all else from another model file.

usage: python -m speech.model_file RUN MODEL OUT [--listener TYPE] [--speller TYPE]

RUN is a folder of speech.spell; MODEL has the listener and the vocabulary that it was trained with.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

# Of the transformer, or set here.
REPLACED = (
    "general.architecture",
    "general.name",
    "general.description",
    "hearken.speller.kind",
    "hearken.speller.layers",
    "hearken.speller.positions",
    "hearken.speller.alignment_heads",
)
TYPES = {"q8_0": Type.Q8_0, "q5_0": Type.Q5_0}
LSTM = {"ih": "input", "hh": "hidden"}
ATTENTION = ("query", "key", "value", "out")


def name_of(weight: str) -> str | None:
    """PyTorch's name -> that in the file; None: it is not stored."""
    parts = weight.split(".")
    if parts[0] == "embedding":
        return None
    if parts[0] != "layers":
        return f"speller.{weight}"
    layer, kind = f"speller.layer.{parts[1]}.", parts[-1]
    if parts[2] == "lstm":
        kind, side, _ = parts[3].split("_")
        return f"{layer}lstm_{LSTM[side]}.{kind}"
    if parts[2] in ("attention", "mlp"):
        return f"{layer}{parts[2]}_{parts[3]}.{kind}"
    return f"{layer}{parts[2]}.{kind}"


def is_kept(tensor: str) -> bool:
    return not tensor.startswith(("speller.layer.", "speller.positions", "speller.norm."))


def heads_that_follow(reader: gguf.GGUFReader, layers: list[int]) -> list[int]:
    """Those of the transformer's layers that the recurrent ones began with."""
    heads = reader.fields["hearken.speller.heads"].contents()
    theirs = reader.fields["hearken.speller.alignment_heads"].contents()
    return [
        ours * heads + head % heads
        for ours, layer in enumerate(layers)
        for head in theirs
        if head // heads == layer
    ]


def copy_keys(
    reader: gguf.GGUFReader, writer: gguf.GGUFWriter, replaced: tuple[str, ...] = REPLACED
) -> None:
    for key, entry in reader.fields.items():
        if key in replaced or key.startswith("GGUF."):
            continue
        kind = entry.types[0]
        if kind == gguf.GGUFValueType.ARRAY:
            writer.add_key_value(key, entry.contents(), kind, entry.types[-1])
        else:
            writer.add_key_value(key, entry.contents(), kind)


def add_matrix(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: Type) -> None:
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


def copy_tensor(writer: gguf.GGUFWriter, tensor: gguf.ReaderTensor, kind: Type) -> None:
    """As it is, but for the listener's large matrices."""
    if tensor.name.startswith("listener.block.") and tensor.tensor_type == Type.Q8_0 != kind:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        add_matrix(writer, tensor.name, values, kind)
    else:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)


def export(
    run: Path,
    model: Path,
    out: Path,
    name: str = "hearken-en-small",
    description: str = "OpenAI Whisper's listener with a recurrent speller",
    listener: Type = Type.Q8_0,
    speller: Type = Type.Q8_0,
) -> None:
    state = torch.load(run / "last.pt", weights_only=True)
    weights, layers = state["average"], state["layers"]
    reader = gguf.GGUFReader(model)
    unfinished = out.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "hearken-las")
    writer.add_name(name)
    writer.add_description(description)
    copy_keys(reader, writer)
    writer.add_string("hearken.speller.kind", "lstm")
    writer.add_uint32("hearken.speller.layers", len(layers))
    follow = heads_that_follow(reader, layers)
    if follow:
        writer.add_key_value(
            "hearken.speller.alignment_heads",
            follow,
            gguf.GGUFValueType.ARRAY,
            gguf.GGUFValueType.UINT32,
        )
    for tensor in reader.tensors:
        if is_kept(tensor.name):
            copy_tensor(writer, tensor, listener)
    for ours, values in weights.items():
        theirs, array = name_of(ours), values.float().numpy()
        if theirs and array.ndim == 2:
            add_matrix(writer, theirs, array, speller)
        elif theirs:
            writer.add_tensor(theirs, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.model_file", description=__doc__.split("\n")[0])
    for name in ("run", "model", "out"):
        parser.add_argument(name, type=Path)
    for part in ("listener", "speller"):
        parser.add_argument(f"--{part}", choices=TYPES, default="q8_0", help="of its matrices")
    arguments = parser.parse_args()
    export(
        arguments.run,
        arguments.model,
        arguments.out,
        listener=TYPES[arguments.listener],
        speller=TYPES[arguments.speller],
    )


if __name__ == "__main__":
    main()
