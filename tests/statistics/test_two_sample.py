"""Distances of samples against closed forms, and their chance values against what chance does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from simulacra.statistics.distances.cumulative import Grid
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.histograms import Binning, binning_of, histogram, joined
from simulacra.statistics.distances.two_sample import (
    Distance,
    Lines,
    effective_size,
    of_pool,
    standard_deviation,
)

EDGES = Binning(np.linspace(-6, 6, 61))


def value(
    name: str,
    truth: np.ndarray,
    generated: np.ndarray,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
    binning: Binning = EDGES,
) -> float:
    weights = truth_weights, generated_weights
    given = [np.ones(len(x)) if w is None else w for x, w in zip((truth, generated), weights, strict=True)]
    lines = Lines(Replicates.draw(*given, np.random.default_rng(0), replicates=2))
    if name == "separation":
        return lines.separation(truth, generated, binning).value
    return lines.scores(truth, generated)[name].value


def test_wasserstein_of_shifted_gaussians_is_the_shift() -> None:
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(0, 1, 40_000), rng.normal(0.7, 1, 40_000)
    assert value("wasserstein", truth, generated) == pytest.approx(0.7, abs=4 * math.sqrt(2 / 40_000))


def test_wasserstein_of_scaled_gaussians() -> None:
    # Quantiles scale with the width: W1 = |2 - 1| E|z| = sqrt(2 / pi).
    rng = np.random.default_rng(2)
    truth, generated = rng.normal(0, 1, 40_000), rng.normal(0, 2, 40_000)
    assert value("wasserstein", truth, generated) == pytest.approx(math.sqrt(2 / math.pi), abs=0.02)


def test_wasserstein_of_point_masses_and_unequal_sizes() -> None:
    assert value("wasserstein", np.zeros(60), np.full(100, 2.5)) == pytest.approx(2.5)
    numbers = np.tile([0.0, 1.0], 40)
    assert value("wasserstein", numbers[:40], numbers) == pytest.approx(0.0)
    few = {"truth_weights": np.tile([3.0, 1.0], 40)}
    assert value("wasserstein", 4 * numbers, np.zeros(40), **few) == pytest.approx(1.0)


def test_separation_power_is_0_for_equal_and_1_for_disjoint_samples() -> None:
    rng = np.random.default_rng(3)
    sample = rng.normal(0, 1, 1000)
    assert value("separation", sample, sample) == pytest.approx(0.0, abs=1e-30)
    assert value("separation", sample - 20, sample + 20) == pytest.approx(1.0)


def test_separation_power_by_hand() -> None:
    binning = Binning(np.array([0.0, 1.0, 2.0]))
    truth, generated = np.tile([0.5, 0.5, 0.5, 1.5], 20), np.tile([0.5, 1.5], 20)
    expected = 0.5 * ((0.75 - 0.5) ** 2 / 1.25 + (0.25 - 0.5) ** 2 / 0.75)
    assert value("separation", truth, generated, binning=binning) == pytest.approx(expected)
    weights = np.tile([1.0, 0, 0, 1], 20)
    assert value("separation", truth, generated, truth_weights=weights, binning=binning) == pytest.approx(0.0)


def distances(
    truth: np.ndarray, generated: np.ndarray, seed: int, weights: np.ndarray | None = None, replicates: int = 100
) -> dict[str, Distance]:
    weights = np.ones(len(generated)) if weights is None else weights
    rng = np.random.default_rng(seed)
    lines = Lines(Replicates.draw(np.ones(len(truth)), weights, rng, replicates=replicates))
    scores = lines.scores(truth, generated)
    scores["separation"] = lines.separation(truth, generated, joined(binning_of(truth), truth))
    return {name: score.distance for name, score in scores.items()}


def test_kolmogorov_smirnov_is_scipys_and_the_closed_form() -> None:
    rng = np.random.default_rng(20)
    truth, generated = rng.normal(0, 1, 40_000), rng.normal(0.5, 1, 30_000)
    found = value("kolmogorov_smirnov", truth, generated)
    assert found == pytest.approx(ks_2samp(truth, generated).statistic)
    # Phi(d / 2) - Phi(-d / 2) for a shift d.
    assert found == pytest.approx(math.erf(0.25 / math.sqrt(2)), abs=0.015)
    counts = rng.poisson(3, (2, 500)).astype(float)
    assert value("kolmogorov_smirnov", *counts) == pytest.approx(ks_2samp(*counts).statistic)


def test_an_event_of_weight_2_is_two_events() -> None:
    rng = np.random.default_rng(21)
    truth, generated = rng.normal(0, 1, 300), rng.normal(0.2, 1, 200)
    twice = np.concatenate([generated, generated[:80]])
    weights = np.where(np.arange(200) < 80, 2.0, 1.0)
    for name in ("wasserstein", "kolmogorov_smirnov"):
        weighted = value(name, truth, generated, generated_weights=weights)
        assert weighted == pytest.approx(value(name, truth, twice))


def test_energy_distance_on_a_line_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(22)
    truth, generated = rng.exponential(1, 200), rng.exponential(1.5, 150)

    def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a[:, None] - b[None]).mean())

    pairs = 2 * mean_distance(truth, generated) - mean_distance(truth, truth) - mean_distance(generated, generated)
    assert distances(truth, generated, seed=1)["energy"].value == pytest.approx(pairs)


def test_a_grid_loses_nothing_of_few_values_and_little_of_many() -> None:
    rng = np.random.default_rng(23)
    truth, generated = np.exp(2 * rng.normal(0, 1, (2, 6000)))
    replicates = Replicates.draw(np.ones(6000), np.ones(6000), rng, replicates=40)
    coarse, fine = (Lines(replicates, points=points).scores(truth, generated) for points in (2048, 12_000))
    assert len(Grid.of(np.concatenate([truth, generated])).places) <= 2048
    for name in ("wasserstein", "kolmogorov_smirnov", "energy"):
        assert fine[name].compared == pytest.approx(fine[name].value)
        assert coarse[name].value == fine[name].value
        assert coarse[name].compared == pytest.approx(fine[name].compared, rel=0.02)
        for kind in ("exchange", "bootstrap", "halves"):
            here, there = getattr(coarse[name], kind), getattr(fine[name], kind)
            assert here.mean() == pytest.approx(there.mean(), rel=0.02)
            assert here == pytest.approx(there, rel=0.1)
    # Replicates of the grid are the distances of the events that they stand for.
    first, second = (
        side[5][replicates.exchange.blocks] for side in (replicates.exchange.first, replicates.exchange.second)
    )
    both = np.concatenate([truth, generated])
    again = wasserstein_distance(both, both, first, second)
    assert fine["wasserstein"].exchange[5] == pytest.approx(again)


@pytest.mark.parametrize("tail", [0.0, 2.0])
def test_chance_is_uniform_in_p_for_samples_of_one_distribution(tail: float) -> None:
    # 120 comparisons: a share of p < 0.05 above 0.11 has a probability of 0.2 % (binomial), and the mean of p a
    # standard deviation of 0.026. The same must hold for each distance, with a heavy tail too.
    rng = np.random.default_rng(4)
    p_values = []
    for seed in range(120):
        samples = rng.normal(0, 1, (2, 250))
        found = distances(*(np.exp(tail * samples) if tail else samples), seed=seed)
        p_values.append([distance.p_value for distance in found.values()])
    for column in np.array(p_values).T:
        assert np.mean(column <= 0.05) < 0.11
        assert np.mean(column) == pytest.approx(0.5, abs=0.09)


def test_value_of_truth_against_truth_is_what_fresh_samples_score() -> None:
    rng = np.random.default_rng(5)
    fresh = np.array([wasserstein_distance(*rng.normal(0, 1, (2, 500))) for _ in range(100)])
    distance = distances(*rng.normal(0, 1, (2, 500)), seed=1, replicates=200)["wasserstein"]
    error = math.hypot(fresh.std() / 10, distance.truth_uncertainty / math.sqrt(200))
    assert distance.truth_value == pytest.approx(fresh.mean(), abs=4 * error + 0.05 * fresh.mean())
    assert distance.truth_uncertainty == pytest.approx(fresh.std(), rel=0.35)


def test_bootstrap_error_is_the_spread_of_fresh_samples() -> None:
    rng = np.random.default_rng(6)
    fresh = np.array([wasserstein_distance(rng.normal(0, 1, 400), rng.normal(1, 1, 400)) for _ in range(150)])
    distance = distances(rng.normal(0, 1, 400), rng.normal(1, 1, 400), seed=2, replicates=200)["wasserstein"]
    assert distance.uncertainty == pytest.approx(fresh.std(), rel=0.3)


def test_a_planted_shift_stands_out() -> None:
    rng = np.random.default_rng(7)
    found = distances(rng.normal(0, 1, 1000), rng.normal(0.4, 1, 1000), seed=3)
    assert set(found) == {"wasserstein", "kolmogorov_smirnov", "energy", "separation"}
    for distance in found.values():
        assert distance.p_value == pytest.approx(1 / 101)
        assert distance.value - distance.truth_value > 4 * math.hypot(distance.uncertainty, distance.truth_uncertainty)


def test_weights_that_undo_a_shift_undo_the_distance() -> None:
    rng = np.random.default_rng(8)
    truth, generated = rng.normal(0, 1, 3000), rng.normal(0.4, 1, 3000)
    weights = np.exp(-0.4 * generated + 0.08)  # the ratio of the two densities
    assert 0.7 < effective_size(weights) / 3000 < 0.95
    plain = distances(truth, generated, seed=4)["wasserstein"]
    weighted = distances(truth, generated, seed=4, weights=weights)["wasserstein"]
    assert plain.p_value < 0.02 < weighted.p_value
    assert weighted.value < plain.value / 5


def test_halves_of_a_larger_pool_score_what_fresh_samples_of_the_sizes_in_hand_do() -> None:
    rng = np.random.default_rng(9)
    truth, generated, pool = rng.normal(0, 1, 300), rng.normal(0, 1, 500), rng.normal(0, 1, 1500)
    weights = rng.exponential(1, 500)
    replicates = of_pool(Replicates.draw(np.ones(300), weights, rng), np.ones(1500), rng)
    assert len(replicates.halves.weights) == 1500
    distance = Lines(replicates).scores(truth, generated, pool)["wasserstein"].distance
    assert distance.value == pytest.approx(wasserstein_distance(truth, generated, v_weights=weights))
    fresh = np.array(
        [
            wasserstein_distance(rng.normal(0, 1, 300), rng.normal(0, 1, 500), v_weights=rng.exponential(1, 500))
            for _ in range(200)
        ]
    )
    # 200 values and 200 correlated halves: the means are known to some 4 %.
    assert distance.truth_value == pytest.approx(fresh.mean(), rel=0.15)
    with pytest.raises(ValueError, match="give the pool"):
        Lines(replicates).scores(truth, generated)


def test_values_that_cannot_be_judged_are_refused() -> None:
    lines = Lines(Replicates.draw(np.ones(100), np.ones(100), np.random.default_rng(1), replicates=10))
    with pytest.raises(ValueError, match="NaN"):
        lines.scores(np.full(100, np.nan), np.zeros(100))
    with pytest.raises(ValueError, match="replicates are for 200 events"):
        lines.scores(np.zeros(100), np.zeros(99))


def test_a_constant_observable_is_no_distance_from_itself() -> None:
    found = distances(np.full(100, 3.0), np.full(100, 3.0), seed=1)
    for distance in found.values():
        assert (distance.value, distance.p_value) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(10)
    samples = rng.normal(0, 1, (2, 300))
    assert distances(*samples, seed=5) == distances(*samples, seed=5)
    assert distances(*samples, seed=5) != distances(*samples, seed=6)


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
