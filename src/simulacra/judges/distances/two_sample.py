r"""Distances between two weighted samples of one observable, with bootstrap errors and truth against truth beside them.

Separation power, with the histograms' shares :math:`t_b` and :math:`g_b` (eq. 15 of arXiv:2009.03796),

.. math:: S = \frac{1}{2} \sum_b \frac{(t_b - g_b)^2}{t_b + g_b}, \qquad 0 \le S \le 1,

and the 1-Wasserstein distance, with the cumulative distributions :math:`F_t` and :math:`F_g`,

.. math:: W_1 = \int |F_t(x) - F_g(x)|\, dx,

which is given both in the observable's unit and over the truth's standard deviation.

Neither is 0 for two samples of one distribution. What it then is, at the sizes in hand, is measured by drawing pairs of
samples of these sizes, with replacement, from the truth. The p-value is that of a permutation test: the share of random
divisions of all events into two samples of these sizes that lie at least as far apart. It is exact whatever the
distribution; only where events carry weights, which cannot be exchanged, do the pairs of truth stand in for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulacra.judges.distances.histograms import Binning, binning_of, joined

REPLICATES: Final = 200
BLOCK: Final = 50_000


def separation_power(
    truth: np.ndarray,
    generated: np.ndarray,
    binning: Binning,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
) -> float:
    """Return the separation power of two samples, (N,) and (M,): 0 for equal histograms, 1 for disjoint ones."""
    pair = _Pair(truth, generated, _or_ones(truth_weights, truth), _or_ones(generated_weights, generated), binning)
    return float(pair.distances()[0])


def wasserstein_distance(
    truth: np.ndarray,
    generated: np.ndarray,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
) -> float:
    """Return the 1-Wasserstein distance of two samples, (N,) and (M,), in the observable's unit."""
    tw, gw = _or_ones(truth_weights, truth), _or_ones(generated_weights, generated)
    return float(_Pair(truth, generated, tw, gw, binning_of(truth)).distances()[1])


def effective_size(weights: np.ndarray) -> float:
    """Return the number of unweighted events that fluctuate as much, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


def standard_deviation(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted standard deviation of a sample, (N,)."""
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


@dataclass(frozen=True)
class Distance:
    """A distance, its bootstrap error, and what truth against truth scores (mean, standard deviation, p-value)."""

    value: float
    uncertainty: float
    truth_value: float
    truth_uncertainty: float
    p_value: float


@dataclass(frozen=True)
class Resamples:
    """How often each event stands in each bootstrap replicate; drawn once for all observables of two samples.

    Attributes
    ----------
    truth, generated:
        replicates of the samples themselves, (R, N) and (R, M).
    null_truth, null_generated:
        pairs of samples of the (effective) sizes N and M, drawn from the pool of truth events, (R, P) each.
    permuted:
        whether each event, truth and generated ones behind each other, counts as truth, (R, N + M); None if they carry
        weights.
    """

    truth: np.ndarray
    generated: np.ndarray
    null_truth: np.ndarray
    null_generated: np.ndarray
    permuted: np.ndarray | None

    @classmethod
    def draw(
        cls,
        truth_weights: np.ndarray,
        generated_weights: np.ndarray,
        *,
        pool_size: int | None = None,
        replicates: int = REPLICATES,
        rng: np.random.Generator,
    ) -> Resamples:
        """Draw replicates for samples with these weights, (N,) and (M,), and a pool of ``pool_size`` truth events."""
        n, m = len(truth_weights), len(generated_weights)
        pool = pool_size or n
        # The generated events' weights mean nothing for the truth's events: what they cost in precision is what counts.
        effective = max(2, round(effective_size(generated_weights)))
        return cls(
            _counts(n, n, replicates, rng),
            _counts(m, m, replicates, rng),
            _counts(pool, n, replicates, rng),
            _counts(pool, effective, replicates, rng),
            None if np.ptp(truth_weights) or np.ptp(generated_weights) else _divisions(n, m, replicates, rng),
        )


