"""Maps of a classifier's odds: in the plane of two features, and against a condition.

The mean odds f / (1 - f) of the truth's events in a bin are, for a calibrated classifier, the ratio of generated to
true events there; the counted ratio is given for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.classifiers.ranks import area_of
from simulacra.statistics.classifiers.regions import Events

CONDITION_BINS: Final = 8
PLANE_BINS: Final = 10
EVENTS_A_BIN: Final = 50
LARGEST_ODDS: Final = 1e6


@dataclass(frozen=True)
class Plane:
    """Two features in bins with equal numbers of truth events in each projection.

    Attributes
    ----------
    names:
        of the two features.
    x_edges, y_edges:
        (X + 1,) and (Y + 1,).
    odds:
        mean odds of the truth's events, (X, Y); 1 if there are none.
    ratio, ratio_error:
        share of generated over that of truth events, (X, Y), and its error; 1 and 0 if there are too few.
    seen:
        whether a bin has enough events, (X, Y).
    """

    names: tuple[str, str]
    x_edges: np.ndarray
    y_edges: np.ndarray
    odds: np.ndarray
    ratio: np.ndarray
    ratio_error: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class ConditionCurve:
    """How well the classifier tells the samples apart in bins of a condition, (B,); ``edges`` are (B + 1,)."""

    condition: str
    edges: np.ndarray
    auc: np.ndarray
    auc_error: np.ndarray
    odds: np.ndarray
    ratio: np.ndarray
    ratio_error: np.ndarray


def plane_of(names: tuple[str, str], columns: dict[str, np.ndarray], events: Events, log_odds: np.ndarray) -> Plane:
    """Return the map of two features; ``columns`` holds each feature's values, (N,), as ``log_odds``."""
    edges = [_edges(columns[name], events.labels, PLANE_BINS) for name in names]
    places = [np.searchsorted(one[1:-1], columns[name], side="right") for one, name in zip(edges, names, strict=True)]
    shape = tuple(max(1, len(one) - 1) for one in edges)
    flat = places[0] * shape[1] + places[1]
    odds, ratio, error, seen = (a.reshape(shape) for a in _in_bins(flat, shape[0] * shape[1], events, log_odds))
    return Plane(names, edges[0], edges[1], odds, ratio, error, seen)


def curve_of(name: str, values: np.ndarray, events: Events, log_odds: np.ndarray) -> ConditionCurve:
    """Return the curve against a condition, (N,), of the log-odds of the same events, (N,)."""
    edges = _edges(values, events.labels, CONDITION_BINS)
    place = np.searchsorted(edges[1:-1], values, side="right")
    bins = max(1, len(edges) - 1)
    odds, ratio, error, _ = _in_bins(place, bins, events, log_odds)
    auc, auc_error = np.full(bins, 0.5), np.full(bins, 0.5)
    for number in range(bins):
        inside = (place == number) & (events.weights > 0)
        if len(set(events.labels[inside])) == 2:
            area = area_of(log_odds[inside], events.labels[inside], events.weights[inside])
            auc[number], auc_error[number] = area.auc, area.uncertainty
    return ConditionCurve(name, edges, auc, auc_error, odds, ratio, error)


def _edges(values: np.ndarray, labels: np.ndarray, bins: int) -> np.ndarray:
    """Return edges of bins with equal numbers of truth events; the outermost bins include all events."""
    bins = max(1, min(bins, int(np.sum(labels == 0)) // EVENTS_A_BIN))
    inner = np.quantile(values[labels == 0], np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.unique(np.concatenate([[values.min()], inner, [values.max()]]))
    if len(edges) > 1:
        return edges
    # A constant has one bin, which needs a width to be drawn.
    half = 0.5 * max(abs(float(edges[0])), 1.0)
    return np.array([edges[0] - half, edges[0] + half])


def _in_bins(
    place: np.ndarray, n_bins: int, events: Events, log_odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean odds, ratio, its error, and whether there are enough events, (n_bins,) each."""
    truth, w = events.labels == 0, events.weights
    shares = [np.bincount(place[rows], w[rows], n_bins) for rows in (truth, ~truth)]
    squares = [np.bincount(place[rows], w[rows] ** 2, n_bins) for rows in (truth, ~truth)]
    seen = (np.bincount(place[truth], minlength=n_bins) >= 10) & (shares[0] > 0)
    safe = np.where(seen, shares[0], 1.0)
    odds = np.minimum(np.exp(log_odds), LARGEST_ODDS)
    mean = np.where(seen, np.bincount(place[truth], (w * odds)[truth], n_bins) / safe, 1.0)
    ratio = np.where(seen, shares[1] / safe, 1.0)
    least = 0.25 / np.sum(~truth) ** 2
    error = np.where(seen, np.sqrt(np.maximum(squares[1], least) + ratio**2 * squares[0]) / safe, 0.0)
    return mean, ratio, error, seen
