"""Events of nearly equal conditions: conditions on one scale, and strata of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

MOST_FITTED: Final = 10_000


class Strata:
    """Strata of the conditions, fitted on truth events.

    Parameters
    ----------
    conditions:
        of truth events, (N, C) in any units; None or no columns for events without conditions.
    strata:
        largest number of strata.
    seed:
        of the strata's centres.
    """

    def __init__(self, conditions: np.ndarray | None, n_events: int, *, strata: int, seed: int) -> None:
        given = np.empty((n_events, 0)) if conditions is None else np.asarray(conditions, dtype=np.float64)
        if given.ndim != 2 or len(given) != n_events:
            raise ValueError(f"the conditions have the shape {given.shape}: give (events, conditions), {n_events} rows")
        if not np.isfinite(given).all():
            raise ValueError(f"condition {int(np.argmin(np.isfinite(given).all(axis=0)))} holds NaN or infinity")
        self._given = given.shape[1]
        self._moving = np.flatnonzero(np.ptp(given, axis=0) > 0) if n_events else np.arange(0)
        self._sorted = np.sort(given[:, self._moving], axis=0)
        self._centres = np.zeros((1, len(self._moving)))
        if strata > 1 and len(self._moving):
            self._centres = _centres(self.ranks(given), strata, seed)

    @property
    def dimensions(self) -> int:
        """Number of conditions that vary."""
        return len(self._moving)

    def __len__(self) -> int:
        return len(self._centres)

    def ranks(self, conditions: np.ndarray | None, n_events: int | None = None) -> np.ndarray:
        """Return the share of truth events below each condition, (N, C'), for the C' conditions that vary."""
        if conditions is None:
            if self._given or n_events is None:
                raise ValueError(f"the truth has {self._given} conditions, but these events have none: give theirs too")
            return np.empty((n_events, 0))
        given = np.asarray(conditions, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != self._given or not np.isfinite(given).all():
            raise ValueError(f"give {self._given} finite conditions for each event; their shape is {given.shape}")
        columns = []
        for column, values in zip(self._moving, self._sorted.T, strict=True):
            # The middle of the values that are equal: a condition with few values keeps them apart evenly.
            low, high = (np.searchsorted(values, given[:, column], side) for side in ("left", "right"))
            columns.append((low + high) / (2 * len(values)))
        return np.column_stack(columns) if columns else np.empty((len(given), 0))

    def index(self, ranks: np.ndarray) -> np.ndarray:
        """Return the stratum of events with these ranks, (N,)."""
        if len(self._centres) == 1:
            return np.zeros(len(ranks), dtype=np.int64)
        return nearest_centre(ranks, self._centres)


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre, (C, D), for each point, (N, D): (N,)."""
    return np.asarray(np.argmin((centres**2).sum(axis=1) - 2 * points @ centres.T, axis=1))


def condition_table(conditions: Mapping[str, np.ndarray], names: list[str]) -> np.ndarray | None:
    """Return conditions as a table (N, C); None if there are none."""
    return np.column_stack([conditions[name] for name in names]) if names else None


def _centres(ranks: np.ndarray, strata: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    some = ranks[np.random.default_rng(seed).permutation(len(ranks))[:MOST_FITTED]]
    fitted = KMeans(min(strata, len(np.unique(some, axis=0))), n_init=1, random_state=seed).fit(some)
    return np.asarray(fitted.cluster_centers_)
