r"""Distances between two weighted samples of one observable, with bootstrap errors and truth against truth.

Separation power, with the histograms' shares :math:`t_b` and :math:`g_b` (eq. 15 of arXiv:2009.03796),

.. math:: S = \frac{1}{2} \sum_b \frac{(t_b - g_b)^2}{t_b + g_b}, \qquad 0 \le S \le 1,

and, with the cumulative distributions :math:`F_t` and :math:`F_g`, the 1-Wasserstein distance, the Kolmogorov-Smirnov
distance and the energy distance along a line (Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249),

.. math::
    W_1 = \int |F_t(x) - F_g(x)|\, dx, \qquad
    \mathrm{KS} = \max_x |F_t(x) - F_g(x)|, \qquad
    E = 2 \int (F_t(x) - F_g(x))^2\, dx.

None is 0 for two samples of one distribution. Their values for truth against truth, at the given sizes, come from
halves of the truth. The p-value is that of a permutation test, the share of random divisions of all events that are at
least as far apart. The error is from the bootstrap (all three: :mod:`simulacra.statistics.distances.divisions`). The
value is for all events. Its replicates, and the value that the p-value compares with them, are evaluated on the grid of
:mod:`simulacra.statistics.distances.cumulative`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from simulacra.statistics.distances import cumulative
from simulacra.statistics.distances.cumulative import POINTS, Grid
from simulacra.statistics.distances.divisions import Divisions, Replicates, p_value
from simulacra.statistics.distances.histograms import Binning

WASSERSTEIN: Final = "wasserstein"
KOLMOGOROV_SMIRNOV: Final = "kolmogorov_smirnov"
ENERGY: Final = "energy"


def effective_size(weights: np.ndarray) -> float:
    """Return the number of unweighted events with the same fluctuation, (sum w)^2 / sum w^2."""
    largest = float(np.abs(weights).max(initial=0.0))
    if largest > 1e150:  # Its square would overflow.
        weights = weights / largest
    return float(weights.sum() ** 2 / np.sum(weights**2))


def standard_deviation(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted standard deviation of a sample, (N,)."""
    mean = np.average(values, weights=weights)
    # Negative weights can make a variance of few events negative: it is then not known to differ from 0.
    return float(np.sqrt(max(np.average((values - mean) ** 2, weights=weights), 0.0)))


