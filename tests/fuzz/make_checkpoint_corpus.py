#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the checkpoints' fuzz targets: small files, each with one of each thing."""

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import checkpoints

CORPUS = Path(__file__).parent / "corpus"
SHAPE = checkpoints.Shape(
    mels=1, width=4, heads=1, listener_layers=1, speller_layers=1, mlp=4, positions=4,
    spoken_positions=4, text_tokens=3,
)  # fmt: skip


def main() -> None:
    tensors = checkpoints.random_network(SHAPE, seed=1)
    filters = np.ones((SHAPE.mels, 201), np.float32)
    for target in ("ct2", "ggml", "pickle", "safetensors", "torch"):
        (CORPUS / target).mkdir(exist_ok=True)
    for kind in ("f32", "f16"):
        path = CORPUS / "ggml" / kind
        checkpoints.write_ggml(path, SHAPE, tensors, [b"a", b"b", b" c"], filters, kind)
    wide = {"decoder.token_embedding.weight": np.ones((2, 32), np.float32)}
    for kind in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0"):
        path = CORPUS / "ggml" / kind
        checkpoints.write_ggml(path, SHAPE, wide, [b"a", b"b", b" c"], filters, kind)
    some = dict(list(tensors.items())[:6])
    renamed = {checkpoints.hugging_face_name(name): values for name, values in some.items()}
    for kind in checkpoints.SAFETENSORS_TYPES:
        checkpoints.write_safetensors(CORPUS / "safetensors" / kind, renamed, kind)
    names = ["a", "b", "c", *checkpoints.special_tokens(SHAPE.languages)]
    with TemporaryDirectory() as folder:
        checkpoints.write_ct2(Path(folder), SHAPE, tensors, names)
        (CORPUS / "ct2" / "whole").write_bytes((Path(folder) / "model.bin").read_bytes())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        checkpoints.write_torch(path, SHAPE, some)
        (CORPUS / "torch" / "openai").write_bytes(path.read_bytes())
        with zipfile.ZipFile(path) as file:
            (CORPUS / "pickle" / "openai").write_bytes(file.read("archive/data.pkl"))


if __name__ == "__main__":
    main()
