from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.formats import FormatError, calogan, format_of, read
from simulacra.geometry import CalorimeterGeometry
from simulacra.store import open_events, write_events

SHAPES = {"energy": (1,), "layer_0": (3, 96), "layer_1": (12, 12), "layer_2": (12, 6), "overflow": (3,)}


def datasets(n: int = 7, dtype: str = "f4", seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {name: rng.exponential(scale=9.7, size=(n, *shape)).astype(dtype) for name, shape in SHAPES.items()}
    for name in ("layer_0", "layer_1", "layer_2"):
        found[name][found[name] < 8] = 0
    return found


def write_file(path: Path, content: dict[str, np.ndarray], **attributes: str) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name] = values
        file.attrs.update(attributes)
    return path


def showers(n: int = 5) -> xr.Dataset:
    rng = np.random.default_rng(1)
    cells = {"units": "MeV", "long_name": "e", "role": "feature"}
    return make_events(
        {
            "incident_energy": variable(rng.random(n).astype("f4"), units="GeV", long_name="E of it", role="condition"),
            "impact_x": variable(rng.normal(size=n).astype("f4"), units="mm", long_name="x", role="condition"),
            "shower": variable(rng.random((n, 504)).astype("f4"), "cell", **cells),
            "active": variable(rng.random((n, 504)).astype("f4"), "cell", **cells),
            "kept": variable(rng.random(n) > 0.5, units="1", long_name="k", role="mask"),
            "weight": variable(rng.random(n), units="1", long_name="w", role="weight"),
        },
        simulator="geant4",
        simulator_version="11",
        seed=3,
        settings={"a": [1, 2]},
        seconds_per_event=0.1,
        particle="gamma",
        geometry=CalorimeterGeometry.load("calogan").to_json(),
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_file_comes_back_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    content = datasets(dtype=dtype)
    first = write_file(tmp_path / "eplus.hdf5", content)
    calogan.write(read(first), tmp_path / "second.hdf5")
    with h5py.File(tmp_path / "second.hdf5") as file:
        assert set(file) == {*content, "simulacra"}
        for name, values in content.items():
            assert file[name].dtype == values.dtype
            assert file[name][()].tobytes() == values.tobytes()


def test_optional_conditions_come_back(tmp_path: Path) -> None:
    content = datasets() | {name: np.full((7, 1), i, "f8") for i, name in enumerate(("x0", "y0", "theta", "phi"))}
    events = read(write_file(tmp_path / "gamma_1.hdf5", content))
    assert events.attrs["particle"] == "gamma"
    assert [float(events[n][0]) for n in ("impact_x", "impact_y", "polar_angle", "azimuthal_angle")] == [0, 1, 2, 3]
    calogan.write(events, tmp_path / "again.hdf5")
    with h5py.File(tmp_path / "again.hdf5") as file:
        for name, values in content.items():
            np.testing.assert_array_equal(file[name], values, strict=True)


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    events = showers(8).isel(event=[6, 2, 3])
    calogan.write(events, tmp_path / "a.h5")
    xr.testing.assert_identical(read(tmp_path / "a.h5"), events)
    assert list(read(tmp_path / "a.h5").data_vars) == list(events.data_vars)


def test_more_events_than_a_block_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.formats.hdf5.BLOCK", 3)
    monkeypatch.setattr("simulacra.formats.provenance.BLOCK", 3)
    write_events(showers(8), tmp_path / "store.zarr")
    calogan.write(open_events(tmp_path / "store.zarr"), tmp_path / "a.h5")
    xr.testing.assert_identical(read(tmp_path / "a.h5"), showers(8))


def test_cells_are_phi_major_and_section_after_section(tmp_path: Path) -> None:
    content = {name: np.zeros_like(values) for name, values in datasets(1).items()}
    content["layer_0"][0, 2, 95] = 1
    content["layer_1"][0, 3, 7] = 2
    content["layer_2"][0, 0, 1] = 3
    shower = read(write_file(tmp_path / "eplus.hdf5", content))["shower"].values[0]
    geometry = CalorimeterGeometry.load("calogan")
    assert {int(i): shower[i] for i in np.flatnonzero(shower)} == {
        geometry.cell_index(0, 2, 95): 1,
        geometry.cell_index(1, 3, 7): 2,
        geometry.cell_index(2, 0, 1): 3,
    }


def test_a_part_keeps_the_indices_of_its_events(tmp_path: Path) -> None:
    path = write_file(tmp_path / "eplus.hdf5", datasets(20))
    xr.testing.assert_identical(calogan.read(path, start=5, stop=9), calogan.read(path).isel(event=slice(5, 9)))
    calogan.write(showers(6).isel(event=[5, 4, 1]), tmp_path / "own.h5")
    assert calogan.read(tmp_path / "own.h5", start=1)["event"].values.tolist() == [4, 1]
    with pytest.raises(FormatError, match="holds 20 events: there are none from 5 to 20"):
        calogan.read(path, start=5, stop=21)


def test_the_particle_is_asked_for_where_nothing_tells(tmp_path: Path) -> None:
    path = write_file(tmp_path / "showers.hdf5", datasets())
    with pytest.raises(FormatError, match=r"does not say which particle it holds: give it, such as particle='e\+'"):
        read(path)
    assert read(path, particle="piplus").attrs["particle"] == "pi+"
    path = write_file(tmp_path / "eplus.hdf5", datasets(), particle="gamma")
    assert read(path).attrs["particle"] == "gamma"
    with pytest.raises(FormatError, match=r"holds showers of 'gamma', not of 'e\+'"):
        read(path, particle="e+")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("layer_1", None, r"expected the dataset 'layer_1'; the file holds 'energy', 'layer_0', 'layer_2', 'overflow'"),
        ("layer_1", np.zeros((7, 12, 11)), r"expected 'layer_1' of the shape \(7, 12, 12\), found \(7, 12, 11\)"),
        ("layer_2", np.zeros((6, 12, 6)), r"expected 'layer_2' of the shape \(7, 12, 6\), found \(6, 12, 6\)"),
        ("energy", np.ones(7), r"expected 'energy' of the shape \(N, 1\), found \(7,\)"),
        ("overflow", np.zeros((7, 2)), r"expected 'overflow' of the shape \(7, 3\), found \(7, 2\)"),
        ("layer_0", np.full((7, 3, 96), b"x"), r"expected numbers in 'layer_0', found \|S1"),
        ("energy", np.full((7, 1), np.nan), "'incident_energy' is nan in event 0"),
        ("energy", np.full((7, 1), -2.0), "'incident_energy' is a negative energy, -2.0 GeV, in event 0"),
    ],
)
def test_a_wrong_file_is_told_what_was_expected(
    tmp_path: Path, name: str, values: np.ndarray | None, message: str
) -> None:
    content = datasets() | {name: values}
    path = write_file(tmp_path / "eplus.hdf5", {n: v for n, v in content.items() if v is not None})
    with pytest.raises(FormatError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_nan_in_a_cell_names_event_and_cell(tmp_path: Path) -> None:
    content = datasets()
    content["layer_1"][4, 1, 2] = np.nan
    with pytest.raises(FormatError, match="'shower' is nan in event 4 at cell 302"):
        read(write_file(tmp_path / "eplus.hdf5", content))


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = write_file(tmp_path / "eplus.hdf5", datasets(100))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FormatError, match="is truncated, or not HDF5"):
        read(path)
    path.write_text("energy,layer_0")
    with pytest.raises(FormatError, match="is truncated, or not HDF5"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="is truncated, or not HDF5"):
        read(path)


