"""Correlation matrices against numpy and scipy, broken correlations, and chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from simulacra.judges.distances.multivariate import judge_correlations
from simulacra.reports.multivariate_chapter import correlation_figure
from simulacra.statistics.distances.correlations import correlations_of
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.features import Features, standardised


def drawn(features: Features, seed: int = 1, replicates: int = 100) -> Replicates:
    rng = np.random.default_rng(seed)
    return Replicates.draw(features.truth_weights, features.generated_weights, rng, replicates=replicates)


def correlated(n: int, rng: np.random.Generator, correlation: float = 0.5, n_features: int = 5) -> np.ndarray:
    """Return features of which the second and the fourth are correlated."""
    values = rng.normal(0, 1, (n, n_features))
    values[:, 3] = correlation * values[:, 1] + np.sqrt(1 - correlation**2) * values[:, 3]
    return values


def test_matrices_are_those_of_numpy_and_ranks_those_of_spearman() -> None:
    rng = np.random.default_rng(1)
    truth, generated = np.exp(correlated(400, rng)), 3 + 2 * correlated(300, rng, 0.2)
    truth[:, 0] = np.round(truth[:, 0])  # ties
    features = standardised(truth, generated)
    plain = correlations_of(features, drawn(features))
    ranked = correlations_of(features, drawn(features), ranks=True)
    assert plain.truth == pytest.approx(np.corrcoef(truth.T))
    assert plain.generated == pytest.approx(np.corrcoef(generated.T))
    assert ranked.truth == pytest.approx(spearmanr(truth).statistic)
    above = np.triu_indices(5, 1)
    expected = np.sqrt(np.mean((np.corrcoef(truth.T) - np.corrcoef(generated.T))[above] ** 2))
    assert plain.distance.value == pytest.approx(expected)


def test_an_event_of_weight_2_is_two_events() -> None:
    rng = np.random.default_rng(2)
    truth, generated = correlated(200, rng), correlated(200, rng)
    twice = np.concatenate([generated, generated[:90]])
    weights = np.where(np.arange(200) < 90, 2.0, 1.0)
    weighted, repeated = standardised(truth, generated, generated_weights=weights), standardised(truth, twice)
    for ranks in (False, True):
        found, expected = (correlations_of(f, drawn(f), ranks=ranks) for f in (weighted, repeated))
        assert found.generated == pytest.approx(expected.generated)


def test_errors_are_the_spread_of_fresh_samples() -> None:
    # The variance of a correlation is (1 - r^2)^2 / n; the standard deviation of 200 replicates is known to 5 %.
    rng = np.random.default_rng(3)
    features = standardised(correlated(1000, rng), correlated(2000, rng))
    found = correlations_of(features, drawn(features, replicates=200))
    expected = np.sqrt((1 - 0.5**2) ** 2 * (1 / 1000 + 1 / 2000))
    assert found.error[1, 3] == pytest.approx(expected, rel=0.25)
    assert found.chance[1, 3] == pytest.approx(expected, rel=0.25)
    assert found.error[0, 2] == pytest.approx(np.sqrt(1 / 1000 + 1 / 2000), rel=0.25)
    fresh = []
    for _ in range(60):
        one, two = (np.corrcoef(correlated(n, rng).T)[np.triu_indices(5, 1)] for n in (1000, 2000))
        fresh.append(np.sqrt(np.mean((one - two) ** 2)))
    assert found.distance.truth_value == pytest.approx(np.mean(fresh), rel=0.2)


def test_broken_correlations_with_right_marginals_are_seen_at_2000_events() -> None:
    rng = np.random.default_rng(4)
    truth, generated = correlated(2000, rng), correlated(2000, rng)
    generated[:, 3] = rng.permutation(generated[:, 3])
    features = standardised(truth, generated, names=["energy", "width", "depth", "sparsity", "fraction"])
    findings, found = judge_correlations(features, drawn(features), label="Geant4")
    assert [finding.judge for finding in findings] == ["correlations", "rank_correlations"]
    for finding in findings:
        assert finding.p_value == pytest.approx(1 / 101)
        assert finding.significance is not None
        assert finding.significance > 5
        assert finding.details["worst_pair"] == ["width", "sparsity"]
        assert finding.details["worst_p_value"] == pytest.approx(1 / 101)
        assert "The worst pair is width and sparsity" in finding.sentence
    assert abs(found.pulls[1, 3]) > 8


@pytest.mark.parametrize("ranks", [False, True])
def test_false_alarms_are_rare_even_where_the_marginals_differ(ranks: bool) -> None:
    # 150 comparisons of samples with equal correlations but other means, widths and sizes: p <= 0.05 in more than 18 of
    # them (0.12) has a probability of 0.05 % (binomial), for the distance and for the worst pair.
    rng = np.random.default_rng(5)
    p_values = []
    for seed in range(150):
        features = standardised(correlated(240, rng), 1 + 3 * correlated(160, rng))
        found = correlations_of(features, drawn(features, seed), ranks=ranks)
        p_values.append((found.distance.p_value, found.worst_p_value))
    assert (np.mean(np.array(p_values) <= 0.05, axis=0) <= 0.12).all()
    assert np.mean(p_values, axis=0) == pytest.approx([0.5, 0.5], abs=0.1)


def test_weights_that_restore_the_correlation_restore_the_distance() -> None:
    # The second p-value is 0.02 or less with a probability of 2 %.
    rng = np.random.default_rng(16)
    truth, generated = correlated(4000, rng, 0.4), correlated(4000, rng, 0.0)
    x, y = generated[:, 1], generated[:, 3]
    weights = np.exp(-(x**2 - 0.8 * x * y + y**2) / (2 * 0.84) + (x**2 + y**2) / 2)
    plain, weighted = standardised(truth, generated), standardised(truth, generated, generated_weights=weights)
    assert correlations_of(plain, drawn(plain)).distance.p_value < 0.02
    assert correlations_of(weighted, drawn(weighted)).distance.p_value > 0.02


def test_constant_and_dependent_features_make_no_nan() -> None:
    rng = np.random.default_rng(7)
    truth, generated = correlated(300, rng), correlated(300, rng)
    truth[:, 0] = generated[:, 0] = 4.0
    for values in (truth, generated):
        values[:, 4] = -2 * values[:, 2]
    features = standardised(truth, generated)
    found = correlations_of(features, drawn(features))
    assert found.truth[2, 4] == pytest.approx(-1.0)
    assert (found.truth[0, 1:] == 0).all()
    assert np.isfinite(found.pulls).all()
    assert found.worst_p_value > 0.01


def test_the_figure_draws_three_matrices() -> None:
    rng = np.random.default_rng(8)
    features = standardised(correlated(200, rng), correlated(200, rng))
    found = correlations_of(features, drawn(features))
    svg = correlation_figure(found, "Geant4", "GAN")
    assert svg.startswith(b"<?xml")
    assert svg.count(b"<image") == 3 + 2  # and two colour bars
    assert svg == correlation_figure(correlations_of(features, drawn(features)), "Geant4", "GAN")


def test_features_that_cannot_be_correlated_are_refused() -> None:
    one = standardised(np.arange(100.0)[:, None], np.arange(100.0)[:, None], names=["energy"])
    with pytest.raises(ValueError, match="at least two features; there is 1: energy"):
        correlations_of(one, drawn(one))
    two = standardised(np.random.default_rng(1).normal(size=(100, 2)), np.random.default_rng(2).normal(size=(90, 2)))
    with pytest.raises(ValueError, match="100 and 90 events, but"):
        correlations_of(two, drawn(one))
