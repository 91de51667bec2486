"""Where events stand in blocks of rows, so that what a network makes of one does not hang on the others."""

from __future__ import annotations

import numpy as np


def places_in_blocks(index: np.ndarray, block: int) -> np.ndarray:
    """Return places (N,) in packed blocks of ``block`` rows, where an event's row hangs on its own index (N,) alone.

    The last bits of a row of a matrix product may hang on the number of rows and on where it stands, but not on what
    stands in the others.
    """
    row = np.asarray(index) % block
    order = np.argsort(row, kind="stable")
    number = np.empty(len(row), dtype=np.int64)
    number[order] = np.arange(len(row)) - np.searchsorted(row[order], row[order], side="left")
    return np.asarray(number * block + row)
