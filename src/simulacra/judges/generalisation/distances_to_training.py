"""The nearest training event of each event, among training events of near-equal conditions."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.judges.generalisation.neighbours import nearest
from simulacra.judges.samples import Sample
from simulacra.statistics.modes.strata import Strata, condition_table

#: share of the training events that count as of near-equal conditions
NEAR: Final = 0.1
FEWEST_CANDIDATES: Final = 50
BLOCK: Final = 128
FAR: Final = 1e12


class TrainingEvents:
    """Training events that others are compared with, and the distance to them.

    Showers are compared by Hellinger's distance of their cells among those of nearly the same incident energy
    (:mod:`simulacra.judges.generalisation.neighbours`), arrays by the Euclidean distance of their values, each array in
    its own standard deviation, and all other events by that of their observables in standard deviations; both among
    the tenth of the training events whose conditions are nearest, by rank in each condition.

    Parameters
    ----------
    train:
        training events, N of them.
    """

    def __init__(self, train: Sample) -> None:
        self._kind, self._shapes = train.kind, train.shapes
        self._hellinger = train.kind == "showers" and train.cells is not None
        self._observables = list(train.observables)
        self._conditions = [name for name, values in train.conditions.items() if np.ptp(values) > 0]
        raw = self._raw(train)
        if not np.isfinite(raw).all():
            raise ValueError("the training events hold NaN or infinity: leave these events out")
        self._scale = np.ones(raw.shape[1]) if self._hellinger else self._scales(raw)
        self._events = raw if self._hellinger else raw / self._scale
        self._energy = train.conditions.get("incident_energy") if self._hellinger else None
        table = condition_table(train.conditions, self._conditions)
        self._strata = Strata(table, len(train), strata=1, seed=0)
        self._ranks = self._strata.ranks(table, len(train))

    @property
    def metric(self) -> str:
        """What the distance is called."""
        if self._hellinger:
            return "Hellinger distance"
        return "distance of the values [σ]" if self._kind == "arrays" else "distance in the observables [σ]"

    @property
    def observable(self) -> str:
        """What is compared: "cells", "values" or "observables"."""
        return "cells" if self._hellinger else "values" if self._kind == "arrays" else "observables"

    def nearest(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Return the distance of each event to the nearest training event, and the number of that, (Q,) each."""
        raw = self._raw(sample)
        if raw.shape[1] != self._events.shape[1] or not np.isfinite(raw).all():
            raise ValueError(
                f"{sample.label}: events have {raw.shape[1]} values to compare, the training events "
                f"{self._events.shape[1]}; each must be finite"
            )
        if self._hellinger:
            energy = None if self._energy is None else sample.conditions["incident_energy"]
            distances, numbers = nearest(raw, self._events, query_energy=energy, reference_energy=self._energy)
            return distances[:, 0], numbers[:, 0]
        ranks = self._strata.ranks(condition_table(sample.conditions, self._conditions), len(sample))
        return nearest_at_condition(raw / self._scale, self._events, ranks, self._ranks)

    def _raw(self, sample: Sample) -> np.ndarray:
        if sample.cells is not None:
            return sample.cells
        return np.column_stack([sample.observables[name] for name in self._observables]).astype(np.float64)

    def _scales(self, raw: np.ndarray) -> np.ndarray:
        spread = raw.std(axis=0, dtype=np.float64)
        if self._kind == "arrays":
            stops = np.cumsum([int(np.prod(shape)) for shape in self._shapes.values()])
            for block in np.split(np.arange(len(spread)), stops[:-1]):
                spread[block] = np.sqrt(np.mean(spread[block] ** 2))
        return np.where(spread > 0, spread, 1.0)


def nearest_at_condition(
    queries: np.ndarray, references: np.ndarray, query_ranks: np.ndarray, reference_ranks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Euclidean distance to the nearest reference of near-equal conditions, and its number, (Q,) each.

    Parameters
    ----------
    queries, references:
        (Q, F) and (R, F).
    query_ranks, reference_ranks:
        the conditions' ranks between 0 and 1, (Q, C) and (R, C). References within a window that holds a tenth of
        them come first, whichever distance they have.
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
    for start in range(0, len(at), BLOCK):
        rows = at[start : start + BLOCK]
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
