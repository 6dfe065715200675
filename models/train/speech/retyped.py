# SPDX-License-Identifier: MIT
"""A model file with some of its matrices in another type, to spend bytes where they count.

usage: python -m speech.retyped MODEL OUT --type TYPE PATTERN ...

A pattern is as the shell's, for names of tensors: 'speller.layer.*.mlp_*'. Only large matrices,
which are in Q8_0 or Q5_0, change.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

import gguf

from .model_file import TYPES, add_matrix, copy_keys


def retype(model: Path, out: Path, kind: gguf.GGMLQuantizationType, patterns: list[str]) -> None:
    reader = gguf.GGUFReader(model)
    unfinished = out.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "hearken-las")
    copy_keys(reader, writer, replaced=("general.architecture",))
    for tensor in reader.tensors:
        chosen = any(fnmatch(tensor.name, pattern) for pattern in patterns)
        if chosen and tensor.tensor_type in TYPES.values() and tensor.tensor_type != kind:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            add_matrix(writer, tensor.name, values, kind)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    unfinished.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="speech.retyped", description=__doc__.split("\n")[0])
    for name in ("model", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("patterns", nargs="+", metavar="PATTERN")
    parser.add_argument("--type", choices=TYPES, required=True, help="that the matrices get")
    arguments = parser.parse_args()
    retype(arguments.model, arguments.out, TYPES[arguments.type], arguments.patterns)


if __name__ == "__main__":
    main()
