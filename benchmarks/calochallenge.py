"""Electrons in the mesh of the CaloChallenge's set 2: the challenge's own classifier, and milliseconds per shower.

Truth and training sample are real Geant4 showers of 1 to 100 GeV, made as
experiments/calochallenge-electrons.toml says; ``--read-out`` turns such a store into a file in the
challenge's layout. Each row is judged against the truth, none of whose showers was trained on, by the evaluation's
perceptron, split and calibration (arXiv:2410.21611), with the evaluation's inputs: voxels over the incident energy, or
the layers' energies, centres and widths; and the incident energy. Rows: Geant4 against Geant4; an *ideal sampler*, true
showers that went through the generator's voxels, threshold, scores and back; the generators. Numbers are kept in
``--folder`` and computed once.
Run: ``make bench-calochallenge``, or with ``ARGS="--truth data/calochallenge-electrons-test.hdf5"`` and 10,000 further
showers (20 minutes, an hour).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.machine import processor
from benchmarks.records import write_record
from benchmarks.showers.models import digest, located
from benchmarks.showers.speed import measured
from benchmarks.stages import run_stages
from benchmarks.timing import torch_call

from simulacra.deploy.onnx import Session, export
from simulacra.events import take_part
from simulacra.formats import calochallenge, read
from simulacra.geometry import CalorimeterGeometry
from simulacra.statistics.classifiers.classifier import classify
from simulacra.trained import load
from simulacra.trained.card import info
from simulacra.training.checkpoint import versions

MODELS: Final = {"flow matching": "calochallenge-electrons"}
SAMPLE: Final = Path("data/calochallenge-electrons.hdf5")
GEANT4: Final = "Geant4 against Geant4"
IDEAL: Final = "ideal sampler"
BATCHES: Final = (1, 100)
KINDS: Final = ("low", "high", "time")
#: centres and widths in the unit that the evaluation takes [mm]
HUNDRED: Final = 100.0
SMALLEST: Final = 1e-8
AT_ONCE: Final = 256


def main() -> None:
    arguments = _arguments()
    if arguments.read_out:
        source, target = arguments.read_out
        calochallenge.write(calochallenge.as_read_out(read(source)), target)
        return
    arguments.truth = arguments.truth or arguments.training
    for path in (arguments.truth, arguments.training):
        if not path.is_file():
            raise SystemExit(f"there is no {path}: experiments/calochallenge-electrons.toml says how to make it")
    models = MODELS | dict(text.split("=", 1) for text in arguments.models)
    files = {label: path for label, name in models.items() if (path := located(name)) is not None}
    for label in models.keys() - files.keys():
        print(f"{label}: there is no model '{models[label]}': not judged")
    data = (arguments.truth, arguments.training, arguments.most)
    rows: dict[str, Path | None] = {GEANT4: None}
    if files:
        rows[IDEAL] = next(iter(files.values()))
    rows |= files
    mark = {label: digest(*data[:2], data[2], *([] if path is None else [path])) for label, path in rows.items()}
    stages: dict[str, tuple[Any, ...]] = {}
    for which in ("low", "high"):
        for label, path in rows.items():
            stages[named(which, label, mark[label])] = (area, which, label, path, *data, arguments.seed)
    found = run_stages(arguments.folder, stages, arguments.workers)
    timed = {named("time", label, mark[label]): (times, path, data[0]) for label, path in files.items()}
    found |= run_stages(arguments.folder, timed, 1)
    record = {
        "truth": str(arguments.truth),
        "training": str(arguments.training),
        "seed": arguments.seed,
        "rows": {
            label: (_of(files[label]) if label in files else {})
            | {kind: found[name] for kind in KINDS if (name := named(kind, label, mark[label])) in found}
            for label, path in rows.items()
        },
        "processor": processor(),
        "versions": versions(),
    }
    write_record(arguments.output, record)
    print(f"written to {arguments.output}")


def named(kind: str, label: str, mark: str) -> str:
    """Return the name of a stage."""
    return f"{kind}-{label.replace(' ', '-')}-{mark}"


def area(
    _folder: Path, which: str, label: str, path: Path | None, truth: Path, training: Path, most: int | None, seed: int
) -> dict[str, Any]:
    """Return the AUC of the challenge's classifier, and its error."""
    true = unseen(truth, training).isel(event=slice(most)).load()
    if label in {GEANT4, IDEAL}:
        # Any Geant4 showers but the truth's: these classifiers learn from both samples anew.
        other = take_part(read(training), "train").isel(event=slice(true.sizes["event"])).load()
        true = true.isel(event=slice(other.sizes["event"]))
        cells = other["shower"].values if path is None else _through(path, other)
        energies = other["incident_energy"].values
    else:
        energies = true["incident_energy"].values
        cells = load(path).sample(len(energies), seed=seed, exact=True, incident_energy=energies)["shower"].values
    geometry = CalorimeterGeometry.from_events(true)
    tables = [
        inputs(which, calochallenge.as_evaluated(events)["shower"].values, events["incident_energy"].values, geometry)
        for events in (true, _with(true, cells, energies))
    ]
    told = classify(*tables, "perceptron", seed=seed, protocol="calochallenge")
    return {"auc": told.auc, "error": told.uncertainty, "showers": len(tables[0]), "features": tables[0].shape[1]}


