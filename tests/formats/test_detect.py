"""Which layout a file has, and whether its energies can be in the layout's units."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from simulacra.formats import FormatError, calochallenge, format_of, read
from simulacra.formats.challenge_sets import SETS
from simulacra.geometry import CalorimeterGeometry

N = 20


def photons(path: Path, *, unit: float = 1.0, dtype: str = "f4", **more: np.ndarray) -> Path:
    """Write showers of set 1, which hold 0.9 of energies from 256 MeV to 2.56 GeV, times ``unit``."""
    energies = 256.0 * np.linspace(1, 10, N)[:, None]
    with h5py.File(path, "w") as file:
        file["incident_energies"] = (energies * unit).astype(dtype)
        file["showers"] = np.repeat(0.9 * energies / 368, 368, axis=1).astype(dtype)
        for name, values in more.items():
            file[name] = values
    return path


def calogan(path: Path, *, unit: float = 1.0, **more: np.ndarray) -> Path:
    """Write showers of CaloGAN, which hold 0.9 of energies from 1 to 20 GeV, times ``unit``."""
    energies = np.arange(1.0, N + 1)[:, None]
    geometry = CalorimeterGeometry.load("calogan")
    with h5py.File(path, "w") as file:
        file["energy"] = energies * unit
        for i in range(3):
            shape = geometry.section_shape(i)
            file[f"layer_{i}"] = np.full((N, *shape), 300.0 / np.prod(shape)) * energies[:, :, None]
        for name, values in more.items():
            file[name] = values
    return path


@pytest.mark.parametrize("name", ["energy", "energies", "layer_0_energy", "hits"])
def test_a_further_dataset_does_not_make_a_calochallenge_file_another(tmp_path: Path, name: str) -> None:
    path = photons(tmp_path / "dataset_1_photons_1.hdf5", **{name: np.ones((N, 1))})
    assert format_of(path) == "calochallenge"
    with pytest.warns(UserWarning, match=rf"holds \['{name}'\], which are not read"):
        events = read(path)
    np.testing.assert_allclose(events["incident_energy"], 0.256 * np.linspace(1, 10, N), rtol=1e-6)
    assert events["shower"].shape == (N, 368)
    assert events.attrs["particle"] == "gamma"


def test_a_file_of_two_layouts_is_refused(tmp_path: Path) -> None:
    path = calogan(tmp_path / "eplus.hdf5", showers=np.ones((N, 504)))
    with pytest.raises(FormatError, match=r"of several layouts \(calogan, flat_showers\): read it explicitly"):
        format_of(path)
    path = photons(tmp_path / "x.hdf5", energy=np.ones((N, 1)), layer_0=np.ones((N, 3, 96)))
    with pytest.raises(FormatError, match=r"of several layouts \(calogan, calochallenge\)"):
        format_of(path)
    with pytest.warns(UserWarning, match=r"holds \['energy', 'layer_0'\], which are not read"):
        assert calochallenge.read(path)["shower"].shape == (N, 368)


@pytest.mark.parametrize(("unit", "share"), [(1e-3, "900"), (1e3, "0.0009")])
def test_energies_in_other_units_than_the_layouts_are_told(tmp_path: Path, unit: float, share: str) -> None:
    for path in (photons(tmp_path / "x.hdf5", unit=unit), calogan(tmp_path / "eplus.hdf5", unit=unit)):
        with pytest.warns(UserWarning, match=rf"its showers hold {share} of their incident energies.* MeV where GeV"):
            read(path)
    read(photons(tmp_path / "y.hdf5"))
    read(calogan(tmp_path / "gamma.hdf5"))


def test_half_precision_is_not_lost_on_the_way_to_gev(tmp_path: Path) -> None:
    path = photons(tmp_path / "x.hdf5", dtype="f2")
    events = read(path)
    with h5py.File(path) as file:
        stored = file["incident_energies"][:, 0].astype(np.float64)
        showers = file["showers"][()]
    np.testing.assert_allclose(events["incident_energy"], stored / 1000, rtol=1e-7)
    cells = SETS[368].binning.voxel_of_cell
    np.testing.assert_array_equal(events["shower"], showers[:, cells], strict=True)
    calochallenge.write(events, tmp_path / "back.hdf5")
    with h5py.File(tmp_path / "back.hdf5") as file:
        np.testing.assert_array_equal(file["showers"], showers, strict=True)
        np.testing.assert_array_equal(file["incident_energies"][:, 0], stored)


def test_arrays_that_were_transposed_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "eplus.hdf5", "w") as file:
        file["energy"], file["showers"] = np.ones((N, 1)), np.ones((504, N))
    with pytest.raises(FormatError, match=r"expected 'showers' of the shape \(20, 504\), found \(504, 20\)"):
        read(tmp_path / "eplus.hdf5")


def test_rubbish_that_is_called_hepmc_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.hepmc"
    path.write_bytes(b"rubbish")
    assert format_of(path) == "hepmc"
    with pytest.raises(FormatError, match=r"'.*x\.hepmc' does not begin with 'HepMC::': it is not a HepMC text"):
        read(path)


@pytest.mark.parametrize("ending", ["fits", "fits.gz", "csv", "vot"])
def test_tables_and_maps_have_commands_of_their_own(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sky.{ending}"
    path.write_bytes(b"")
    with pytest.raises(
        FormatError, match=r"\(simulacra sky-patches; simulacra.sky_patches\), or .* \(simulacra stars;"
    ):
        read(path)
