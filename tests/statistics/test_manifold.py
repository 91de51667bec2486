"""Precision, recall, density and coverage against their definitions, at the null, and with weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulacra.statistics.distances.manifold import judge_manifold, precision_recall_density_coverage
from simulacra.statistics.features import Features


def features_of(truth: np.ndarray, generated: np.ndarray, weights: np.ndarray | None = None) -> Features:
    names = tuple(map(str, range(truth.shape[1])))
    ones = np.ones(len(generated))
    return Features(truth, generated, np.ones(len(truth)), ones if weights is None else weights, names)


def by_definition(x: np.ndarray, y: np.ndarray, k: int) -> list[float]:
    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a[:, None] - b[None], axis=2)

    x_reach, y_reach = (np.sort(distances(v, v), axis=1)[:, k] for v in (x, y))
    across = distances(x, y)
    in_truth, in_generated = across < x_reach[:, None], across < y_reach[None]
    return [
        in_truth.any(axis=0).mean(),
        in_generated.any(axis=1).mean(),
        in_truth.sum(axis=0).mean() / k,
        in_truth.any(axis=1).mean(),
    ]


def test_scores_are_as_defined() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(700, 3)), rng.normal(0.5, 0.8, size=(600, 3))
    for k in (3, 5):
        found = precision_recall_density_coverage(x, y, neighbours=k)
        assert found == pytest.approx(np.array(by_definition(x, y, k)), abs=2e-3)


def test_a_generator_that_drops_half_of_the_truth_has_precision_but_no_recall() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(size=(500, 2)), rng.normal(20, 1, size=(500, 2))])
    precision, recall, _, coverage = precision_recall_density_coverage(x, rng.normal(size=(1000, 2)))
    assert precision > 0.97
    assert recall == pytest.approx(0.5, abs=0.02)
    assert coverage == pytest.approx(0.5, abs=0.02)
    far = precision_recall_density_coverage(x, rng.normal(100, 1, size=(1000, 2)))
    assert far == pytest.approx(np.zeros(4))


def test_truth_against_truth() -> None:
    # 40 draws of 300 + 300 events. The mean over draws lies beyond 4 of its standard errors once in 16,000 draws; a
    # share of p <= 0.05 above 0.2 has a probability of 3e-4 for each score (binomial). Coverage has a closed form.
    n, k = 300, 5
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    rng = np.random.default_rng(3)
    samples = [features_of(rng.normal(size=(600, 3)), rng.normal(size=(300, 3))) for _ in range(40)]
    found = [judge_manifold(features, rng, replicates=60) for features in samples]
    for score, value in (("coverage", expected), ("density", 1.0), ("precision", None), ("recall", None)):
        distances = [getattr(manifold, score) for manifold in found]
        values = np.array([d.value for d in distances])
        truth = np.array([d.truth_value for d in distances])
        spread = values.std(ddof=1)
        error = spread / np.sqrt(len(values))
        assert values.mean() == pytest.approx(truth.mean() if value is None else value, abs=4 * error)
        assert truth.mean() == pytest.approx(values.mean(), abs=4 * error)
        assert np.mean([d.truth_uncertainty for d in distances]) == pytest.approx(spread, rel=0.5)
        # Errors by halves are cautious, by up to a half.
        assert 0.7 < np.mean([d.uncertainty for d in distances]) / spread < 2.2
        assert np.mean([d.p_value <= 0.05 for d in distances]) <= 0.2


def test_a_missing_mode_has_low_recall_and_coverage_with_small_p() -> None:
    rng = np.random.default_rng(4)
    truth, generated = rng.normal(size=(2, 2000, 2))
    truth[:, 0] += 8 * (rng.random(2000) < 0.1)
    found = judge_manifold(features_of(truth, generated), rng)
    assert found.events == 1000
    for distance in (found.recall, found.coverage):
        assert distance.value < distance.truth_value - 5 * distance.truth_uncertainty
        assert distance.p_value < 0.01
    assert found.precision.p_value > 0.05


def test_a_reweighted_sample_equals_its_target() -> None:
    # Weighted back to the truth: p below 0.005 once in 200 draws for each of three scores.
    rng = np.random.default_rng(5)
    truth, generated = rng.normal(size=(2, 3000, 2))
    generated[:, 0] = 1.3 * generated[:, 0] + 1.0
    log_ratio = -0.5 * generated[:, 0] ** 2 + 0.5 * ((generated[:, 0] - 1) / 1.3) ** 2
    plain = judge_manifold(features_of(truth, generated), rng)
    weighted = judge_manifold(features_of(truth, generated, np.exp(log_ratio)), rng)
    assert weighted.events < 1500
    assert plain.coverage.p_value < 0.01
    assert min(weighted.precision.p_value, weighted.recall.p_value, weighted.coverage.p_value) > 0.005


def test_one_huge_weight_is_clipped_and_said_to_be() -> None:
    rng = np.random.default_rng(6)
    truth, generated = rng.normal(size=(2, 1000, 2))
    weights = np.ones(1000)
    weights[0] = 1e6
    found = judge_manifold(features_of(truth, generated, weights), rng)
    assert found.clipped > 0.9
    assert found.events >= 150
    assert judge_manifold(features_of(truth, generated), rng).clipped == 0


def test_the_same_seed_gives_the_same_numbers() -> None:
    features = features_of(*np.random.default_rng(7).normal(size=(2, 600, 2)))
    assert judge_manifold(features, np.random.default_rng(1)) == judge_manifold(features, np.random.default_rng(1))
    assert judge_manifold(features, np.random.default_rng(1)) != judge_manifold(features, np.random.default_rng(2))


def test_few_events_are_judged() -> None:
    rng = np.random.default_rng(9)
    found = judge_manifold(features_of(*rng.normal(size=(2, 200, 2))), rng)
    assert found.events == 100
    assert found.coverage.p_value > 0.01


def test_too_few_events_are_refused() -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(ValueError, match="too few for precision and recall"):
        judge_manifold(features_of(*rng.normal(size=(2, 79, 2))), rng)
    with pytest.raises(ValueError, match="too few for 5 nearest neighbours"):
        precision_recall_density_coverage(np.zeros((5, 2)), np.zeros((9, 2)))
