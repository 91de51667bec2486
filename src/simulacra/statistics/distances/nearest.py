r"""The nearest references of events, among those of nearly equal conditions.

The distance between two showers is Hellinger's, between the shares :math:`p_c` of their energy in the cells,

.. math:: d(p, q) = \sqrt{\tfrac{1}{2} \sum_c (\sqrt{p_c} - \sqrt{q_c})^2}, \qquad 0 \le d \le 1.

Neighbours are searched among showers of nearly the same incident energy, within a factor of 1.25, because showers of
high energy are smooth and would otherwise be the nearest ones of every shower. The distance between other events is
Euclidean; neighbours are searched among the tenth of the references with the nearest conditions, by rank in each
condition.
"""

from __future__ import annotations

from typing import Final

import numpy as np

ENERGY_FACTOR: Final = 1.25
#: share of the references that count as having nearly equal conditions
NEAR: Final = 0.1
FEWEST_CANDIDATES: Final = 50
FAR: Final = 1e12
#: number of queries per comparison
BLOCK: Final = 256
BLOCK_AT_CONDITION: Final = 128


def nearest_by_shares(
    queries: np.ndarray,
    references: np.ndarray,
    *,
    k: int = 1,
    query_energy: np.ndarray | None = None,
    reference_energy: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Hellinger's distances to the ``k`` nearest references, rising, and their numbers, (Q, k) each.

    Parameters
    ----------
    queries, references:
        energies of the cells, (Q, n_cells) and (R, n_cells); their scale does not matter.
    k:
        number of neighbours, at most R.
    query_energy, reference_energy:
        incident energies, (Q,) and (R,), [GeV]; with them, references of nearly the same energy come first.
    """
    first, second = _roots(queries), _roots(references)
    distances = np.empty((len(first), k))
    numbers = np.empty((len(first), k), dtype=np.int64)
    for start in range(0, len(first), BLOCK):
        rows = slice(start, start + BLOCK)
        overlap = first[rows] @ second.T
        if query_energy is not None and reference_energy is not None:
            apart = np.abs(np.log(query_energy[rows, None] / reference_energy[None, :])) > np.log(ENERGY_FACTOR)
            overlap -= 2 * apart.astype(np.float32)
        found = np.argpartition(-overlap, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(found, np.argsort(-np.take_along_axis(overlap, found, 1), axis=1), 1)
        numbers[rows] = found
        for column in range(k):
            # Not the square root of 1 - overlap, which loses all digits for pairs that are nearly equal.
            difference = first[rows] - second[found[:, column]]
            distances[rows, column] = np.sqrt(0.5 * (difference**2).sum(axis=1))
    return distances, numbers


def nearest_at_condition(
    queries: np.ndarray, references: np.ndarray, query_ranks: np.ndarray, reference_ranks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Euclidean distance to the nearest reference of nearly equal conditions, and its number, (Q,) each.

    Parameters
    ----------
    queries, references:
        (Q, F) and (R, F).
    query_ranks, reference_ranks:
        the conditions' ranks between 0 and 1, (Q, C) and (R, C). References within a window with a tenth of them come
        first, at any distance.
    """
    dimensions = query_ranks.shape[1]
    n = len(references)
    width = 0.5 * NEAR ** (1 / max(dimensions, 1))
    along = reference_ranks[:, 0] if dimensions else np.zeros(n)
    order = np.argsort(along, kind="stable")
    along, events, ranks = along[order], np.asarray(references[order], dtype=np.float64), reference_ranks[order]
    squares = (events**2).sum(axis=1)
    distances, numbers = np.empty(len(queries)), np.empty(len(queries), dtype=np.int64)
    at = np.argsort(query_ranks[:, 0], kind="stable") if dimensions else np.arange(len(queries))
    for start in range(0, len(at), BLOCK_AT_CONDITION):
        rows = at[start : start + BLOCK_AT_CONDITION]
        query, place = np.asarray(queries[rows], dtype=np.float64), query_ranks[rows]
        first, last = 0, n
        if dimensions:
            low, high = place[0, 0], place[-1, 0]
            first = max(0, min(int(np.searchsorted(along, low - width)), n - FEWEST_CANDIDATES))
            last = min(n, max(int(np.searchsorted(along, high + width, "right")), first + FEWEST_CANDIDATES))
        apart = squares[first:last] - 2 * query @ events[first:last].T
        for c in range(dimensions):
            apart[np.abs(place[:, [c]] - ranks[None, first:last, c]) > width] += FAR
        found = first + np.argmin(apart, axis=1)
        # Not from the squares, whose difference loses all digits for events that are nearly equal.
        distances[rows] = np.sqrt(((query - events[found]) ** 2).sum(axis=1))
        numbers[rows] = order[found]
    return distances, numbers


def _roots(cells: np.ndarray) -> np.ndarray:
    total = cells.sum(axis=1, dtype=np.float64)
    shares = np.divide(cells, total[:, None], out=np.zeros(cells.shape), where=total[:, None] > 0)
    return np.asarray(np.sqrt(shares), dtype=np.float32)
