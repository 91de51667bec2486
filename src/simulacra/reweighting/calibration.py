r"""Calibration of a classifier's log-odds, so that f/(1-f) is the ratio of the densities.

Two maps from log-odds to log-odds, both increasing and fitted on events that the classifier was not trained on:

- *temperature*: :math:`l \mapsto a\,l + b`, the two numbers (or *a* alone) that maximise the weighted likelihood of the
  labels;
- *isotonic*: the increasing function of the log-odds that fits the labels best (pool adjacent violators), as a line
  through the centres of its steps, constant beyond the outermost. Half a target event with the mean weight is added at
  the lowest log-odds and half a source event at the highest, so that no probability is 0 or 1 and no odds are
  infinite: an end step with n source events and no target event gets the probability 0.5 / (n + 0.5).

Both classes have the same total weight, so the calibrated odds are the ratio of normalised densities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.reweighting.prior_weights import class_weights
from simulacra.statistics.logistic import fit_logistic, sigmoid

NULLS: Final = 200
RELIABILITY_BINS: Final = 20
CELLS: Final = 400
STEEPEST: Final = 100.0
# standard deviations
WRONG_WAY: Final = 5.0


@dataclass(frozen=True)
class TemperatureMap:
    """The map l -> slope * l + offset."""

    slope: float
    offset: float

    def __call__(self, log_odds: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds, in the shape of ``log_odds``."""
        return np.asarray(self.slope * np.asarray(log_odds, dtype=np.float64) + self.offset)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the map as arrays, to be saved as tensors."""
        return {"slope": np.array([self.slope]), "offset": np.array([self.offset])}


@dataclass(frozen=True)
class IsotonicMap:
    """The increasing line through (knots, values), (K,) each, constant beyond the ends."""

    knots: np.ndarray
    values: np.ndarray

    def __call__(self, log_odds: np.ndarray) -> np.ndarray:
        """Return calibrated log-odds, in the shape of ``log_odds``."""
        return np.asarray(np.interp(np.asarray(log_odds, dtype=np.float64), self.knots, self.values))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the map as arrays, to be saved as tensors."""
        return {"knots": self.knots, "values": self.values}


CalibrationMap = TemperatureMap | IsotonicMap


def map_from_arrays(arrays: Mapping[str, np.ndarray]) -> CalibrationMap:
    """Return the map that ``arrays`` came from.

    Raises
    ------
    ValueError
        if the arrays do not describe a map, or one that does not increase.
    """
    names = set(arrays)
    if names == {"slope", "offset"}:
        slope, offset = (float(np.asarray(arrays[name]).reshape(-1)[0]) for name in ("slope", "offset"))
        if not (np.isfinite([slope, offset]).all() and slope >= 0):
            raise ValueError(f"a calibration's slope is {slope} and its offset {offset}: the file is damaged")
        return TemperatureMap(slope, offset)
    if names == {"knots", "values"}:
        knots, values = (np.asarray(arrays[name], dtype=np.float64) for name in ("knots", "values"))
        whole = knots.ndim == 1 and knots.shape == values.shape and len(knots) > 0
        if (
            not whole
            or not np.isfinite([knots, values]).all()
            or (np.diff(knots) <= 0).any()
            or (np.diff(values) < 0).any()
        ):
            raise ValueError("a calibration's knots do not increase, or are not finite: the file is damaged")
        return IsotonicMap(knots, values)
    raise ValueError(
        f"the arrays {sorted(names)} are not a calibration, which has slope and offset, or knots and values"
    )


