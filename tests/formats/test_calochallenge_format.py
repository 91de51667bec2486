import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.formats import Binning, FormatError, calochallenge, read, read_binning, write_binning
from simulacra.formats.challenge_sets import SETS
from simulacra.geometry import CalorimeterGeometry

# two particles; the photons' layers 1 and 3 have no voxels, as most of dataset 1
XML = """<Bins>
   <Bin pid="22" etaMin="0" etaMax="130" name="photon">
      <Layer id="0" r_edges="0,5,10,30.25" n_bin_alpha="1" />
      <Layer id="1" r_edges="0" n_bin_alpha="1" />
      <Layer id="2" r_edges="0,2,4" n_bin_alpha="10"/>
      <Layer id="3" r_edges="0" n_bin_alpha="1" />
   </Bin>
   <Bin pid="211" name="pion"><Layer id="0" r_edges="0,1" n_bin_alpha="2"/></Bin>
</Bins>
"""
N_VOXELS = 3 + 20


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    path = tmp_path / "binning.xml"
    path.write_text(XML)
    return path


def write_file(path: Path, n: int, n_voxels: int = N_VOXELS, dtype: str = "f8", seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    energies = np.exp(rng.uniform(math.log(256), math.log(4e6), (n, 1)))
    shares = rng.exponential(size=(n, n_voxels)) * rng.integers(0, 2, (n, n_voxels)) / n_voxels
    content = {"incident_energies": energies.astype(dtype), "showers": (energies * shares).astype(dtype)}
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file.create_dataset(name, data=values, compression="gzip")
    return content


def geant4_like(n: int = 4, particle: str = "e-") -> xr.Dataset:
    rng = np.random.default_rng(2)
    return make_events(
        {
            "incident_energy": variable(
                rng.uniform(1, 1000, n).astype("f4"), units="GeV", long_name="E", role="condition"
            ),
            "shower": variable(rng.random((n, 6480)).astype("f4"), "cell", units="MeV", long_name="e", role="feature"),
        },
        simulator="geant4",
        simulator_version="11",
        seed=3,
        settings={},
        seconds_per_event=0.1,
        first_event=10,
        particle=particle,
        geometry=CalorimeterGeometry.load("calochallenge").to_json(),
    )


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_a_file_comes_back_bit_for_bit(tmp_path: Path, xml: Path, dtype: str) -> None:
    # among this many random energies in double precision, some are changed by x / 1000 * 1000
    content = write_file(tmp_path / "a.hdf5", 3000, dtype=dtype)
    energies = content["incident_energies"]
    assert dtype != "f8" or (energies / 1000 * 1000 != energies).any()
    events = calochallenge.read(tmp_path / "a.hdf5", xml, "photon")
    assert events["incident_energy"].dtype == ("f4" if dtype == "f4" else "f8")
    np.testing.assert_allclose(events["incident_energy"], energies[:, 0] / 1e3, rtol=1e-7)
    calochallenge.write(events, tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "b.hdf5") as file:
        for name, values in content.items():
            assert file[name].dtype == values.dtype
            assert file[name][()].tobytes() == values.tobytes()
    xr.testing.assert_identical(read(tmp_path / "b.hdf5"), events)


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    events = geant4_like()
    calochallenge.write(events, tmp_path / "a.hdf5")
    xr.testing.assert_identical(read(tmp_path / "a.hdf5"), events)
    with h5py.File(tmp_path / "a.hdf5") as file:
        energies = events["incident_energy"].values.astype("f8")
        np.testing.assert_array_equal(file["incident_energies"][:, 0], energies * 1000)


def test_energies_that_were_changed_are_written(tmp_path: Path, xml: Path) -> None:
    content = write_file(tmp_path / "a.hdf5", 5)
    events = calochallenge.read(tmp_path / "a.hdf5", xml, "photon")
    events["incident_energy"] = events["incident_energy"] * 2
    events["incident_energy"].attrs = {"units": "GeV", "long_name": "E", "role": "condition"}
    calochallenge.write(events, tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "b.hdf5") as file:
        np.testing.assert_allclose(file["incident_energies"], 2 * content["incident_energies"], rtol=1e-12)
    np.testing.assert_array_equal(read(tmp_path / "b.hdf5")["incident_energy"], events["incident_energy"])


def test_voxels_are_where_the_challenge_has_them(tmp_path: Path) -> None:
    """Voxels count r fastest, then alpha from -pi, then layers: their centres must be those of the geometry's cells."""
    geometry = CalorimeterGeometry.load("calochallenge")
    binning = Binning.from_geometry(geometry, "e-")
    edges = np.array([4.65 * i for i in range(10)])
    centres, x, y, z = (edges[1:] + edges[:-1]) / 2, [], [], []
    for layer in range(45):
        for alpha_bin in range(16):
            alpha = -math.pi + (alpha_bin + 0.5) * 2 * math.pi / 16
            for r in centres:
                x.append(r * math.cos(alpha))
                y.append(r * math.sin(alpha))
                z.append(layer)
    np.testing.assert_allclose(np.array(x)[binning.voxel_of_cell], geometry.cell_x, atol=1e-9)
    np.testing.assert_allclose(np.array(y)[binning.voxel_of_cell], geometry.cell_y, atol=1e-9)
    np.testing.assert_array_equal(np.array(z)[binning.voxel_of_cell], geometry.section_of_cell)
    np.testing.assert_array_equal(binning.voxel_of_cell[binning.cell_of_voxel], np.arange(6480))


def test_a_binning_is_read(xml: Path) -> None:
    binning = read_binning(xml, "gamma")
    assert binning == read_binning(xml, "photon")
    assert (binning.name, binning.pid, binning.particle) == ("photon", 22, "gamma")
    assert (binning.eta_min, binning.eta_max, binning.n_voxels) == (0, 130, N_VOXELS)
    assert [layer.n_voxels for layer in binning.layers] == [3, 0, 20, 0]
    assert binning.layers[0].r_edges == (0, 5, 10, 30.25)
    assert binning.geometry() is None
    assert read_binning(xml, "pi+").name == "pion"


def test_a_binning_comes_back(tmp_path: Path, xml: Path) -> None:
    edges = tuple(np.cumsum(np.random.default_rng(0).random(12)).tolist())
    odd = Binning.model_validate({"name": "x", "pid": 5, "layers": [{"id": 0, "r_edges": edges, "alpha_bins": 4}]})
    for binning in (read_binning(xml, "photon"), read_binning(xml, "pion"), odd):
        write_binning(binning, tmp_path / "again.xml")
        assert read_binning(tmp_path / "again.xml") == binning


def test_the_shipped_geometry_and_a_finer_one_are_known(tmp_path: Path) -> None:
    shipped = CalorimeterGeometry.load("calochallenge")
    write_binning(Binning.from_geometry(shipped, "electron"), tmp_path / "2.xml")
    binning = read_binning(tmp_path / "2.xml", "electron")
    assert binning.pid == 11
    assert binning.geometry() == shipped
    layers = [{"id": i, "r_edges": np.linspace(0, 41.85, 19).tolist(), "alpha_bins": 50} for i in range(45)]
    finer = Binning.model_validate({"name": "electron", "pid": 11, "layers": layers})
    geometry = finer.geometry()
    assert geometry is not None
    assert geometry.n_cells == finer.n_voxels == 40500
    assert geometry.absorber == shipped.absorber
    assert finer.matches(geometry)
    assert not finer.matches(shipped)
    shipped_finer = CalorimeterGeometry.load("calochallenge-3")
    assert SETS[40500].binning.geometry() == shipped_finer


def test_events_carry_the_geometry_and_keep_it(tmp_path: Path) -> None:
    binning = Binning.from_geometry(CalorimeterGeometry.load("calochallenge"), "e-")
    content = write_file(tmp_path / "a.hdf5", 3, n_voxels=6480)
    events = read(tmp_path / "a.hdf5", binning=binning)
    assert events.attrs["particle"] == "e-"
    assert CalorimeterGeometry.from_events(events) == CalorimeterGeometry.load("calochallenge")
    calochallenge.write(events, tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "b.hdf5") as file:
        np.testing.assert_array_equal(file["showers"], content["showers"], strict=True)


def test_a_part_is_read(tmp_path: Path, xml: Path) -> None:
    write_file(tmp_path / "a.hdf5", 9)
    whole = calochallenge.read(tmp_path / "a.hdf5", xml, "photon")
    part = calochallenge.read(tmp_path / "a.hdf5", xml, "photon", start=4, stop=6)
    xr.testing.assert_identical(part, whole.isel(event=slice(4, 6)))


def test_a_file_without_its_binning_is_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "a.hdf5", 3)
    with pytest.raises(FormatError, match="holds voxels: give their binning"):
        read(tmp_path / "a.hdf5")


