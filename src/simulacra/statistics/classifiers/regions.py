"""Regions with too few or too many generated events: searched in one half of the events, measured in the other.

A shallow decision tree, grown on one half, divides the space of observables and conditions into boxes. The boxes are
ranked by the significance of the difference in that half. Unneeded bounds are dropped, and the others are moved to the
most significant difference. Then the ratio of the shares is measured on the other half. The search, which always finds
something, therefore does not bias the result, and the first region's p-value is valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.outliers import single_precision

DEPTH: Final = 4
SMALLEST_SHARE: Final = 0.005
FEWEST_EVENTS: Final = 25
MOST_REGIONS: Final = 5
# How much of its significance a region may lose for each bound less in its description.
WORTH_A_BOUND: Final = 0.97
LARGEST_OVERLAP: Final = 0.5
ROUNDS: Final = 5


@dataclass(frozen=True)
class Bound:
    """A range of one feature: above ``low`` and up to ``high``; None for no bound."""

    feature: str
    low: float | None
    high: float | None

    @property
    def words(self) -> str:
        """The range in words, such as "3.1 < width_0 < 4"."""
        if self.low is None:
            return f"{self.feature} < {_number(self.high)}"
        if self.high is None:
            return f"{self.feature} > {_number(self.low)}"
        return f"{_number(self.low)} < {self.feature} < {_number(self.high)}"


@dataclass(frozen=True)
class Region:
    """A box and the share of generated events in it.

    Attributes
    ----------
    bounds:
        of its features.
    truth_share, truth_error:
        share of the truth's events in it and its error.
    ratio, ratio_error:
        the generated events' share over the truth's. If one has no event there, half an event is assumed.
    p_value:
        of a difference of the shares at least as large, two-sided, measured on events not used to choose the box.
    n_truth, n_generated:
        events in it.
    """

    bounds: tuple[Bound, ...]
    truth_share: float
    truth_error: float
    ratio: float
    ratio_error: float
    p_value: float
    n_truth: int
    n_generated: int

    @property
    def words(self) -> str:
        """The box in words."""
        return " and ".join(bound.words for bound in self.bounds)


@dataclass(frozen=True)
class Events:
    """Two samples as one table: features (N, F), labels (N,) (1: generated) and weights (N,) that sum to 1 in each."""

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(
        cls, truth: np.ndarray, generated: np.ndarray, truth_weights: np.ndarray, generated_weights: np.ndarray
    ) -> Events:
        """Return the two samples, (N, F) and (M, F), joined."""
        return cls(
            np.concatenate([truth, generated]),
            np.repeat([0, 1], [len(truth), len(generated)]),
            np.concatenate([truth_weights / truth_weights.sum(), generated_weights / generated_weights.sum()]),
        )

    def take(self, rows: np.ndarray) -> Events:
        """Return some of the events, with weights that again sum to 1 in each sample."""
        labels, weights = self.labels[rows], self.weights[rows].copy()
        for label in (0, 1):
            weights[labels == label] /= weights[labels == label].sum()
        return Events(self.features[rows], labels, weights)


def find_regions(search: Events, measure: Events, names: tuple[str, ...], seed: int) -> tuple[Region, ...]:
    """Return the regions in which the samples differ most, sorted by significance in ``search``.

    Parameters
    ----------
    search, measure:
        independent events for choosing and for measuring the regions.
    names:
        of the features, (F,).
    seed:
        of the tree, for choosing between equally good splits.
    """
    from sklearn.tree import DecisionTreeClassifier

    n = len(search.labels)
    smallest = max(FEWEST_EVENTS, round(SMALLEST_SHARE * n))
    if n < 4 * smallest:
        return ()
    # The entropy is the loss of the classifiers, and sensitive to small differences.
    tree = DecisionTreeClassifier(
        criterion="entropy", max_depth=DEPTH, min_samples_leaf=smallest, random_state=seed
    ).fit(single_precision(search.features), search.labels, sample_weight=search.weights * n)
    ranked = sorted(_boxes(tree.tree_), key=lambda box: -abs(_standard_score(search, box)))[:MOST_REGIONS]
    refined = [_refined(search, _simplified(search, box), smallest) for box in ranked if box]
    distinct: list[Box] = []
    for box in sorted(refined, key=lambda box: -abs(_standard_score(search, box))):
        inside = _inside(search, box)
        if all(_overlap(search, inside, _inside(search, other)) < LARGEST_OVERLAP for other in distinct):
            distinct.append(box)
    return tuple(measured(measure, box, names) for box in distinct)


Box = dict[int, tuple[float | None, float | None]]


def measured(events: Events, box: Box, names: tuple[str, ...]) -> Region:
    """Return a box with the ratio of the shares in it."""
    from scipy.stats import norm

    inside = _inside(events, box)
    truth, generated = events.labels == 0, events.labels == 1
    shares, errors = [], []
    for rows in (truth, generated):
        weights, within = events.weights[rows], inside[rows]
        effective = 1.0 / np.sum(weights**2)
        share = float(weights[within].sum())
        # An empty box has no spread: half an event is used instead.
        shares.append(max(share, 0.5 / effective))
        spread = float(np.sqrt(np.sum((weights * (within - share)) ** 2)))
        errors.append(max(spread, 0.5 / effective))
    ratio = shares[1] / shares[0]
    bounds = tuple(Bound(names[feature], *limits) for feature, limits in sorted(box.items()))
    return Region(
        bounds=bounds,
        truth_share=shares[0],
        truth_error=errors[0],
        ratio=ratio,
        ratio_error=float(ratio * np.hypot(errors[0] / shares[0], errors[1] / shares[1])),
        p_value=float(2 * norm.sf(abs(_standard_score(events, box)))),
        n_truth=int(np.sum(inside & truth)),
        n_generated=int(np.sum(inside & generated)),
    )


def _standard_score(events: Events, box: Box) -> float:
    """Return the excess of the generated events' share over the truth's, in standard deviations for equal samples."""
    inside = _inside(events, box)
    generated = events.labels == 1
    share = float(events.weights[inside].sum() / 2)
    variance = float(np.sum((events.weights * (inside - share)) ** 2))
    difference = float(events.weights[inside & generated].sum() - events.weights[inside & ~generated].sum())
    return difference / variance**0.5 if variance > 0 else 0.0


def _inside(events: Events, box: Box) -> np.ndarray:
    inside = np.ones(len(events.labels), dtype=bool)
    for feature, (low, high) in box.items():
        # A tree compares in single precision.
        values = single_precision(events.features[:, feature])
        if low is not None:
            inside &= values > low
        if high is not None:
            inside &= values <= high
    return inside


def _boxes(tree: object) -> list[Box]:
    """Return the leaves of a scikit-learn tree."""
    left, right, feature, threshold = (
        getattr(tree, name) for name in ("children_left", "children_right", "feature", "threshold")
    )
    boxes: list[Box] = []

    def walk(node: int, box: Box) -> None:
        if left[node] < 0:
            boxes.append(box)
            return
        number, cut = int(feature[node]), float(threshold[node])
        low, high = box.get(number, (None, None))
        walk(int(left[node]), {**box, number: (low, cut)})
        walk(int(right[node]), {**box, number: (cut, high)})

    walk(0, {})
    return boxes


def _simplified(events: Events, box: Box) -> Box:
    """Return the box without unneeded bounds, whose removal hardly decreases or increases its significance."""
    while True:
        current = abs(_standard_score(events, box))
        fewer: list[Box] = []
        for feature, (low, high) in box.items():
            if low is not None:
                fewer.append({**box, feature: (None, high)})
            if high is not None:
                fewer.append({**box, feature: (low, None)})
        fewer = [{f: limits for f, limits in one.items() if limits != (None, None)} for one in fewer]
        best = max(fewer, key=lambda one: abs(_standard_score(events, one)), default={})
        if not best or abs(_standard_score(events, best)) < WORTH_A_BOUND * current:
            return box
        box = best


def _refined(events: Events, box: Box, smallest: int) -> Box:
    """Return the box with the bounds moved, one after the other, to the highest significance.

    A tree splits greedily: its first cuts are made before the box is known.
    """
    for _ in range(ROUNDS):
        before = box
        for feature, limits in before.items():
            for side in (0, 1):
                if limits[side] is None:
                    continue
                box = _moved(events, box, feature, side, smallest)
        if box == before:
            break
    return _simplified(events, box)


def _moved(events: Events, box: Box, feature: int, side: int, smallest: int) -> Box:
    """Return the box with one bound, lower (side 0) or upper, at the most significant of many positions."""
    limits = box[feature]
    rows = np.flatnonzero(_inside(events, {**box, feature: (None, limits[1]) if side == 0 else (limits[0], None)}))
    values = single_precision(events.features[rows, feature])
    order = np.argsort(values if side else -values, kind="stable")
    values, label, weight = values[order], events.labels[rows][order], events.weights[rows][order]
    truth, generated = (np.cumsum(np.where(label == k, weight, 0.0)) for k in (0, 1))
    share = (truth + generated) / 2
    squares = np.cumsum(weight**2)
    # Inside, events count (1 - share)^2, outside share^2.
    variance = (1 - share) ** 2 * squares + share**2 * (np.sum(events.weights**2) - squares)
    score = np.abs(generated - truth) / np.sqrt(np.maximum(variance, 1e-300))
    # A bound is between two different values, with enough events on each side.
    allowed = np.append(values[:-1] != values[1:], False) & (np.arange(1, len(values) + 1) >= smallest)
    if not allowed.any():
        return box
    place = int(np.argmax(np.where(allowed, score, -1.0)))
    if score[place] <= abs(_standard_score(events, box)):
        return box
    cut = float((values[place] + values[place + 1]) / 2)
    return {**box, feature: (cut, limits[1]) if side == 0 else (limits[0], cut)}


def _overlap(events: Events, first: np.ndarray, second: np.ndarray) -> float:
    """Return the fraction of the events in either of two regions that are in both."""
    either = float(events.weights[first | second].sum())
    return float(events.weights[first & second].sum()) / either if either > 0 else 1.0


def _number(value: float | None) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