def fit_temperature(
    log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, *, with_offset: bool = True
) -> TemperatureMap:
    """Fit l -> a l + b by the weighted likelihood of the labels.

    Parameters
    ----------
    log_odds, labels:
        of events not used in training, (N,) each; label 1 is the target.
    weights:
        the events' own weights, (N,), of either sign.
    with_offset:
        fit b; otherwise it is 0.

    Raises
    ------
    ValueError
        if a log-odds is not finite, a class is empty, the classifier orders events the wrong way or perfectly, or
        negative weights leave no best map.
    """
    x, y, w = _checked(log_odds, labels, weights)
    counted = w != 0
    if x[counted & (y == 1)].min() > x[counted & (y == 0)].max():
        raise ValueError(
            "the classifier separates these events perfectly: its odds have no finite calibration; source and target "
            "do not overlap, or there are too few events"
        )
    scale = float(np.sqrt(np.average(x**2))) or 1.0

    w = w / w.sum()
    columns = [x / scale, np.ones(len(x))] if with_offset else [x / scale]
    found = fit_logistic(np.stack(columns, axis=1), y, w, np.eye(len(columns))[0] * scale, exact=True)
    if not found.converged:
        raise ValueError("negative weights outweigh the others along the log-odds: use samples with fewer of them")
    slope, offset = float(found.coefficients[0]) / scale, float(found.coefficients[1]) if with_offset else 0.0
    if slope <= 0:
        # If the samples are equal, the slope is as often below 0 as above.
        events = 1.0 / float(np.sum(w**2))
        gain = 2 * events * (float(np.log(2.0)) - found.loss)
        if gain > WRONG_WAY**2:
            raise ValueError(
                f"the best slope of the log-odds is {slope:.3g}: the classifier orders these events the wrong way; "
                "check that the labels are 0 for the source and 1 for the target"
            )
        return TemperatureMap(0.0, 0.0)
    if slope > STEEPEST:
        # Nearly equal log-odds can follow the labels by chance: any steep line through their mean does.
        offset += (slope - STEEPEST) * float(w @ x) if with_offset else 0.0
        slope = STEEPEST
    return TemperatureMap(slope, offset)


def fit_isotonic(log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> IsotonicMap:
    """Fit the increasing function of the log-odds that fits the labels best; for its ends, see the module.

    Parameters and errors are those of :func:`fit_temperature`. If weights are negative, events are first joined into
    cells of neighbours in which each class has a sum of zero or more.
    """
    from sklearn.isotonic import IsotonicRegression

    x, y, w = _checked(log_odds, labels, weights)
    order = np.argsort(x, kind="stable")
    x, ours, theirs = x[order], (w * (1 - y))[order], (w * y)[order]
    if (w < 0).any():
        x, ours, theirs = _positive_cells(x, ours, theirs, np.abs(w)[order])
    half = 0.5 * float(w.sum()) / len(y)
    place = np.concatenate([x, [x[0], x[-1]]])
    source, target = np.concatenate([ours, [0.0, half]]), np.concatenate([theirs, [half, 0.0]])
    total = source + target
    counted = total > 0
    place, target, total = place[counted], target[counted], total[counted]
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(place, target / total, sample_weight=total)
    # The centre of each step has its value: at a step's ends the function is too low or too high.
    order = np.argsort(place, kind="stable")
    place, fitted, total = place[order], fitted[order], total[order]
    first = np.flatnonzero(np.r_[True, np.diff(fitted) > 1e-12])
    sums = np.add.reduceat(total, first)
    knots = np.add.reduceat(total * place, first) / sums
    probability = np.add.reduceat(total * fitted, first) / sums
    increasing = np.r_[True, np.diff(knots) > 0]
    return IsotonicMap(knots[increasing], (np.log(probability) - np.log1p(-probability))[increasing])


@dataclass(frozen=True)
class Reliability:
    """The share of target events in bins of the predicted probability.

    Attributes
    ----------
    predicted, observed, error:
        weighted mean prediction, share of the target, and its statistical error, (bins,).
    expected_calibration_error:
        the mean of |observed - predicted| over the events.
    null, null_spread, p_value:
        mean and standard deviation of that error for labels drawn with the predicted probabilities, and the probability
        that it is then at least as large.
    """

    predicted: np.ndarray
    observed: np.ndarray
    error: np.ndarray
    expected_calibration_error: float
    null: float
    null_spread: float
    p_value: float

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"The predicted probabilities are off by {100 * self.expected_calibration_error:.2f} % on average; for "
            f"perfectly calibrated ones and as many events this would be {100 * self.null:.2f} ± "
            f"{100 * self.null_spread:.2f} % (p = {self.p_value:.2g})."
        )


