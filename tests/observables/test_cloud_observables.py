"""Observables of particle clouds: numbers counted by hand, invariances on real events, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from toy_clouds import Particle, clouds_of, z_decays

pytest.importorskip("fastjet", reason="fastjet is not installed: pip install 'simulacra[jets]'")

from simulacra.events import EventsError
from simulacra.observables import cloud_observables, observe
from simulacra.observables import clouds as clouds_module
from simulacra.observables.particle_numbers import MOMENTUM_FRACTION_EDGES


def along_z(momentum: float, identity: int, charge: int, mass: float = 0.0) -> Particle:
    return (0.0, 0.0, momentum, math.hypot(momentum, mass), identity, charge)


BY_HAND = [
    along_z(20.0, 321, 1),
    along_z(-10.0, -321, -1),
    along_z(5.0, 130, 0),
    along_z(4.0, 211, 1),
    along_z(-3.0, -211, -1),
    along_z(-2.0, -2212, -1),
    along_z(1.0, 22, 0),
    along_z(30.0, -14, 0),
    along_z(-1.0, 0, 0),
]


def test_numbers_by_hand_leave_neutrinos_out() -> None:
    found = cloud_observables(clouds_of([BY_HAND, BY_HAND[:1]]))
    numbers = {
        "multiplicity": 8,
        "charged_multiplicity": 5,
        "kaon_multiplicity": 3,
        "pion_multiplicity": 2,
        "proton_multiplicity": 1,
        "photon_multiplicity": 1,
        "visible_energy": 46,
        "thrust": 1,
    }
    assert {name: float(found[name].values[0]) for name in numbers} == pytest.approx(numbers)
    assert found["multiplicity"].values[1] == 1


def test_number_densities_by_hand() -> None:
    events = clouds_of([BY_HAND])
    found = cloud_observables(events, centre_of_mass_energy=100.0)
    # 2p/E of 0.4, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02, 0.02
    fractions = np.log10([0.4, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02, 0.02])
    expected = np.histogram(fractions, bins=MOMENTUM_FRACTION_EDGES)[0]
    assert found["number_density"].values[0].tolist() == expected.tolist()
    assert found["kaon_density"].values[0].tolist() == np.histogram(fractions[:3], MOMENTUM_FRACTION_EDGES)[0].tolist()
    assert found["number_density"].attrs["edges"] == list(MOMENTUM_FRACTION_EDGES)
    by_visible_energy = cloud_observables(events)["number_density"].values[0]
    expected = np.histogram(fractions + math.log10(100 / 46), bins=MOMENTUM_FRACTION_EDGES)[0]
    assert by_visible_energy.tolist() == expected.tolist()


def test_the_edges_of_the_densities_are_those_of_a_histogram() -> None:
    # 2p/E of exactly 1 is in the last bin; above it (a smeared momentum) and far below, in none
    events = clouds_of([[along_z(50.0, 211, 1), along_z(60.0, 211, 1), along_z(1e-3, 211, 1, 0.14)]])
    density = cloud_observables(events, centre_of_mass_energy=100.0)["number_density"].values[0]
    assert density.tolist() == [0.0] * 11 + [1.0]


def test_jet_masses_are_those_of_the_two_jets() -> None:
    # two pairs back to back, 0.4 and 0.2 rad apart: m = 2 E sin(half the angle)
    event = [
        (side * 10 * math.cos(half), sign * 10 * math.sin(half), 0.0, 10.0, 22, 0)
        for side, half in ((1, 0.1), (-1, 0.2))
        for sign in (1, -1)
    ]
    found = cloud_observables(clouds_of([event]))
    assert found["leading_jet_mass"].values == pytest.approx([20 * math.sin(0.1)], rel=1e-5)
    assert found["subleading_jet_mass"].values == pytest.approx([20 * math.sin(0.2)], rel=1e-5)
    assert found["heavy_hemisphere_mass"].values == pytest.approx([20 * math.sin(0.2)], rel=1e-5)


def test_real_events_look_like_decays_of_the_z() -> None:
    events, expected_thrust = z_decays()
    found = cloud_observables(events, centre_of_mass_energy=91.2)
    assert found["thrust"].values == pytest.approx(expected_thrust, abs=0.02)
    # LEP: 20.8 charged particles and 2.3 charged kaons a decay (PDG), K0_L to be added to these
    assert found["charged_multiplicity"].values.mean() == pytest.approx(20.8, abs=1.0)
    assert found["kaon_multiplicity"].values.mean() == pytest.approx(3.3, abs=0.4)
    assert (found["visible_energy"].values < 91.3).all()
    assert np.array_equal(
        found["charged_multiplicity"] + found["photon_multiplicity"] <= found["multiplicity"], [True] * 300
    )
    for array in found.data_vars.values():
        assert array.dtype == np.float64
        assert np.isfinite(array.values).all()
        assert array.attrs["units"] in ("1", "GeV")
        assert array.attrs["long_name"]


def test_they_do_not_depend_on_padding_order_of_events_or_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    events, _ = z_decays()
    events = events.isel(event=slice(0, 60))
    found = cloud_observables(events)
    monkeypatch.setattr(clouds_module, "BLOCK", 7)
    monkeypatch.setattr(clouds_module, "PAIRS_BLOCK", 3)
    padded = events.isel(event=np.arange(60)[::-1]).pad(particle=(0, 9), constant_values=0)
    padded = padded.assign(present=padded["present"].astype(bool).assign_attrs(events["present"].attrs))
    other = cloud_observables(padded).isel(event=slice(None, None, -1))
    assert np.array_equal(other["event"], events["event"])
    for name, array in found.data_vars.items():
        assert other[name].values == pytest.approx(array.values, rel=1e-9, abs=1e-9)


def test_a_rotation_about_the_beam_changes_nothing() -> None:
    events, _ = z_decays()
    events = events.isel(event=slice(0, 60))
    c, s = math.cos(1.0), math.sin(1.0)
    turned = events.copy()
    turned["momentum"] = (
        events["momentum"].dims,
        events["momentum"].values @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]),
    )
    before, after = cloud_observables(events), cloud_observables(turned)
    for name in ("thrust", "leading_jet_mass", "heavy_hemisphere_mass", "energy_correlation_2", "energy_correlation_3"):
        assert after[name].values == pytest.approx(before[name].values, rel=1e-3, abs=1e-3)


def test_observe_gives_each_bin_of_the_densities() -> None:
    events = clouds_of([BY_HAND])
    observed = observe(events)
    assert all(array.dims == ("event",) for array in observed.data_vars.values())
    whole = cloud_observables(events)
    assert [float(observed[f"number_density_{i}"][0]) for i in range(12)] == whole["number_density"].values[0].tolist()
    expected = "Number of kaons per bin of log10 of the momentum fraction: -0.25 to 0"
    assert observed["kaon_density_11"].attrs["long_name"] == expected
    assert float(observed["thrust"][0]) == float(whole["thrust"][0])


def test_events_of_no_particles_are_zero() -> None:
    found = cloud_observables(clouds_of([[], []]))
    assert all(not array.values.any() for array in found.data_vars.values())
    assert cloud_observables(clouds_of([[]]).isel(event=slice(0, 0)))["thrust"].shape == (0,)


def test_bad_input_is_refused_with_its_place() -> None:
    events = clouds_of([BY_HAND, BY_HAND])
    with pytest.raises(EventsError, match=r"need \['charge', 'present'\]; the events hold \['energy'"):
        cloud_observables(events.drop_vars(["charge", "present"]))
    with pytest.raises(ValueError, match="centre-of-mass energy must be above 0 GeV, not -91"):
        cloud_observables(events, centre_of_mass_energy=-91.0)
    broken = events.copy(deep=True)
    broken["momentum"][1, 4, 0] = np.inf
    with pytest.raises(ValueError, match="particle 4 of event 1 has the momentum"):
        cloud_observables(broken)
    with pytest.raises(ValueError, match="particle clouds the variables 'momentum' and 'present'"):
        observe(xr.Dataset({"jet_pt": ("event", np.ones(2))}))
