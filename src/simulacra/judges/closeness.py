"""Comparison of events with training events: at nearly equal conditions, in their own standard deviations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.samples import Sample
from simulacra.statistics.distances.nearest import nearest_at_condition
from simulacra.statistics.modes.strata import Strata, condition_table


@dataclass(frozen=True)
class Closeness:
    """A distance to the nearest training event.

    Attributes
    ----------
    observable:
        the compared quantities: "cells", "values" or "observables".
    metric:
        name of the distance.
    nearest:
        takes events and training events; returns the distance of each event to the nearest training event, and the
        number of the latter, (Q,) each.
    """

    observable: str
    metric: str
    nearest: Callable[[Sample, Sample], tuple[np.ndarray, np.ndarray]]


def euclidean(
    events: Sample, train: Sample, values: Callable[[Sample], np.ndarray], sizes: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Euclidean distance of each event to the nearest training event, and the latter's number, (Q,) each.

    Parameters
    ----------
    values:
        returns the compared values of a sample, (N, F), each in its standard deviation in the training events.
    sizes:
        for values of arrays, the sizes of the arrays: all values of an array then have one standard deviation.
    """
    theirs, ours = values(train), values(events)
    if not np.isfinite(theirs).all():
        raise ValueError("the training events hold NaN or infinity: leave these events out")
    if ours.shape[1] != theirs.shape[1] or not np.isfinite(ours).all():
        raise ValueError(
            f"{events.label}: events have {ours.shape[1]} values to compare, the training events {theirs.shape[1]}; "
            "each must be finite"
        )
    spread = theirs.std(axis=0, dtype=np.float64)
    if len(sizes):
        for block in np.split(np.arange(len(spread)), np.cumsum(sizes)[:-1]):
            spread[block] = np.sqrt(np.mean(spread[block] ** 2))
    scale = np.where(spread > 0, spread, 1.0)
    conditions = condition_table(train.conditions, train.moving)
    strata = Strata(conditions, len(train), strata=1, seed=0)
    ranks = strata.ranks(condition_table(events.conditions, train.moving), len(events))
    return nearest_at_condition(ours / scale, theirs / scale, ranks, strata.ranks(conditions, len(train)))


def _by_observables(events: Sample, train: Sample) -> tuple[np.ndarray, np.ndarray]:
    return euclidean(events, train, lambda sample: sample.columns(train.observables).astype(np.float64))


BY_OBSERVABLES: Final = Closeness("observables", "distance in the observables [σ]", _by_observables)
