"""Exact weights that depend on more than the final state: the conditional mean passes, a wrong one fails."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_shift import exact_weights, signed
from simulacra.reweighting.exact import check_exact


def history(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the conditional mean of exact weights given x, and the weights, which a hidden y makes scatter, (n,) each.

    Both x and y are shifted from 0 to 0.5: the weight is the product of two ratios, whose second has mean 1.
    """
    rng = np.random.default_rng(seed)
    mean = exact_weights(rng.normal(size=n))
    return mean, mean * exact_weights(rng.normal(size=n))


@pytest.mark.parametrize("own", ["none", "signed"])
def test_the_conditional_mean_is_on_the_diagonal(own: str) -> None:
    """P-values are flat (Kolmogorov-Smirnov at 0.1 %), pulls of the slope have width 1 (0.7 to 1.3, 1e-4)."""
    from scipy.stats import kstest

    p_values, pulls = [], []
    for trial in range(150):
        mean, exact = history(4000, trial)
        weights = None if own == "none" else signed(4000, trial)
        found = check_exact(mean, exact, source_weights=weights)
        p_values.append(found.p_value)
        pulls.append((found.slope - 1) / found.slope_error)
    assert kstest(p_values, "uniform").pvalue > 1e-3
    assert 0.7 < np.std(pulls) < 1.3
    assert abs(np.mean(pulls)) < 0.5


def test_numbers_of_a_large_sample() -> None:
    """Variances: e^(1/4) - 1 of the mean over e^(1/2) - 1 of the exact weights are explained: 44 %."""
    mean, exact = history(200_000, 7)
    found = check_exact(mean, exact)
    assert found.explained_share == pytest.approx((np.exp(0.25) - 1) / (np.exp(0.5) - 1), abs=0.04)
    assert found.slope == pytest.approx(1, abs=5 * found.slope_error)
    assert found.intercept == pytest.approx(0, abs=0.05)
    assert len(found.learned) == 20
    assert (np.diff(found.learned) > 0).all()
    assert "slope 1.0" in found.sentence or "slope 0.9" in found.sentence


def test_weights_that_are_too_flat_fail() -> None:
    mean, exact = history(20_000, 8)
    found = check_exact(mean**0.7, exact)
    assert found.p_value < 1e-6
    assert found.slope > 1 + 5 * found.slope_error


def test_few_effective_events_join_bins() -> None:
    mean, exact = history(100, 9)
    found = check_exact(mean, exact)
    assert len(found.learned) == 5
    assert (found.events >= 20).all()


@pytest.mark.parametrize(
    ("learned", "exact", "message"),
    [
        (np.ones(100), np.ones(100), "fall into one bin"),
        (np.array([1.0, np.nan]), np.ones(2), "weight 1 of the learned weights is nan"),
        (np.ones(3), np.ones(4), r"3 events and weights of shape \(4,\)"),
        (np.linspace(1, 2, 100), np.linspace(1, 2, 100) + 0.5, "by the same amount"),
        (np.linspace(1, 2, 100), np.zeros(100), "all 100 weights of the exact weights are zero"),
    ],
)
def test_what_cannot_be_checked_is_refused(learned: np.ndarray, exact: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_exact(learned, exact)
