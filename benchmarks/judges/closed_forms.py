r"""Distances of samples of Gaussians against the values that the formulas give for the distributions themselves.

Features are not standardised. A pull is (measured - formula) / quoted error; if both distance and
error are right, pulls have mean 0 and standard deviation 1. The formulas:

* FPD: :math:`|m_1 - m_2|^2 + \mathrm{tr}(C_1 + C_2 - 2 (C_1 C_2)^{1/2})` (Dowson and Landau, J. Multivar. Anal. 12
  (1982) 450).
* KPD: the kernel (x.y / F + 1)^4 has, for given x, the fourth moment of a Gaussian of mean 1 + x.m / F and variance
  x'Cx / F^2, a polynomial of degree 4 in x, which Gauss and Hermite's rule with five nodes per axis integrates exactly.
* MMD: E exp(-d'd / 2s^2) of Gaussian d with mean m and covariance C is
  :math:`|1 + C / s^2|^{-1/2} \exp(-m'(C + s^2)^{-1} m / 2)`.
* W1 along a line: with quantiles :math:`m_i + s_i z`, the mean of the folded normal of mean :math:`m_1 - m_2` and width
  :math:`|s_1 - s_2|`.
* Energy distance: E|d| of d ~ N(m, s^2) along a line is the folded normal's mean; for isotropic Gaussians of F features
  and equal means it is :math:`s \sqrt{2}\, \Gamma((F + 1) / 2) / \Gamma(F / 2)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.judges.panel import one_thread

from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.frechet import frechet_physics_distance
from simulacra.statistics.distances.kernels import kernel_physics_distance, maximum_mean_discrepancy
from simulacra.statistics.distances.slices import slice_distances
from simulacra.statistics.distances.two_sample import WASSERSTEIN, Distance, Lines
from simulacra.statistics.features import Features

EVENTS: Final = 10_000
SEEDS: Final = 10
BANDWIDTH: Final = 2.0


@dataclass(frozen=True)
class Gaussians:
    """Two Gaussians, of means (F,) and covariances (F, F)."""

    means: tuple[np.ndarray, np.ndarray]
    covariances: tuple[np.ndarray, np.ndarray]

    def draw(self, n: int, rng: np.random.Generator) -> Features:
        """Return n events of each."""
        values = [
            mean + rng.normal(size=(n, len(mean))) @ np.linalg.cholesky(covariance).T
            for mean, covariance in zip(self.means, self.covariances, strict=True)
        ]
        names = tuple(f"feature_{k}" for k in range(len(self.means[0])))
        return Features(values[0], values[1], np.ones(n), np.ones(n), names)


def shifted_and_correlated() -> Gaussians:
    """Return Gaussians of four features that differ in means, widths and correlations."""
    first, second = (
        width**2 * (correlation + (1 - correlation) * np.eye(4)) for correlation, width in ((0.3, 1.0), (0.45, 1.15))
    )
    return Gaussians((np.zeros(4), np.array([0.15, -0.1, 0.0, 0.05])), (first, second))


def along_a_line(shift: float, width: float) -> Gaussians:
    """Return Gaussians of one feature: a standard one, and one of this mean and width."""
    return Gaussians((np.zeros(1), np.array([shift])), (np.eye(1), width**2 * np.eye(1)))


def wider(width: float, features: int) -> Gaussians:
    """Return isotropic Gaussians of mean 0 and widths 1 and ``width``."""
    return Gaussians((np.zeros(features),) * 2, (np.eye(features), width**2 * np.eye(features)))


def frechet(pair: Gaussians) -> float:
    """Return the Frechet distance, squared."""
    (m, k), (c, d) = pair.means, pair.covariances
    root = np.sqrt(np.linalg.eigvals(c @ d).real).sum()
    return float(np.sum((m - k) ** 2) + np.trace(c) + np.trace(d) - 2 * root)


def polynomial(pair: Gaussians) -> float:
    """Return the squared discrepancy of the kernel (x.y / F + 1)^4."""

    def mean(i: int, j: int) -> float:
        m, c, k, d = pair.means[i], pair.covariances[i], pair.means[j], pair.covariances[j]
        nodes, weights = np.polynomial.hermite_e.hermegauss(5)
        places = np.array(list(itertools.product(nodes, repeat=len(m))))
        shares = np.array([np.prod(w) for w in itertools.product(weights / weights.sum(), repeat=len(m))])
        x = m + places @ np.linalg.cholesky(c).T
        a, b = 1 + x @ k / len(m), np.einsum("ni,ij,nj->n", x, d, x) / len(m) ** 2
        return float(shares @ (a**4 + 6 * a**2 * b + 3 * b**2))

    return mean(0, 0) + mean(1, 1) - 2 * mean(0, 1)


def gaussian(pair: Gaussians, bandwidth: float = BANDWIDTH) -> float:
    """Return the squared discrepancy of the Gaussian kernel."""

    def mean(i: int, j: int) -> float:
        shift, wide = pair.means[i] - pair.means[j], pair.covariances[i] + pair.covariances[j]
        unit = np.eye(len(shift))
        determinant = np.linalg.det(unit + wide / bandwidth**2)
        exponent = shift @ np.linalg.solve(wide + bandwidth**2 * unit, shift) / 2
        return float(np.exp(-exponent) / np.sqrt(determinant))

    return mean(0, 0) + mean(1, 1) - 2 * mean(0, 1)


def folded(mean: float, width: float) -> float:
    """Return E|d| of d ~ N(mean, width^2)."""
    from scipy.stats import norm

    if width == 0:
        return abs(mean)
    z = mean / width
    return float(width * (2 * norm.pdf(z) + z * (1 - 2 * norm.cdf(-z))))


def wasserstein(pair: Gaussians) -> float:
    """Return the 1-Wasserstein distance along a line."""
    widths = [float(np.sqrt(c[0, 0])) for c in pair.covariances]
    return folded(float(pair.means[1][0] - pair.means[0][0]), abs(widths[1] - widths[0]))


def energy(pair: Gaussians, n: int | None = None) -> float:
    """Return the energy distance along a line, or of isotropic Gaussians of one mean in F dimensions.

    With n, its mean for samples of n events each, including the pairs of an event with itself.
    """
    from scipy.special import gammaln

    n_features = len(pair.means[0])
    variances = [float(c[0, 0]) for c in pair.covariances]

    def mean(i: int, j: int) -> float:
        width = np.sqrt(variances[i] + variances[j])
        if n_features == 1:
            return folded(float(pair.means[i][0] - pair.means[j][0]), width)
        return float(width * np.sqrt(2) * np.exp(gammaln((n_features + 1) / 2) - gammaln(n_features / 2)))

    own = 1.0 if n is None else 1 - 1 / n
    return 2 * mean(0, 1) - own * (mean(0, 0) + mean(1, 1))


def _divided(features: Features, rng: np.random.Generator) -> Replicates:
    return Replicates.draw(features.truth_weights, features.generated_weights, rng)


def _line(features: Features, rng: np.random.Generator) -> Distance:
    lines = Lines(_divided(features, rng))
    return lines.scores(features.truth[:, 0], features.generated[:, 0])[WASSERSTEIN].distance


@dataclass(frozen=True)
class Case:
    """A pair of Gaussians, the formula's value for them, and the judge that measures it."""

    title: str
    pair: Gaussians
    formula: Callable[[Gaussians], float]
    measure: Callable[[Features, np.random.Generator], Distance]


