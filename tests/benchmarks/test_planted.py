"""The planted failures are what their titles say, and a judge of all features sees the clear ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.judges.planted import FAILURES, MODES, NAMES, SHARES, THRESHOLD, correlations, draw, draw_toy

from simulacra.events import validate
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.frechet import frechet_physics_distance
from simulacra.statistics.distances.manifold import judge_manifold
from simulacra.statistics.features import Features, standardised

N = 20_000


def features_of(name: str, n: int, seed: int = 1) -> Features:
    truth, generated, _ = draw(name, n, seed)
    return standardised(*(np.column_stack([e[f].values for f in NAMES]) for e in (truth, generated)), names=NAMES)


@pytest.mark.parametrize("name", FAILURES)
def test_draws_are_valid_events_with_indices_of_their_own_that_the_seed_decides(name: str) -> None:
    samples = draw(name, 500, 3)
    for events in samples:
        validate(events, conditions=("incident_energy",), features=NAMES)
        assert events.sizes["event"] == 500
    assert len(np.unique(np.concatenate([events["event"].values for events in samples]))) == 1500
    again, other = draw(name, 500, 3), draw(name, 500, 4)
    for events, same, new in zip(samples, again, other, strict=True):
        assert events.identical(same)
        assert not np.array_equal(events["depth"].values, new["depth"].values)


def test_the_toy_has_the_distribution_that_it_says() -> None:
    # At a single energy; each number within 5 of its standard errors.
    toy = draw_toy(np.full(N, 16.0), np.random.default_rng(1))
    error = 1 / np.sqrt(N)
    assert toy.features["response"].mean() == pytest.approx(1, abs=5 * 0.027 * error)
    assert toy.features["response"].std() == pytest.approx(np.hypot(0.1 / 4, 0.01), rel=5 * error)
    assert toy.features["depth"].mean() == pytest.approx(5 + 0.5 * np.log(16), abs=5 * 0.7 * error)
    assert toy.features["deposit"].min() >= THRESHOLD
    assert toy.features["deposit"].mean() == pytest.approx(2 + 0.2 * np.log(16), abs=5 * 1.6 * error)
    nearest = np.abs(toy.features["position"][:, None] - MODES).argmin(axis=1)
    assert np.bincount(nearest) / N == pytest.approx(SHARES, abs=5 * 0.46 * error)
    gaussian = np.corrcoef([toy.features["response"], toy.features["depth"], toy.features["asymmetry"]])
    wanted = correlations()
    assert gaussian[0, 1] == pytest.approx(wanted[0, 1], abs=5 * error)
    assert gaussian[1, 2] == pytest.approx(wanted[1, 3], abs=5 * error)


def test_failures_have_the_sizes_of_their_titles() -> None:
    drawn = {name: draw(name, N, 1) for name in FAILURES}
    null = drawn["null"][1]
    shift = drawn["mean_shift"][1]["depth"].values - null["depth"].values
    assert shift == pytest.approx(np.full(N, 0.035), abs=1e-5)
    tail, wide = null["tail"].values, drawn["wider_tail"][1]["tail"].values
    assert np.mean(tail != wide) == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / N))
    assert drawn["dropped_mode"][1]["position"].values.min() > -3
    assert drawn["dropped_mode"][0]["position"].values.min() < -4
    _, memorised, training = drawn["memorised"]
    nearest = np.abs(memorised["depth"].values[:200, None] - training["depth"].values).min(axis=1)
    assert nearest.max() < 0.1
    assert np.unique(memorised["incident_energy"].values).size < 0.7 * N
    ignored = drawn["ignored_condition"][1]
    assert abs(np.corrcoef(np.log(ignored["incident_energy"].values), ignored["depth"].values)[0, 1]) < 5 / np.sqrt(N)
    high = drawn["wrong_above_80_gev"][1]
    changed = high["response"].values != null["response"].values
    assert np.array_equal(changed, high["incident_energy"].values > 80)
    other = drawn["contamination"][1]["depth"].values != null["depth"].values
    assert other.mean() == pytest.approx(0.01, abs=5 * np.sqrt(0.01 / N))
    below = drawn["smeared_threshold"][1]["deposit"].values < THRESHOLD
    assert 0.005 < below.mean() < 0.02
    assert null["deposit"].values.min() >= THRESHOLD
    for name in NAMES:  # Every marginal is right: the quantiles agree within 6 standard errors of theirs.
        broken, right = (events[name].values for events in (drawn["broken_correlations"][1], drawn["null"][0]))
        for level in (0.1, 0.4, 0.7):
            share = np.mean(broken < np.quantile(right, level))
            assert share == pytest.approx(level, abs=6 * np.sqrt(2 * level * (1 - level) / N))


def test_an_unknown_failure_is_refused() -> None:
    with pytest.raises(ValueError, match="no failure is named 'typo'"):
        draw("typo", 100, 1)


@pytest.mark.parametrize(("name", "seen"), [("null", False), ("broken_correlations", True), ("dropped_mode", True)])
def test_the_frechet_distance_sees_what_moves_means_and_correlations(name: str, seen: bool) -> None:
    # The null's p is below 0.01 once in 100 seeds.
    features = features_of(name, 10_000)
    rng = np.random.default_rng(2)
    replicates = Replicates.draw(features.truth_weights, features.generated_weights, rng)
    assert (frechet_physics_distance(features, replicates, rng).p_value < 0.01) == seen


def test_a_dropped_mode_lowers_coverage_of_the_feature_that_has_modes() -> None:
    features = features_of("dropped_mode", 2000)
    column = NAMES.index("position")
    alone = Features(
        features.truth[:, [column]],
        features.generated[:, [column]],
        features.truth_weights,
        features.generated_weights,
        ("position",),
    )
    found = judge_manifold(alone, np.random.default_rng(3))
    assert found.coverage.p_value < 0.01
    assert found.coverage.value < found.coverage.truth_value - 5 * found.coverage.truth_uncertainty
