r"""The lack of fit of a map over the box: the remaining shift in cells of the box, beyond noise.

A polynomial cannot follow :math:`c^*(\theta)` exactly. In each cell of the box, one Newton step from the map,
:math:`-H^{-1} g` with the events of the cell only, measures the remaining shift, and the sandwich its error. The mean
square over cells, minus that of the noise, is the map's lack of fit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

SLICES: Final = 12
"""Number of cells along the parameter whose curvature is tested."""
HALVES: Final = 2
"""Number of cells along the others."""
BEYOND: Final = 3.0
"""Threshold for a direction to count, in standard deviations of the noise's mean square."""
LEAST: Final = 400
"""Smallest mean number of events per cell; with fewer there are fewer slices."""


@dataclass(frozen=True)
class Contribution:
    """The contributions of events to the objective's derivatives by c.

    Attributes
    ----------
    rows:
        numbers of the drawn events whose parameters are used, (N,).
    terms:
        of the map at these parameters, (N, C).
    shares:
        of the objective, (N,).
    slope, bend:
        first, (N, P), and second derivatives, (N, P, P).
    of_reference:
        numbers of the reference events, (N,), if they are from the reference.
    """

    rows: np.ndarray
    terms: np.ndarray
    shares: np.ndarray
    slope: np.ndarray
    bend: np.ndarray
    of_reference: np.ndarray | None = None


def lack_of_fit(contributions: Iterable[Contribution], x: np.ndarray) -> np.ndarray:
    """Return the covariance of c, (P, P), that a map leaves beyond noise: the largest over several binnings of the box.

    Parameters
    ----------
    contributions:
        at the map, with all events.
    x:
        positions of the drawn events in the box, from -1 to 1, (N, P).
    """
    parameters = x.shape[1]
    ways = [_cells_of(x, p) for p in range(parameters)]
    sums = [_Cells(int(cells.max()) + 1, parameters) for cells in ways]
    for one in contributions:
        for cells, total in zip(ways, sums, strict=True):
            total.add(cells[one.rows], one)
    found = [total.excess() for total in sums]
    noise = np.mean([total.noise() for total in sums], axis=0)
    size = np.diag(noise)
    largest: np.ndarray = max(found, key=lambda excess: float((np.diag(excess) / size).max()))
    return largest


def _cells_of(x: np.ndarray, along: int) -> np.ndarray:
    """Return the number of each event's cell, (N,): slices of equal numbers along one coordinate, halves of others."""
    n, parameters = x.shape
    others = HALVES ** (parameters - 1)
    slices = int(np.clip(n // (LEAST * others), 1, SLICES))
    rank = np.argsort(np.argsort(x[:, along], kind="stable"), kind="stable")
    cells = rank * slices // n
    for p in range(parameters):
        if p != along:
            cells = cells * HALVES + (x[:, p] > np.median(x[:, p]))
    return np.asarray(np.unique(cells, return_inverse=True)[1])


class _Cells:
    """Sums of gradient, curvature and squared scores, by cell."""

    def __init__(self, count: int, parameters: int) -> None:
        self._gradient = np.zeros((count, parameters))
        self._curvature = np.zeros((count, parameters, parameters))
        self._square = np.zeros((count, parameters, parameters))
        self._shares = np.zeros(count)

    def add(self, cells: np.ndarray, one: Contribution) -> None:
        scores = one.shares[:, None] * one.slope
        np.add.at(self._gradient, cells, scores)
        np.add.at(self._curvature, cells, one.shares[:, None, None] * one.bend)
        np.add.at(self._square, cells, scores[:, :, None] * scores[:, None, :])
        np.add.at(self._shares, cells, one.shares)

    def excess(self) -> np.ndarray:
        """Return the mean square of the shifts minus their noise, in directions that are significant, (P, P)."""
        steps, noise = self._steps(), self._noise()
        weight = self._shares / self._shares.sum()
        difference = np.einsum("k,kp,kq->pq", weight, steps, steps) - np.einsum("k,kpq->pq", weight, noise)
        # In directions in which the noise is a ball, so that units do not matter.
        lower = np.linalg.cholesky(self.noise())
        white = np.linalg.solve(lower, np.linalg.solve(lower, difference).T)
        values, vectors = np.linalg.eigh((white + white.T) / 2)
        chance = BEYOND * np.sqrt(2.0 / len(weight))
        root = lower @ (vectors * np.sqrt(np.where(values > chance, values, 0.0)))
        return np.asarray(root @ root.T)

    def noise(self) -> np.ndarray:
        """Return the mean covariance of the cells' shifts, (P, P)."""
        weight = self._shares / self._shares.sum()
        return np.asarray(np.einsum("k,kpq->pq", weight, self._noise()))

    def _steps(self) -> np.ndarray:
        return np.asarray(-np.linalg.solve(self._curvature, self._gradient[:, :, None])[:, :, 0])

    def _noise(self) -> np.ndarray:
        inverse = np.linalg.inv(self._curvature)
        return np.asarray(inverse @ self._square @ inverse)
