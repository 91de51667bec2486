"""The calorimeter as data: numbers of the shipped ones, look-ups against a slow reference, faults with their place."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from simulacra.geometry import CalorimeterGeometry, GeometryError, shipped_geometries

CARTESIAN = """
name = "toy"
kind = "cartesian"
lateral_size = 100.0

[absorber]
material = "G4_Pb"
thickness = 2.0

[active]
material = "G4_lAr"
thickness = 4.0

[dead_material]
material = "G4_Al"
thickness = 5.0

[[sections]]
name = "front"
layers = 3
phi_cells = 2
eta_cells = 5
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "Kalorimeter ü.toml"
    path.write_text(CARTESIAN, encoding="utf-8")
    return path


@pytest.fixture(params=shipped_geometries())
def geometry(request: pytest.FixtureRequest) -> CalorimeterGeometry:
    return CalorimeterGeometry.load(request.param)


def test_calogan_is_the_published_detector() -> None:
    geometry = CalorimeterGeometry.load("calogan")
    assert [(s.layers, s.phi_cells, s.eta_cells) for s in geometry.sections] == [(15, 3, 96), (58, 12, 12), (7, 12, 6)]
    assert (geometry.absorber.material, geometry.absorber.thickness) == ("G4_Pb", 2.0)
    assert (geometry.active.material, geometry.active.thickness) == ("G4_lAr", 4.0)
    assert geometry.n_cells == 504
    assert geometry.offsets == (0, 288, 432)
    assert geometry.section_slice(1) == slice(288, 432)
    assert geometry.section_slice(-1) == slice(432, 504)
    assert geometry.depth == geometry.lateral_size == 480.0
    np.testing.assert_array_equal(geometry.section_front, [0.0, 90.0, 438.0])
    np.testing.assert_array_equal(geometry.section_back, [90.0, 438.0, 480.0])
    # eta along x and phi along y: cells of 5 x 160, 40 x 40 and 80 x 40 mm
    first = geometry.cell_index(0, 0, 0)
    assert (geometry.cell_x[first], geometry.cell_y[first], geometry.cell_z[first]) == (-237.5, -160.0, 45.0)
    last = geometry.cell_index(2, 11, 5)
    assert last == 503
    assert (geometry.cell_x[last], geometry.cell_y[last], geometry.cell_z[last]) == (200.0, 220.0, 459.0)


def test_calochallenge_has_the_voxels_of_dataset_2() -> None:
    geometry = CalorimeterGeometry.load("calochallenge")
    assert geometry.n_cells == 6480
    assert len(geometry.sections) == 45
    assert geometry.depth == pytest.approx(153.0)
    assert [s.name for s in geometry.sections[:2]] == ["layer_0", "layer_1"]
    assert all(geometry.section_shape(i) == (16, 9) for i in range(45))
    radius = np.hypot(geometry.cell_x, geometry.cell_y).reshape(45, 16, 9)
    np.testing.assert_allclose(radius, np.broadcast_to((np.arange(9) + 0.5) * 4.65, radius.shape))
    angle = np.arctan2(geometry.cell_y, geometry.cell_x).reshape(45, 16, 9) % (2 * np.pi)
    np.testing.assert_allclose(angle[7, :, 4], (np.arange(16) + 0.5) * 2 * np.pi / 16)


def test_indices_of_a_cell_lead_back_to_it(geometry: CalorimeterGeometry) -> None:
    assert geometry.section_of_cell.shape == geometry.cell_x.shape == (geometry.n_cells,)
    for cell in range(0, geometry.n_cells, 7):
        place = (int(geometry.section_of_cell[cell]), int(geometry.phi_of_cell[cell]), int(geometry.eta_of_cell[cell]))
        assert geometry.cell_index(*place) == cell
    for i in range(len(geometry.sections)):
        assert np.all(geometry.section_of_cell[geometry.section_slice(i)] == i)
    np.testing.assert_array_equal(geometry.cell_front, geometry.section_front[geometry.section_of_cell])
    assert np.all(geometry.cell_front < geometry.cell_z)
    assert np.all(geometry.cell_z < geometry.cell_back)