def cases(n: int = EVENTS) -> dict[str, Case]:
    """Return all comparisons, for n events of each Gaussian."""
    apart, line, broad = shifted_and_correlated(), along_a_line(0.1, 1.2), wider(1.2, 5)

    def slices(features: Features, rng: np.random.Generator) -> Distance:
        return slice_distances(features, _divided(features, rng), rng)["energy_distance"]

    return {
        "frechet": Case(
            "FPD, 4 features: shifts, widths, correlations",
            apart,
            frechet,
            lambda features, rng: frechet_physics_distance(features, _divided(features, rng), rng),
        ),
        "kernel": Case(
            "KPD, 4 features: shifts, widths, correlations",
            apart,
            polynomial,
            lambda features, rng: kernel_physics_distance(features, rng).distance,
        ),
        "gaussian": Case(
            f"MMD with s = {BANDWIDTH:g}, 4 features: shifts, widths, correlations",
            apart,
            gaussian,
            lambda features, rng: maximum_mean_discrepancy(features, rng, bandwidth=BANDWIDTH).distance,
        ),
        "wasserstein": Case("W1, shift 0.1 and width 1.2", line, wasserstein, _line),
        "wasserstein-shift": Case("W1, shift 0.2", along_a_line(0.2, 1.0), wasserstein, _line),
        "energy": Case("energy distance, shift 0.1 and width 1.2", line, partial(energy, n=n), slices),
        "energy-wide": Case("energy distance, 5 features, width 1.2", broad, partial(energy, n=n), slices),
    }


def closed_form(_folder: Path, name: str, n: int, seeds: int) -> dict[str, Any]:
    """Return a judge's values on n events of each Gaussian, for several seeds, and the formula's value."""
    one_thread()
    case = cases(n)[name]
    exact = case.formula(case.pair)
    found = []
    for seed in range(1, seeds + 1):
        rng = np.random.default_rng([seed, n])
        found.append(case.measure(case.pair.draw(n, rng), rng))
    pulls = np.array([(one.value - exact) / one.uncertainty for one in found])
    return {
        "title": case.title,
        "n": n,
        "formula": exact,
        "values": np.array([one.value for one in found]),
        "uncertainties": np.array([one.uncertainty for one in found]),
        "truth_values": np.array([one.truth_value for one in found]),
        "mean": float(np.mean([one.value for one in found])),
        "mean_uncertainty": float(np.mean([one.uncertainty for one in found])),
        "pull": float(pulls.mean()),
        # The width of the pulls is 1 if the quoted errors are right.
        "pull_error": float(len(pulls) ** -0.5),
        "pull_width": float(pulls.std(ddof=1)),
        "pull_width_error": float((2 * (len(pulls) - 1)) ** -0.5),
    }


def stages(n: int, seeds: int) -> Mapping[str, tuple[Any, ...]]:
    """Return the stages, one per comparison."""
    return {f"formula-{name}": (closed_form, name, n, seeds) for name in cases()}
