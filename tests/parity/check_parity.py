# SPDX-License-Identifier: MIT
"""Compare a parity file with this folder's own arithmetic: both must tell the same story.

usage: check_parity.py MODEL.gguf PARITY.gguf
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from model_file import Model, read_model, read_parity
from stages import Search, difference, stages_of

TOLERANCE = 1e-3  # relative; rounding of another machine or order of summation, no more


def check_utterance(model: Model, stored: dict[str, np.ndarray], search: Search) -> float:
    """Prints each stage's difference; returns the largest."""
    search = search._replace(limit=len(stored["tokens"]))
    stages = stages_of(model, stored["pcm"], search)
    missing = np.empty(0)
    differences = {n: difference(stages.get(n, missing), stored[n]) for n in stored}
    print("  ".join(f"{name} {relative:.1e}" for name, relative in differences.items()))
    return max(differences.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("parity", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = read_model(arguments.model)
    keys, tensors = read_parity(arguments.parity)
    chunk, padding = (int(keys.get(f"parity.{name}", 0)) for name in ("chunk", "padding"))
    worst = 0.0
    for number in range(int(keys["parity.utterances"])):
        prefix = f"{number}."
        stored = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        print(f"{number}:", end=" ")
        worst = max(worst, check_utterance(model, stored, Search(chunk, padding, 0)))
    print(f"largest difference {worst:.1e}, allowed {TOLERANCE:.0e}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