def test_a_binning_that_does_not_fit_is_refused(tmp_path: Path, xml: Path) -> None:
    write_file(tmp_path / "a.hdf5", 3)
    with pytest.raises(FormatError, match=r"expected 'showers' of the shape \(3, 2\), found \(3, 23\)"):
        read(tmp_path / "a.hdf5", binning=xml, particle="pion")
    with pytest.raises(FormatError, match=r"expected one particle, found \['photon', 'pion'\]"):
        read(tmp_path / "a.hdf5", binning=xml)
    with pytest.raises(FormatError, match="does not have the voxels of the binning 'photon'"):
        calochallenge.read(tmp_path / "a.hdf5", xml, "photon", geometry=CalorimeterGeometry.load("calogan"))


def test_nan_and_truncation_are_told(tmp_path: Path, xml: Path) -> None:
    path = tmp_path / "a.hdf5"
    write_file(path, 50)
    with h5py.File(path, "r+") as file:
        file["showers"][7, 0] = np.nan
    with pytest.raises(FormatError, match=r"a\.hdf5': variable 'shower' is nan in event 7 at cell 0"):
        read(path, binning=xml, particle="photon")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FormatError, match="is truncated, or not HDF5"):
        read(path, binning=xml, particle="photon")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("</Bins>", ""), "is truncated, or not XML"),
        (("Bins>", "Voxels>"), "expected <Bins> at the top, found <Voxels>"),
        (('"0,5,10,30.25"', '"0,5,x"'), r"particle 'photon': layers.0.r_edges.2: .* \(found 'x'\)"),
        (('"0,5,10,30.25"', '"0,10,5"'), "r_edges must rise"),
        (('n_bin_alpha="10"', 'n_bin_alpha="9"'), "n_bin_alpha must be 1 or even, .* not 9"),
        (('n_bin_alpha="10"', ""), r"layers.2.alpha_bins: .* \(found 'None'\)"),
        (('id="2"', 'id="1"'), r"layers must be numbered from 0, not \[0, 1, 1, 3\]"),
        (('pid="22"', 'pid="gamma"'), "pid: .*found 'gamma'"),
        (('name="photon"', 'name="muon"'), r"expected 'photon' once, found \['muon', 'pion'\]"),
    ],
)
def test_a_wrong_binning_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "wrong.xml"
    # pid 13 keeps the renamed particle from being found by its number
    text = XML.replace(*change)
    path.write_text(text.replace('pid="22"', 'pid="13"') if "muon" in text else text)
    with pytest.raises(FormatError, match=message):
        read_binning(path, "photon")


