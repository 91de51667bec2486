"""Kernel distances against closed forms, at the null, and with weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from simulacra.statistics.distances.kernels import KernelDistance, kernel_physics_distance, maximum_mean_discrepancy
from simulacra.statistics.features import Features

Judge = Callable[..., KernelDistance]
JUDGES: tuple[Judge, ...] = (kernel_physics_distance, maximum_mean_discrepancy)


def features_of(truth: np.ndarray, generated: np.ndarray, weights: np.ndarray | None = None) -> Features:
    names = tuple(map(str, range(truth.shape[1])))
    ones = np.ones(len(generated))
    return Features(truth, generated, np.ones(len(truth)), ones if weights is None else weights, names)


def polynomial_mean(first: float, second: float, n: int) -> float:
    """Return E ((x.y) / n + 1)^4 for x and y of n Gaussian features, of means (first, 0, ...) and (second, 0, ...).

    Given x, the product s = x.y is Gaussian with mean ``second * x_1`` and variance |x|^2.
    """
    a, b = first, second
    # Moments of x_1 ~ N(a, 1) and of r = |x|^2 = x_1^2 + the chi^2 of the other n - 1.
    m1, m2, m3, m4 = a, a**2 + 1, a**3 + 3 * a, a**4 + 6 * a**2 + 3
    r, r2 = m2 + n - 1, m4 + 2 * m2 * (n - 1) + (n - 1) * (n + 1)
    x_r, xx_r = m3 + m1 * (n - 1), m4 + m2 * (n - 1)
    s1, s2 = b * m1, b**2 * m2 + r
    s3, s4 = b**3 * m3 + 3 * b * x_r, b**4 * m4 + 6 * b**2 * xx_r + 3 * r2
    return s4 / n**4 + 4 * s3 / n**3 + 6 * s2 / n**2 + 4 * s1 / n + 1


def test_the_polynomial_mean_agrees_with_a_direct_simulation() -> None:
    # 1e6 pairs: the sample's mean lies within 5 of its standard errors but once in a million draws.
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 10**6, 2))
    x[:, 0] += 0.6
    y[:, 0] += 0.3
    kernel = ((x * y).sum(axis=1) / 2 + 1) ** 4
    error = kernel.std() / 1e3
    assert kernel.mean() == pytest.approx(polynomial_mean(0.6, 0.3, 2), abs=5 * error)


@pytest.mark.parametrize("n_features", [3, 10])
def test_kernel_physics_distance_of_shifted_gaussians(n_features: int) -> None:
    # Two seeded comparisons, each beyond 4 standard errors once in 16,000 draws.
    shift = 0.4
    expected = polynomial_mean(0, 0, n_features) + polynomial_mean(shift, shift, n_features)
    expected -= 2 * polynomial_mean(0, shift, n_features)
    rng = np.random.default_rng(2)
    truth, generated = rng.normal(size=(2, 3000, n_features))
    generated[:, 0] += shift
    found = kernel_physics_distance(features_of(truth, generated), rng)
    assert abs(found.distance.value - expected) < 4 * found.distance.uncertainty
    assert found.distance.uncertainty < 0.3 * expected
    assert found.distance.p_value < 0.01


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 1.0), (0.0, 1.3)])
def test_gaussian_discrepancy_of_gaussians(shift: float, scale: float) -> None:
    # E exp(-|d|^2 / 2 s^2) of d ~ N(m, v) in each of the features: sqrt(s^2 / (s^2 + v)) exp(-m^2 / 2 (s^2 + v)).
    n_features, s = 4, 1.5

    def mean(m: float, v: float) -> float:
        wide = s**2 + v
        return (s**2 / wide) ** (n_features / 2) * math.exp(-(m**2) / (2 * wide))

    expected = mean(0, 2) + mean(0, 2 * scale**2) - 2 * mean(shift, 1 + scale**2)
    rng = np.random.default_rng(3)
    truth, generated = rng.normal(size=(2, 4000, n_features))
    generated *= scale
    generated[:, 0] += shift
    found = maximum_mean_discrepancy(features_of(truth, generated), rng, bandwidth=s)
    assert abs(found.distance.value - expected) < 4 * found.distance.uncertainty
    assert found.distance.uncertainty < 0.2 * expected
    assert found.distance.p_value < 0.01


def brute_force(features: Features, bandwidth: float | None) -> float:
    """Return the discrepancy of all events by its definition."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if bandwidth is None:
            return (x @ y.T / x.shape[1] + 1) ** 4
        return np.exp(-((x[:, None] - y[None]) ** 2).sum(axis=2) / (2 * bandwidth**2))

    def mean(x: np.ndarray, y: np.ndarray, v: np.ndarray, w: np.ndarray) -> float:
        pairs = np.outer(v, w)
        if x is y:
            np.fill_diagonal(pairs, 0)
        return float((pairs * kernel(x, y)).sum() / pairs.sum())

    x, y, v, w = features.truth, features.generated, features.truth_weights, features.generated_weights
    return mean(x, x, v, v) + mean(y, y, w, w) - 2 * mean(x, y, v, w)