def compare(
    truth: np.ndarray,
    generated: np.ndarray,
    resamples: Resamples,
    *,
    truth_weights: np.ndarray,
    generated_weights: np.ndarray,
    pool: np.ndarray | None = None,
    pool_weights: np.ndarray | None = None,
    binning: Binning | None = None,
) -> tuple[Distance, Distance]:
    """Return the separation power and the 1-Wasserstein distance [observable's unit].

    Parameters
    ----------
    truth, generated:
        the observable, (N,) and (M,).
    resamples:
        the replicates.
    truth_weights, generated_weights:
        weight of each event, (N,) and (M,).
    pool, pool_weights:
        the truth events that truth-against-truth pairs are drawn from, (P,); ``truth`` itself if None.
    binning:
        of the separation power; the truth decides if None. Bins with fewer than ten truth events are joined.
    """
    binning = joined(binning or binning_of(truth), truth)
    if pool is None:
        pool, pool_weights = truth, truth_weights
    pool_weights = _or_ones(pool_weights, pool)
    judged = _Pair(truth, generated, truth_weights, generated_weights, binning)
    null = _Pair(pool, pool, pool_weights, pool_weights, binning)
    value = judged.distances()
    spread = judged.replicates(resamples.truth, resamples.generated)
    chance = null.replicates(resamples.null_truth, resamples.null_generated)
    exchanged = chance
    if resamples.permuted is not None:
        everything = np.concatenate([truth, generated])
        ones = np.ones(len(everything))
        mixed = _Pair(everything, everything, ones, ones, binning)
        exchanged = mixed.replicates(resamples.permuted, ~resamples.permuted)
    separation, wasserstein = (_distance(value[k], spread[k], chance[k], exchanged[k]) for k in (0, 1))
    return separation, wasserstein


class _Pair:
    """Two samples of one observable, or one to draw both from, sorted and binned once for all replicates."""

    def __init__(
        self,
        truth: np.ndarray,
        generated: np.ndarray,
        truth_weights: np.ndarray,
        generated_weights: np.ndarray,
        binning: Binning,
    ) -> None:
        self._weights = (truth_weights, generated_weights)
        self._one = truth is generated
        values = truth if self._one else np.concatenate([truth, generated])
        self._order = np.argsort(values, kind="stable")
        self._gaps = np.diff(values[self._order])
        self._bins = (self._membership(truth, binning), self._membership(generated, binning))

    @staticmethod
    def _membership(values: np.ndarray, binning: Binning) -> Any:
        """Return a sparse matrix (bins, N) of ones."""
        from scipy import sparse

        n = len(values)
        return sparse.csr_array((np.ones(n), (binning.index(values), np.arange(n))), shape=(len(binning), n))

    def distances(self) -> np.ndarray:
        """Return separation power and 1-Wasserstein distance of the samples themselves, (2,)."""
        return self._of(*(np.ones((1, len(w))) for w in self._weights))[:, 0]

    def replicates(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return both distances of replicates with these multiplicities, (R, N) and (R, M): (2, R)."""
        rows = max(1, BLOCK // len(self._order))
        blocks = [self._of(first[i : i + rows], second[i : i + rows]) for i in range(0, len(first), rows)]
        return np.concatenate(blocks, axis=1)

    def _of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        t, g = first * self._weights[0], second * self._weights[1]
        t /= t.sum(axis=1, keepdims=True)
        g /= g.sum(axis=1, keepdims=True)
        difference = (t - g if self._one else np.concatenate([t, -g], axis=1))[:, self._order]
        wasserstein = np.abs(np.cumsum(difference, axis=1)[:, :-1]) @ self._gaps
        t_share, g_share = self._bins[0] @ t.T, self._bins[1] @ g.T
        both = t_share + g_share
        separation = 0.5 * np.divide((t_share - g_share) ** 2, both, out=np.zeros_like(both), where=both > 0).sum(
            axis=0
        )
        return np.stack([separation, wasserstein])


def _distance(value: float, spread: np.ndarray, chance: np.ndarray, exchanged: np.ndarray) -> Distance:
    # The division in hand is one of the possible ones; rounding must not make equal distances differ.
    p_value = (1 + int(np.count_nonzero(exchanged >= value * (1 - 1e-9)))) / (1 + len(exchanged))
    return Distance(float(value), float(spread.std(ddof=1)), float(chance.mean()), float(chance.std(ddof=1)), p_value)


def _divisions(n: int, m: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Return random divisions of n + m events into n and m, (replicates, n + m) bool."""
    first = np.zeros((replicates, n + m), dtype=bool)
    first[:, :n] = True
    return np.asarray(rng.permuted(first, axis=1))


def _counts(pool: int, draws: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of ``pool`` events is drawn in ``draws`` draws with replacement, (replicates, pool)."""
    counts = np.empty((replicates, pool), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(0, pool, draws), minlength=pool)
    return counts


def _or_ones(weights: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    return np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