def judge_reliability(
    log_odds: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    bins: int = RELIABILITY_BINS,
    seed: int = 0,
) -> Reliability:
    """Compare predicted probabilities with the share of the target, in bins of equally many events.

    Parameters and errors are those of :func:`fit_temperature`; the p-value is from ``NULLS`` random sets of labels.
    """
    x, y, w = _checked(log_odds, labels, weights)
    probability = sigmoid(x)
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1]))
    index = np.searchsorted(edges, x, side="right")
    total = np.bincount(index, w, len(edges) + 1)
    counted = total > 0
    index_counted = counted[index]
    index, y, w, probability = index[index_counted], y[index_counted], w[index_counted], probability[index_counted]
    size = len(edges) + 1
    safe = np.where(counted, total, 1.0)
    predicted = np.bincount(index, w * probability, size) / safe
    observed = np.bincount(index, w * y, size) / safe
    error = np.sqrt(np.bincount(index, (w * (y - observed[index])) ** 2, size)) / safe
    share = total[counted] / total[counted].sum()

    def off(labels_drawn: np.ndarray) -> float:
        found = np.bincount(index, w * labels_drawn, size) / safe
        return float(share @ np.abs(found - predicted)[counted])

    rng = np.random.default_rng(seed)
    value = off(y)
    nulls = np.array([off((rng.random(len(y)) < probability).astype(np.float64)) for _ in range(NULLS)])
    return Reliability(
        predicted[counted],
        observed[counted],
        error[counted],
        value,
        float(nulls.mean()),
        float(nulls.std(ddof=1)),
        (1 + int(np.count_nonzero(nulls >= value))) / (1 + NULLS),
    )


def _checked(
    log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-odds, labels and balanced weights, (N,) float64 each."""
    x, y = np.asarray(log_odds, dtype=np.float64), np.asarray(labels)
    if x.ndim != 1 or y.shape != x.shape:
        raise ValueError(f"log-odds have the shape {x.shape} and labels {y.shape}: give one of each per event")
    if not np.isfinite(x).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(x))} log-odds are not finite: the classifier is broken, train again"
        )
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 for the source and 1 for the target; some are neither")
    target = y == 1
    given = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != x.shape:
        raise ValueError(f"weights have the shape {given.shape} and log-odds {x.shape}: give one per event")
    balanced = np.empty(len(y))
    balanced[~target], balanced[target] = class_weights(
        given[~target], int(np.sum(~target)), given[target], int(np.sum(target))
    )
    return x, y.astype(np.float64), balanced


def _positive_cells(
    place: np.ndarray, source: np.ndarray, target: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join neighbours until the sums of both classes are zero or more; the rest joins the last cell."""
    n_cells = max(1, min(CELLS, len(place) // 50))
    cells: list[tuple[float, float, float]] = []
    held_place = held_size = held_source = held_target = 0.0
    for rows in np.array_split(np.arange(len(place)), n_cells):
        held_place += float(size[rows] @ place[rows])
        held_size += float(size[rows].sum())
        held_source += float(source[rows].sum())
        held_target += float(target[rows].sum())
        if held_source >= 0 and held_target >= 0 and held_source + held_target > 0:
            cells.append((held_place / held_size, held_source, held_target))
            held_place = held_size = held_source = held_target = 0.0
    while (held_source or held_target) and cells:
        last = cells.pop()
        held_source, held_target = held_source + last[1], held_target + last[2]
        if held_source >= 0 and held_target >= 0:
            cells.append((last[0], held_source, held_target))
            break
    if not cells:
        cells = [(float(place.mean()), float(source.sum()), float(target.sum()))]
    gathered = np.array(cells)
    return gathered[:, 0], gathered[:, 1], gathered[:, 2]
