# SPDX-License-Identifier: MIT
"""Models and parity tensors as GGUF files: the only place that knows the container."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as TensorType
from gguf import GGUFValueType as KeyType

ARCHITECTURE = "hearken-las"
PARITY_ARCHITECTURE = "hearken-parity"


class Key(NamedTuple):
    """One metadata value; `element` is the type of an array's elements."""

    type: KeyType
    value: object
    element: KeyType | None = None


Keys: TypeAlias = dict[str, Key]
Weights: TypeAlias = dict[str, tuple[np.ndarray, TensorType]]


def unsigned(value: int) -> Key:
    return Key(KeyType.UINT32, value)


def real(value: float) -> Key:
    return Key(KeyType.FLOAT32, value)


def text(value: str) -> Key:
    return Key(KeyType.STRING, value)


def array(values: list[int] | list[str], element: KeyType) -> Key:
    return Key(KeyType.ARRAY, values, element)


@dataclass(frozen=True)
class Model:
    """A model as read back from its file: the weights are the rounded ones."""

    keys: dict[str, object]
    tensors: dict[str, torch.Tensor]

    def __getitem__(self, tensor: str) -> torch.Tensor:
        return self.tensors[tensor]

    @property
    def dtype(self) -> torch.dtype:
        return self.tensors["features.window"].dtype

    @property
    def tokens(self) -> list[str]:
        return list(self.keys["tokenizer.ggml.tokens"])  # type: ignore[call-overload]

    def number(self, key: str) -> int:
        return int(self.keys[key])  # type: ignore[call-overload]

    def value(self, key: str) -> float:
        return float(self.keys[key])  # type: ignore[arg-type]

    def kind(self) -> str:
        """The speller's kind; files older than the key are recurrent."""
        return str(self.keys.get("hearken.speller.kind", "lstm"))

    def to(self, dtype: torch.dtype) -> "Model":
        return Model(self.keys, {name: t.to(dtype) for name, t in self.tensors.items()})


def _write(path: Path, architecture: str, keys: Keys, weights: Weights) -> None:
    writer = gguf.GGUFWriter(path, architecture)
    for name, key in keys.items():
        writer.add_key_value(name, key.value, key.type, sub_type=key.element)
    for name, (values, tensor_type) in weights.items():
        if tensor_type in (TensorType.F32, TensorType.I32):
            writer.add_tensor(name, np.ascontiguousarray(values))
        else:
            data = gguf.quants.quantize(values, tensor_type)
            writer.add_tensor(name, data, raw_dtype=tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _read(path: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {}
    for tensor in reader.tensors:
        shape = tuple(int(n) for n in reversed(tensor.shape))  # GGUF: innermost first
        data = tensor.data
        if tensor.tensor_type != TensorType.I32:
            data = gguf.quants.dequantize(data, tensor.tensor_type).astype(np.float32)
        tensors[tensor.name] = np.array(data).reshape(shape)
    return keys, tensors


def write_model(path: Path, keys: Keys, weights: Weights) -> None:
    _write(path, ARCHITECTURE, keys, weights)


def read_model(path: Path) -> Model:
    keys, tensors = _read(path)
    if keys["general.architecture"] != ARCHITECTURE:
        raise ValueError(f"{path}: architecture is not {ARCHITECTURE}")
    return Model(keys, {name: torch.from_numpy(values) for name, values in tensors.items()})


def write_parity(path: Path, keys: Keys, tensors: dict[str, np.ndarray]) -> None:
    types = {np.dtype(np.float32): TensorType.F32, np.dtype(np.int32): TensorType.I32}
    _write(path, PARITY_ARCHITECTURE, keys, {n: (v, types[v.dtype]) for n, v in tensors.items()})


def read_parity(path: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    keys, tensors = _read(path)
    if keys["general.architecture"] != PARITY_ARCHITECTURE:
        raise ValueError(f"{path}: architecture is not {PARITY_ARCHITECTURE}")
    return keys, tensors
