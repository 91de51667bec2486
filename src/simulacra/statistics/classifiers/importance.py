"""Which features tell truth and generated events apart: the loss of a classifier without one, and one feature alone.

Boosted trees are trained on one half of the events. On the other half the area under the ROC curve is measured, and
again with one feature shuffled between events. The decrease is the feature's contribution, including its correlations
with the others. It is small if another feature can replace it. Each feature is therefore also judged *alone*: the ratio
of the densities in narrow bins, from the first half, is the score of events in the second. A feature is important if
either is large. A large decrease for a feature that shows nothing alone means wrong correlations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.classifiers.members import Member
from simulacra.statistics.classifiers.ranks import area_and_influence, standard_error, standard_score
from simulacra.statistics.classifiers.regions import Events
from simulacra.statistics.classifiers.trees import tree_scores
from simulacra.statistics.outliers import single_precision

BINS: Final = 40
SMOOTHING: Final = 10.0


@dataclass(frozen=True)
class Importance:
    """The importance of one feature.

    Attributes
    ----------
    drop, drop_error:
        decrease of the trees' area under the ROC curve when it is shuffled.
    alone, alone_error:
        area under the ROC curve of this feature alone.
    p_value:
        of the larger of the two, for equal samples.
    """

    feature: str
    drop: float
    drop_error: float
    alone: float
    alone_error: float
    p_value: float


def importances(
    train: Events, measure: Events, names: tuple[str, ...], rng: np.random.Generator
) -> tuple[tuple[Importance, ...], float]:
    """Return each feature's importance, the largest first, and the area under the ROC curve with all of them.

    Parameters
    ----------
    train, measure:
        independent events for training and for measuring.
    names:
        of the features, (F,).
    """
    from scipy.stats import norm

    n, m = len(train.labels), len(measure.labels)
    shuffled = [rng.permutation(measure.features[:, feature]) for feature in range(len(names))]
    labels = np.concatenate([train.labels, measure.labels])
    # A classifier is balanced if both classes weigh as much, with a mean weight of 1.
    balanced = np.ones(n + m)
    balanced[:n] = train.weights * n / 2
    if np.ptp(balanced[:n]) < 1e-9:
        balanced[:] = 1.0
    scores = _scores(train, measure.features, shuffled, labels, balanced, int(rng.integers(2**31)))
    full, influence = area_and_influence(scores[0], measure.labels, measure.weights)
    found = []
    for feature, name in enumerate(names):
        area, without = area_and_influence(scores[1 + feature], measure.labels, measure.weights)
        if np.ptp(measure.features[:, feature]) == 0:
            # Of the same value for all: what rounding leaves is no difference.
            found.append(Importance(name, 0.0, 0.0, 0.5, 0.0, 1.0))
            continue
        alone = _alone(train, measure, feature)
        of_one, of_one_influence = area_and_influence(alone, measure.labels, measure.weights)
        error = standard_error(influence - without)
        significance = max((full - area) / error if error > 0 else 0.0, _score(alone, measure))
        found.append(
            Importance(
                name,
                full - area,
                error,
                of_one,
                standard_error(of_one_influence),
                min(1.0, 2 * float(norm.sf(significance))),
            )
        )
    found.sort(key=lambda one: -max(one.drop, one.alone - 0.5))
    return tuple(found), full


def _scores(
    train: Events,
    table: np.ndarray,
    shuffled: Sequence[np.ndarray],
    labels: np.ndarray,
    weights: np.ndarray,
    seed: int,
) -> list[np.ndarray]:
    """Return the scores of a table, (M, F), and of it with each column exchanged for another, by one classifier."""
    n, m, tables = len(train.labels), len(table), 1 + len(shuffled)
    # With hundreds of features this is the largest array of all judges.
    everything = np.empty((n + m * tables, table.shape[1]), dtype=np.float32)
    everything[:n], everything[n : n + m] = single_precision(train.features), single_precision(table)
    for feature, column in enumerate(shuffled):
        rows = everything[n + m * (1 + feature) :][:m]
        rows[:] = everything[n : n + m]
        rows[:, feature] = single_precision(column)
    of_all = np.concatenate([labels[:n], np.tile(labels[n:], tables)])
    by_all = np.concatenate([weights[:n], np.tile(weights[n:], tables)])
    member = Member(np.random.default_rng(seed).permutation(n), np.arange(n, len(everything)))
    (scores,) = tree_scores(everything, of_all, by_all, [member], seed)
    return list(scores.reshape(tables, m))


def _alone(train: Events, measure: Events, feature: int) -> np.ndarray:
    """Return the log ratio of the densities in one feature, from narrow bins, for the measuring events, (M,)."""
    values = train.features[:, feature]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="right")
    counts = []
    for label in (0, 1):
        rows = train.labels == label
        effective = 1.0 / np.sum(train.weights[rows] ** 2)
        counts.append(np.bincount(place[rows], train.weights[rows] * effective, len(edges) + 1))
        # Drawn towards a ratio of 1: a bin with few events must not outvote the others.
        counts[-1] = (counts[-1] + SMOOTHING) / effective
    ratio = np.log(counts[1] / counts[0])
    return np.asarray(ratio[np.searchsorted(edges, measure.features[:, feature], side="right")])


def _score(scores: np.ndarray, events: Events) -> float:
    weights = events.weights.copy()
    for label in (0, 1):
        rows = events.labels == label
        weights[rows] /= weights[rows].mean()
    if np.ptp(weights) < 1e-9:
        weights[:] = 1.0
    return standard_score(scores, events.labels, weights)
