"""Distances of samples against closed forms, and their chance values against what chance does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulacra.judges.distances.histograms import Binning, binning_of, histogram
from simulacra.judges.distances.two_sample import (
    Resamples,
    compare,
    effective_size,
    separation_power,
    standard_deviation,
    wasserstein_distance,
)

EDGES = Binning(np.linspace(-6, 6, 61))


def test_wasserstein_of_shifted_gaussians_is_the_shift() -> None:
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(0, 1, 40_000), rng.normal(0.7, 1, 40_000)
    assert wasserstein_distance(truth, generated) == pytest.approx(0.7, abs=4 * math.sqrt(2 / 40_000))


def test_wasserstein_of_scaled_gaussians() -> None:
    # Quantiles scale with the width: W1 = |2 - 1| E|z| = sqrt(2 / pi).
    rng = np.random.default_rng(2)
    truth, generated = rng.normal(0, 1, 40_000), rng.normal(0, 2, 40_000)
    assert wasserstein_distance(truth, generated) == pytest.approx(math.sqrt(2 / math.pi), abs=0.02)


def test_wasserstein_of_point_masses_and_unequal_sizes() -> None:
    assert wasserstein_distance(np.zeros(3), np.full(5, 2.5)) == pytest.approx(2.5)
    assert wasserstein_distance(np.array([0.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])) == pytest.approx(0.0)
    half = np.array([0.0, 4.0])
    assert wasserstein_distance(half, np.zeros(1), truth_weights=np.array([3.0, 1.0])) == pytest.approx(1.0)


def test_separation_power_is_0_for_equal_and_1_for_disjoint_samples() -> None:
    rng = np.random.default_rng(3)
    sample = rng.normal(0, 1, 1000)
    assert separation_power(sample, sample, EDGES) == 0.0
    assert separation_power(sample - 20, sample + 20, EDGES) == pytest.approx(1.0)


def test_separation_power_by_hand() -> None:
    binning = Binning(np.array([0.0, 1.0, 2.0]))
    truth, generated = np.array([0.5, 0.5, 0.5, 1.5]), np.array([0.5, 1.5])
    expected = 0.5 * ((0.75 - 0.5) ** 2 / 1.25 + (0.25 - 0.5) ** 2 / 0.75)
    assert separation_power(truth, generated, binning) == pytest.approx(expected)
    weighted = separation_power(truth, generated, binning, truth_weights=np.array([1.0, 0, 0, 1]))
    assert weighted == pytest.approx(0.0)


def both(truth: np.ndarray, generated: np.ndarray, seed: int, weights: np.ndarray | None = None, replicates: int = 100):
    ones = np.ones(len(truth))
    weights = np.ones(len(generated)) if weights is None else weights
    resamples = Resamples.draw(ones, weights, replicates=replicates, rng=np.random.default_rng(seed))
    return compare(truth, generated, resamples, truth_weights=ones, generated_weights=weights)


@pytest.mark.parametrize("tail", [0.0, 2.0])
def test_chance_is_uniform_in_p_for_samples_of_one_distribution(tail: float) -> None:
    # 120 comparisons: a share of p < 0.05 above 0.11 has a probability of 0.2 % (binomial), and the mean of p a
    # standard deviation of 0.026. The same must hold for either distance, with a heavy tail too.
    rng = np.random.default_rng(4)
    p_values = []
    for seed in range(120):
        samples = rng.normal(0, 1, (2, 250))
        p_values.append([d.p_value for d in both(*(np.exp(tail * samples) if tail else samples), seed=seed)])
    for column in np.array(p_values).T:
        assert np.mean(column <= 0.05) < 0.11
        assert np.mean(column) == pytest.approx(0.5, abs=0.09)


def test_value_of_truth_against_truth_is_what_fresh_samples_score() -> None:
    rng = np.random.default_rng(5)
    fresh = np.array([wasserstein_distance(*rng.normal(0, 1, (2, 500))) for _ in range(100)])
    _, distance = both(*rng.normal(0, 1, (2, 500)), seed=1, replicates=200)
    error = math.hypot(fresh.std() / 10, distance.truth_uncertainty / math.sqrt(200))
    assert distance.truth_value == pytest.approx(fresh.mean(), abs=4 * error + 0.05 * fresh.mean())
    assert distance.truth_uncertainty == pytest.approx(fresh.std(), rel=0.35)


def test_bootstrap_error_is_the_spread_of_fresh_samples() -> None:
    rng = np.random.default_rng(6)
    fresh = np.array([wasserstein_distance(rng.normal(0, 1, 400), rng.normal(1, 1, 400)) for _ in range(150)])
    _, distance = both(rng.normal(0, 1, 400), rng.normal(1, 1, 400), seed=2, replicates=200)
    assert distance.uncertainty == pytest.approx(fresh.std(), rel=0.3)


def test_a_planted_shift_stands_out() -> None:
    rng = np.random.default_rng(7)
    separation, wasserstein = both(rng.normal(0, 1, 1000), rng.normal(0.4, 1, 1000), seed=3)
    for distance in (separation, wasserstein):
        assert distance.p_value == pytest.approx(1 / 101)
        assert distance.value - distance.truth_value > 4 * math.hypot(distance.uncertainty, distance.truth_uncertainty)


def test_weights_that_undo_a_shift_undo_the_distance() -> None:
    rng = np.random.default_rng(8)
    truth, generated = rng.normal(0, 1, 3000), rng.normal(0.4, 1, 3000)
    weights = np.exp(-0.4 * generated + 0.08)  # the ratio of the two densities
    assert 0.7 < effective_size(weights) / 3000 < 0.95
    _, plain = both(truth, generated, seed=4)
    _, weighted = both(truth, generated, seed=4, weights=weights)
    assert plain.p_value < 0.02 < weighted.p_value
    assert weighted.value < plain.value / 5


def test_a_second_truth_sample_widens_the_pool() -> None:
    rng = np.random.default_rng(9)
    truth, generated, more = rng.normal(0, 1, 300), rng.normal(0, 1, 300), rng.normal(0, 1, 900)
    ones = np.ones(300)
    pool = np.concatenate([truth, more])
    resamples = Resamples.draw(ones, ones, pool_size=1200, replicates=50, rng=np.random.default_rng(1))
    assert resamples.null_truth.shape == (50, 1200)
    assert (resamples.null_generated.sum(axis=1) == 300).all()
    _, distance = compare(truth, generated, resamples, truth_weights=ones, generated_weights=ones, pool=pool)
    assert distance.value == pytest.approx(wasserstein_distance(truth, generated))


def test_the_same_seed_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(10)
    samples = rng.normal(0, 1, (2, 300))
    assert both(*samples, seed=5) == both(*samples, seed=5)
    assert both(*samples, seed=5) != both(*samples, seed=6)


def test_bins_follow_the_truth() -> None:
    rng = np.random.default_rng(11)
    counts = binning_of(rng.integers(0, 200, 5000) / 144)
    width = np.diff(counts.edges) * 144
    assert np.allclose(width, np.round(width))
    assert np.allclose(counts.edges * 144 + 0.5, np.round(counts.edges * 144 + 0.5))
    assert binning_of(100.0 ** rng.random(5000)).logarithmic
    assert not binning_of(rng.normal(0, 1, 5000)).logarithmic
    assert len(binning_of(np.full(100, 3.0))) == 3


def test_histograms_keep_what_lies_beyond_and_know_their_errors() -> None:
    rng = np.random.default_rng(12)
    binning = Binning(np.linspace(-1, 1, 5))
    drawn = [histogram(rng.normal(0, 1, 300), np.ones(300), binning) for _ in range(300)]
    assert drawn[0].share.sum() == pytest.approx(1.0)
    assert drawn[0].below == pytest.approx(0.16, abs=0.07)
    spread = np.std([h.share for h in drawn], axis=0)
    assert np.mean([h.error for h in drawn], axis=0) == pytest.approx(spread, rel=0.2)


def test_weighted_standard_deviation() -> None:
    assert standard_deviation(np.array([0.0, 2.0, 9.0]), np.array([1.0, 1.0, 0.0])) == pytest.approx(1.0)
