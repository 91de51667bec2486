"""Observables of collisions, and the density of transverse momentum."""

import numpy as np
import pytest

import simulacra
from multi_jet_events import toy_collisions
from simulacra.observables.collisions import observables_of, pt_density


def test_a_back_to_back_pair_and_an_empty_collision() -> None:
    pt, eta = np.array([[3.0, 2.0], [0.0, 0.0]]), np.array([[1.0, -3.0], [0.0, 0.0]])
    phi, there = np.array([[0.5, 0.5 - np.pi], [0.0, 0.0]]), np.array([[True, True], [False, False]])
    found = {name: values.tolist() for name, values in observables_of(pt, eta, phi, there).items()}
    assert found["multiplicity"] == [2, 0]
    assert found["summed_pt"] == [5, 0]
    assert (found["forward_pt"], found["backward_pt"]) == ([3, 0], [2, 0])
    assert found["missing_pt"] == pytest.approx([1, 0])
    assert (found["leading_pt"], found["second_pt"]) == ([3, 0], [2, 0])
    assert (found["toward_pt"], found["away_pt"]) == ([0.6, 0], [0.4, 0])
    assert found["elongation"] == pytest.approx([1, 0])
    assert found["mean_abs_eta"] == pytest.approx([9 / 5, 0])


def test_events_of_visible_particles_are_observed_as_collisions() -> None:
    collisions = toy_collisions(30)
    found = simulacra.observe(collisions)
    assert {"summed_pt", "missing_pt", "toward_pt"} <= set(found.data_vars)
    np.testing.assert_allclose(found["summed_pt"], found["forward_pt"] + found["backward_pt"])
    turned = collisions.assign(particle_phi=collisions["particle_phi"] * collisions["present"] + 0.3)
    np.testing.assert_allclose(simulacra.observe(turned)["missing_pt"], found["missing_pt"], rtol=1e-4, atol=1e-5)


def test_impossible_particles_are_refused_with_their_place() -> None:
    arrays = [np.full((2, 2), 1.0) for _ in range(3)]
    arrays[0][1, 0] = -1
    with pytest.raises(ValueError, match=r"'particle_pt' is -1\.0 for particle 0 of event 1"):
        observables_of(*arrays, np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="'particle_eta' is nan"):
        observables_of(np.ones((1, 1)), np.full((1, 1), np.nan), np.ones((1, 1)), np.ones((1, 1), bool))
    with pytest.raises(ValueError, match="transverse momenta of 0 or more"):
        pt_density(arrays[0], arrays[1], arrays[2])


def test_the_density_of_evenly_spread_particles_is_their_density_and_one_jet_does_not_change_it() -> None:
    rng = np.random.default_rng(2)
    n, area = 40_000, 8 * 2 * np.pi
    eta, phi = rng.uniform(-4, 4, (1, n)), rng.uniform(-np.pi, np.pi, (1, n))
    pt = np.full((1, n), 0.5)
    found = pt_density(pt, eta, phi)
    # cells of about 240 particles: the median is within a percent or so of 0.5 n / area
    assert found[0] == pytest.approx(0.5 * n / area, rel=0.02)
    hard = pt_density(*(np.append(one, [[value]], axis=1) for one, value in ((pt, 500.0), (eta, 0.1), (phi, 0.1))))
    assert hard[0] == pytest.approx(found[0], rel=0.005)
    low, high = (pt_density(pt, eta, phi, between=half)[0] for half in ((-4.0, 0.0), (0.0, 4.0)))
    assert (low + high) / 2 == pytest.approx(found[0], rel=0.02)
