# SPDX-License-Identifier: MIT
"""What pyproject.toml cannot say. `make wheel` stages the library and its header, which has the
version, beside this file."""

import sys
from pathlib import Path

from setuptools import setup

sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_binding import version

setup(
    version=version(),
    cffi_modules=["build_binding.py:builder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
