r"""Cumulative distributions of blocks of events: one matrix product gives all replicates of a distance along a line.

The distances of one observable are functionals of :math:`D(x) = F_t(x) - F_g(x)`. With the cumulative shares of each
block of events at the points of a grid, (B, G), the differences of all R replicates are ``signed @ shares``, (R, G).

The grid's points are values of the sample. Up to ``POINTS`` different values, all are points and nothing is lost. With
more values, half of the points are at equal steps of the rank, and a quarter each at ranks that grow geometrically from
either end. Heavy tails, which determine the fluctuations of W1, thus keep their single events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

POINTS: Final = 2048


@dataclass(frozen=True)
class Grid:
    """Sorted values, and the points of their cumulative distribution.

    Attributes
    ----------
    order:
        the events by rising value, (K,).
    places:
        positions of the points in that order, each the last of its value, (G,).
    gaps:
        distance of each point to the next, (G - 1,).
    """

    order: np.ndarray
    places: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, *, points: int = POINTS, order: np.ndarray | None = None) -> Grid:
        """Return the grid of values, (K,), with at most ``points`` points; ``order`` sorts them, if known."""
        order = np.argsort(values) if order is None else order
        ordered = values[order]
        places = _places(ordered, points)
        return cls(order, places, np.diff(ordered[places]))

    def block_shares(self, weights: np.ndarray, blocks: np.ndarray, n_blocks: int) -> np.ndarray:
        """Return the weight (K,) of each block (K,) up to each point but the last, (n_blocks, G - 1)."""
        n_points = len(self.places)
        cells = np.repeat(np.arange(n_points), np.diff(self.places, prepend=-1))
        address = blocks[self.order] * n_points + cells
        shares = np.bincount(address, weights[self.order], n_blocks * n_points).reshape(n_blocks, n_points)
        return np.cumsum(shares, axis=1)[:, :-1]


def _places(ordered: np.ndarray, most: int) -> np.ndarray:
    ends = np.flatnonzero(np.append(np.diff(ordered) > 0, True))
    if len(ends) <= most:
        return ends
    last = len(ordered) - 1
    tail = np.geomspace(1, last, most // 4) - 1
    wanted = np.unique(np.rint(np.concatenate([np.linspace(0, last, most // 2), tail, last - tail])).astype(np.int64))
    return np.unique(ends[np.searchsorted(ends, wanted)])


def wasserstein(difference: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    r"""Return :math:`\int |D| dx` of each replicate's D, (R, G - 1), with the distances of the points: (R,)."""
    return np.asarray(np.abs(difference) @ gaps)


def kolmogorov_smirnov(difference: np.ndarray) -> np.ndarray:
    r"""Return :math:`\max |D|` of each replicate's D, (R, G - 1): (R,)."""
    return np.asarray(np.abs(difference).max(axis=1, initial=0.0))


def energy(difference: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    r"""Return :math:`2 \int D^2 dx`, the energy distance along a line, of each replicate's D, (R, G - 1): (R,)."""
    return np.asarray(2 * (difference * difference) @ gaps)