def adjacency(geometry: CalorimeterGeometry, section: int, *, diagonal: bool = False) -> np.ndarray:
    """Return whether two cells of a section are neighbours, (n, n)."""
    cells = np.arange(geometry.n_cells)[geometry.section_slice(section)]
    return np.array([np.isin(cells, geometry.neighbours(cell, diagonal=diagonal)) for cell in cells])


def test_neighbours_of_a_cartesian_section_lie_one_cell_away() -> None:
    geometry = CalorimeterGeometry.load("calogan")
    for i, section in enumerate(geometry.sections):
        cells = geometry.section_slice(i)
        steps_x = np.abs(np.subtract.outer(geometry.cell_x[cells], geometry.cell_x[cells])) * section.eta_cells / 480
        steps_y = np.abs(np.subtract.outer(geometry.cell_y[cells], geometry.cell_y[cells])) * section.phi_cells / 480
        np.testing.assert_array_equal(adjacency(geometry, i), np.isclose(steps_x + steps_y, 1))
        around = np.maximum(steps_x, steps_y)
        np.testing.assert_array_equal(adjacency(geometry, i, diagonal=True), np.isclose(around, 1))
    np.testing.assert_array_equal(geometry.neighbours(0), [1, 96])
    np.testing.assert_array_equal(geometry.neighbours(288 + 13), 288 + np.array([1, 12, 14, 25]))
    np.testing.assert_array_equal(geometry.neighbours(503, diagonal=True), [496, 497, 502])


def test_neighbours_of_a_cylindrical_section_close_around_the_axis() -> None:
    geometry = CalorimeterGeometry.load("calochallenge")
    np.testing.assert_array_equal(geometry.neighbours(0), [1, 9, 15 * 9])
    np.testing.assert_array_equal(geometry.neighbours(144 + 8), 144 + np.array([7, 17, 143]))
    adjacent = adjacency(geometry, 3)
    np.testing.assert_array_equal(adjacent, adjacent.T)
    assert adjacent.sum() == 2 * (16 * 9 + 16 * 8)
    assert not adjacent.diagonal().any()


@pytest.mark.parametrize(("alpha_bins", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 4])])
def test_a_ring_of_few_bins_is_not_its_own_neighbour(alpha_bins: int, expected: list[int]) -> None:
    geometry = CalorimeterGeometry.model_validate(
        {
            "name": "rings",
            "kind": "cylindrical",
            "lateral_size": 20.0,
            "absorber": {"material": "G4_W", "thickness": 1.0},
            "active": {"material": "G4_Si", "thickness": 1.0},
            "sections": [{"name": "only", "layers": 1, "alpha_bins": alpha_bins, "r_edges": [0.0, 1.0, 10.0]}],
        }
    )
    np.testing.assert_array_equal(geometry.neighbours(0), expected)


