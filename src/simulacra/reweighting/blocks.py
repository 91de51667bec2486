"""Positions of events in blocks of rows, chosen so that a network's output for one is independent of the others."""

from __future__ import annotations

import numpy as np


def places_in_blocks(index: np.ndarray, block: int) -> np.ndarray:
    """Return positions (N,) in blocks of ``block`` rows; an event's row depends only on its own index (N,).

    The last bits of a row of a matrix product may depend on the number of rows and on its position, but not on the
    contents of other rows.
    """
    row = np.asarray(index) % block
    order = np.argsort(row, kind="stable")
    number = np.empty(len(row), dtype=np.int64)
    number[order] = np.arange(len(row)) - np.searchsorted(row[order], row[order], side="left")
    return np.asarray(number * block + row)
