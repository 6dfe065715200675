# SPDX-License-Identifier: MIT
"""For type checkers alone: what the oldest Python that is supported lacks."""

from typing_extensions import Self, Unpack

__all__ = ["Self", "Unpack"]
