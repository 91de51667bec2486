"""A second classifier finds what was left and nothing where nothing is; areas under ROC curves are the textbook's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from gaussian_events import gaussian_events, small_settings
from gaussian_shift import exact_weights, samples, signed
from simulacra.models.event_classifier import EventClassifier
from simulacra.reweighting.prior_weights import WeightError
from simulacra.reweighting.represented import Represented, represent
from simulacra.reweighting.reweighter import build
from simulacra.reweighting.second_classifier import area_between, reweighted, separate
from simulacra.statistics.classifiers.ranks import Area

SETTINGS = small_settings()


def fresh() -> EventClassifier:
    return build(SETTINGS, {"bounds": {}, "reference": {}, "columns": 1})


def pair(n: int, seed: int, shift: float = 0.5) -> tuple[Represented, Represented, np.ndarray]:
    source, target = samples(n, n, seed, shift)
    network = fresh().network
    one, other = (represent(gaussian_events(x), network) for x in (source, target))
    return one, other, source


def separated(source: Represented, target: Represented, run: Path) -> Area:
    torch.manual_seed(1)
    return separate(source, target, fresh, fresh(), SETTINGS.network, run, seed=3)


def test_areas_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(0.5, 1, 400), rng.normal(size=300)
    weights = rng.exponential(size=300), rng.exponential(size=400)
    found = area_between([theirs, ours], weights)
    labels = np.repeat([0, 1], [300, 400])
    expected = roc_auc_score(labels, np.concatenate([theirs, ours]), sample_weight=np.concatenate(weights))
    assert found.auc == pytest.approx(expected, abs=1e-12)
    assert 0.01 < found.uncertainty < 0.05


@pytest.mark.parametrize("values", [1, 2, 7])
def test_ties_count_half(values: int) -> None:
    rng = np.random.default_rng(2)
    theirs, ours = rng.integers(0, values, 300).astype(float), rng.integers(0, values, 200).astype(float)
    found = area_between([theirs, ours], [np.ones(300), np.ones(200)])
    expected = roc_auc_score(np.repeat([0, 1], [300, 200]), np.concatenate([theirs, ours]))
    assert found.auc == pytest.approx(expected, abs=1e-12)
    if values == 1:
        assert found.uncertainty == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("with_signs", [False, True])
def test_the_error_is_that_of_repeated_samples(with_signs: bool) -> None:
    """The mean error against the spread of 200 samples, which is known to 5 %."""
    rng = np.random.default_rng(3)
    weights = [rng.choice([-1.0, 1.0], n, p=[0.2, 0.8]) if with_signs else np.ones(n) for n in (200, 200)]
    found = [area_between([rng.normal(size=200), rng.normal(0.5, 1, 200)], weights) for _ in range(200)]
    spread = np.std([one.auc for one in found], ddof=1)
    assert np.mean([one.uncertainty for one in found]) == pytest.approx(spread, rel=0.2)


def test_events_of_weight_minus_one_take_others_away() -> None:
    rng = np.random.default_rng(4)
    theirs, ours = rng.normal(size=500), rng.normal(0.5, 1, 500)
    extra = rng.normal(-2, 1, 100)
    plain = area_between([theirs, ours], [np.ones(500), np.ones(500)])
    both = np.concatenate([ours, extra, extra])
    weights = np.concatenate([np.ones(600), -np.ones(100)])
    assert area_between([theirs, both], [np.ones(500), weights]).auc == pytest.approx(plain.auc, abs=1e-12)


def test_equal_samples_are_not_told_apart(tmp_path: Path) -> None:
    """Seeded; |AUC - 0.5| above four standard deviations comes once in 16,000."""
    source, target, _ = pair(2000, 5, shift=0.0)
    found = separated(source, target, tmp_path)
    assert abs(found.auc - 0.5) < 4 * found.uncertainty
    assert found.uncertainty < 0.02


def test_a_shift_is_found_and_the_exact_weights_hide_it(tmp_path: Path) -> None:
    source, target, x = pair(3000, 6)
    before = separated(source, target, tmp_path / "before")
    # Two Gaussians half a width apart: the AUC is Phi(0.5 / sqrt 2) = 0.638.
    assert before.auc == pytest.approx(0.638, abs=4 * before.uncertainty)
    assert before.auc > 0.5 + 5 * before.uncertainty
    after = separated(reweighted(source, exact_weights(x)), target, tmp_path / "after")
    assert abs(after.auc - 0.5) < 4 * after.uncertainty


def test_what_was_trained_is_taken_up(tmp_path: Path) -> None:
    source, target, _ = pair(500, 7)
    first = separated(source, target, tmp_path)
    stamp = (tmp_path / "member-0" / "model.safetensors").stat().st_mtime_ns
    assert separated(source, target, tmp_path) == first
    assert (tmp_path / "member-0" / "model.safetensors").stat().st_mtime_ns == stamp


def test_weights_of_negative_sum_are_refused() -> None:
    source, _, _ = pair(50, 8)
    with pytest.raises(WeightError, match="weights of the reweighted source add up to -50"):
        reweighted(source, -np.ones(50))
    assert reweighted(source, signed(50, 1)).weights.sum() > 0
