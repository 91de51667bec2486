import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.formats import Binning, FormatError, calochallenge, read, read_binning, write_binning
from simulacra.formats.challenge_sets import SETS, set_of
from simulacra.geometry import CalorimeterGeometry

# What the challenge publishes: voxels of each layer that has any, and the particle.
PUBLISHED = {
    368: ("1-photons", "gamma", {0: 8, 1: 160, 2: 190, 3: 5, 12: 5}),
    533: ("1-pions", "pi+", {0: 8, 1: 100, 2: 100, 3: 5, 12: 150, 13: 160, 14: 10}),
    6480: ("2", "e-", dict.fromkeys(range(45), 144)),
    40500: ("3", "e-", dict.fromkeys(range(45), 900)),
}


def published_centres(binning: Binning) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of each voxel by the challenge's rule: r fastest, then alpha from -pi, then the layers."""
    x, y = [], []
    for layer in binning.layers:
        for alpha_bin in range(layer.alpha_bins):
            alpha = -math.pi + (alpha_bin + 0.5) * 2 * math.pi / layer.alpha_bins
            for low, high in zip(layer.r_edges[:-1], layer.r_edges[1:], strict=True):
                x.append((low + high) / 2 * math.cos(alpha))
                y.append((low + high) / 2 * math.sin(alpha))
    return np.array(x), np.array(y)


@pytest.mark.parametrize("n_voxels", PUBLISHED)
def test_the_sets_have_the_challenges_voxels(n_voxels: int) -> None:
    name, particle, voxels = PUBLISHED[n_voxels]
    found = set_of(n_voxels)
    assert found is not None
    assert (found.name, found.binning.particle) == (name, particle)
    assert {layer.id: layer.n_voxels for layer in found.binning.layers if layer.n_voxels} == voxels
    assert len(found.binning.layers) == (24 if name.startswith("1") else 45)
    # 1 MeV of ATLAS's cells; 0.5 keV of silicon over its part of 3.3 %
    assert found.threshold == pytest.approx(1.0 if name.startswith("1") else 15.15e-3, rel=1e-3)
    assert len(SETS) == len(PUBLISHED)


@pytest.mark.parametrize("n_voxels", [368, 533, 6480])
def test_a_file_of_the_challenge_is_known_by_its_voxels(tmp_path: Path, n_voxels: int) -> None:
    """One voxel is hit in each event: its cell must stand where the challenge has it, and go back to its place."""
    voxels = np.arange(0, n_voxels, max(1, n_voxels // 300))
    showers = np.zeros((len(voxels), n_voxels))
    showers[np.arange(len(voxels)), voxels] = 7.5
    with h5py.File(tmp_path / "dataset.hdf5", "w") as file:
        file["incident_energies"] = np.full((len(voxels), 1), 256.0)
        file["showers"] = showers
    events = read(tmp_path / "dataset.hdf5")
    assert events.attrs["particle"] == PUBLISHED[n_voxels][1]
    np.testing.assert_array_equal(events["incident_energy"], 0.256)
    geometry = CalorimeterGeometry.from_events(events)
    x, y = published_centres(SETS[n_voxels].binning)
    hit = events["shower"].values.argmax(axis=1)
    # An alpha that is not divided has its centre at 0 in the challenge and at pi here; its radius is what counts.
    divided = np.array([section.phi_cells > 1 for section in geometry.sections])[geometry.section_of_cell[hit]]
    np.testing.assert_allclose(geometry.cell_x[hit][divided], x[voxels][divided], atol=1e-9)
    np.testing.assert_allclose(geometry.cell_y[hit][divided], y[voxels][divided], atol=1e-9)
    np.testing.assert_allclose(np.hypot(geometry.cell_x, geometry.cell_y)[hit], np.hypot(x, y)[voxels], atol=1e-9)
    sizes = np.array(list(PUBLISHED[n_voxels][2].values()))
    np.testing.assert_array_equal(geometry.section_of_cell[hit], np.searchsorted(sizes.cumsum(), voxels, side="right"))
    # Without the file's own record, as what a generator makes of it: by the geometry alone.
    del events.attrs["binning"]
    calochallenge.write(events.drop_vars(calochallenge.ENERGY_COORDINATE), tmp_path / "submission.hdf5")
    with h5py.File(tmp_path / "submission.hdf5") as file:
        np.testing.assert_array_equal(file["showers"], showers)
        np.testing.assert_allclose(file["incident_energies"], 256.0)
        assert file["incident_energies"].shape == (len(voxels), 1)


@pytest.mark.parametrize(("n_voxels", "threshold"), [(368, 1.0), (533, 1.0), (6480, 0.5e-3 / 0.033)])
def test_the_evaluation_sees_nothing_below_the_threshold_of_a_set(n_voxels: int, threshold: float) -> None:
    showers = np.zeros((3, n_voxels), dtype=np.float32)
    showers[1, :3] = np.float32(threshold) * np.array([0.999, 1.001, 50], dtype=np.float32)
    events = xr.Dataset({"shower": (("event", "cell"), showers, {"units": "MeV"})})
    seen = calochallenge.as_evaluated(events)
    expected = showers.copy()
    expected[1, 0] = 0
    np.testing.assert_array_equal(seen["shower"], expected, strict=True)
    assert events["shower"].values[1, 0] > 0
    assert seen["shower"].attrs == {"units": "MeV"}
    other = xr.Dataset({"shower": (("event", "cell"), showers[:, :-1])})
    assert calochallenge.as_evaluated(other) is other


def test_a_set_s_binning_as_xml_is_the_same_set(tmp_path: Path) -> None:
    for each in SETS.values():
        write_binning(each.binning, tmp_path / "binning.xml")
        assert read_binning(tmp_path / "binning.xml") == each.binning


def test_energies_below_the_threshold_are_written_as_none(tmp_path: Path) -> None:
    showers = np.array([[0.0, 0.0151, 0.0152, 3.0] + [0.0] * 6476], dtype=np.float32)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["incident_energies"] = np.array([[1000.0]])
        file["showers"] = showers
    events = read(tmp_path / "a.hdf5")
    calochallenge.write(events, tmp_path / "cut.hdf5", threshold=SETS[6480].threshold)
    with h5py.File(tmp_path / "cut.hdf5") as file:
        np.testing.assert_array_equal(file["showers"], np.where(showers == np.float32(0.0151), 0, showers), strict=True)
    for threshold in (-1.0, math.nan, math.inf):
        with pytest.raises(FormatError, match="threshold of a voxel must be 0 MeV or more"):
            calochallenge.write(events, tmp_path / "b.hdf5", threshold=threshold)
