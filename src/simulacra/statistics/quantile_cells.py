"""Cells that hold equal shares of the truth: quantiles of one observable, or of several, one nested in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size

MOST_QUANTILES: Final = 20
FEWEST_QUANTILES: Final = 4
EVENTS_A_QUANTILE: Final = 100
MOST_JOINT_CELLS: Final = 64
#: share of a cell, over that of a quantile, below which it is joined with the next: a value that is rare
SMALLEST_CELL: Final = 0.25
MOST_CORRELATED: Final = 5000


@dataclass(frozen=True)
class QuantileCells:
    """Cells of one or several observables.

    Attributes
    ----------
    edges:
        inner edges along the first observable, (k - 1,), rising; an event on an edge is above it.
    inner:
        the cells of the further observables within each of the k cells; empty for one observable.
    """

    edges: np.ndarray
    inner: tuple[QuantileCells, ...] = ()

    def __len__(self) -> int:
        return sum(len(one) for one in self.inner) if self.inner else len(self.edges) + 1

    def index(self, values: np.ndarray) -> np.ndarray:
        """Return the cell of each event, (N,), from its observables, (N, D)."""
        outer = np.searchsorted(self.edges, values[:, 0], side="right")
        if not self.inner:
            return np.asarray(outer)
        cells, first = np.empty(len(values), dtype=np.int64), 0
        for number, one in enumerate(self.inner):
            rows = np.flatnonzero(outer == number)
            cells[rows] = first + one.index(values[rows, 1:])
            first += len(one)
        return cells


def quantile_cells(values: np.ndarray, weights: np.ndarray, quantiles: int | None = None) -> QuantileCells:
    """Return cells with equal shares of truth events; fewer if many values are equal.

    Parameters
    ----------
    values:
        observables, (N, D).
    weights:
        (N,).
    quantiles:
        along each observable; by the number of events if None.
    """
    if quantiles is None:
        most = MOST_QUANTILES if values.shape[1] == 1 else MOST_JOINT_CELLS
        total = np.clip(effective_size(weights) / EVENTS_A_QUANTILE, FEWEST_QUANTILES, most)
        quantiles = max(2, int(total ** (1 / values.shape[1]) + 1e-9))
    order = np.argsort(values[:, 0], kind="stable")
    column, cumulative = values[order, 0], np.cumsum(weights[order])
    places = np.searchsorted(cumulative, cumulative[-1] * np.arange(1, quantiles) / quantiles, side="right")
    edges = np.unique(column[np.minimum(places, len(column) - 1)])
    below = np.concatenate([[0.0], cumulative])[np.searchsorted(column, edges)] / cumulative[-1]
    edges = edges[_kept(below, SMALLEST_CELL / quantiles)]
    if values.shape[1] == 1:
        return QuantileCells(edges)
    outer = np.searchsorted(edges, values[:, 0], side="right")
    inner = []
    for cell in range(len(edges) + 1):
        rows = outer == cell
        # A cell whose events have no weight cannot be divided further.
        inside = rows if weights[rows].sum() > 0 else np.ones(len(rows), dtype=bool)
        inner.append(quantile_cells(values[inside, 1:], weights[inside], quantiles))
    return QuantileCells(edges, tuple(inner))


def _kept(below: np.ndarray, least: float) -> list[int]:
    """Return the numbers of the edges, with shares of events below them, (E,), that have enough events between them."""
    kept, last = [], 0.0
    for number, share in enumerate(below.tolist()):
        if share - last >= least and 1 - share >= least:
            kept.append(number)
            last = share
    return kept


def unlike(values: np.ndarray, number: int, rng: np.random.Generator) -> list[int]:
    """Return the numbers of a few observables, of (N, F), that depend little on each other (rank correlation)."""
    rows = rng.permutation(len(values))[:MOST_CORRELATED]
    ranks = np.argsort(np.argsort(values[rows], axis=0, kind="stable"), axis=0, kind="stable")
    moving = np.flatnonzero(np.ptp(values, axis=0) > 0)
    correlation = np.abs(np.corrcoef(ranks[:, moving].T)) if len(moving) > 1 else np.ones((len(moving), len(moving)))
    chosen = [0][: len(moving)]
    while len(chosen) < min(number, len(moving)):
        closest = correlation[:, chosen].max(axis=1)
        closest[chosen] = 2.0
        chosen.append(int(np.argmin(closest)))
    return [int(moving[i]) for i in chosen]
