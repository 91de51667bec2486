r"""The spread of events of one condition, compared with truth.

A generator that maps a condition to one or few events can still have the right distributions, because the conditions
vary. Events are therefore paired with events of nearly equal conditions (neighbours in a k-d tree of the conditions'
ranks, each event in one pair), and the mean distance within pairs is compared:

.. math:: D = \left\langle \left[ \frac{1}{F} \sum_f \left( \frac{|x_{if} - x_{jf}|}{s_f(c)} \right)^2 \right]^{1/2}
          \right\rangle,

where s_f(c) is the truth's own mean distance in feature f in this stratum of the conditions, which gives each feature
and each condition equal importance. First the truth's mean, as a polynomial in the conditions, is subtracted from the
features, because the conditions of a pair are not exactly equal. A generator that ignores the conditions is not less
diverse by this measure.

The same number of truth and generated events are paired, so the remaining difference of conditions within pairs is the
same. Pairs have no event in common, so the means have simple errors, and the logarithm of their ratio gives a t-test.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np

from simulacra.statistics.modes.strata import Strata

MOST_STRATA: Final = 8
EVENTS_A_STRATUM: Final = 50
EVENTS_A_TERM: Final = 20
#: largest distance in one feature, in typical distances
LARGEST: Final = 6.0
#: share of a feature's standard deviation below which its spread at fixed condition is rounding
LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True)
class Diversity:
    """The spread at fixed condition over the truth's.

    Attributes
    ----------
    value, uncertainty, p_value:
        of all features together: the ratio, its error, and the probability that it is as low for truth.
    chance:
        standard deviation of the ratio for truth against truth, at the numbers of compared events.
    features, feature_errors, feature_p_values:
        the same for each feature, (F,); 1, 0 and 1 if the truth has no spread at fixed condition.
    p_least:
        the smallest of all these p-values, corrected for their number.
    """

    value: float
    uncertainty: float
    p_value: float
    chance: float
    features: np.ndarray
    feature_errors: np.ndarray
    feature_p_values: np.ndarray
    p_least: float


@dataclass(frozen=True)
class _Pairs:
    weights: np.ndarray
    joint: np.ndarray
    features: np.ndarray


class ConditionalSpread:
    """The truth's spread at fixed condition, for comparison with generated events.

    Parameters
    ----------
    fitted, fitted_conditions, fitted_weights:
        truth events for means and scales, (N, F), (N, C) or None, (N,).
    held, held_conditions, held_weights:
        other truth events, compared with generated ones.
    seed:
        of the strata and of the pairs.
    """

    def __init__(
        self,
        fitted: np.ndarray,
        fitted_conditions: np.ndarray | None,
        fitted_weights: np.ndarray,
        held: np.ndarray,
        held_conditions: np.ndarray | None,
        held_weights: np.ndarray,
        *,
        seed: int,
    ) -> None:
        self._seed = seed
        n = len(fitted)
        strata = int(np.clip(n // EVENTS_A_STRATUM, 1, MOST_STRATA))
        self._strata = Strata(fitted_conditions, n, strata=strata, seed=seed)
        ranks = self._strata.ranks(fitted_conditions, n)
        self._powers = _powers(self._strata.dimensions, n)
        root = np.sqrt(fitted_weights)[:, None]
        self._coefficients = np.linalg.lstsq(root * self._terms(ranks), root * fitted, rcond=None)[0]
        self._scale = np.full((len(self._strata), fitted.shape[1]), np.inf)
        first, second, weights = self._paired(ranks, fitted_weights, np.random.default_rng(seed))
        apart = np.abs(self._residuals(fitted, ranks)[first] - self._residuals(fitted, ranks)[second])
        least = LEAST_SPREAD * np.sqrt(np.average((fitted - fitted.mean(axis=0)) ** 2, axis=0, weights=fitted_weights))
        place = self._strata.index(ranks)[first]
        for stratum in range(len(self._strata)):
            inside = place == stratum
            if weights[inside].sum() > 0:
                mean = np.average(apart[inside], axis=0, weights=weights[inside])
                self._scale[stratum] = np.where(mean > least, mean, np.inf)
        self._held = (held, self._strata.ranks(held_conditions, len(held)), held_weights)

    @property
    def conditions(self) -> int:
        """Number of conditions that vary."""
        return self._strata.dimensions

    def compare(self, generated: np.ndarray, conditions: np.ndarray | None, weights: np.ndarray) -> Diversity:
        """Return the diversity of generated events, (M, F), (M, C) or None, (M,)."""
        from scipy.stats import t as student

        rng = np.random.default_rng(self._seed)
        n = min(len(self._held[0]), len(generated))
        ranks = self._strata.ranks(conditions, len(generated))
        sides = []
        for values, place, weight in (self._held, (generated, ranks, weights)):
            rows = rng.permutation(len(values))[:n]
            sides.append(self._distances(values[rows], place[rows], weight[rows], rng))
        ratios, errors, p_values, chances = [], [], [], []
        for select in ("joint", "features"):
            (a, a_error), (b, b_error) = (_mean(getattr(side, select), side.weights) for side in sides)
            there = (a > 0) & (a_error > 0)
            relative = np.divide(a_error, a, out=np.zeros_like(a), where=there)
            ratio = np.divide(b, a, out=np.ones_like(a), where=there)
            # Floors keep events that do not differ at all, which have no error either, at a finite distance.
            own = np.divide(b_error, b, out=np.zeros_like(b), where=b > 0)
            z = np.log(np.maximum(ratio, 1e-6)) / np.maximum(np.hypot(relative, own), 1e-9)
            ratios.append(ratio)
            errors.append(ratio * np.hypot(relative, own) * there)
            chances.append(np.sqrt(2) * relative)
            p_values.append(np.where(there, student.cdf(z, max(1, n // 2 - 1)), 1.0))
        tests = np.concatenate(p_values)
        return Diversity(
            float(ratios[0][0]),
            float(errors[0][0]),
            float(p_values[0][0]),
            float(chances[0][0]),
            ratios[1],
            errors[1],
            p_values[1],
            float(min(1.0, tests.min() * len(tests))),
        )

    def _distances(
        self, values: np.ndarray, ranks: np.ndarray, weights: np.ndarray, rng: np.random.Generator
    ) -> _Pairs:
        first, second, pair_weights = self._paired(ranks, weights, rng)
        residuals = self._residuals(values, ranks)
        scale = self._scale[self._strata.index(ranks)[first]]
        apart = np.minimum(np.abs(residuals[first] - residuals[second]) / scale, LARGEST)
        known = np.maximum(np.isfinite(scale).sum(axis=1), 1)
        return _Pairs(pair_weights, np.sqrt((apart**2).sum(axis=1) / known)[:, None], apart)

    def _paired(
        self, ranks: np.ndarray, weights: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return pairs of events of nearly equal conditions, and their weights, (n // 2,) each."""
        from scipy.spatial import cKDTree

        order = rng.permutation(len(ranks))
        if ranks.shape[1]:
            order = order[np.asarray(cKDTree(ranks[order], leafsize=2).indices)]
        pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
        first, second = pairs[:, 0], pairs[:, 1]
        # Within a stratum each pair counts as often as both of its events occur together.
        place = self._strata.index(ranks)
        total = np.bincount(place, weights, len(self._strata)) / np.maximum(
            np.bincount(place, minlength=len(self._strata)), 1
        )
        mean = np.where(total > 0, total, 1.0)[place[first]]
        return first, second, weights[first] * weights[second] / mean

    def _residuals(self, values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        return np.asarray(values - self._terms(ranks) @ self._coefficients)

    def _terms(self, ranks: np.ndarray) -> np.ndarray:
        """Return the polynomial's terms of conditions, (N, T)."""
        centred = 2 * ranks - 1
        return np.column_stack([np.prod(centred[:, list(power)], axis=1) for power in self._powers])


def _powers(dimensions: int, n: int) -> list[tuple[int, ...]]:
    """Return the terms of the polynomial of the highest degree, at most 3, that n events determine."""
    terms: list[tuple[int, ...]] = [()]
    for degree in (1, 2, 3):
        more = list(combinations_with_replacement(range(dimensions), degree))
        if (len(terms) + len(more)) * EVENTS_A_TERM > n:
            break
        terms += more
    return terms


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted means of columns, and their errors."""
    share = weights / weights.sum()
    mean = share @ values
    return mean, np.sqrt((share**2) @ (values - mean) ** 2)