def test_events_without_cylindrical_cells_are_refused(tmp_path: Path) -> None:
    events = geant4_like()
    with pytest.raises(FormatError, match=r"'calogan' is cartesian: .* needs cylindrical cells"):
        calochallenge.write(
            events.assign_attrs(geometry=CalorimeterGeometry.load("calogan").to_json()), tmp_path / "a.hdf5"
        )
    with pytest.raises(FormatError, match="neither a 'binning' nor a 'geometry'"):
        calochallenge.write(events.drop_attrs(deep=False), tmp_path / "a.hdf5")
    with pytest.raises(FormatError, match=r"needs showers of 6480 cells, not \(6000,\)"):
        calochallenge.write(events.isel(cell=slice(6000)), tmp_path / "a.hdf5")
    with pytest.raises(FormatError, match="not 'xi-'"):
        calochallenge.write(events.assign_attrs(particle="xi-"), tmp_path / "a.hdf5")
    with pytest.raises(FormatError, match=r"cannot write .*no/b\.xml"):
        write_binning(Binning.from_geometry(CalorimeterGeometry.load("calochallenge"), "e-"), tmp_path / "no" / "b.xml")


def test_showers_of_a_large_file_are_read_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simulacra.lazy_arrays import in_memory

    path = tmp_path / "large.hdf5"
    write_file(path, 40, n_voxels=6480, dtype="f4")
    whole = calochallenge.as_evaluated(read(path))
    monkeypatch.setattr(calochallenge, "READ_AT_ONCE", 1000)
    monkeypatch.setattr("simulacra.events.READ_AT_ONCE", 100_000)
    for start, stop in ((0, None), (7, 31)):
        late = calochallenge.as_evaluated(calochallenge.read(path, start=start, stop=stop))
        assert not in_memory(late["shower"].variable)
        wanted = whole.isel(event=slice(start, stop))
        for rows in ([3, 0, 17, 17], slice(2, 20, 3), 5, [], np.array([20, 2])):
            xr.testing.assert_equal(late["shower"][rows], wanted["shower"][rows])
            xr.testing.assert_equal(late["shower"][rows, 100:90:-1], wanted["shower"][rows, 100:90:-1])
        xr.testing.assert_equal(late["shower"][:, 8], wanted["shower"][:, 8])
        assert not in_memory(late["shower"].variable)
        xr.testing.assert_identical(late.load(), wanted)


def test_a_large_file_that_is_damaged_says_so_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.hdf5"
    write_file(path, 40, n_voxels=6480)
    monkeypatch.setattr(calochallenge, "READ_AT_ONCE", 1000)
    monkeypatch.setattr("simulacra.events.READ_AT_ONCE", 100_000)
    late = read(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FormatError, match=r"large\.hdf5' is truncated"):
        late["shower"][3].load()
