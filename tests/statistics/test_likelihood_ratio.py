"""The learned likelihood ratio against closed forms, an exact fit, at the null, with weights, and its regions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from simulacra.statistics.distances import likelihood_ratio
from simulacra.statistics.distances.likelihood_ratio import LearnedRatio, learned_likelihood_ratio
from simulacra.statistics.features import Features, standardised


def ratio_of(
    truth: np.ndarray, generated: np.ndarray, seed: int, weights: np.ndarray | None = None, replicates: int = 40
) -> LearnedRatio:
    features = standardised(truth, generated, generated_weights=weights, names=list("abcdef")[: truth.shape[1]])
    return learned_likelihood_ratio(features, np.random.default_rng(seed), replicates=replicates)


def test_a_shift_has_the_divergence_of_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    truth, generated = rng.normal(size=(2, 4000, 3))
    generated[:, 0] += 0.6
    found = ratio_of(truth, generated, 1)
    # What truth against truth gives is what the fit adds; the penalty takes a little.
    value = found.distance.value - found.distance.truth_value
    assert value == pytest.approx(0.6**2 / 2, abs=4 * found.distance.uncertainty)
    assert found.distance.uncertainty < 0.2 * value
    assert found.distance.p_value == pytest.approx(1 / 41)
    assert found.statistic == pytest.approx(2 * 4000 * found.distance.value)
    assert found.events == (4000, 4000)


def test_the_regions_are_where_the_ratio_is_extreme() -> None:
    rng = np.random.default_rng(2)
    truth, generated = rng.normal(size=(2, 4000, 3))
    generated[:, 0] += 0.6
    found = ratio_of(truth, generated, 2, replicates=20)
    assert found.excess.features[0][0] == "a"
    assert found.excess.features[0][1] > 1
    assert found.deficit.features[0][0] == "a"
    assert found.deficit.features[0][1] < -1
    # 5 % of the truth beyond 1.64: there exp(0.6 x - 0.18) is 2.93 on average, below -1.64 it is 0.24
    assert found.excess.ratio == pytest.approx(2.93, abs=4 * found.excess.error)
    assert found.deficit.ratio == pytest.approx(0.24, abs=4 * found.deficit.error)
    assert max(found.excess.p_value, found.deficit.p_value) < 1e-4


def test_equal_distributions_are_within_chance_and_so_are_their_regions() -> None:
    # 40 draws of unequal sizes: more than 8 with p <= 0.05 have a probability of 2e-4 (binomial).
    drawn = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 3])
        drawn.append(ratio_of(rng.standard_t(6, size=(400, 2)), rng.standard_t(6, size=(300, 2)), seed, replicates=39))
    for p_values in (
        [one.distance.p_value for one in drawn],
        [one.excess.p_value for one in drawn if one.excess is not None],
        [one.deficit.p_value for one in drawn if one.deficit is not None],
    ):
        assert sum(p <= 0.05 for p in p_values) <= 8
        assert np.mean(p_values) == pytest.approx(0.5, abs=0.2)


def test_a_narrow_excess_is_found_where_it_is() -> None:
    rng = np.random.default_rng(4)
    truth, generated = rng.normal(size=(2, 3000, 2))
    generated[:150] = np.array([2.0, -2.0]) + 0.3 * rng.normal(size=(150, 2))
    found = ratio_of(truth, generated, 4)
    assert found.distance.p_value < 0.05
    assert found.excess.p_value < 1e-3
    assert dict(found.excess.features)["a"] > 0.5
    assert dict(found.excess.features)["b"] < -0.5


def test_a_reweighted_sample_equals_its_target() -> None:
    rng = np.random.default_rng(5)
    truth, generated = rng.normal(size=(2, 3000, 2))
    generated[:, 0] += 0.4
    weights = np.exp(-0.4 * generated[:, 0] + 0.08)
    assert ratio_of(truth, generated, 5).distance.p_value < 0.05
    assert ratio_of(truth, generated, 5, weights).distance.p_value > 0.05


def test_many_steps_end_at_the_minimum_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    rng = np.random.default_rng(6)
    kernels = rng.normal(size=(200, 3)).astype(np.float32)
    a, b = np.r_[np.full(120, 1 / 120), np.zeros(80)], np.r_[np.zeros(120), np.full(80, 1 / 80)]
    kernels[120:, 1] += 1

    def loss(c: np.ndarray) -> float:
        f = kernels @ c
        return float(a @ np.logaddexp(0, f) + b @ np.logaddexp(0, -f) + likelihood_ratio.PENALTY * c @ c)

    exact = minimize(loss, np.zeros(3), tol=1e-12).x
    shares = [torch.from_numpy(one.astype(np.float32))[:, None] for one in (a, b)]
    monkeypatch.setattr(likelihood_ratio, "STEPS", 200)
    found = likelihood_ratio._fitted(torch.from_numpy(kernels), *shares)[:, 0].numpy()
    np.testing.assert_allclose(found, exact, rtol=2e-3)
    losses = []
    for steps in (1, 2, 5, 20):
        monkeypatch.setattr(likelihood_ratio, "STEPS", steps)
        losses.append(loss(likelihood_ratio._fitted(torch.from_numpy(kernels), *shares)[:, 0].numpy()))
    # every step makes the loss smaller, and the usual number is enough
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < loss(exact) + 1e-3


def test_separate_samples_and_constant_features_are_no_obstacle() -> None:
    rng = np.random.default_rng(7)
    truth, generated = rng.normal(size=(2, 500, 3))
    truth[:, 1] = generated[:, 1] = 2.0
    assert np.isfinite(ratio_of(truth, generated, 7).distance.value)
    found = ratio_of(truth, generated + np.array([8.0, 0, 0]), 7)
    assert np.isfinite(found.distance.value)
    assert found.distance.p_value < 0.05
    assert found.deficit is not None
    assert found.deficit.ratio == 0


def test_a_region_without_an_event_of_the_truth_is_none() -> None:
    samples = np.random.default_rng(9).normal(size=(20, 2, 60, 2))
    drawn = [ratio_of(truth, generated, seed) for seed, (truth, generated) in enumerate(samples)]
    regions = [region for one in drawn for region in (one.excess, one.deficit)]
    assert any(region is None for region in regions)
    assert all(np.isfinite([one.ratio, one.error, one.p_value]).all() for one in regions if one is not None)


def test_no_more_events_than_asked_for_and_none_of_weight_zero() -> None:
    rng = np.random.default_rng(8)
    truth, generated = rng.normal(size=(2, 600, 2))
    generated[:300] += 50
    weights = np.r_[np.zeros(300), np.ones(300)]
    features = Features(truth, generated, np.ones(600), weights, ("a", "b"))
    found = learned_likelihood_ratio(features, rng, replicates=39, most_events=400)
    assert found.events == (400, 300)
    assert found.distance.p_value > 0.02
    with pytest.raises(ValueError, match="too few to divide"):
        learned_likelihood_ratio(features, rng, most_events=30)
