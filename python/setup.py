# SPDX-License-Identifier: MIT
"""What pyproject.toml cannot say. The Makefile stages the library and its header beside this file
(`make wheel`); the header has the version."""

from setuptools import setup

from build_binding import version

setup(
    version=version(),
    cffi_modules=["build_binding.py:builder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