def weighted_quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """Return the smallest value (N,) up to which the events have this share of the weight."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(cumulative, level * cumulative[-1]), len(values) - 1)])


@dataclass(frozen=True)
class Distance:
    """A distance, its bootstrap error, and truth against truth (mean, standard deviation, p-value)."""

    value: float
    uncertainty: float
    truth_value: float
    truth_uncertainty: float
    p_value: float


@dataclass(frozen=True)
class Scores:
    """A distance and its replicates.

    Attributes
    ----------
    value:
        of all events.
    compared:
        the value to compare with ``exchange``, evaluated like the replicates.
    exchange, bootstrap, halves:
        of the replicates, (R,) each; ``halves`` are already scaled to the samples' sizes.
    """

    value: float
    compared: float
    exchange: np.ndarray
    bootstrap: np.ndarray
    halves: np.ndarray

    def times(self, factor: float) -> Scores:
        """Return the distance in another unit."""
        arrays = (factor * scores for scores in (self.exchange, self.bootstrap, self.halves))
        return Scores(factor * self.value, factor * self.compared, *arrays)

    @property
    def distance(self) -> Distance:
        """The distance with its error and null distribution."""
        return Distance(
            float(self.value),
            float(self.bootstrap.std(ddof=1)),
            float(self.halves.mean()),
            float(self.halves.std(ddof=1)),
            p_value(self.compared, self.exchange),
        )


def mean_scores(scores: Iterable[Scores]) -> Scores:
    """Return the mean of distances, replicate by replicate."""
    return _combined(list(scores), np.mean)


def largest_scores(scores: Iterable[Scores]) -> Scores:
    """Return the largest of distances, replicate by replicate."""
    return _combined(list(scores), np.max)


class Lines:
    """Two samples, divided once for cheap distances along any line.

    Parameters
    ----------
    replicates:
        of the samples; the halves may be those of a larger pool of truth events.
    points:
        largest number of points of a grid.
    """

    def __init__(self, replicates: Replicates, *, points: int = POINTS) -> None:
        self._both, self._halves, self._points = replicates.exchange, replicates.halves, points
        n_blocks = self._both.n_blocks
        in_hand = np.ones((1, n_blocks), dtype=np.int16)
        in_hand[:, n_blocks // 2 :] = 0
        divisions = replace(
            self._both,
            first=np.concatenate([in_hand, replicates.exchange.first, replicates.bootstrap.first]),
            second=np.concatenate([1 - in_hand, replicates.exchange.second, replicates.bootstrap.second]),
        )
        self._factors, self._halves_factors = divisions.coefficients(), self._halves.coefficients()
        self._signed = self._factors[0] - self._factors[1]
        self._halves_signed = self._halves_factors[0] - self._halves_factors[1]

    def scores(self, truth: np.ndarray, generated: np.ndarray, pool: np.ndarray | None = None) -> dict[str, Scores]:
        """Return the distances along a line.

        Parameters
        ----------
        truth, generated:
            positions on the line, (N,) and (M,).
        pool:
            positions of the events in the halves, (P,); the truth's if None.

        Returns
        -------
        dict
            "wasserstein" and "energy" in the unit of the line, "kolmogorov_smirnov" from 0 to 1.
        """
        values = self._checked(truth, generated, pool)
        n, both = len(truth), self._both
        grid = Grid.of(values, points=self._points)
        difference = self._signed @ grid.block_shares(both.weights, both.blocks, both.n_blocks)
        found = _on_grid(difference, grid.gaps)
        if pool is None:
            of_halves = Grid.of(truth, points=self._points, order=grid.order[grid.order < n])
        else:
            of_halves = Grid.of(pool, points=self._points)
        halves = self._halves
        shares = of_halves.block_shares(halves.weights, halves.blocks, halves.n_blocks)
        by_chance = _on_grid(self._halves_signed @ shares, of_halves.gaps)
        signed = np.concatenate([both.weights[:n], -both.weights[n:]])
        exact = _exact(values, signed, grid.order)
        degree = {WASSERSTEIN: 0.5, KOLMOGOROV_SMIRNOV: 0.5, ENERGY: 1.0}
        return {
            name: self._split(exact[name], found[name], by_chance[name] * halves.shrink ** degree[name])
            for name in degree
        }

    def separation(
        self, truth: np.ndarray, generated: np.ndarray, binning: Binning, pool: np.ndarray | None = None
    ) -> Scores:
        """Return the separation power of an observable, (N,) and (M,), in bins; ``pool`` as for :meth:`scores`."""
        values = self._checked(truth, generated, pool)
        replicates = _separation(*(f @ _in_bins(self._both, values, binning) for f in self._factors))
        shares = _in_bins(self._halves, truth if pool is None else pool, binning)
        by_chance = _separation(*(f @ shares for f in self._halves_factors)) * self._halves.shrink
        return self._split(float(replicates[0]), replicates, by_chance)

    def _split(self, value: float, replicates: np.ndarray, halves: np.ndarray) -> Scores:
        exchanged = 1 + len(self._both)
        return Scores(value, float(replicates[0]), replicates[1:exchanged], replicates[exchanged:], halves)

    def _checked(self, truth: np.ndarray, generated: np.ndarray, pool: np.ndarray | None) -> np.ndarray:
        expected, halved = len(self._both.weights), len(self._halves.weights)
        if len(truth) + len(generated) != expected:
            raise ValueError(f"{len(truth)} and {len(generated)} values, but the replicates are for {expected} events")
        if (given := len(truth if pool is None else pool)) != halved:
            raise ValueError(f"{given} events to halve, but the halves are of {halved}: give the pool of the halves")
        values = np.concatenate([truth, generated]).astype(np.float64, copy=False)
        if not np.isfinite(values).all():
            raise ValueError("a distance needs finite values, but there is NaN or infinity among them")
        return values


def of_pool(replicates: Replicates, pool_weights: np.ndarray, rng: np.random.Generator) -> Replicates:
    """Return the replicates with halves of a larger pool of truth events, (P,), for samples of the given sizes."""
    halves = replicates.halves
    drawn = Replicates.draw(pool_weights, pool_weights, rng, replicates=len(halves), blocks=halves.n_blocks).halves
    return replace(replicates, halves=replace(drawn, shrink=drawn.shrink * _scale(replicates, drawn)))


def _scale(replicates: Replicates, drawn: Divisions) -> float:
    """Return the variance of a difference of the samples over that of two samples like the pool."""
    both = replicates.exchange
    apart = float(np.sum(both.weights**2))
    return apart / (2 * float(np.sum(drawn.weights**2)))


def _on_grid(difference: np.ndarray, gaps: np.ndarray) -> dict[str, np.ndarray]:
    return {
        WASSERSTEIN: cumulative.wasserstein(difference, gaps),
        KOLMOGOROV_SMIRNOV: cumulative.kolmogorov_smirnov(difference),
        ENERGY: cumulative.energy(difference, gaps),
    }


def _exact(values: np.ndarray, signed: np.ndarray, order: np.ndarray | None = None) -> dict[str, float]:
    """Return the distances of events with these positions and shares, negative for the second sample, (K,) each."""
    order = np.argsort(values) if order is None else order
    gaps = np.diff(values[order])
    apart = gaps > 0  # Between equal values there is no place at which the distributions could differ.
    difference = np.cumsum(signed[order])[:-1][apart][None]
    return {name: float(found[0]) for name, found in _on_grid(difference, gaps[apart]).items()}


def _in_bins(divisions: Divisions, values: np.ndarray, binning: Binning) -> np.ndarray:
    """Return the share of each block in each bin, (B, bins)."""
    address = divisions.blocks * len(binning) + binning.index(values)
    shares = np.bincount(address, divisions.weights, divisions.n_blocks * len(binning))
    return shares.reshape(divisions.n_blocks, len(binning))


def _separation(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Return the separation power of shares in bins, (R, bins) each: (R,)."""
    both = truth + generated
    terms = np.divide((truth - generated) ** 2, both, out=np.zeros_like(both), where=both > 0)
    return np.asarray(0.5 * terms.sum(axis=1))


def _combined(listed: list[Scores], how: Callable[..., Any]) -> Scores:
    value, compared = (float(how([getattr(s, name) for s in listed])) for name in ("value", "compared"))
    arrays = (how([getattr(s, name) for s in listed], axis=0) for name in ("exchange", "bootstrap", "halves"))
    return Scores(value, compared, *arrays)
