"""The leading jet in coordinates relative to it: against its definition, and the particles that are left out."""

import numpy as np
import pytest

pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")

from simulacra.events import make_events, validate
from simulacra.observables.jet_clouds import jet_observables
from simulacra.observables.relative_jets import leading_jets


def massless(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)
    return momentum, pt * np.cosh(eta)


def collisions(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a spray of 30 particles about an axis in each event, and 20 soft ones anywhere."""
    rng = np.random.default_rng(seed)
    pt = np.concatenate([rng.exponential(20, (n, 30)), rng.exponential(0.3, (n, 20))], axis=1) + 1e-3
    eta = np.concatenate([rng.normal(1.0, 0.1, (n, 30)), rng.uniform(-7, 7, (n, 20))], axis=1)
    # About an azimuth of pi, where it jumps.
    phi = np.concatenate([rng.normal(np.pi, 0.1, (n, 30)), rng.uniform(-np.pi, np.pi, (n, 20))], axis=1)
    momentum, energy = massless(pt, eta, phi)
    return momentum, energy, np.ones(pt.shape, dtype=bool)


def test_the_jets_particles_add_up_to_the_jet() -> None:
    momentum, energy, present = collisions()
    jets = leading_jets(momentum, energy, present, particles=50)
    eta, phi, pt, there = (jets[name].values for name in ("eta_rel", "phi_rel", "pt_rel", "present"))
    pt = pt * jets["jet_pt"].values[:, None]
    made, made_energy = massless(pt, eta + jets["jet_eta"].values[:, None], phi)
    total = made.sum(axis=1)
    # The azimuth is that of the jet, so that the sum is along x.
    np.testing.assert_allclose(total[:, 0], jets["jet_pt"].values, rtol=1e-4)
    np.testing.assert_allclose(total[:, 1], 0, atol=0.02)
    np.testing.assert_allclose(np.arcsinh(total[:, 2] / total[:, 0]), jets["jet_eta"].values, atol=1e-4)
    mass = np.sqrt(made_energy.sum(axis=1) ** 2 - (total**2).sum(axis=1))
    np.testing.assert_allclose(mass, jets["jet_mass"].values, rtol=1e-3)
    assert np.abs(phi).max() < 0.9
    assert 25 < there.sum(axis=1).mean() < 40


def test_particles_fall_in_pt_and_the_softest_are_left_out() -> None:
    momentum, energy, present = collisions()
    every, hardest = (leading_jets(momentum, energy, present, particles=n) for n in (50, 10))
    assert (np.diff(every["pt_rel"].values, axis=1) <= 0).all()
    for name in ("eta_rel", "phi_rel", "pt_rel", "present"):
        np.testing.assert_array_equal(hardest[name].values, every[name].values[:, :10])
        assert (every[name].values[~every["present"].values] == 0).all()
    # The jet is that of all its particles.
    np.testing.assert_array_equal(hardest["jet_mass"].values, every["jet_mass"].values)


def test_particles_along_the_beam_and_those_left_out_are_not_clustered() -> None:
    momentum, energy = massless(np.array([[50.0, 80.0, 10.0, 0.0]]), np.array([[0, 6.0, 0.1, 0]]), np.zeros((1, 4)))
    momentum[0, 3] = (0, 0, 3)
    jets = leading_jets(momentum, energy, np.array([[True, True, False, True]]), particles=4)
    assert jets["present"].values.tolist() == [[True, False, False, False]]
    assert jets["jet_pt"].values == pytest.approx(50)
    assert jets["pt_rel"].values[0, 0] == pytest.approx(1)


def test_an_event_without_particles_has_an_empty_jet() -> None:
    momentum, energy, present = collisions(3)
    present[1] = False
    jets = leading_jets(momentum, energy, present, particles=20)
    assert not jets["present"].values[1].any()
    assert jets["jet_pt"].values[1] == 0
    assert jets["present"].values[[0, 2]].any(axis=1).all()
    assert all(np.isfinite(one.values).all() for one in jets.values())


def test_the_jets_are_events_with_observables() -> None:
    variables = leading_jets(*collisions(), particles=50)
    events = make_events(variables, simulator="x", simulator_version="1", seed=1, settings={}, seconds_per_event=0.0)
    validate(events)
    np.testing.assert_allclose(
        jet_observables(events)["relative_mass"], events["jet_mass"] / events["jet_pt"], rtol=0.15
    )


def test_more_places_than_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="room for 50 particles, fewer than the 60 of a jet"):
        leading_jets(*collisions(2), particles=60)
