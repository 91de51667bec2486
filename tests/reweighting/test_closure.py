"""Closure of exactly known weights: the p-values are flat, wrong weights fail."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_shift import exact_weights, samples, signed
from simulacra.reweighting.closure import (
    Observable,
    joined_bins,
    judge_closure,
    mean_covariance,
    share_covariance,
)
from simulacra.reweighting.prior_weights import WeightError

TRIALS = 150


def counts(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return numbers in ten bins per event; their mean depends on x, and those in the last bins are rare."""
    rates = np.outer(np.exp(0.3 * x), np.geomspace(3, 0.03, 10))
    return rng.poisson(rates).astype(float)


def flat(p_values: list[float]) -> bool:
    """Whether p-values are flat: Kolmogorov-Smirnov at 0.1 % false alarms."""
    from scipy.stats import kstest

    return bool(kstest(p_values, "uniform").pvalue > 1e-3)


@pytest.mark.parametrize("own", ["none", "signed"])
def test_p_values_of_exact_weights_are_flat(own: str) -> None:
    """False alarms: 0.1 % for each of two observables and two kinds of weights."""
    scalar, vector, reduced = [], [], []
    for trial in range(TRIALS):
        source, target = samples(1500, 1200, 100 + trial)
        rng = np.random.default_rng(trial)
        weights = None if own == "none" else (signed(1500, trial), signed(1200, trial + 10_000))
        found = judge_closure(
            [
                Observable("x", "GeV", source, target),
                Observable("density", "1", counts(source, rng), counts(target, rng)),
            ],
            exact_weights(source),
            source_weights=weights[0] if weights else None,
            target_weights=weights[1] if weights else None,
            pairs=2,
        )
        scalar.append(found[0].after.p_value)
        vector.append(found[1].after.p_value)
        reduced.append(found[0].before.p_value)
    assert flat(scalar)
    assert flat(vector)
    assert np.median(reduced) < 1e-6


def test_wrong_weights_do_not_close() -> None:
    """Weights of a shift of 0.4 for one of 0.5: a difference of 5 standard deviations of the mean at these sizes."""
    source, target = samples(20_000, 20_000, 1)
    good, bad = (judge_closure([Observable("x", "1", source, target)], exact_weights(source, s))[0] for s in (0.5, 0.4))
    assert good.closes
    assert not bad.closes
    assert bad.after.reduced < bad.before.reduced


def test_truth_against_truth_stands_beside() -> None:
    """The mean of 200 reduced chi-squares is 1 within 4 standard errors of the mean."""
    source, target = samples(5000, 5000, 2)
    rng = np.random.default_rng(2)
    observables = [
        Observable("x", "1", source, target),
        Observable("density", "1", counts(source, rng), counts(target, rng)),
    ]
    for found in judge_closure(observables, exact_weights(source), seed=3):
        spread = np.sqrt(2 / found.after.degrees_of_freedom)
        assert found.truth == pytest.approx(1, abs=4 * spread / np.sqrt(40))
        assert found.truth_spread == pytest.approx(spread, rel=0.4)
        assert "before weights" in found.sentence
        assert "truth against truth" in found.sentence


def test_the_same_seed_gives_the_same_and_more_events_are_shown_than_compared() -> None:
    source, target = samples(600, 600, 3)
    first, again = (judge_closure([Observable("x", "1", source, target)], exact_weights(source))[0] for _ in range(2))
    assert (first.truth, first.after) == (again.truth, again.after)
    assert first.bins < len(first.edges) - 1
    assert first.shown_after.share.sum() == pytest.approx(1)


def test_chi_square_does_not_hang_on_which_bin_is_left_out() -> None:
    rng = np.random.default_rng(4)
    index, weights = rng.integers(0, 4, 500), rng.normal(1, 0.5, 500)
    share, covariance = share_covariance(index, weights, 4)
    np.testing.assert_allclose(covariance.sum(axis=0), 0, atol=1e-15)
    difference = share - 0.25
    values = []
    for k in range(4):
        kept = np.arange(4) != k
        values.append(difference[kept] @ np.linalg.solve(covariance[np.ix_(kept, kept)], difference[kept]))
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


def test_covariances_are_those_of_many_samples() -> None:
    """Against the scatter over 3000 samples, 4 standard errors (each about 1/sqrt(1500))."""
    rng = np.random.default_rng(5)
    shares, means, expected = [], [], []
    for _ in range(3000):
        index = rng.integers(0, 3, 200)
        weights = rng.exponential(1, 200) + index
        shares.append(share_covariance(index, weights, 3)[0])
        values = np.eye(3)[index]
        means.append(mean_covariance(values, weights)[0])
        expected.append(share_covariance(index, weights, 3)[1])
    np.testing.assert_allclose(shares, means)
    scatter, predicted = np.cov(np.transpose(shares)), np.mean(expected, axis=0)
    np.testing.assert_allclose(scatter, predicted, atol=4 * np.max(predicted) / np.sqrt(1500))


def test_bins_are_joined_until_each_sample_has_enough() -> None:
    sums = np.array([5.0, 6.0, 30.0, 3.0])
    group = joined_bins([(sums, sums), (np.full(4, 20.0), np.full(4, 20.0))])
    np.testing.assert_array_equal(group, [0, 0, 1, 1])
    # Unequal weights are worth fewer events.
    np.testing.assert_array_equal(joined_bins([(sums, 3 * sums)]), [0, 0, 0, 0])


def test_a_density_on_a_small_scale_is_not_taken_for_a_constant() -> None:
    source, target = samples(3000, 3000, 6)
    rng = np.random.default_rng(6)
    ours, theirs = counts(source, rng), counts(target, rng)
    plain, small = (
        judge_closure([Observable("n", "1", s * ours, s * theirs)], exact_weights(source))[0].after for s in (1, 1e-9)
    )
    assert small.value == pytest.approx(plain.value)
    assert small.degrees_of_freedom == plain.degrees_of_freedom


def test_linearly_dependent_bins_count_once() -> None:
    source, target = samples(2000, 2000, 7)
    ours, theirs = (np.column_stack([x > 0, x <= 0]).astype(float) for x in (source, target))
    (found,) = judge_closure([Observable("side", "1", ours, theirs)], exact_weights(source))
    assert found.after.degrees_of_freedom == 1


@pytest.mark.parametrize(
    ("source", "target", "weights", "message"),
    [
        (np.array([1.0, np.nan]), np.ones(2), np.ones(2), "x of the source is not finite in 1 places"),
        (np.ones((2, 3)), np.ones((2, 4)), np.ones(2), "give the same bins"),
        (np.ones(3), np.ones(3), np.ones(2), "3 events and weights of shape"),
        (np.ones(3), np.ones(3), np.zeros(3), "are zero"),
        (np.arange(8.0), np.arange(8.0), np.ones(8), "no two bins hold 10 effective events"),
        (np.eye(12), np.eye(12), np.ones(12), "the same value in all events"),
        (
            np.tile(np.eye(40), (11, 1)),
            np.ones((440, 40)),
            np.exp(np.arange(440.0) / 20),
            "bins need .* effective events",
        ),
        (np.ones((50, 1)), np.ones((50, 1)), np.ones(50), "the same value in all events"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        judge_closure([Observable("x", "1", source, target)], weights)


def test_weights_whose_sum_is_negative_are_refused() -> None:
    with pytest.raises(WeightError, match="not positive"):
        judge_closure([Observable("x", "1", np.ones(3), np.ones(3))], np.array([1.0, -5, 1]))
