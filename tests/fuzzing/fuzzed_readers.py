"""A small valid file of every kind that is read, and the function that reads it to its last number."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

import simulacra
from simulacra.events import make_events, variable
from simulacra.geometry import CalorimeterGeometry


@dataclass(frozen=True)
class Reader:
    """``write`` makes a file or a folder in a folder and returns its path; ``read`` reads it."""

    name: str
    write: Callable[[Path], Path]
    read: Callable[[Path], object]


def showers(geometry: str, n: int = 4) -> xr.Dataset:
    rng = np.random.default_rng(1)
    found = CalorimeterGeometry.load(geometry)
    energy, cells = rng.uniform(1, 100, n), rng.random((n, found.n_cells))
    cells *= (900 * energy / cells.sum(axis=1))[:, None]
    return make_events(
        {
            "incident_energy": variable(energy, units="GeV", long_name="E", role="condition"),
            "shower": variable(cells.astype("f4"), "cell", units="MeV", long_name="e", role="feature"),
        },
        simulator="geant4",
        simulator_version="11",
        seed=3,
        settings={"a": [1, 2]},
        seconds_per_event=0.1,
        particle="e-",
        geometry=found.to_json(),
    )


def table(n: int = 6) -> xr.Dataset:
    values = np.random.default_rng(1).normal(size=(n, 2))
    columns = {
        name: variable(values[:, k], units="1", long_name=name, role="feature") for k, name in enumerate(("a", "b"))
    }
    return make_events(columns, simulator="toy", simulator_version="1", seed=1, settings={}, seconds_per_event=0.1)


def read_all(path: Path) -> xr.Dataset:
    return simulacra.read(path).load()


def _store(folder: Path) -> Path:
    simulacra.write_events(table(), folder / "a.zarr", chunk_size=3)
    return folder / "a.zarr"


def _calogan(folder: Path) -> Path:
    from simulacra.formats import calogan

    calogan.write(showers("calogan"), folder / "a.h5")
    return folder / "a.h5"


def _calochallenge(folder: Path) -> Path:
    from simulacra.formats import calochallenge

    calochallenge.write(showers("calochallenge"), folder / "a.h5")
    return folder / "a.h5"


def _flat_showers(folder: Path) -> Path:
    from simulacra.formats import flat_showers

    flat_showers.write(showers("calogan"), folder / "a.h5")
    return folder / "a.h5"


def _single_file(folder: Path) -> Path:
    from simulacra.formats import single_file

    single_file.write(table(), folder / "a.h5")
    return folder / "a.h5"


def _jetnet(folder: Path) -> Path:
    rng = np.random.default_rng(3)
    present = np.arange(5) < rng.integers(1, 6, 4)[:, None]
    features = np.stack([*rng.normal(0, 0.1, (2, 4, 5)), rng.uniform(0.01, 0.3, (4, 5)), present], axis=-1)
    features[~present] = 0
    mass = rng.uniform(10, 200, 4)
    jets = np.stack([rng.uniform(800, 1600, 4), rng.normal(size=4), mass, present.sum(1)], axis=1)
    with h5py.File(folder / "a.h5", "w") as file:
        file["particle_features"], file["jet_features"] = features.astype("f4"), jets.astype("f4")
    return folder / "a.h5"


def _ogle(folder: Path) -> Path:
    rng = np.random.default_rng(2)
    counts = (40, 30)
    n, names = sum(counts), np.array([b"OGLE-LMC-CEP-0001", b"OGLE-LMC-CEP-0002"])
    with h5py.File(folder / "a.h5", "w") as file:
        file["light_curves/offset"] = np.concatenate([[0], np.cumsum(counts)])
        file["light_curves/id"] = file["fundamental_mode/id"] = names
        times = [np.sort(rng.uniform(5000, 7000, k)) for k in counts]
        file["light_curves/hjd_minus_2450000"] = np.concatenate(times)
        file["light_curves/i_mag"] = rng.uniform(15, 16, n).astype("f4")
        file["light_curves/i_mag_error"] = rng.uniform(0.005, 0.02, n).astype("f4")
        for name in ("period_days", "mean_i_mag", "mean_v_mag", "i_amplitude_mag", "phi21"):
            file[f"fundamental_mode/{name}"] = rng.uniform(1, 3, 2)
    return folder / "a.h5"


def _asas_gz(folder: Path) -> Path:
    (folder / "a.tar.gz").write_bytes(gzip.compress(_asas(folder).read_bytes(), mtime=0))
    return folder / "a.tar.gz"


def _asas(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    time = np.sort(rng.uniform(1800, 1830, 20))
    text = "".join(f"{t:.5f},{11 + 0.3 * np.cos(t):.3f},0.020\n" for t in time).encode()
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name in ("100.dat",):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return folder / "a.tar"


def _surface_density(folder: Path) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["density"] = np.random.default_rng(1).normal(size=(3, 6, 6)).astype("f2")
        file["redshift"] = np.linspace(2, 0.01, 3).astype("f4")
        file.attrs["angle_deg"] = 2.0
    return folder / "a.h5"


def _star_table(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    with h5py.File(folder / "a.h5", "w") as file:
        names = [b"phi1", b"phi2", b"pm_phi1", b"pm_phi2"]
        file["stars/block0_items"], file["stars/block0_values"] = np.array(names), rng.normal(size=(8, 4))
        file["stars/block1_items"] = np.array([b"source_id"])
        file["stars/block1_values"] = 10**17 + np.arange(8)[:, None]
    return folder / "a.h5"


HEPMC = """HepMC::Version 3.02.05
HepMC::Asciiv3-START_EVENT_LISTING
W weight\\|other
T Pythia8\\|8.3\\|x
E 0 1 3
U GEV MM
W 1.0e+00 5.0e-01
A 0 signal_process_id 221
P 1 0 11 0 0 45 45 0 4
P 2 0 -11 0 0 -45 45 0 4
V -1 0 [1,2]
P 3 -1 22 0 30 0 30 0 1
E 1 0 2
U GEV MM
W 1.0e+00 5.0e-01
P 1 0 211 1 2 3 4 0.14 1
P 2 0 22 0 30 0 30 0 1
HepMC::Asciiv3-END_EVENT_LISTING

