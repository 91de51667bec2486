from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.formats import FormatError, flat_showers, format_of, read
from simulacra.geometry import CalorimeterGeometry
from simulacra.store import open_events, write_events

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "showers"


def write_file(path: Path, n: int = 6, n_cells: int = 504, **attributes: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    content = {
        "energy": rng.uniform(1, 100, (n, 1)).astype("f4"),
        "showers": rng.exponential(size=(n, n_cells)).astype("f4"),
        "active": rng.exponential(size=(n, n_cells)).astype("f4"),
    }
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name] = values
        file.attrs.update({"particle": "eplus", **attributes})
    return content


def test_a_file_comes_back_bit_for_bit(tmp_path: Path) -> None:
    content = write_file(tmp_path / "a.h5", geant4="11.4.1", seconds_per_event=0.25, physics="option 0")
    events = read(tmp_path / "a.h5")
    assert format_of(tmp_path / "a.h5") == "flat_showers"
    assert events.attrs["particle"] == "e+"
    assert events.attrs["simulator_version"] == "11.4.1"
    assert events.attrs["seconds_per_event"] == 0.25
    assert CalorimeterGeometry.from_events(events) == CalorimeterGeometry.load("calogan")
    flat_showers.write(events, tmp_path / "b.h5")
    xr.testing.assert_identical(read(tmp_path / "b.h5"), events)
    with h5py.File(tmp_path / "b.h5") as file:
        for name, values in content.items():
            np.testing.assert_array_equal(file[name], values, strict=True)


def test_provenance_that_is_not_stated_survives_a_store(tmp_path: Path) -> None:
    write_file(tmp_path / "a.h5")
    events = read(tmp_path / "a.h5")
    assert np.isnan(events.attrs["seconds_per_event"])
    assert events.attrs["simulator_version"] == "not stated in the file"
    write_events(events, tmp_path / "a.zarr", chunk_size=4)
    xr.testing.assert_identical(open_events(tmp_path / "a.zarr").load(), events)


def test_another_number_of_cells_needs_its_geometry(tmp_path: Path) -> None:
    write_file(tmp_path / "a.h5", n_cells=6480)
    with pytest.raises(FormatError, match=r"expected 'showers' of the shape \(6, 504\), found \(6, 6480\)"):
        read(tmp_path / "a.h5")
    events = flat_showers.read(tmp_path / "a.h5", geometry=CalorimeterGeometry.load("calochallenge"))
    assert events.sizes["cell"] == 6480


def test_a_wrong_attribute_is_told(tmp_path: Path) -> None:
    write_file(tmp_path / "a.h5", seconds_per_event="fast")
    with pytest.raises(FormatError, match=r"a\.h5': the attribute 'seconds_per_event' .* number, found 'fast'"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize(("name", "particle"), [("eplus", "e+"), ("gamma", "gamma")])
def test_the_large_sample_is_read(name: str, particle: str) -> None:
    path = SAMPLES / f"{name}.h5"
    if not path.exists():
        pytest.skip(f"the large sample is not here: no {path}")
    events = flat_showers.read(path, start=100, stop=600)
    assert events.attrs["particle"] == particle
    assert events["event"].values.tolist() == list(range(100, 600))
    assert ((events["incident_energy"] >= 1) & (events["incident_energy"] <= 100)).all()
    deposited = events["shower"].sum("cell") / 1000 / events["incident_energy"]
    assert 0.8 < float(deposited.median()) < 1.0
    assert (events["active"] <= events["shower"] + 1e-3).all()
