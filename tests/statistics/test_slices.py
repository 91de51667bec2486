"""Sliced distances against closed forms, all pairs of events and chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.slices import energy_factor, random_directions, slice_distances
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features, standardised


def distances(features: Features, seed: int = 1, *, directions: int = 64, replicates: int = 100) -> dict[str, Distance]:
    rng = np.random.default_rng(seed)
    drawn = Replicates.draw(features.truth_weights, features.generated_weights, rng, replicates=replicates)
    return slice_distances(features, drawn, rng, directions)


def as_they_are(truth: np.ndarray, generated: np.ndarray) -> Features:
    """Return features without another standardisation, for closed forms."""
    names = tuple(f"x{i}" for i in range(truth.shape[1]))
    return Features(truth, generated, np.ones(len(truth)), np.ones(len(generated)), names)


def test_directions_have_length_1_and_cover_every_axis_alike() -> None:
    drawn = random_directions(5, 12, np.random.default_rng(1))
    assert drawn.shape == (15, 5)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(15))
    assert (drawn**2).sum(axis=0) == pytest.approx(np.full(5, 3.0))
    assert random_directions(90, 64, np.random.default_rng(1)).shape == (64, 90)
    # |<theta, x>| has the mean 1 / factor over the sphere: 1/2 in three dimensions.
    assert energy_factor(1) == pytest.approx(1.0)
    assert energy_factor(3) == pytest.approx(2.0)
    many = random_directions(4, 20_000, np.random.default_rng(2))
    assert np.abs(many[:, 0]).mean() * energy_factor(4) == pytest.approx(1.0, abs=0.02)


def test_energy_distance_is_that_of_all_pairs_of_events() -> None:
    rng = np.random.default_rng(3)
    truth, generated = rng.normal(0, 1, (120, 3)), rng.normal(0.8, 1.5, (80, 3))
    pairs = 2 * cdist(truth, generated).mean() - cdist(truth, truth).mean() - cdist(generated, generated).mean()
    found = distances(as_they_are(truth, generated), directions=1500, replicates=20)["energy_distance"]
    # 1,500 directions: the mean over the sphere is known to about 1 %.
    assert found.value == pytest.approx(pairs, rel=0.04)


def test_energy_distance_of_gaussians_in_closed_form() -> None:
    # X - Y is N(0, 2) where both are N(0, 1), and |N(0, s^2 I_2)| has the mean s sqrt(pi / 2). For N(0, 1) and N(0, 4):
    # 2 sqrt(5) - sqrt(2) - sqrt(8), times sqrt(pi / 2). In two dimensions, widths alike in every direction.
    rng = np.random.default_rng(4)
    n = 20_000
    found = distances(as_they_are(rng.normal(0, 1, (n, 2)), rng.normal(0, 2, (n, 2))), replicates=40)
    expected = (2 * math.sqrt(5) - math.sqrt(2) - math.sqrt(8)) * math.sqrt(math.pi / 2)
    energy = found["energy_distance"]
    assert energy.value == pytest.approx(expected, abs=4 * energy.uncertainty)
    # Along every line the samples are N(0, 1) and N(0, 4): W1 = sqrt(2 / pi).
    for name in ("sliced_wasserstein", "mean_wasserstein"):
        assert found[name].value == pytest.approx(math.sqrt(2 / math.pi), abs=4 * found[name].uncertainty)


def test_distances_of_a_shift_in_closed_form() -> None:
    # A shift d along one axis of three is d |theta_1| along a line: W1 has the mean d / 2 over the sphere, and KS is
    # 2 Phi(d |theta_1| / 2) - 1; max-sliced W1 is d at most. The mean over the directions is known to about 3 %.
    rng = np.random.default_rng(5)
    truth, generated = rng.normal(0, 1, (2, 6000, 3))
    generated[:, 0] += 1.0
    found = distances(as_they_are(truth, generated), directions=240, replicates=20)
    assert found["sliced_wasserstein"].value == pytest.approx(0.5, abs=0.04)
    heights = np.linspace(0, 1, 2001)  # |theta_1| is uniform on the sphere in three dimensions
    expected = np.mean([math.erf(height / 2 / math.sqrt(2)) for height in heights])
    assert found["sliced_kolmogorov_smirnov"].value == pytest.approx(expected, abs=0.015)
    assert found["max_sliced_wasserstein"].value == pytest.approx(1.0, abs=0.05)
    assert found["mean_wasserstein"].value == pytest.approx(1 / 3, abs=0.02)
    assert found["mean_kolmogorov_smirnov"].value == pytest.approx(math.erf(0.5 / math.sqrt(2)) / 3, abs=0.02)


def test_false_alarms_are_as_rare_as_they_claim() -> None:
    # 150 comparisons of equal samples: p <= 0.05 in more than 17 of them (0.113) has a probability of 0.1 % (binomial)
    # for each of the six distances.
    rng = np.random.default_rng(6)
    alarms: dict[str, list[float]] = {}
    for seed in range(150):
        truth, generated = rng.normal(0, 1, (2, 120, 3))
        for name, distance in distances(standardised(truth, generated), seed, directions=6).items():
            alarms.setdefault(name, []).append(distance.p_value)
    assert len(alarms) == 6
    for p_values in alarms.values():
        assert np.mean(np.array(p_values) <= 0.05) < 0.115
        assert np.mean(p_values) == pytest.approx(0.5, abs=0.1)


def test_a_failure_that_no_axis_shows_is_seen_on_lines() -> None:
    # Right marginals, wrong correlations: p is uniform for the means over axes (0.02 or less: 2 % each)
    rng = np.random.default_rng(17)
    truth, generated = rng.normal(0, 1, (2, 1500, 2))
    generated[:, 1] = 0.8 * generated[:, 0] + 0.6 * generated[:, 1]
    found = distances(standardised(truth, generated))
    for name in ("sliced_kolmogorov_smirnov", "sliced_wasserstein", "max_sliced_wasserstein", "energy_distance"):
        assert found[name].p_value == pytest.approx(1 / 101)
        assert found[name].value > found[name].truth_value + 4 * found[name].truth_uncertainty
    for name in ("mean_kolmogorov_smirnov", "mean_wasserstein"):
        assert found[name].p_value > 0.02


def test_weights_that_undo_a_shift_undo_the_distances() -> None:
    rng = np.random.default_rng(8)
    truth, generated = rng.normal(0, 1, (2, 3000, 3))
    generated[:, 1] += 0.4
    weights = np.exp(-0.4 * generated[:, 1] + 0.08)
    plain = distances(standardised(truth, generated))
    weighted = distances(standardised(truth, generated, generated_weights=weights))
    for name, distance in weighted.items():
        assert plain[name].p_value < 0.02 < distance.p_value
        assert distance.value < plain[name].value


def test_one_feature_has_one_line() -> None:
    rng = np.random.default_rng(9)
    found = distances(standardised(rng.normal(0, 1, (200, 1)), rng.normal(0.3, 1, (200, 1))))
    assert found["sliced_wasserstein"] == found["mean_wasserstein"] == found["max_sliced_wasserstein"]


def test_the_same_seed_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(10)
    features = standardised(rng.normal(0, 1, (200, 4)), rng.normal(0, 1, (200, 4)))
    assert distances(features, 5) == distances(features, 5)
    assert distances(features, 5) != distances(features, 6)
