"""JetNet's layout: round trips bit for bit both ways, what generators leave out, and damage."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.events import names
from simulacra.formats import FormatError, format_of, jetnet, read
from simulacra.observables import observe
from simulacra.store import open_events, write_events


def write_file(
    path: Path,
    n: int = 7,
    width: int = 5,
    *,
    columns: int = 4,
    jets: bool = True,
    dtype: str = "f4",
    **attributes: object,
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    present = np.arange(width) < rng.integers(1, width + 1, n)[:, None]
    features = np.stack([*rng.normal(0, 0.1, (2, n, width)), rng.uniform(0.01, 0.3, (n, width)), present], axis=-1)
    features[~present] = 0
    content = {"particle_features": features[..., :columns].astype(dtype)}
    if jets:
        mass = rng.uniform(10, 200, n)
        content["jet_features"] = np.stack(
            [rng.uniform(800, 1600, n), rng.normal(size=n), mass, present.sum(1)], axis=1
        ).astype(dtype)
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name] = values
        file.attrs.update(attributes)
    return content


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("width", [5, 30, 150])
def test_a_file_comes_back_bit_for_bit(tmp_path: Path, dtype: str, width: int) -> None:
    content = write_file(tmp_path / "t.hdf5", width=width, dtype=dtype, seconds_per_event=0.046)
    assert format_of(tmp_path / "t.hdf5") == "jetnet"
    events = read(tmp_path / "t.hdf5", particle="t")
    assert events.attrs["particle"] == "top quark"
    assert events.attrs["seconds_per_event"] == 0.046
    jetnet.write(events, tmp_path / "b.hdf5")
    xr.testing.assert_identical(read(tmp_path / "b.hdf5"), events)
    with h5py.File(tmp_path / "b.hdf5") as file:
        for name, values in content.items():
            np.testing.assert_array_equal(file[name], values, strict=True)


def test_files_of_known_classes_are_joined_as_the_page_says(tmp_path: Path) -> None:
    for one in "tg":
        write_file(tmp_path / f"{one}.hdf5")
    files = [read(tmp_path / f"{one}.hdf5", particle=one) for one in "tg"]
    jets = xr.concat(files, "event", combine_attrs="drop_conflicts")
    simulacra.write(jets.assign_coords(event=range(jets.sizes["event"])), tmp_path / "jets.zarr")
    kept = open_events(tmp_path / "jets.zarr")
    assert kept["jet_class"].values.tolist() == [2] * 7 + [0] * 7
    assert kept["event"].values.tolist() == list(range(14))
    simulacra.write(kept.load(), tmp_path / "jets.h5", "jetnet")
    assert read(tmp_path / "jets.h5")["jet_class"].values.tolist() == [2] * 7 + [0] * 7
    assert "jet_class" not in read(tmp_path / "g.hdf5"), "unless the reader is told"
    with pytest.warns(UserWarning, match=r"jets of 'top' get no 'jet_class', .* g \(gluon\), .* t \(top quark\)"):
        assert "jet_class" not in read(tmp_path / "g.hdf5", particle="top")
    with pytest.raises(FormatError, match="holds jets of 'gluon', not only of 'top quark'"):
        read(tmp_path / "jets.h5", particle="t")


def test_the_columns_are_the_variables_of_the_convention(tmp_path: Path) -> None:
    content = write_file(tmp_path / "g.hdf5")
    events = read(tmp_path / "g.hdf5")
    assert "particle" not in events.attrs
    particles, jets = content["particle_features"], content["jet_features"]
    for i, name in enumerate(("eta_rel", "phi_rel", "pt_rel")):
        assert events[name].dims == ("event", "particle")
        np.testing.assert_array_equal(events[name], particles[..., i])
    for i, name in enumerate(("jet_pt", "jet_eta", "jet_mass", "particle_number")):
        np.testing.assert_array_equal(events[name], jets[:, i])
    assert events["present"].values.sum() == jets[:, 3].sum()
    assert names(events, "condition") == ["jet_pt", "particle_number"]
    assert names(events, "mask") == ["present"]
    assert {name: events[name].attrs["units"] for name in ("phi_rel", "jet_pt", "jet_mass", "pt_rel")} == {
        "phi_rel": "rad",
        "jet_pt": "GeV",
        "jet_mass": "GeV",
        "pt_rel": "1",
    }
    assert {"multiplicity", "relative_mass", "jet_mass", "jet_eta"} <= set(observe(events).data_vars)


def test_rows_a_store_and_other_types_survive(tmp_path: Path) -> None:
    write_file(tmp_path / "a.hdf5", n=9)
    part = jetnet.read(tmp_path / "a.hdf5", start=2, stop=6)
    assert part["event"].values.tolist() == [2, 3, 4, 5]
    xr.testing.assert_identical(part, read(tmp_path / "a.hdf5").isel(event=slice(2, 6)))
    write_events(part, tmp_path / "a.zarr", chunk_size=3)
    xr.testing.assert_identical(open_events(tmp_path / "a.zarr").load(), part)
    mixed = part.assign(particle_number=part["particle_number"].astype("i4"), jet_pt=part["jet_pt"].astype("f8"))
    jetnet.write(mixed, tmp_path / "mixed.hdf5")
    again = read(tmp_path / "mixed.hdf5")
    xr.testing.assert_identical(again, mixed)
    assert {name: array.dtype for name, array in again.items()} == {name: array.dtype for name, array in mixed.items()}


def test_generated_jets_need_neither_jet_features_nor_a_mask(tmp_path: Path) -> None:
    content = write_file(tmp_path / "generated.h5", columns=3, jets=False)["particle_features"]
    content[0, 0] = (0.1, 0.2, -0.3)
    content[1] = 0
    with h5py.File(tmp_path / "generated.h5", "a") as file:
        file["particle_features"][...] = content
    events = read(tmp_path / "generated.h5", particle="gluon")
    assert sorted(events.data_vars) == ["eta_rel", "jet_class", "phi_rel", "present", "pt_rel"]
    np.testing.assert_array_equal(events["present"], content[..., 2] != 0)
    observed = observe(events)
    assert observed["unphysical_particles"].values[:2].tolist() == [1, 0]
    assert observed["multiplicity"].values[1] == 0
    jetnet.write(events, tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert "jet_features" not in file
        np.testing.assert_array_equal(file["particle_features"][..., :3], content)
    xr.testing.assert_identical(read(tmp_path / "again.h5"), events)


def test_jets_are_matched_by_what_both_samples_know(tmp_path: Path) -> None:
    write_file(tmp_path / "truth.h5")
    write_file(tmp_path / "generated.h5", jets=False)
    truth, generated = read(tmp_path / "truth.h5"), read(tmp_path / "generated.h5")
    for first, second in ((truth, generated), (generated, truth)):
        one, two, lacking = jetnet.in_common(first, second)
        assert lacking == ("jet_pt", "jet_eta", "jet_mass", "particle_number")
        assert set(one.data_vars) == set(two.data_vars) == {"eta_rel", "phi_rel", "pt_rel", "present"}
        assert list(observe(one).data_vars) == list(observe(two).data_vars)
    one, two, lacking = jetnet.in_common(truth, truth)
    assert one.identical(truth)
    assert lacking == ()
    table = xr.Dataset({"jet_pt": ("event", np.ones(2))})
    assert jetnet.in_common(truth, table)[0] is truth


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "jets.hdf5"
    content = write_file(path, n=200, width=30)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="is truncated, or not HDF5"):
        read(path)

    def spoilt(**datasets: np.ndarray) -> Path:
        with h5py.File(path, "w") as file:
            for name, values in {**content, **datasets}.items():
                file[name] = values
        return path

    features, jets = content["particle_features"], content["jet_features"]
    for shape in ((200, 30, 5), (200, 30), (200, 0, 4)):
        with pytest.raises(FormatError, match="'particle_features' of the shape"):
            read(spoilt(particle_features=np.zeros(shape)))
    with pytest.raises(FormatError, match=r"expected 'jet_features' of the shape \(200, 4\), found \(200, 5\)"):
        read(spoilt(jet_features=np.zeros((200, 5))))
    with pytest.raises(FormatError, match=r"expected 'jet_features' of the shape \(200, 4\), found \(199, 4\)"):
        read(spoilt(jet_features=jets[:-1]))
    wrong = features.copy()
    wrong[3, 2, 0] = np.nan
    with pytest.raises(FormatError, match="'eta_rel' is nan in event 3 at particle 2"):
        read(spoilt(particle_features=wrong))
    wrong = features.copy()
    wrong[4, 1, 3] = 0.37
    with pytest.raises(FormatError, match=r"mask of particle 1 of jet 4 is 0\.37"):
        read(spoilt(particle_features=wrong))
    with pytest.raises(FormatError, match=r"mask of particle 1 of jet 4"):
        jetnet.read(path, start=4)
    negative = jets.copy()
    negative[5, 0] = -1
    with pytest.raises(FormatError, match="'jet_pt' is a negative energy"):
        read(spoilt(jet_features=negative))
    with pytest.raises(FormatError, match="holds 200 jets: there are none from 3 to 299"):
        jetnet.read(spoilt(), start=3, stop=300)
    with h5py.File(path, "w") as file:
        file["particle_features"] = np.full((3, 2, 4), b"a")
    with pytest.raises(FormatError, match="expected numbers in 'particle_features'"):
        read(path)


def test_a_small_negative_jet_mass_is_rounding(tmp_path: Path) -> None:
    content = write_file(tmp_path / "a.hdf5")
    content["jet_features"][1, 2] = -1e-4
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file["jet_features"][...] = content["jet_features"]
    assert read(tmp_path / "a.hdf5")["jet_mass"].values[1] == np.float32(-1e-4)


def test_another_particle_and_other_events_are_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "q.hdf5", particle="q")
    assert read(tmp_path / "q.hdf5").attrs["particle"] == "light quark"
    events = read(tmp_path / "q.hdf5", particle="light quark")
    with pytest.raises(FormatError, match="holds jets of 'light quark', not of 'gluon'"):
        read(tmp_path / "q.hdf5", particle="g")
    with pytest.raises(FormatError, match=r"needs the variables \['pt_rel'\]"):
        jetnet.write(events.drop_vars("pt_rel"), tmp_path / "b.hdf5")
    with pytest.raises(FormatError, match="'present' is a mask of bool, not float32"):
        jetnet.write(events.assign(present=events["present"].astype("f4")), tmp_path / "b.hdf5")
    with pytest.raises(FormatError, match="exists: choose another path"):
        jetnet.write(events, tmp_path / "q.hdf5")
    with pytest.raises(FormatError, match="takes no binning"):
        read(tmp_path / "q.hdf5", binning="binning.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.hdf5"]
