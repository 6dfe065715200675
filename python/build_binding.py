# SPDX-License-Identifier: MIT
"""Makes hearken/_binding.abi3.so, the library's functions for Python, from hearken.h: the compiler
checks every declaration against it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
HEADER = HERE / "include/hearken/hearken.h"

# Of the header's macros, which the preprocessor replaces.
CONSTANTS = """
#define HEARKEN_RATE ...
#define HEARKEN_CHANNELS_MAX ...
#define HEARKEN_CHANNELS_AUTO_MAX ...
"""

# Called by the library; hearken/_native.py defines them.
CALLBACKS = """
extern "Python" void hearken_on_log(void *, enum hearken_log_level, const char *);
extern "Python" void hearken_on_event(void *, const struct hearken_event *);
extern "Python" void hearken_on_device(void *, const struct hearken_device *);
extern "Python" void hearken_on_capture(void *, const struct hearken_capture_event *);
extern "Python" void hearken_on_plugin(void *, const struct hearken_plugin_report *);
extern "Python" void hearken_on_item(void *, const struct hearken_model_item *);
extern "Python" long hearken_on_read(void *, uint64_t, void *, size_t);
"""


def version() -> str:
    """ "0.1.0", as the header states it."""
    numbers = re.findall(
        r"^#define HEARKEN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", HEADER.read_text(), re.MULTILINE
    )
    return ".".join(numbers)


def declarations() -> str:
    """The header as cffi reads it: preprocessed, without what it includes and without attributes."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("stdbool.h", "stddef.h", "stdint.h"):
            Path(folder, name).touch()
        command = ["cc", "-E", "-P", "-nostdinc", "-U__GNUC__", f"-I{folder}", str(HEADER)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


builder = FFI()
builder.cdef(declarations() + CONSTANTS + CALLBACKS)
builder.set_source(
    "hearken._binding",
    "#include <hearken/hearken.h>",
    include_dirs=[str(HERE / "include")],
    library_dirs=[str(HERE / "hearken/lib")],
    libraries=["hearken"],
    extra_link_args=["-Wl,-rpath,$ORIGIN/lib"],
)
