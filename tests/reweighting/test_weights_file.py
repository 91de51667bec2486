"""Weights come back as they were written; what is damaged or foreign is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from simulacra.reweighting.weights_file import (
    WeightsFileError,
    WeightsMetadata,
    WeightsTable,
    read_weights,
    write_weights,
)

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'simulacra[parquet]'")


def metadata() -> WeightsMetadata:
    return WeightsMetadata(
        source="pythia.zarr",
        target="Wücker γ.zarr",
        reweighter="alphaS.safetensors",
        reweighter_hash="ab" * 32,
        normalisation="ratio of normalised densities",
        clipping="maximum 20",
        parameters={"alphaS": 0.16},
        versions={"simulacra": "0.1.0"},
    )


def table(n: int = 5000) -> WeightsTable:
    rng = np.random.default_rng(1)
    event = rng.permutation(n * 3)[:n].astype(np.int64)
    weight = rng.normal(1, 0.6, n)
    return WeightsTable(event, weight, metadata(), np.abs(rng.normal(size=n)), rng.normal(1, 1, (n, 4)))


@pytest.mark.parametrize("full", [True, False])
def test_there_and_back(full: bool, tmp_path: Path) -> None:
    written = table() if full else dataclasses.replace(table(), uncertainty=None, replicas=None)
    path = tmp_path / "Gewichte γ.parquet"
    write_weights(path, written)
    found = read_weights(path)
    assert found.metadata == metadata()
    assert (found.event.dtype, found.weight.dtype) == (np.int64, np.float64)
    for name in ("event", "weight", "uncertainty", "replicas"):
        one, other = getattr(written, name), getattr(found, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_weights(tmp_path / "w.parquet", table(10))
    schema = pq.read_schema(tmp_path / "w.parquet")
    assert [str(field.type) for field in schema] == ["int64", "double", "double", "fixed_size_list<element: double>[4]"]
    assert schema.names == ["event", "weight", "weight_uncertainty", "replicas"]
    assert json.loads(schema.metadata[b"simulacra"])["conventions"] == "simulacra-weights-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.array([1.0, np.nan, 1.0])}, "weight 1 of the file is nan"),
        ({"weight": np.zeros(3)}, "all 3 weights of the file are zero"),
        ({"weight": -np.ones(3)}, "not positive"),
        ({"weight": np.ones(0), "event": np.zeros(0, int)}, "holds no events"),
        ({"event": np.array([1, 2, 1])}, "event 1 is listed 2 times"),
        ({"event": np.array([1, 2])}, "give 3 whole numbers"),
        ({"event": np.array([1.0, 2.0, 3.0])}, "give 3 whole numbers"),
        ({"uncertainty": np.array([1.0, -1.0, 1.0])}, "none below 0"),
        ({"uncertainty": np.array([1.0, np.nan, 1.0])}, "3 finite numbers"),
        ({"replicas": np.ones((2, 4))}, "3 rows of finite numbers"),
        ({"replicas": np.full((3, 4), np.inf)}, "3 rows of finite numbers"),
        ({"replicas": np.ones((3, 0))}, "3 rows of finite numbers"),
    ],
)
def test_what_are_no_weights_is_not_written(changes: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    whole = WeightsTable(np.arange(3), np.ones(3), metadata())
    with pytest.raises(ValueError, match=message):
        write_weights(tmp_path / "w.parquet", dataclasses.replace(whole, **changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_nan_written_by_others_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = {b"simulacra": metadata().model_dump_json()}
    for columns, message in (
        ({"event": [1, 2], "weight": [1.0, float("nan")]}, "weight 1 of the file is nan"),
        ({"event": [1, 2], "weight": [1.0, None]}, "is nan"),
        ({"event": [1, 2]}, "does not hold weights"),
        ({"event": [1, 2], "weight": ["a", "b"]}, "does not hold weights"),
        ({"event": [1, 2], "weight": [1.0, 2.0], "replicas": [1.0, 2.0]}, "does not hold weights"),
    ):
        pq.write_table(pa.table(columns).replace_schema_metadata(said), tmp_path / "w.parquet")
        with pytest.raises(WeightsFileError, match=message):
            read_weights(tmp_path / "w.parquet")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    write_weights(path, table())
    whole = path.read_bytes()
    for cut in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsFileError, match="is damaged"):
            read_weights(path)
    places = np.random.default_rng(2).integers(4, len(whole) - 2000, 20)
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(WeightsFileError):
            read_weights(path)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "without weights"),
        (b'{"conventions": "simulacra-weights-9"}', "later version of Simulacra: its format is 'simulacra-weights-9'"),
        (b'{"conventions": "simulacra-weights-1"}', "cannot be read"),
        (b"[1]", "cannot be read"),
        (b"{", "cannot be read"),
    ],
)
def test_foreign_files_are_refused(said: bytes | None, message: str, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.table({"event": [1], "weight": [1.0]})
    content = content.replace_schema_metadata(None if said is None else {b"simulacra": said})
    pq.write_table(content, tmp_path / "w.parquet")
    with pytest.raises(WeightsFileError, match=message):
        read_weights(tmp_path / "w.parquet")
    with pytest.raises(WeightsFileError, match="there is no file"):
        read_weights(tmp_path / "none.parquet")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.parquet"
    write_weights(path, table(10))
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_weights(path, table(20))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.parquet"]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(WeightsFileError, match=r"pip install 'simulacra\[parquet\]'"):
        write_weights(tmp_path / "w.parquet", table(3))


def test_metadata_knows_no_other_keys() -> None:
    with pytest.raises(ValidationError):
        WeightsMetadata(source="a", target="b", reweighter="c", normalisation="d", sauce="e")  # type: ignore[call-arg]
