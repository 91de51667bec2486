"""Logistic regression against closed forms and scikit-learn's, with weights of either sign."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.statistics.logistic import fit_logistic, sigmoid


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of which the last is constant, labels and positive weights that sum to 1."""
    rng = np.random.default_rng(seed)
    features = np.column_stack([rng.normal(size=(n, 3)), np.ones(n)])
    labels = (rng.random(n) < sigmoid(features @ np.array([1.0, -0.5, 0.0, 0.3]))).astype(float)
    weights = rng.gamma(2.0, 1.0, n)
    return features, labels, weights / weights.sum()


def test_a_constant_alone_gives_the_odds_of_the_mean_target() -> None:
    targets, weights = np.array([0.9, 0.2, 0.4]), np.array([0.5, 0.2, 0.3])
    mean = weights @ targets
    found = fit_logistic(np.ones((3, 1)), targets, weights, np.zeros(1))
    assert found.converged
    assert found.coefficients[0] == pytest.approx(np.log(mean / (1 - mean)), rel=1e-9)


@pytest.mark.parametrize("penalty", [1e-3, 0.3])
def test_coefficients_are_those_of_scikit_learn(penalty: float) -> None:
    from sklearn.linear_model import LogisticRegression

    features, labels, weights = sample(500, 1)
    theirs = LogisticRegression(C=1 / (500 * penalty), fit_intercept=False, tol=1e-12, max_iter=10_000)
    theirs.fit(features, labels, sample_weight=500 * weights)
    for start in (np.zeros(4), np.array([5.0, 5.0, -5.0, 1.0])):
        found = fit_logistic(features, labels, weights, start, penalty=penalty, exact=True)
        assert found.converged
        np.testing.assert_allclose(found.coefficients, theirs.coef_[0], atol=1e-6)
        slope = features.T @ (weights * (sigmoid(found.log_odds) - labels)) + penalty * found.coefficients
        assert np.abs(slope).max() < 1e-14
        np.testing.assert_allclose(found.log_odds, features @ found.coefficients, rtol=1e-12)


def test_the_curvature_is_that_of_the_loss() -> None:
    features, labels, weights = sample(300, 2)
    found = fit_logistic(features, labels, weights, np.zeros(4), penalty=0.1, exact=True)
    step = 1e-3
    for k in range(4):
        moved = found.coefficients + step * np.eye(4)[k]
        z = features @ moved
        loss = weights @ (np.logaddexp(0, z) - labels * z) + 0.05 * np.sum(moved**2)
        assert loss - found.loss == pytest.approx(0.5 * step**2 * found.curvature[k, k], rel=1e-2)


def test_a_negative_weight_takes_an_event_back() -> None:
    features, labels, weights = sample(400, 3)
    plain = fit_logistic(features, labels, weights, np.zeros(4))
    extra, back = features[:50], -np.concatenate([weights[:50], -weights[:50]])
    signed = fit_logistic(
        np.concatenate([features, extra, extra]),
        np.concatenate([labels, labels[:50], labels[:50]]),
        np.concatenate([weights, back]),
        np.zeros(4),
    )
    np.testing.assert_allclose(signed.coefficients, plain.coefficients, rtol=1e-8)


def test_what_has_no_minimum_does_not_converge() -> None:
    features, labels, weights = sample(200, 4)
    found = fit_logistic(features, labels, -weights, np.full(4, 0.1))
    assert not found.converged
    assert np.isfinite(found.coefficients).all()
