"""Reclustering by angle: splittings that are known come back."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.events import EventsError
from simulacra.observables.lund import clouds_of, decluster, light_cone, momenta_of
from simulacra.simulators.parton_shower import PartonShowerSettings, evolve


def test_a_shower_of_two_splittings_comes_back_exactly() -> None:
    # 100 GeV splits at 0.3 into 80 and 20, and the 20 at 0.1 into 15 and 5.
    slopes = np.array([[-0.2 * 0.3, 0.0], [0.8 * 0.3, -0.25 * 0.1], [0.8 * 0.3, 0.75 * 0.1]])
    energies = np.array([80.0, 15.0, 5.0])
    momentum, energy = momenta_of(energies, slopes)
    present = np.array([[True, True, False, True], [False, True, False, False]])
    clouds, totals = np.zeros((2, 4, 3)), np.zeros((2, 4))
    clouds[0, [0, 1, 3]], totals[0, [0, 1, 3]] = momentum, energy
    clouds[1, 1], totals[1, 1] = [7.0, 0.0, 0.0], 7.0
    np.testing.assert_allclose((clouds**2).sum(axis=2), totals**2)
    found = decluster(*light_cone(clouds, totals, present), present)
    assert found.present.tolist() == [[True, True, False], [False] * 3]
    np.testing.assert_allclose(found.energy[0, :2], [100, 20])
    np.testing.assert_allclose(found.z[0, :2], [0.2, 0.25])
    np.testing.assert_allclose(found.angle[0, :2], [0.3, 0.1])
    np.testing.assert_allclose(found.kt[0, :2], [6.0, 0.5])
    np.testing.assert_allclose(found.mother_energy[0, :2], [0, 100])
    np.testing.assert_allclose(found.mother_angle[0, :2], [0, 0.3])
    assert found.soft[0].tolist() == [False, True, False]
    assert found.primary[0].tolist() == [True, False, False]


def test_neither_the_order_of_particles_nor_of_events_matters() -> None:
    settings = PartonShowerSettings(parton_energy="400")
    event, energy, slope, _ = evolve(np.full(300, 400.0), settings, np.random.default_rng(2))
    clouds = clouds_of(event, energy, slope, 300)
    found = decluster(*clouds)
    np.testing.assert_array_equal(found.present.sum(axis=1), clouds[2].sum(axis=1) - 1)
    order = np.random.default_rng(3).permutation(clouds[2].shape[1])
    shuffled = decluster(*(x[::-1][:, order] for x in clouds))
    for name in ("z", "angle", "energy", "mother_energy", "primary"):
        np.testing.assert_allclose(getattr(shuffled, name)[::-1], getattr(found, name), rtol=1e-9)
    # The primary splittings follow the harder branch: their energies fall, and each event has one at most per column.
    along = np.where(found.primary, found.energy, np.nan)
    for row in along:
        kept = row[np.isfinite(row)]
        assert (np.diff(kept) < 0).all()


def test_wide_splittings_of_an_angular_ordered_shower_are_found() -> None:
    settings = PartonShowerSettings(parton_energy="400")
    event, energy, slope, made = evolve(np.full(3000, 400.0), settings, np.random.default_rng(4))
    found = decluster(*clouds_of(event, energy, slope, 3000))
    true = np.log(made.z * made.energy * made.angle)
    seen = np.log(found.kt[found.present])
    assert len(true) == len(seen)
    # Reclustering is no exact inverse where branches overlap, but nearly: kT agrees to a tenth of its width.
    assert abs(true.mean() - seen.mean()) < 0.1 * true.std()


def test_particles_off_the_axis_and_values_that_are_no_numbers_are_told() -> None:
    present = np.ones((2, 1), dtype=bool)
    with pytest.raises(EventsError, match="particle 0 of event 1 of these has the energy 1 GeV"):
        light_cone(np.array([[[1.0, 0, 0]], [[-1.0, 0, 0]]]), np.ones((2, 1)), present)
    with pytest.raises(EventsError, match="particle 0 of event 0"):
        light_cone(np.array([[[np.nan, 0, 0]], [[1.0, 0, 0]]]), np.ones((2, 1)), present)
