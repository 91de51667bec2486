"""The toy parton shower: its rate and shares against the closed forms, its ordering, conservation and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import integrate, stats

import simulacra
from simulacra.observables.lund import light_cone
from simulacra.simulators.parton_shower import (
    PartonShowerSettings,
    evolve,
    simulate_parton_showers,
    splitting_function,
    write_parton_showers,
)
from simulacra.store import open_events
from simulacra.store.errors import StoreError


def settings_of(**changed: object) -> PartonShowerSettings:
    return PartonShowerSettings.model_validate({"parton_energy": "100", **changed})


@pytest.mark.parametrize("enhancement", [0.0, 2.0])
def test_the_first_splitting_has_the_sudakov_factor_and_the_kernel(enhancement: float) -> None:
    energy, n = 100.0, 15_000
    settings = settings_of(hard_enhancement=enhancement)
    *_, made = evolve(np.full(n, energy), settings, np.random.default_rng(1))
    # Ordered in angle, the first splitting of an event is its widest.
    order = np.lexsort((-made.angle, made.event))
    first = order[np.unique(made.event[order], return_index=True)[1]]
    angle, z = made.angle[first], made.z[first]

    def rate(theta: float) -> float:
        lowest = settings.cutoff / (energy * theta)
        if lowest >= 0.5:
            return 0.0
        total = integrate.quad(lambda x: float(splitting_function(np.array(x), enhancement)), lowest, 0.5)[0]
        return settings.coupling / np.pi * total / theta

    grid = np.geomspace(2 * settings.cutoff / energy, settings.largest_angle, 400)
    hazard = np.array([rate(theta) for theta in grid])
    above = -integrate.cumulative_trapezoid(hazard[::-1], grid[::-1], initial=0)[::-1]
    none = np.exp(-above[0])
    found = 1 - len(first) / n
    # both at 4 standard deviations: a false alarm in 10,000
    assert abs(found - none) < 4 * np.sqrt(none * (1 - none) / n)
    cumulative = (np.exp(-above) - none) / (1 - none)
    assert stats.kstest(angle, lambda t: np.interp(t, grid, cumulative)).pvalue > 1e-4
    # At given angle, z follows P(z) above the cut-off: its integral to z over the whole is uniform.
    places = np.linspace(1e-4, 0.5, 20_000)
    integral = integrate.cumulative_trapezoid(splitting_function(places, enhancement), places, initial=0)
    low = np.interp(settings.cutoff / (energy * angle), places, integral)
    uniform = (np.interp(z, places, integral) - low) / (integral[-1] - low)
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("ordering", [0.0, 0.5, 1.0])
def test_energy_and_transverse_momentum_are_conserved_and_kt_is_above_the_cutoff(ordering: float) -> None:
    settings = settings_of(parton_energy="log:50:500", ordering=ordering, splittings=True)
    events = simulate_parton_showers(settings, seed=3, n_events=700)
    present = events["present"].values
    energy, slope = light_cone(events["momentum"].values, events["energy"].values, present)
    np.testing.assert_allclose(energy.sum(axis=1), events["parton_energy"].values, rtol=1e-5)
    across = (energy[..., None] * slope).sum(axis=1)
    np.testing.assert_allclose(across / events["parton_energy"].values[:, None], 0, atol=1e-6)
    np.testing.assert_array_equal(events["split"].values.sum(axis=1), present.sum(axis=1) - 1)
    made = {name: events[f"splitting_{name}"].values[events["split"].values] for name in ("z", "angle", "energy")}
    assert (made["z"] * made["angle"] * made["energy"]).min() > settings.cutoff * (1 - 1e-5)
    assert made["z"].max() <= 0.5
    assert made["angle"].max() <= settings.largest_angle


def test_another_ordering_lets_soft_partons_radiate_at_wider_angles() -> None:
    def wider(ordering: float) -> float:
        settings = settings_of(ordering=ordering)
        *_, made = evolve(np.full(500, 1000.0), settings, np.random.default_rng(4))
        soft = made.energy < 100
        return float(np.median(made.angle[soft]))

    assert wider(0.0) < wider(0.5) < wider(1.0)


def test_events_depend_on_seed_and_index_alone(tmp_path: Path) -> None:
    settings = settings_of()
    whole = simulate_parton_showers(settings, seed=5, n_events=1600, chunk_size=1000)
    part = simulate_parton_showers(settings, seed=5, n_events=1300, chunk_size=1000, workers=2)
    np.testing.assert_array_equal(whole["momentum"].values[:1300], part["momentum"].values)
    assert not np.array_equal(whole["parton_energy"].values[:600], whole["energy"].values[1000:, 0])
    other = simulate_parton_showers(settings, seed=6, n_events=100)
    assert not np.array_equal(other["momentum"].values, whole["momentum"].values[:100])


def test_impossible_settings_and_too_many_partons_are_told(tmp_path: Path) -> None:
    for wrong in (
        {"parton_energy": "-1"},
        {"cutoff": 0},
        {"coupling": 2},
        {"parton_energy": "often"},
        {"ordering": -1},
    ):
        with pytest.raises(ValidationError):
            settings_of(**wrong)
    with pytest.raises(StoreError, match=r"event \d+ has \d+ partons, more than 3: allow more"):
        write_parton_showers(
            tmp_path / "x.zarr", settings_of(parton_energy="1000", max_partons=3), seed=1, n_events=50, progress=False
        )
    with pytest.raises(ValueError, match="parton_energy must be above 0 GeV"):
        simulacra.simulate("shower", tmp_path / "y.zarr", 5, seed=1, parton_energy="uniform:-2:3", progress=False)


def test_the_truth_of_splittings_is_kept_only_if_asked(tmp_path: Path) -> None:
    simulacra.simulate("shower", tmp_path / "plain.zarr", 20, seed=1, parton_energy=100, progress=False)
    assert not [name for name in open_events(tmp_path / "plain.zarr").data_vars if str(name).startswith("split")]