def test_look_ups_cannot_be_written_to(geometry: CalorimeterGeometry) -> None:
    with pytest.raises(ValueError, match="read-only"):
        geometry.cell_x[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        geometry.neighbour_table()[0, 0] = 1
    with pytest.raises(ValidationError, match="frozen"):
        geometry.lateral_size = 1.0  # type: ignore[misc]


def test_json_brings_the_same_geometry_back(geometry: CalorimeterGeometry, toml: Path) -> None:
    for one in (geometry, CalorimeterGeometry.load(toml)):
        assert one.cell_x.size  # a look-up that has been made must not change the comparison
        again = CalorimeterGeometry.from_json(one.to_json())
        assert again == one
        assert hash(again) == hash(one)
        assert CalorimeterGeometry.from_events(xr.Dataset(attrs={"geometry": one.to_json()})) == one


def test_events_without_a_geometry_say_so() -> None:
    with pytest.raises(GeometryError, match="no attribute 'geometry'"):
        CalorimeterGeometry.from_events(xr.Dataset())


def test_a_file_is_read(toml: Path) -> None:
    geometry = CalorimeterGeometry.load(str(toml))
    assert geometry.dead_material is not None
    assert geometry.dead_material.thickness == 5.0
    assert geometry.n_cells == 10
    np.testing.assert_allclose(geometry.cell_x[:5], [-40, -20, 0, 20, 40])
    np.testing.assert_allclose(geometry.cell_y[::5], [-25, 25])


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(GeometryError, match=r"'calogan2'.*calochallenge, calochallenge-3, calogan"):
        CalorimeterGeometry.load("calogan2")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("thickness = 2.0", "thickness = -2.0", r"absorber.thickness: .*greater than 0 \(given: -2.0\)"),
        ("thickness = 2.0", "thickness = nan", r"absorber.thickness"),
        ("layers = 3", "layers = 0", r"sections.0.layers: .*\(given: 0\)"),
        ("layers = 3", "layers = 2.5", r"sections.0.layers"),
        ("eta_cells = 5", "eta_cels = 5", r"sections.0.eta_cells: Field required.*sections.0.eta_cels: Extra inputs"),
        ('kind = "cartesian"', 'kind = "spherical"', r"kind: .*\(given: 'spherical'\)"),
        ("lateral_size = 100.0", "", r"lateral_size: Field required"),
        ('material = "G4_Pb"', 'material = ""', r"absorber.material"),
        ('name = "front"', 'name = "front"\nrepeat = 0', r"'repeat' of section 'front' .* not 0"),
        (
            "phi_cells = 2\neta_cells = 5",
            "alpha_bins = 2\nr_edges = [0.0, 5.0]",
            r"sections.0.phi_cells: Field required",
        ),
        ("[[sections]]", "[[sections]", r"is not a TOML file: .*line"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place(toml: Path, old: str, new: str, message: str) -> None:
    assert old in CARTESIAN
    toml.write_text(CARTESIAN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(GeometryError, match=message) as caught:
        CalorimeterGeometry.load(toml)
    assert str(toml) in str(caught.value)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ([], r"sections\n.*at least 1"),
        ([{"name": "a", "layers": 1, "alpha_bins": 4, "r_edges": [0.0, 2.0, 2.0]}], "r_edges must rise"),
        ([{"name": "a", "layers": 1, "alpha_bins": 4, "r_edges": [-1.0, 2.0]}], "greater than or equal to 0"),
        ([{"name": "a", "layers": 1, "alpha_bins": 4, "r_edges": [0.0, 200.0]}], "r = 200 mm, beyond the lateral_size"),
        ([{"name": "a", "layers": 1, "alpha_bins": 4, "r_edges": [0.0, 2.0]}] * 2, "two sections are called 'a'"),
        ([{"kind": "cartesian", "name": "a", "layers": 1, "phi_cells": 4, "eta_cells": 2}], "section 'a' is cartesian"),
        ([3], "sections.0"),
    ],
)
def test_sections_that_make_no_sense_are_refused(sections: list[object], message: str) -> None:
    data = {
        "name": "rings",
        "kind": "cylindrical",
        "lateral_size": 100.0,
        "absorber": {"material": "G4_W", "thickness": 1.0},
        "active": {"material": "G4_Si", "thickness": 1.0},
        "sections": sections,
    }
    with pytest.raises(ValidationError, match=message):
        CalorimeterGeometry.model_validate(data)


def test_cells_that_do_not_exist_are_refused() -> None:
    geometry = CalorimeterGeometry.load("calogan")
    with pytest.raises(GeometryError, match=r"no cell \(3, 0\) in section 0, which has 3 x 96"):
        geometry.cell_index(0, 3, 0)
    with pytest.raises(GeometryError, match="no section 3"):
        geometry.section_slice(3)
    with pytest.raises(GeometryError, match="no cell 504: 'calogan' has the cells 0 to 503"):
        geometry.neighbours(504)
