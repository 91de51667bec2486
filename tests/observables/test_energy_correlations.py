"""Energy correlation functions against loops over pairs and triples and against events worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from simulacra.observables.energy_correlations import energy_correlations


def random_particles(n_events: int, n_particles: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    momentum = rng.exponential(1.0, (n_events, n_particles, 1)) * rng.normal(size=(n_events, n_particles, 3))
    return momentum, np.sqrt((momentum**2).sum(axis=2) + rng.uniform(0, 1, (n_events, n_particles)))


@pytest.mark.parametrize("beta", [1.0, 0.2, 2.0])
def test_they_are_the_loops_over_pairs_and_triples(beta: float) -> None:
    momentum, energy = random_particles(5, 9, seed=3)
    momentum[:, 7:], energy[:, 7:] = 0.0, 0.0  # padding
    pairs, triples = energy_correlations(momentum, energy, beta=beta)
    for row in range(5):
        z = energy[row] / energy[row].sum()

        def angle(i: int, j: int, p: np.ndarray = momentum[row]) -> float:
            return math.atan2(float(np.linalg.norm(np.cross(p[i], p[j]))), float(p[i] @ p[j]))

        by_pairs = sum(z[i] * z[j] * angle(i, j) ** beta for i, j in itertools.combinations(range(7), 2))
        by_triples = sum(
            z[i] * z[j] * z[k] * (angle(i, j) * angle(i, k) * angle(j, k)) ** beta
            for i, j, k in itertools.combinations(range(7), 3)
        )
        assert pairs[row] == pytest.approx(by_pairs)
        assert triples[row] == pytest.approx(by_triples)


def test_two_back_to_back_and_three_at_right_angles() -> None:
    two = np.array([[[0.0, 0.0, 5.0], [0.0, 0.0, -5.0], [0.0, 0.0, 0.0]]])
    pairs, triples = energy_correlations(two, np.array([[5.0, 5.0, 0.0]]))
    assert pairs == pytest.approx([math.pi / 4])
    assert triples.tolist() == [0.0]
    pairs, triples = energy_correlations(np.eye(3)[None], np.ones((1, 3)))
    assert pairs == pytest.approx([3 / 9 * math.pi / 2])
    assert triples == pytest.approx([(math.pi / 2) ** 3 / 27])


def test_a_collinear_splitting_changes_nothing() -> None:
    momentum, energy = random_particles(6, 5, seed=9)
    energy = np.sqrt((momentum**2).sum(axis=2))
    split = np.concatenate([momentum[:, 1:], 0.3 * momentum[:, :1], 0.7 * momentum[:, :1]], axis=1)
    split_energy = np.concatenate([energy[:, 1:], 0.3 * energy[:, :1], 0.7 * energy[:, :1]], axis=1)
    before, after = energy_correlations(momentum, energy), energy_correlations(split, split_energy)
    assert after[0] == pytest.approx(before[0])
    assert after[1] == pytest.approx(before[1], rel=1e-5)


def test_events_without_energy_and_particles_at_rest_are_finite() -> None:
    for energy in (np.zeros((1, 3)), np.ones((1, 3))):
        pairs, triples = energy_correlations(np.zeros((1, 3, 3)), energy)
        assert (pairs.tolist(), triples.tolist()) == ([0.0], [0.0])


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan])
def test_an_exponent_that_is_not_above_zero_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta of energy correlations must be above 0"):
        energy_correlations(np.zeros((1, 3, 3)), np.zeros((1, 3)), beta=beta)
