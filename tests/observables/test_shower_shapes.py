"""Shower shapes against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.formats.challenge_sets import SETS
from simulacra.geometry import CalorimeterGeometry
from simulacra.observables import observe, shower_shapes, shower_shapes_of

CALOGAN = CalorimeterGeometry.load("calogan")


def empty(n: int = 1) -> np.ndarray:
    return np.zeros((n, CALOGAN.n_cells), dtype=np.float32)


def shapes_of(cells: np.ndarray, energy: float = 1.0, **options: float) -> dict[str, float]:
    shapes = shower_shapes_of(cells, np.full(len(cells), energy), CALOGAN, **options)
    return {name: float(values[0]) for name, values in shapes.items()}


def test_two_cells_by_hand() -> None:
    cells = empty()
    # Section 0 has eta cells of 5 mm: numbers 47 and 49 lie at -2.5 and +7.5 mm; those of section 1 are 40 mm wide.
    cells[0, CALOGAN.cell_index(0, 1, 47)] = 300.0
    cells[0, CALOGAN.cell_index(0, 1, 49)] = 100.0
    cells[0, CALOGAN.cell_index(1, 6, 5)] = 500.0
    shapes = shapes_of(cells, energy=2.0)
    assert shapes["total_energy"] == 900.0
    assert shapes["energy_response"] == pytest.approx(0.45)
    assert (shapes["energy_0"], shapes["energy_1"], shapes["energy_2"]) == (400.0, 500.0, 0.0)
    assert shapes["energy_fraction_1"] == pytest.approx(5 / 9)
    assert shapes["eta_centre_0"] == pytest.approx(0.75 * -2.5 + 0.25 * 7.5)
    assert shapes["eta_width_0"] == pytest.approx(10 * math.sqrt(0.75 * 0.25))
    assert shapes["phi_centre_0"] == pytest.approx(0.0)
    assert shapes["phi_width_0"] == 0.0
    assert (shapes["eta_centre_1"], shapes["phi_centre_1"]) == (pytest.approx(-20.0), pytest.approx(20.0))
    assert shapes["eta_width_1"] == 0.0
    assert shapes["energy_ratio_0"] == pytest.approx(0.5)
    assert shapes["energy_ratio_1"] == 1.0
    assert shapes["sparsity_0"] == pytest.approx(2 / 288)
    assert shapes["deepest_section"] == 1
    assert shapes["depth_weighted_energy"] == 500.0
    assert shapes["shower_depth"] == pytest.approx(5 / 9)
    assert shapes["shower_depth_width"] == pytest.approx(math.sqrt(5 / 9 - (5 / 9) ** 2))


def test_showers_without_energy_are_zero_not_nan() -> None:
    shapes = shower_shapes_of(empty(3), np.array([0.0, 1.0, 2.0]), CALOGAN)
    for values in shapes.values():
        assert np.array_equal(values, np.zeros(3))


def test_threshold_counts_cells_above_it() -> None:
    cells = empty()
    cells[0, CALOGAN.cell_index(0, 0, 0)] = 1.0
    cells[0, CALOGAN.cell_index(0, 0, 1)] = 0.5
    cells[0, CALOGAN.cell_index(2, 0, 1)] = 0.5
    assert shapes_of(cells)["sparsity_0"] == pytest.approx(2 / 288)
    assert shapes_of(cells)["deepest_section"] == 2
    assert shapes_of(cells, threshold=0.5)["sparsity_0"] == pytest.approx(1 / 288)
    assert shapes_of(cells, threshold=0.5)["deepest_section"] == 0


def test_moving_a_shower_moves_its_centre_alone() -> None:
    rng = np.random.default_rng(5)
    block = rng.exponential(10.0, (1, 12, 6)).astype(np.float32)
    here, there = (empty() for _ in range(2))
    section = CALOGAN.section_slice(1)
    image = np.zeros((1, 12, 12), dtype=np.float32)
    image[:, :, 2:8] = block
    here[:, section] = image.reshape(1, -1)
    there[:, section] = np.roll(image, 2, axis=2).reshape(1, -1)
    first, second = shapes_of(here), shapes_of(there)
    assert second["eta_centre_1"] - first["eta_centre_1"] == pytest.approx(80.0)
    for name in ("eta_width_1", "phi_width_1", "phi_centre_1", "energy_ratio_1", "total_energy"):
        assert second[name] == pytest.approx(first[name])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_faulty_cells_are_refused_with_their_event(bad: float) -> None:
    cells = empty(4)
    cells[2, 17] = bad
    with pytest.raises(ValueError, match=r"'shower' is .* in event 2"):
        shower_shapes_of(cells, np.ones(4), CALOGAN)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="504"):
        shower_shapes_of(np.zeros((2, 500)), np.ones(2), CALOGAN)
    with pytest.raises(ValueError, match="incident energies"):
        shower_shapes_of(empty(2), np.ones(3), CALOGAN)


def test_cylindrical_detector_has_the_limited_list() -> None:
    geometry = CalorimeterGeometry.load("calochallenge")
    cells = np.zeros((1, geometry.n_cells), dtype=np.float32)
    cells[0, geometry.cell_index(10, 0, 3)] = 5.0
    shapes = shower_shapes_of(cells, np.ones(1), geometry)
    radius, alpha = (13.95 + 18.6) / 2, np.pi / geometry.sections[10].phi_cells
    assert shapes["eta_centre_10"][0] == pytest.approx(radius * np.cos(alpha))
    assert shapes["phi_centre_10"][0] == pytest.approx(radius * np.sin(alpha))
    assert shapes["shower_depth"][0] == 10
    assert shapes["deepest_section"][0] == 10
    assert shapes["r_centre_10"][0] == pytest.approx(radius)
    assert shapes["r_width_10"][0] == 0
    assert "energy_fraction_0" not in shapes
    assert len([name for name in shapes if name.startswith("energy_")]) == 46


def photons_of_set_1() -> CalorimeterGeometry:
    return SETS[368].binning.nominal_geometry()


def test_a_ring_has_no_place_in_eta_and_phi() -> None:
    """Layers 0, 3 and 12 of the CaloChallenge's photons are not cut in alpha; they were told to lie at -136.9 mm."""
    geometry = photons_of_set_1()
    shapes = shower_shapes_of(np.ones((1, geometry.n_cells)), np.ones(1), geometry)
    there = {name for name in shapes if name.startswith(("eta_", "phi_"))}
    assert there == {f"{c}_{what}_{i}" for c in ("eta", "phi") for what in ("centre", "width") for i in (1, 2)}
    for i in (1, 2):
        assert shapes[f"eta_centre_{i}"][0] == pytest.approx(0, abs=1e-9)
    for i, section in enumerate(geometry.sections):
        # the middles of the rings, whatever their cells in alpha
        middles = (np.array(section.r_edges[:-1]) + np.array(section.r_edges[1:])) / 2
        assert shapes[f"r_centre_{i}"][0] == pytest.approx(middles.mean())
        assert shapes[f"r_width_{i}"][0] == pytest.approx(middles.std())


