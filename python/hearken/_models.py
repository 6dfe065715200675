# SPDX-License-Identifier: MIT
"""Where models are: those of data packages (hearken-model-en ...), then where the library looks."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from hearken._binding import ffi, lib
from hearken._native import path_bytes

# A data package has an entry point in this group: the model's name, and the package with its file.
GROUP = "hearken.models"
EXTRAS = {"hearken-en": "en", "hearken-en-light": "en-light", "hearken-en-small": "en-small"}


def packaged_models() -> dict[str, str]:
    """Names and paths of the models of data packages."""
    found = {}
    for point in entry_points(group=GROUP):
        spec = find_spec(point.value)
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder, f"{point.name}.gguf")
            if path.exists():
                found[point.name] = str(path)
    return found


def _library_path(name: str | os.PathLike[str]) -> str:
    path = ffi.new("char[4096]")
    if not lib.hearken_find_model(path_bytes(name), path, 4096):
        raise ValueError(f"the name of the model is too long: {os.fspath(name)[:40]!r} ...")
    return os.fsdecode(ffi.string(path))


def find_model(name: str | os.PathLike[str]) -> str:
    """The path that a name stands for; whether there is such a file, opening it tells."""
    own = _library_path(name)
    if isinstance(name, os.PathLike) or own == name:
        return own
    if os.environ.get("HEARKEN_MODEL_PATH") and os.path.exists(own):
        return own
    return packaged_models().get(name or "hearken-en", own)


def install_hint(name: str | os.PathLike[str], error: FileNotFoundError) -> FileNotFoundError:
    """The error with the command that helps, where one does."""
    extra = EXTRAS.get(os.fspath(name) or "hearken-en")
    if not extra:
        return error
    return FileNotFoundError(
        error.errno, f"{error.strerror}; the package hearken-model-{extra} has it"
    )
