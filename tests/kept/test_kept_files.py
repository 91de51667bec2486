"""Files that each version wrote are read with the numbers that they had; those of a later version say so."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from make_kept import told

import simulacra
from simulacra.fits.journal import Journal
from simulacra.reweighting.weights_file import read_weights
from simulacra.trained.judged_file import read_judged
from simulacra.training.checkpoint import checked_by

KEPT = Path(__file__).resolve().parent
VERSIONS = sorted(path.name for path in KEPT.iterdir() if path.is_dir() and path.name[0].isdigit())


def test_the_present_version_is_kept() -> None:
    major_and_minor = simulacra.__version__.rpartition(".")[0]
    assert [one for one in VERSIONS if one.startswith(major_and_minor)], "run tests/kept/make_kept.py"


def test_the_kept_files_are_in_the_repository() -> None:
    command = ["git", "ls-files", "--error-unmatch", *map(str, KEPT.glob("*/**/*.json"))]
    run = subprocess.run(command, cwd=KEPT, capture_output=True, text=True, check=False)
    if "not a git repository" in run.stderr:
        pytest.skip("this is no checkout")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_each_version_are_read(version: str, tmp_path: Path) -> None:
    folder = KEPT / version
    expected = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    found = told(folder)
    assert set(found) == set(expected)
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-5, err_msg=name)
    assert read_weights(folder / "weights.parquet").weight.tolist() == [1.0, 2.0, 0.5]
    assert read_judged(folder / "model.judged.json")[0].numbers[0].value == 0.6
    shutil.copy(folder / "fits.jsonl", tmp_path)
    assert Journal(tmp_path / "fits.jsonl", {"a": 1}).done[0]["value"] == 1.5


def test_the_checksums_of_each_version() -> None:
    folder = KEPT / "0.1.0"
    assert checked_by(folder / "model.safetensors") == "weights and metadata"
    assert checked_by(folder / "early-model.safetensors") == "weights"


def _replaced(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def _store(path: Path) -> None:
    _replaced(path / "zarr.json", b"simulacra-events-1", b"simulacra-events-2")


def _single_file(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["conventions"] = "simulacra-events-2"


def _model(path: Path) -> None:
    _replaced(path, b"simulacra-model-1", b"simulacra-model-2")


def _weights(path: Path) -> None:
    from pyarrow import parquet

    table = parquet.read_table(path)
    said = table.schema.metadata[b"simulacra"].replace(b"simulacra-weights-1", b"simulacra-weights-2")
    parquet.write_table(table.replace_schema_metadata({b"simulacra": said}), path)


LATER: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "model.safetensors": (_model, simulacra.load),
    "score.safetensors": (_model, simulacra.load),
    "reweighter.safetensors": (_model, simulacra.load),
    "early-model.safetensors": (_model, simulacra.info),
    "store": (_store, simulacra.read),
    "events.h5": (_single_file, simulacra.read),
    "weights.parquet": (_weights, read_weights),
    "model.judged.json": (lambda p: _replaced(p, b"simulacra-judged-1", b"simulacra-judged-2"), read_judged),
    "fits.jsonl": (lambda p: _replaced(p, b"experiments-1", b"experiments-2"), lambda p: Journal(p, {"a": 1})),
}


@pytest.mark.parametrize("name", LATER)
def test_a_file_of_a_later_version_says_to_update(name: str, tmp_path: Path) -> None:
    change, read = LATER[name]
    source, copy = KEPT / VERSIONS[-1] / name, tmp_path / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    change(copy)
    with pytest.raises(
        (ValueError, RuntimeError), match=r"written by a later version of Simulacra: .*pip install --upgrade simulacra"
    ) as caught:
        read(copy)
    assert name in str(caught.value)