def test_centre_and_width_in_r_by_hand() -> None:
    geometry = photons_of_set_1()
    cells = np.zeros((2, geometry.n_cells))
    # layer 0: rings 0 to 5 and 10 to 30 mm; layer 1: rings 2 to 4 and 150 to 200 mm at two places in alpha
    cells[0, geometry.cell_index(0, 0, 0)], cells[0, geometry.cell_index(0, 0, 2)] = 300.0, 100.0
    cells[0, geometry.cell_index(1, 3, 1)], cells[0, geometry.cell_index(1, 8, 15)] = 1.0, 1.0
    shapes = shower_shapes_of(cells, np.ones(2), geometry)
    assert shapes["r_centre_0"].tolist() == pytest.approx([0.75 * 2.5 + 0.25 * 20, 0])
    assert shapes["r_width_0"].tolist() == pytest.approx([17.5 * math.sqrt(0.75 * 0.25), 0])
    assert shapes["r_centre_1"][0] == pytest.approx((3 + 175) / 2)
    assert shapes["r_width_1"][0] == pytest.approx((175 - 3) / 2)
    described = shower_shapes(events(cells, np.ones(2), geometry=geometry.to_json()))
    assert described["r_width_4"].attrs["long_name"] == "Width in r in layer 12"
    assert described["r_width_4"].attrs["units"] == "mm"


def test_a_calorimeter_of_square_cells_has_no_radii() -> None:
    assert not [name for name in shapes_of(empty()) if name.startswith("r_")]


def events(cells: np.ndarray, energy: np.ndarray, **attributes: str) -> xr.Dataset:
    return make_events(
        {
            "shower": variable(cells, "cell", units="MeV", long_name="Energy in each cell", role="feature"),
            "incident_energy": variable(energy, units="GeV", long_name="Incident energy", role="condition"),
        },
        simulator="test",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.0,
        first_event=7,
        **attributes,
    )


def test_events_give_a_dataset_with_units() -> None:
    rng = np.random.default_rng(3)
    cells = rng.exponential(1.0, (5, CALOGAN.n_cells)).astype(np.float32)
    energy = np.linspace(1, 5, 5).astype(np.float32)
    sample = events(cells, energy, geometry=CALOGAN.to_json())
    shapes = shower_shapes(sample)
    plain = shower_shapes_of(cells, energy, CALOGAN)
    assert list(shapes.data_vars) == list(plain)
    for name, values in plain.items():
        assert np.array_equal(shapes[name].values, values)
        assert shapes[name].dims == ("event",)
        assert shapes[name].attrs["units"] in ("MeV", "mm", "1")
        assert shapes[name].attrs["long_name"]
    assert np.array_equal(shapes["event"].values, np.arange(7, 12))
    xr.testing.assert_identical(observe(sample), shapes)


def test_events_of_another_kind_are_refused() -> None:
    sample = events(empty(2), np.ones(2), geometry=CALOGAN.to_json())
    with pytest.raises(ValueError, match="no observables are known"):
        observe(sample.drop_vars("shower"))
    with pytest.raises(ValueError, match="'incident_energy'"):
        shower_shapes(sample.drop_vars("incident_energy"))
