"""The table of docs/stability.md."""

from __future__ import annotations

from typing import Any

from benchmarks.startup import HEADS, rows
from benchmarks.tables import table


def start(found: dict[str, Any]) -> str:
    """Return the times of the start of Python, of the package and of the command line."""
    return table(HEADS, rows(found["startup"]["runs"]))
