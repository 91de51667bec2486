r"""Correlations of every pair of features: generated against truth, and the significance of the difference.

.. math:: d = \sqrt{\frac{2}{F (F - 1)} \sum_{i < j} (C^g_{ij} - C^t_{ij})^2}

is the distance of the two samples' correlation matrices. Before events are exchanged, each sample's features are
standardised by its own mean and standard deviation, so the p-values are for correlations only, for any marginals. Rank
correlations (Spearman) are those of the features' ranks within their own sample; a few extreme events do not change
them.

The worst pair has the largest difference in standard deviations of the exchanged samples. Its p-value is the
probability that the largest of all pairs is as large by chance, so testing many pairs gives no false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from simulacra.statistics.distances.divisions import Divisions, Replicates, p_value
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features

# A difference of two correlations that are 1 by construction has no spread; this much does not count.
SMALLEST_SPREAD: Final = 1e-6


@dataclass(frozen=True)
class Correlations:
    """Correlation matrices of both samples.

    Attributes
    ----------
    names:
        of the features, (F,).
    truth, generated:
        (F, F) each; 0 for a feature that is constant.
    error, chance:
        standard deviation of their difference, by bootstrap and by exchange of events, (F, F) each.
    distance:
        root mean square of the differences off the diagonal.
    worst:
        numbers of the two features whose correlation differs most.
    worst_p_value:
        probability that any pair differs as much by chance.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    generated: np.ndarray
    error: np.ndarray
    chance: np.ndarray
    distance: Distance
    worst: tuple[int, int]
    worst_p_value: float

    @property
    def pulls(self) -> np.ndarray:
        """The difference, generated minus truth, over its standard deviation by chance, (F, F)."""
        return np.asarray((self.generated - self.truth) / np.maximum(self.chance, SMALLEST_SPREAD))


def correlations_of(features: Features, replicates: Replicates, *, ranks: bool = False) -> Correlations:
    """Return the correlations of features, or of their ranks, in both samples.

    Parameters
    ----------
    features:
        of truth and generated events, (N, F) and (M, F), with F at least 2.
    replicates:
        for these events' weights, with halves of the given truth.
    ranks:
        whether to correlate ranks within the sample.

    Raises
    ------
    ValueError
        if there are fewer than two features, or the replicates are for other events.
    """
    n_features = len(features.names)
    if n_features < 2:
        raise ValueError(f"correlations need at least two features; there is {n_features}: {', '.join(features.names)}")
    n, m = len(features.truth), len(features.generated)
    exchange, halves = replicates.exchange, replicates.halves
    if len(exchange.weights) != n + m or len(halves.weights) != n:
        raise ValueError(
            f"{n} and {m} events, but the replicates are for {len(exchange.weights)} events and halves of "
            f"{len(halves.weights)}: give replicates of these events"
        )
    truth, generated = (
        _own_scale(_ranks(values, weights) if ranks else values, weights)
        for values, weights in (
            (features.truth, features.truth_weights),
            (features.generated, features.generated_weights),
        )
    )
    both = _block_moments(exchange, np.concatenate([truth, generated]))
    exchanged, bootstrapped = (_differences(d, both) for d in (exchange, replicates.bootstrap))
    by_chance = np.sqrt(halves.shrink) * _differences(halves, _block_moments(halves, truth))
    middle = exchange.n_blocks // 2
    first, second = (_correlations(both[side].sum(axis=0)[None])[0] for side in (slice(middle), slice(middle, None)))
    difference = second - first

    spread = np.maximum(exchanged.std(axis=0, ddof=1), SMALLEST_SPREAD)
    pulls = np.abs(difference) / spread
    worst = int(np.argmax(pulls))
    rows, columns = np.triu_indices(n_features, 1)
    value = float(_root_mean_square(difference[None])[0])
    chance = _root_mean_square(by_chance)
    return Correlations(
        features.names,
        _matrix(first, n_features, 1.0),
        _matrix(second, n_features, 1.0),
        _matrix(bootstrapped.std(axis=0, ddof=1), n_features, 0.0),
        _matrix(spread, n_features, 0.0),
        Distance(
            value,
            float(_root_mean_square(bootstrapped).std(ddof=1)),
            float(chance.mean()),
            float(chance.std(ddof=1)),
            p_value(value, _root_mean_square(exchanged)),
        ),
        (int(rows[worst]), int(columns[worst])),
        p_value(float(pulls[worst]), (np.abs(exchanged) / spread).max(axis=1)),
    )


def _own_scale(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return values (K, F) standardised by their own mean and standard deviation; a constant feature is 0."""
    centred = values - np.average(values, axis=0, weights=weights)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=weights))
    constant = spread <= 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of the weight below each value, with half of equal values, (K, F)."""
    ranks = np.empty_like(values)
    for f, column in enumerate(values.T):
        order = np.argsort(column)
        total = np.concatenate([[0.0], np.cumsum(weights[order])])
        ends = np.append(np.flatnonzero(np.diff(column[order])) + 1, len(column))
        middles = 0.5 * (total[np.append(0, ends[:-1])] + total[ends])
        ranks[order, f] = np.repeat(middles, np.diff(ends, prepend=0)) / total[-1]
    return ranks


def _block_moments(divisions: Divisions, values: np.ndarray) -> np.ndarray:
    """Return the sums of w x x' in each block, with x (K, F) and a 1 behind: (B, F + 1, F + 1)."""
    order = np.argsort(divisions.blocks, kind="stable")
    x = np.column_stack([values[order], np.ones(len(values))])
    weights = divisions.weights[order]
    bounds = np.searchsorted(divisions.blocks[order], np.arange(divisions.n_blocks + 1))
    return np.stack([(x[a:b] * weights[a:b, None]).T @ x[a:b] for a, b in pairwise(bounds)])


def _differences(divisions: Divisions, moments: np.ndarray) -> np.ndarray:
    """Return the second minus the first group's correlations of each replicate and pair, (R, F (F - 1) / 2)."""
    size = moments.shape[1]
    flat = moments.reshape(len(moments), -1)
    first, second = (factors @ flat for factors in divisions.coefficients())
    return np.asarray(_correlations(second.reshape(-1, size, size)) - _correlations(first.reshape(-1, size, size)))


def _correlations(moments: np.ndarray) -> np.ndarray:
    """Return the correlations of all pairs from sums of w x x', (R, F + 1, F + 1): (R, F (F - 1) / 2)."""
    scaled = moments / moments[:, -1:, -1:]
    mean = scaled[:, -1, :-1]
    covariance = scaled[:, :-1, :-1] - mean[:, :, None] * mean[:, None, :]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    rows, columns = np.triu_indices(variance.shape[1], 1)
    product = np.sqrt(np.maximum(variance[:, rows] * variance[:, columns], 0.0))
    above = covariance[:, rows, columns]
    return np.asarray(np.clip(np.divide(above, product, out=np.zeros_like(above), where=product > 1e-12), -1.0, 1.0))


def _root_mean_square(differences: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt((differences**2).mean(axis=1)))


def _matrix(pairs: np.ndarray, n_features: int, diagonal: float) -> np.ndarray:
    matrix = np.full((n_features, n_features), diagonal)
    above = np.triu_indices(n_features, 1)
    matrix[above] = pairs
    matrix.T[above] = pairs
    return matrix
