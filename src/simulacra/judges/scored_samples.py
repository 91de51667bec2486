"""Checked scores of events as arrays, for the judge of a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from simulacra.event_weights import weights_of
from simulacra.events import names
from simulacra.judges.samples import JudgeError, some_rows
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.statistics.significance_improvement import Weighted

Scores = xr.Dataset | np.ndarray | Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ScoredSample:
    """Scores of events, with their names and the conditions of the events.

    Attributes
    ----------
    label:
        name of the sample.
    events:
        scores and weights, (N,) each.
    conditions, units:
        of the events, (N,) each, by name.
    name, score_units:
        of the score, for axes.
    """

    label: str
    events: Weighted
    conditions: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    name: str = "score"
    score_units: str = "1"

    @classmethod
    def of(cls, given: Scores, label: str, rng: np.random.Generator, *, least: float, most: int) -> ScoredSample:
        """Return a sample from the output of :meth:`simulacra.TrainedScore.scored`, or from plain arrays.

        At least ``least`` events are needed, also effectively; of more than ``most`` some are chosen at random.

        Raises
        ------
        JudgeError
            if there are too few events, also effectively, a value is not finite, or arrays do not fit.
        """
        if isinstance(given, Mapping) and "score" not in given:
            raise JudgeError(f"the {label} holds {', '.join(sorted(map(str, given)))} and no 'score': score it first")
        if isinstance(given, xr.Dataset):
            attributes = given["score"].attrs
            conditions = [name for name in names(given, "condition") if given[name].ndim == 1]
            units = {name: str(given[name].attrs.get("units", "1")) for name in conditions}
            columns = {name: given[name].values for name in conditions}
            values, weights = given["score"].values, weights_of(given)
            told = {"name": attributes.get("long_name", "score"), "score_units": attributes.get("units", "1")}
        else:
            if not isinstance(given, Mapping) and np.ndim(given) == 0:
                raise JudgeError(f"the {label} must be the scores of its events, (N,), not {given!r:.80}")
            by_name = given if isinstance(given, Mapping) else {"score": given}
            columns = {str(name): np.asanyarray(array) for name, array in by_name.items()}
            values = columns.pop("score")
            weights = columns.pop("weight", np.ones(values.shape))
            units, told = dict.fromkeys(columns, "1"), {}
        everything = {"score": values, "weight": weights, **columns}
        checked = {name: _checked(name, array, len(np.atleast_1d(values)), label) for name, array in everything.items()}
        rows = some_rows(len(values), most, rng)
        values, weights, *rest = (array[rows] for array in checked.values())
        # On a scale whose squares no number is too small or too large for.
        weights = weights / max(float(np.abs(weights).max(initial=0.0)), np.finfo(float).tiny)
        _check_size(weights, label, least)
        return cls(label, Weighted(values, weights), dict(zip(columns, rest, strict=True)), units, **told)

    def __len__(self) -> int:
        return len(self.events.scores)


def _checked(name: str, array: np.ndarray, n: int, label: str) -> np.ndarray:
    if np.ma.isMaskedArray(array) and np.ma.getmaskarray(array).any():
        raise JudgeError(f"'{name}' of the {label} is masked in some events: leave these out of all arrays")
    values = np.asarray(array)
    if values.ndim != 1 or values.dtype.kind not in "biuf" or len(values) != n:
        raise JudgeError(f"'{name}' of the {label} must be {n} numbers, (N,), not {values.dtype} {values.shape}")
    if not (fine := np.isfinite(values)).all():
        raise JudgeError(f"'{name}' of the {label} is {values[np.argmin(fine)]} in row {int(np.argmin(fine))}")
    return values.astype(np.float64)


def _check_size(weights: np.ndarray, label: str, least: float) -> None:
    if len(weights) < least:
        raise JudgeError(f"the {label} has {len(weights)} events: at least {least:g} are needed")
    if weights.sum() <= 1e-12 * np.abs(weights).sum():
        raise JudgeError(f"the weights of the {label} add up to {weights.sum():.4g}, which is not positive")
    if (size := effective_size(weights)) < least:
        raise JudgeError(f"the {label}'s {len(weights)} events are worth {size:.3g}: at least {least:g} are needed")
