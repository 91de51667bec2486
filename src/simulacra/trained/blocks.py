"""Random numbers by blocks of events, so that an event does not depend on the number of other events."""

from __future__ import annotations

from typing import Final

import numpy as np

BLOCK: Final = 64
"""Number of events per block. Noise and conditions are drawn block by block, and exact events are computed in whole
blocks, because the last bits of a matrix product depend on the number of rows, and an exact event must not."""

#: streams of random numbers
NOISE, CONDITION, CANDIDATE = 0, 1, 2


def blocks_of(first: int, n: int) -> range:
    """Return the blocks of ``n`` events from ``first`` on."""
    return range(first // BLOCK, (first + n - 1) // BLOCK + 1)


def random_numbers(seed: int, stream: int, column: int, block: int) -> np.random.Generator:
    """Return the generator of the random numbers of one block."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream, column, block]))


def noise_of(latent: int, seed: int, first: int, n: int, *, fixed: bool = False) -> np.ndarray:
    """Return the noise of events from ``first`` on, (n, latent): only the needed rows of a block."""
    if fixed:
        return np.repeat(random_numbers(seed, NOISE, 0, 0).standard_normal((1, latent), np.float32), n, axis=0)
    pieces = []
    for block in blocks_of(first, n):
        start, stop = max(first - block * BLOCK, 0), min(first + n - block * BLOCK, BLOCK)
        drawn = random_numbers(seed, NOISE, 0, block).standard_normal((stop, latent), np.float32)
        pieces.append(drawn[start:])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