"""


def _hepmc(folder: Path) -> Path:
    (folder / "a.hepmc").write_text(HEPMC)
    return folder / "a.hepmc"


def _hepmc_gz(folder: Path) -> Path:
    (folder / "a.hepmc.gz").write_bytes(gzip.compress(HEPMC.encode(), mtime=0))
    return folder / "a.hepmc.gz"


LHE = """<LesHouchesEvents version="3.0">
<header>
<initrwgt>
<weightgroup name='scales' combine='envelope'>
<weight id='1001' MUR="0.5"> MUR=0.5 </weight>
<weight MUR="2.0" id="1002"></weight>
</weightgroup>
</initrwgt>
</header>
<init>
11 -11 45.6 45.6 0 0 0 0 -4 1
4e4 1 1 1
</init>
<event>
4 1 1.5 91.2 0.0078 0.118
11 -1 0 0 0 0 0 0 45.6 45.6 0 0 9
-11 -1 0 0 0 0 0 0 -45.6 45.6 0 0 9
2 1 1 2 501 0 0 0 45.6 45.6 0 0 9
-2 1 1 2 0 501 0 0 -45.6 45.6 0 0 9
<rwgt>
<wgt id='1001'> 1.25 </wgt>
<wgt id='1002'> 0.75 </wgt>
</rwgt>
</event>
</LesHouchesEvents>
"""


def _lhe(folder: Path) -> Path:
    (folder / "a.lhe").write_text(LHE)
    return folder / "a.lhe"


def _read_lhe(path: Path) -> object:
    from simulacra.simulators.pythia_lhe import LheFile

    return LheFile.of(path)


def _binning(folder: Path) -> Path:
    from simulacra.formats import Binning, write_binning

    geometry = CalorimeterGeometry.load("calochallenge")
    write_binning(Binning.from_geometry(geometry, "e-"), folder / "a.xml")
    return folder / "a.xml"


def _read_binning(path: Path) -> object:
    from simulacra.formats import read_binning

    return read_binning(path)


def _image(folder: Path) -> Path:
    from astropy.io import fits

    part = fits.PrimaryHDU(np.arange(192.0))
    for name, value in {"NSIDE": 4, "ORDERING": "RING", "COORDSYS": "G"}.items():
        part.header[name] = value
    part.writeto(folder / "a.fits")
    return folder / "a.fits"


def _read_map(path: Path) -> object:
    from simulacra.formats import healpix

    return healpix.read(path)


STARS = "source_id,phi1,phi2,pm_phi1,pm_phi2\n1,0.5,1,2,3\n2,0.25,1,2,3\n3,0.75,2,2,3\n"


def _csv(folder: Path) -> Path:
    (folder / "a.csv").write_text(STARS)
    return folder / "a.csv"


def _read_stars(path: Path) -> object:
    from simulacra.formats import star_table

    return star_table.read(path)


def _weights(folder: Path) -> Path:
    from simulacra.reweighting.weights_file import WeightsMetadata, WeightsTable, write_weights

    metadata = WeightsMetadata(source="a", target="b", reweighter="c", normalisation="none", parameters={"x": 1.0})
    table = WeightsTable(np.arange(3), np.ones(3), metadata, np.full(3, 0.1), np.ones((3, 2)))
    write_weights(folder / "a.parquet", table)
    return folder / "a.parquet"


def _read_weights(path: Path) -> object:
    from simulacra.reweighting.weights_file import read_weights

    return read_weights(path)


GEOMETRY = """name = "toy"
description = "two sections"
kind = "cartesian"
lateral_size = 480.0
absorber = {material = "G4_Pb", thickness = 2.0}
active = {material = "G4_lAr", thickness = 4.0}

