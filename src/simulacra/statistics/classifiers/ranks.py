r"""The area under the ROC curve of weighted events, its standard error, and its significance.

With the weighted distributions :math:`F_t` and :math:`F_g` of the scores, ties counting half,

.. math:: A = \int F_t\,dF_g, \qquad
    A - \hat A \approx \sum_{i \in g} \tilde w_i (F_t(s_i) - A) + \sum_{i \in t} \tilde w_i (1 - F_g(s_i) - A)

with weights that sum to 1 in each sample. The terms of the sums are the events' influences on the area; the root of the
sum of their squares is its error (DeLong et al. 1988), which a bootstrap over events approaches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Area:
    """The area under an ROC curve, the probability that an event of label 1 scores above one of label 0; its error."""

    auc: float
    uncertainty: float


def area_of(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Area:
    """Return the area under the ROC curve with its error; the parameters are those of :func:`area_and_influence`."""
    area, influence = area_and_influence(scores, labels, weights)
    return Area(area, standard_error(influence))


def area_and_influence(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve and each event's influence on it, (N,), which sum to 0.

    Parameters
    ----------
    scores, labels, weights:
        (N,); label 1 is expected to score higher, and weights may have either sign.
    """
    signal = labels == 1
    place, n_places = _places(scores)
    below = {}
    share = np.empty(len(scores))
    for label in (True, False):
        rows = signal == label
        share[rows] = weights[rows] / weights[rows].sum()
        held = np.bincount(place[rows], share[rows], n_places)
        below[label] = (np.cumsum(held) - 0.5 * held)[place]
    placement = np.where(signal, below[False], 1 - below[True])
    area = float(share[signal] @ placement[signal])
    return area, share * (placement - area)


def standard_error(influence: np.ndarray) -> float:
    """Return the standard error of a number on which events have these influences, (N,)."""
    return float(np.sqrt(np.sum(influence**2)))


def standard_score(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return the excess of the area under the ROC curve over one half, in standard deviations for random labels.

    Without weights this is the rank-sum test with its exact variance, ties included (Mann and Whitney 1947). With
    weights, which cannot be exchanged between events, each sample has its own variance of the ranks.
    """
    signal = labels == 1
    # With ranks among all events of both samples, each with equal total weight, the area is a difference of two means.
    share = np.where(signal, weights / weights[signal].sum(), weights / weights[~signal].sum())
    place, n_places = _places(scores)
    held = np.bincount(place, share if np.ptp(weights) else np.ones(len(scores)), n_places)
    rank = (np.cumsum(held) - 0.5 * held)[place]
    difference = float(share[signal] @ rank[signal] - share[~signal] @ rank[~signal])
    if not np.ptp(weights):
        n, m = int(np.sum(~signal)), int(np.sum(signal))
        variance = float(rank.var(ddof=1)) * (1 / n + 1 / m)
    else:
        variance = sum(
            float(np.sum(share[rows] ** 2 * (rank[rows] - share[rows] @ rank[rows]) ** 2)) for rows in (signal, ~signal)
        )
    return difference / np.sqrt(variance) if variance > 0 else 0.0


def growing_p_value(standard_scores: np.ndarray) -> float:
    """Return the p-value of growing members' standard scores, (K,), given the number of training folds of each.

    They are independent standard normal numbers under the null hypothesis. The sensitivity to a small difference grows
    with the root of the number of training events, which is therefore the weight of each.
    """
    from scipy.stats import norm

    weights = np.sqrt(np.arange(1, len(standard_scores) + 1))
    return float(norm.sf(weights @ standard_scores / np.sqrt(np.sum(weights**2))))


def _places(scores: np.ndarray) -> tuple[np.ndarray, int]:
    """Return each score's position among the different scores, (N,), and the number of different scores."""
    different, place = np.unique(scores, return_inverse=True)
    return place, len(different)
