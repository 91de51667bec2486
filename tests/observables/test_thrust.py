"""Thrust against closed forms, against a search of all divisions, and against Pythia's own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from simulacra.observables.thrust import heavy_hemisphere_mass, thrust
from toy_clouds import z_decays


def rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return random rotations, (n, 3, 3)."""
    q, _ = np.linalg.qr(rng.normal(size=(n, 3, 3)))
    return q


def test_two_back_to_back_are_a_pencil_along_their_line() -> None:
    rng = np.random.default_rng(2)
    direction = rng.normal(size=(20, 3))
    value, axis = thrust(np.stack([direction, -direction, np.zeros_like(direction)], axis=1))
    assert value == pytest.approx(np.ones(20))
    along = np.abs((axis * direction).sum(axis=1)) / np.sqrt((direction**2).sum(axis=1))
    assert along == pytest.approx(np.ones(20))


def test_three_particles_have_the_largest_share_as_thrust() -> None:
    # x_i = 2 E_i / sqrt(s) of three massless particles whose momenta sum to 0: T = max x_i; a Mercedes star has 2/3
    rng = np.random.default_rng(4)
    first = rng.normal(size=(200, 2, 3))
    three = np.concatenate([first, -first.sum(axis=1, keepdims=True)], axis=1)
    energy = np.sqrt((three**2).sum(axis=2))
    assert thrust(three)[0] == pytest.approx(2 * energy.max(axis=1) / energy.sum(axis=1))
    angles = 2 * math.pi / 3 * np.arange(3)
    star = np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1)
    assert thrust(star[None])[0] == pytest.approx([2 / 3])


def test_an_isotropic_event_has_a_half() -> None:
    n = 4000
    z = 1 - (2 * np.arange(n) + 1) / n
    phi = np.arange(n) * math.pi * (3 - math.sqrt(5))
    sphere = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z], axis=1)
    assert thrust(sphere[None])[0] == pytest.approx([0.5], abs=2e-3)


def test_it_is_the_best_of_all_divisions() -> None:
    rng = np.random.default_rng(6)
    momentum = rng.exponential(1.0, (150, 9, 1)) * rng.normal(size=(150, 9, 3))
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=9)))
    best = np.sqrt(((signs @ momentum) ** 2).sum(axis=2)).max(axis=1) / np.sqrt((momentum**2).sum(axis=2)).sum(axis=1)
    value, axis = thrust(momentum)
    assert (value <= best + 1e-12).all()
    assert np.count_nonzero(value < best - 1e-9) <= 1
    projected = np.abs((momentum * axis[:, None]).sum(axis=2)).sum(axis=1)
    assert projected / np.sqrt((momentum**2).sum(axis=2)).sum(axis=1) == pytest.approx(value)


def test_it_is_pythias() -> None:
    events, expected = z_decays()
    neutrino = np.isin(np.abs(events["identity"].values), (12, 14, 16))
    value, _ = thrust(np.where(neutrino[..., None], 0, events["momentum"].values).astype(np.float64))
    assert (value <= expected + 1e-6).all()
    # 3 in 10,000 stay below the maximum: more than two of 300 are a chance of 1 in 8000
    assert np.count_nonzero(value < expected - 1e-5) <= 2


def test_it_does_not_depend_on_direction_scale_or_order() -> None:
    rng = np.random.default_rng(8)
    momentum = rng.normal(size=(40, 12, 3))
    value, _ = thrust(momentum)
    turned, _ = thrust(3.0 * momentum @ rotations(rng, 40))
    shuffled, _ = thrust(momentum[:, rng.permutation(12)])
    assert turned == pytest.approx(value)
    assert shuffled == pytest.approx(value)


def test_events_without_momentum_have_none() -> None:
    value, axis = thrust(np.zeros((2, 4, 3)))
    assert not value.any()
    assert not axis.any()
    assert thrust(np.zeros((2, 0, 3)))[0].tolist() == [0.0, 0.0]
    value, axis = thrust(np.array([[[0.0, 2.0, 0.0]]]))
    assert value.tolist() == [1.0]
    assert axis.tolist() == [[0.0, 1.0, 0.0]]


def test_the_heavier_hemisphere_by_hand() -> None:
    # forward a pair at +-0.3 rad with 10 GeV each, backward one at +-0.1 rad: m = 2 E sin(angle)
    momentum, energy = [], []
    for side, angle, each in ((1, 0.3, 10.0), (-1, 0.1, 10.0)):
        for sign in (1, -1):
            momentum.append((sign * each * math.sin(angle), 0.0, side * each * math.cos(angle)))
            energy.append(each)
    momenta, energies = np.array([momentum]), np.array([energy])
    _, axis = thrust(momenta)
    assert heavy_hemisphere_mass(momenta, energies, axis) == pytest.approx([20 * math.sin(0.3)])
    assert heavy_hemisphere_mass(momenta, energies, -axis) == pytest.approx([20 * math.sin(0.3)])
    assert heavy_hemisphere_mass(np.zeros((1, 2, 3)), np.zeros((1, 2)), np.zeros((1, 3))) == pytest.approx([0.0])