[[sections]]
name = "first"
layers = 2
phi_cells = 3
eta_cells = 4

[[sections]]
name = "second"
layers = 1
phi_cells = 2
eta_cells = 2
"""


def _geometry(folder: Path) -> Path:
    (folder / "a.toml").write_text(GEOMETRY)
    return folder / "a.toml"


def _published(folder: Path) -> Path:
    row = {"binary cls low": 0.6, "binary cls high": 0.55, "time CPU 100": 3.0}
    (folder / "a.json").write_text(json.dumps({"one": {"a": row, "b": row}}))
    return folder / "a.json"


def _read_published(path: Path) -> object:
    from simulacra.judges.published_results import read_published

    return read_published(path)


def _judged(folder: Path) -> Path:
    from simulacra.trained.judged_file import JudgedNumber, JudgedRecord, text_of

    number = JudgedNumber(name="AUC", value=0.6, error=0.01, truth=0.5, truth_error=0.01)
    (folder / "a.judged.json").write_text(text_of([JudgedRecord(command="a", weights=("b",), numbers=(number,))]))
    return folder / "a.judged.json"


def _read_judged(path: Path) -> object:
    from simulacra.trained.judged_file import read_judged

    return read_judged(path)


EXPERIMENT = """name = "toy"
description = "an experiment"
seed = 3

[data]
path = "showers.zarr"
hold_out = ["incident_energy:3:5"]

[system]
kind = "calogan"
conditions = ["incident_energy"]
latent = 5
channels = [3, 3, 2]

