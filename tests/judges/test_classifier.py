"""Classifiers on samples whose best possible AUC is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulacra.judges.classifiers.classifier import cell_features, classify, weighted_auc
from simulacra.judges.classifiers.perceptron import Perceptron

QUICK = Perceptron(width=32, epochs=15)


def gaussians(n: int, shift: float, seed: int, dimensions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth, generated = rng.normal(0, 1, (2, n, dimensions))
    generated[:, 0] += shift
    return truth, generated


def test_weighted_auc_by_hand() -> None:
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 1, 0, 1])
    # Pairs (1 over 0): 0.4 > 0.1, 0.4 = 0.4, 0.8 > 0.1, 0.8 > 0.4.
    assert weighted_auc(scores, labels, np.ones((1, 4)))[0] == pytest.approx(3.5 / 4)
    assert weighted_auc(scores, labels, np.array([[1.0, 1.0, 0.0, 1.0]]))[0] == pytest.approx(1.0)
    assert weighted_auc(scores, labels, np.array([[1.0, 3.0, 1.0, 1.0]]))[0] == pytest.approx((3 + 1.5 + 2) / 8)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_same_distribution_gives_one_half(kind: str) -> None:
    result = classify(*gaussians(800, 0.0, seed=1), kind, seed=1, perceptron=QUICK)
    assert result.auc == pytest.approx(0.5, abs=3 * result.uncertainty)
    assert 0.005 < result.uncertainty < 0.05
    assert result.aucs.shape == (2, 5)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_planted_shift_gives_the_auc_of_the_best_classifier(kind: str) -> None:
    # The best AUC for a shift d of a unit Gaussian is Phi(d / sqrt 2); a trained classifier comes close from below.
    result = classify(*gaussians(1500, 1.0, seed=2), kind, seed=2, perceptron=QUICK)
    best = 0.5 * (1 + math.erf(0.5))
    assert best - 0.03 < result.auc < best + 3 * result.uncertainty
    assert (np.diff(result.efficiency) >= 0).all()
    assert result.efficiency[0] == pytest.approx(0.0, abs=0.1)
    assert result.efficiency[-1] == 1.0


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_weights_that_undo_the_shift(kind: str) -> None:
    truth, generated = gaussians(1500, 0.6, seed=3)
    weights = np.exp(-0.6 * generated[:, 0] + 0.18)
    plain = classify(truth, generated, kind, seed=3, perceptron=QUICK)
    weighted = classify(truth, generated, kind, generated_weights=weights, seed=3, perceptron=QUICK)
    assert plain.auc > 0.6
    assert weighted.auc == pytest.approx(0.5, abs=3.5 * weighted.uncertainty)


def test_samples_of_different_sizes() -> None:
    truth, generated = gaussians(900, 0.0, seed=4)
    result = classify(truth, generated[:300], "trees", seed=4)
    assert (result.n_truth, result.n_generated) == (900, 300)
    assert result.auc == pytest.approx(0.5, abs=3 * result.uncertainty)


@pytest.mark.parametrize("kind", ["perceptron", "trees"])
def test_the_same_seed_gives_the_same_auc(kind: str) -> None:
    samples = gaussians(200, 0.3, seed=5)
    first, again, other = (classify(*samples, kind, seed=seed, perceptron=QUICK).auc for seed in (6, 6, 7))
    assert first == again != other


def test_a_condition_that_differs_between_features_alone_is_found() -> None:
    # Right marginals, wrong dependence on the condition: only a classifier that sees the condition can tell.
    rng = np.random.default_rng(8)
    condition = rng.normal(0, 1, (2, 1500))
    truth = np.column_stack([condition[0], condition[0] + 0.5 * rng.normal(0, 1, 1500)])
    generated = np.column_stack([condition[1], rng.permutation(condition[1]) + 0.5 * rng.normal(0, 1, 1500)])
    assert classify(truth, generated, "trees", seed=8).auc > 0.75
    assert classify(truth[:, 1:], generated[:, 1:], "trees", seed=8).auc < 0.55


def test_too_few_events_are_refused() -> None:
    with pytest.raises(ValueError, match="10 events of each sample"):
        classify(*gaussians(9, 0.0, seed=1), "trees")


def test_cell_features_hide_what_lies_below_the_threshold() -> None:
    cells = np.array([[0.0, 0.009, 1.0, 1000.0]])
    features = cell_features(cells, np.array([1.0]), threshold=0.01)
    assert features.shape == (1, 5)
    assert features[0, :2].tolist() == [0.0, 0.0]
    assert features[0, 3] == pytest.approx(5.0, abs=1e-3)
    assert features[0, 4] == 0.0
    # Energies count relative to the incident one.
    assert cell_features(10 * cells, np.array([10.0]))[0, 3] == pytest.approx(features[0, 3])
