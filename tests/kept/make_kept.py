"""Write a small file of every format into ``tests/kept/VERSION``, to be read by every later version.

Run it once for a version that changes a format: ``PYTHONPATH=tests python tests/kept/make_kept.py``. Files of earlier
versions stay as they are.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import simulacra
from simulacra.fits.journal import Journal
from simulacra.formats import single_file
from simulacra.reweighting.weights_file import WeightsMetadata, WeightsTable, write_weights
from simulacra.trained.find import WEIGHTS
from simulacra.trained.judged_file import JudgedNumber, JudgedRecord, text_of

HERE = Path(__file__).resolve().parent


def make(folder: Path) -> None:
    from gaussian_events import gaussian_events, small_settings
    from tiny_calogan import toy_experiment, toy_train

    folder.mkdir(parents=True)
    work = Path(tempfile.mkdtemp())
    toy_train(work / "run", toy_experiment())
    shutil.copy(work / "run" / "model.safetensors", folder / "model.safetensors")
    # From before the checksum covered the metadata.
    shutil.copy(WEIGHTS / "parton-shower-dglap.safetensors", folder / "early-model.safetensors")
    shutil.copy(WEIGHTS / "gd1-via-machinae.safetensors", folder / "score.safetensors")
    events = gaussian_events(np.random.default_rng(1).normal(size=2000), seed=1)
    target = gaussian_events(np.random.default_rng(2).normal(0.3, 1, size=2000), seed=2)
    settings = small_settings(steps=40, batch_size=64)
    simulacra.fit_reweighter(events, target, settings, work / "ratio", progress=False)
    shutil.copy(work / "ratio" / "reweighter.safetensors", folder / "reweighter.safetensors")
    simulacra.write_events(events.isel(event=slice(6)), folder / "store", chunk_size=3)
    single_file.write(events.isel(event=slice(6)), folder / "events.h5")
    metadata = WeightsMetadata(source="a", target="b", reweighter="c", normalisation="none")
    write_weights(folder / "weights.parquet", WeightsTable(np.arange(3), np.array([1.0, 2.0, 0.5]), metadata))
    number = JudgedNumber(name="AUC", value=0.6, error=0.01, truth=0.5, truth_error=0.01)
    record = JudgedRecord(command="a", weights=("b",), numbers=(number,))
    (folder / "model.judged.json").write_text(text_of([record]), encoding="utf-8")
    Journal(folder / "fits.jsonl", {"a": 1}).add(0, {"value": 1.5})
    (folder / "told.json").write_text(json.dumps(told(folder), indent=1) + "\n", encoding="utf-8")


def told(folder: Path) -> dict[str, list[float]]:
    """Return some numbers of what is in each file."""
    torch.manual_seed(0)
    model, early = simulacra.load(folder / "model.safetensors"), simulacra.load(folder / "early-model.safetensors")
    events = simulacra.read(folder / "store").load()
    score = simulacra.load(folder / "score.safetensors")
    shower = model.sample(3, incident_energy=50.0, seed=1, exact=True)["shower"].values.sum(axis=1)
    numbers = {
        "model": shower,
        "early-model": np.array(list(early.trained_range.values())).ravel(),
        "score": score.one_output(),
        "reweighter": simulacra.load(folder / "reweighter.safetensors").weights(events),
        "store": events["x"].values,
        "events": simulacra.read(folder / "events.h5")["x"].values,
    }
    return {name: np.asarray(values, dtype=np.float64).ravel().tolist() for name, values in numbers.items()}


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    make(HERE / simulacra.__version__)