[training]
steps = 20
batch_size = 16
learning_rate = 1e-3
"""


def _experiment(folder: Path) -> Path:
    (folder / "a.toml").write_text(EXPERIMENT)
    return folder / "a.toml"


def _read_experiment(path: Path) -> object:
    from simulacra.systems import any_system
    from simulacra.training.settings import check, read_experiment

    experiment = read_experiment(path)
    return check(any_system(str(experiment.system.get("kind"))).Settings, experiment.system, str(path))


def _detector(folder: Path) -> Path:
    import simulacra.simulators.detector_settings as settings

    source = next(Path(settings.__file__).parent.rglob("lep-like.toml"))
    (folder / "a.toml").write_bytes(source.read_bytes())
    return folder / "a.toml"


def _read_detector(path: Path) -> Any:
    from simulacra.simulators import detector_settings

    return detector_settings.DetectorSettings.load(str(path))


def _model(folder: Path) -> Path:
    from simulacra.trained.find import WEIGHTS
    from simulacra.training.checkpoint import read_model, save_tensors

    metadata, tensors = read_model(WEIGHTS / "parton-shower-dglap.safetensors")
    save_tensors(folder / "a.safetensors", tensors, metadata)
    return folder / "a.safetensors"


def _score(folder: Path) -> Path:
    from simulacra.trained.find import WEIGHTS

    (folder / "a.safetensors").write_bytes((WEIGHTS / "gd1-via-machinae.safetensors").read_bytes())
    return folder / "a.safetensors"


def _reweighter(folder: Path) -> Path:
    from simulacra.reweighting.reweighter import WEIGHTS

    (folder / "reweighter.safetensors").write_bytes((WEIGHTS / "srgn-z.safetensors").read_bytes())
    return folder / "reweighter.safetensors"


def _card(path: Path) -> object:
    return simulacra.info(path)


def _state(folder: Path) -> Path:
    import torch

    from simulacra.training.checkpoint import save_state

    save_state(folder / "resume.pt", {"family": {"a": torch.ones(3)}, "step": 7, "identity": "x"})
    return folder / "resume.pt"


def _read_state(path: Path) -> object:
    from simulacra.training.checkpoint import read_state

    return read_state(path)


def _journal(folder: Path) -> Path:
    from simulacra.fits.journal import Journal

    journal = Journal(folder / "a.jsonl", {"a": 1})
    journal.add(0, {"value": 1.5})
    journal.add(1, {"value": 2.5})
    return folder / "a.jsonl"


def _read_journal(path: Path) -> object:
    from simulacra.fits.journal import Journal

    return Journal(path, {"a": 1}).done


def _graph(folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"simulacra": json.dumps({"name": "a"})})
    onnx.save(model, folder / "a.onnx")
    return folder / "a.onnx"


def _read_graph(path: Path) -> object:
    from simulacra.deploy.session import open_session

    return open_session(path)


READERS = (
    Reader("store", _store, read_all),
    Reader("calogan", _calogan, read_all),
    Reader("calochallenge", _calochallenge, read_all),
    Reader("flat_showers", _flat_showers, read_all),
    Reader("single_file", _single_file, read_all),
    Reader("jetnet", _jetnet, read_all),
    Reader("ogle", _ogle, read_all),
    Reader("asas", _asas, read_all),
    Reader("asas.gz", _asas_gz, read_all),
    Reader("surface_density", _surface_density, read_all),
    Reader("star_table", _star_table, read_all),
    Reader("hepmc", _hepmc, read_all),
    Reader("hepmc.gz", _hepmc_gz, read_all),
    Reader("lhe", _lhe, _read_lhe),
    Reader("binning", _binning, _read_binning),
    Reader("map", _image, _read_map),
    Reader("csv of stars", _csv, _read_stars),
    Reader("weights", _weights, _read_weights),
    Reader("published", _published, _read_published),
    Reader("judged", _judged, _read_judged),
    Reader("experiment", _experiment, _read_experiment),
    Reader("detector", _detector, _read_detector),
    Reader("geometry", _geometry, CalorimeterGeometry.load),
    Reader("model", _model, simulacra.load),
    Reader("score", _score, simulacra.load),
    Reader("reweighter", _reweighter, simulacra.load),
    Reader("card", _model, _card),
    Reader("state", _state, _read_state),
    Reader("journal", _journal, _read_journal),
    Reader("onnx", _graph, _read_graph),
)