def test_a_damaged_chunk_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    calogan.write(showers(), path)
    with h5py.File(path) as file:
        where = file["layer_1"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[where.byte_offset : where.byte_offset + where.size] = bytes(where.size)
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is damaged"):
        read(path)


def test_unknown_datasets_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    path = write_file(tmp_path / "eplus.hdf5", datasets() | {"mystery": np.zeros(7)})
    with pytest.warns(UserWarning, match=r"holds \['mystery'\], which are not read"):
        read(path)


def test_a_file_of_no_known_layout_is_told(tmp_path: Path) -> None:
    path = write_file(tmp_path / "jets.h5", {"jets": np.zeros(3)})
    with pytest.raises(FormatError, match=r"holds \['jets'\]: expected 'energy' and 'layer_0'"):
        format_of(path)


def test_events_of_another_calorimeter_are_refused(tmp_path: Path) -> None:
    events = showers()
    other = CalorimeterGeometry.load("calogan").model_dump() | {"name": "other"}
    other["sections"] = [other["sections"][0] | {"phi_cells": 96, "eta_cells": 3}, *other["sections"][1:]]
    other = CalorimeterGeometry.model_validate(other)
    with pytest.raises(FormatError, match=r"needs sections of \[\(3, 96\), .* not \[\(96, 3\), .*\('other'\)"):
        calogan.write(events.assign_attrs(geometry=other.to_json()), tmp_path / "a.h5")
    with pytest.raises(FormatError, match=r"needs showers of 504 cells, not \(503,\)"):
        calogan.write(events[["incident_energy", "shower"]].isel(cell=slice(503)), tmp_path / "a.h5")
    with pytest.raises(FormatError, match="needs the variable 'shower'"):
        calogan.write(events.drop_vars("shower"), tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    calogan.write(showers(), tmp_path / "a.h5")
    with pytest.raises(FormatError, match="exists: choose another path"):
        calogan.write(showers(), tmp_path / "a.h5")
    calogan.write(showers(2), tmp_path / "a.h5", overwrite=True)
    assert read(tmp_path / "a.h5").sizes["event"] == 2


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FormatError, match="cannot write"):
        calogan.write(showers(), tmp_path / "no" / "a.h5")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simulacra.formats.calogan.write_group", full)
    with pytest.raises(FormatError, match=r"cannot write .* No space left on device"):
        calogan.write(showers(), tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_a_store_is_read_as_a_format_too(tmp_path: Path) -> None:
    write_events(showers(), tmp_path / "a.zarr")
    assert format_of(tmp_path / "a.zarr") == "store"
    xr.testing.assert_identical(read(tmp_path / "a.zarr").load(), showers())
    with pytest.raises(FormatError, match=r"holds showers of 'gamma', not of 'e\+'"):
        read(tmp_path / "a.zarr", particle="eplus")