def unseen(truth: Path, training: Path) -> xr.Dataset:
    """Return the showers of a file that no model has seen: its test part if it is what was trained on."""
    events = read(truth)
    return take_part(events, "test") if truth.resolve() == training.resolve() else events


def inputs(which: str, cells: np.ndarray, energy: np.ndarray, geometry: CalorimeterGeometry) -> np.ndarray:
    """Return the evaluation's inputs of its classifier of voxels ("low") or of high-level features ("high").

    Parameters
    ----------
    cells:
        (N, voxels) [MeV].
    energy:
        (N,) [GeV].
    """
    incident = 1000.0 * energy[:, None].astype(np.float64)
    if which == "low":
        return np.concatenate([np.log10(incident), cells / incident], axis=1).astype(np.float32)
    columns = [np.log10(incident)]
    for start, section in zip(geometry.offsets, geometry.sections, strict=True):
        part = slice(start, start + section.n_cells)
        seen = cells[:, part].astype(np.float64)
        total = seen.sum(axis=1, keepdims=True)
        columns.append(np.log10(total + SMALLEST))
        for place in (geometry.cell_x[part], geometry.cell_y[part]):
            mean, square = (seen @ power[:, None] / (total + 1e-16) for power in (place, place**2))
            columns += [mean / HUNDRED, np.sqrt((square - mean**2).clip(0.0)) / HUNDRED]
    return np.concatenate(columns, axis=1).astype(np.float32)


def times(_folder: Path, path: Path, truth: Path, seconds: float = 4.0) -> dict[str, Any]:
    """Return the milliseconds per shower at each batch on one thread, by torch and by ONNX Runtime."""
    import torch

    torch.set_num_threads(1)
    generator = load(path)
    conditions = read(truth)["incident_energy"].values[:, None].astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generator.onnx"
        export(generator.module, 1, file, {"name": generator.name}, conditions=conditions[:64])
        runtimes = {"torch": torch_call(generator.module), "onnx": Session(file)}
        return {
            name: {str(batch): measured(call, conditions, batch, seconds) for batch in BATCHES}
            for name, call in runtimes.items()
        }


def _of(path: Path) -> dict[str, Any]:
    """Return which weights a row has."""
    card = info(path)
    return {"weights": path.stem, "weights_sha256": card.weights[0], "training_events": card.training.events}


def _through(path: Path, events: xr.Dataset) -> np.ndarray:
    """Return true showers after a generator's representation, there and back."""
    import torch

    module: Any = load(path).module
    shower = torch.as_tensor(events["shower"].values.astype(np.float32))
    conditions = torch.as_tensor(events["incident_energy"].values.astype(np.float32))[:, None]
    parts = zip(shower.split(AT_ONCE), conditions.split(AT_ONCE), strict=True)
    with torch.no_grad():
        return np.concatenate([module.there_and_back(*part).numpy() for part in parts])


def _with(events: xr.Dataset, cells: np.ndarray, energies: np.ndarray) -> xr.Dataset:
    return events.assign(
        shower=(events["shower"].dims, cells, events["shower"].attrs),
        incident_energy=("event", energies, events["incident_energy"].attrs),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read-out", nargs=2, type=Path, metavar=("STORE", "FILE"), help="write a store as set 2 is")
    parser.add_argument(
        "--truth", type=Path, default=None, help="showers that no model has seen; or a test part is used"
    )
    parser.add_argument("--training", type=Path, default=SAMPLE, help="the sample that models were trained on")
    parser.add_argument("--models", nargs="*", default=[], metavar="LABEL=PATH", help="further or other weights")
    parser.add_argument("--most", type=int, default=None, help="largest number of showers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--folder", type=Path, default=Path("runs/calochallenge-benchmark"), help="of the numbers")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/calochallenge.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