@pytest.mark.parametrize("bandwidth", [None, 1.2])
def test_block_sums_add_up_to_the_definition_with_weights(bandwidth: float | None) -> None:
    rng = np.random.default_rng(4)
    truth, generated = rng.normal(size=(150, 3)), rng.normal(0.3, 1, size=(220, 3))
    features = features_of(truth, generated, rng.exponential(size=220))
    found = (
        kernel_physics_distance(features, rng)
        if bandwidth is None
        else maximum_mean_discrepancy(features, rng, bandwidth=bandwidth)
    )
    # float32 kernels, of a size up to some hundreds.
    assert found.distance.value == pytest.approx(brute_force(features, bandwidth), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("judge", JUDGES)
def test_truth_against_truth(judge: Judge) -> None:
    # 100 draws: the share of p <= 0.05 above 0.13 has a probability of 6e-4 (binomial), the mean over draws lies beyond
    # 3.5 of its standard errors once in 2000 draws. The quoted errors are the spread over draws: tolerances are wide
    # because an error varies from draw to draw.
    rng = np.random.default_rng(5)
    found = []
    for _ in range(100):
        truth, generated = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
        found.append(judge(features_of(truth, generated), rng, replicates=99).distance)
    values = np.array([f.value for f in found])
    spread = values.std(ddof=1)
    assert abs(values.mean()) < 3.5 * spread / np.sqrt(len(values))
    assert values.min() < 0
    assert np.mean([f.p_value <= 0.05 for f in found]) <= 0.13
    assert np.mean([f.p_value for f in found]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([f.truth_uncertainty for f in found]) == pytest.approx(spread, rel=0.5)
    assert np.mean([f.uncertainty for f in found]) == pytest.approx(spread, rel=0.7)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_reweighted_sample_equals_its_target(judge: Judge) -> None:
    # p below 0.01 once in 100 draws, for each of the two.
    rng = np.random.default_rng(16)
    truth, generated = rng.normal(size=(2, 2000, 2))
    generated[:, 0] += 0.5
    weights = np.exp(-0.5 * generated[:, 0] + 0.125)
    assert judge(features_of(truth, generated), rng).distance.p_value < 0.01
    weighted = judge(features_of(truth, generated, weights), rng).distance
    assert weighted.p_value > 0.01
    assert abs(weighted.value) < 4 * weighted.uncertainty


@pytest.mark.parametrize("judge", JUDGES)
def test_events_of_weight_zero_are_no_events(judge: Judge) -> None:
    rng = np.random.default_rng(7)
    truth, generated = rng.normal(size=(2, 400, 2))
    outliers = np.concatenate([generated, np.full((100, 2), 50.0)])
    found = judge(features_of(truth, outliers, np.r_[np.ones(400), np.zeros(100)]), np.random.default_rng(1))
    assert found.batch_generated == 400
    assert found.distance.p_value > 0.01


def test_large_samples_come_in_disjoint_batches_of_which_kpd_is_the_median() -> None:
    rng = np.random.default_rng(8)
    truth, generated = rng.normal(size=(11_000, 2)), rng.normal(size=(16_000, 2))
    found = kernel_physics_distance(features_of(truth, generated), rng, replicates=50)
    assert (found.batches, found.batch_truth, found.batch_generated) == (3, 3666, 5000)
    assert found.spread is not None
    assert found.spread > 0


def test_the_same_seed_gives_the_same_numbers() -> None:
    features = features_of(*np.random.default_rng(9).normal(size=(2, 300, 2)))
    for judge in JUDGES:
        assert judge(features, np.random.default_rng(1)) == judge(features, np.random.default_rng(1))
        assert judge(features, np.random.default_rng(1)) != judge(features, np.random.default_rng(2))


def test_what_cannot_be_compared_is_refused() -> None:
    rng = np.random.default_rng(10)
    features = features_of(*rng.normal(size=(2, 300, 2)))
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        maximum_mean_discrepancy(features, rng, bandwidth=0.0)
    with pytest.raises(ValueError, match="too few to divide"):
        kernel_physics_distance(features_of(*rng.normal(size=(2, 30, 2))), rng)
