# SPDX-License-Identifier: MIT
"""CTranslate2's model.bin: what Whisper checkpoints on package indexes come as."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

TYPES = [np.dtype(t) for t in ("<f4", "i1", "<i2", "<i4", "<f2")]  # by CTranslate2's number
VERSION = 6


@dataclass
class Checkpoint:
    """Tensors by name, in the file's order; an alias is another name of one of them."""

    version: int
    specification: str
    revision: int
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[self.aliases.get(name, name)]


def read_bytes(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise ValueError(f"{source.name}: ends too early")
    return data


def read_number(source: BinaryIO, form: str) -> int:
    return struct.unpack("<" + form, read_bytes(source, struct.calcsize(form)))[0]


def read_text(source: BinaryIO) -> str:
    return read_bytes(source, read_number(source, "H"))[:-1].decode()


def read_tensor(source: BinaryIO) -> np.ndarray:
    shape = [read_number(source, "I") for _ in range(read_number(source, "B"))]
    kind, size = read_number(source, "B"), read_number(source, "I")
    if kind >= len(TYPES):
        raise ValueError(f"{source.name}: values of type {kind}, expected 0 to {len(TYPES) - 1}")
    return np.frombuffer(read_bytes(source, size), TYPES[kind]).reshape(shape)


def read_checkpoint(path: Path) -> Checkpoint:
    with path.open("rb") as source:
        version = read_number(source, "I")
        if version > VERSION:
            raise ValueError(f"{path}: version {version}, expected at most {VERSION}")
        out = Checkpoint(version, read_text(source), read_number(source, "I"))
        for _ in range(read_number(source, "I")):
            name = read_text(source)
            out.tensors[name] = read_tensor(source)
        for _ in range(read_number(source, "I")):
            alias = read_text(source)
            out.aliases[alias] = read_text(source)
        return out


def write_text(out: BinaryIO, text: str) -> None:
    data = text.encode() + b"\0"
    out.write(struct.pack("<H", len(data)) + data)


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Whole under its name, or not at all."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as out:
        out.write(struct.pack("<I", checkpoint.version))
        write_text(out, checkpoint.specification)
        out.write(struct.pack("<II", checkpoint.revision, len(checkpoint.tensors)))
        for name, values in checkpoint.tensors.items():
            write_text(out, name)
            out.write(struct.pack("<B", values.ndim))
            out.write(struct.pack(f"<{values.ndim}I", *values.shape))
            out.write(struct.pack("<BI", TYPES.index(values.dtype), values.nbytes))
            out.write(np.ascontiguousarray(values).tobytes())
        out.write(struct.pack("<I", len(checkpoint.aliases)))
        for alias, name in checkpoint.aliases.items():
            write_text(out, alias)
            write_text(out, name)
    unfinished.replace(path)
