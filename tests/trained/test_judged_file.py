"""Files of judged numbers: whole, checked, and of one model's weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulacra.trained.judged_file import (
    JudgedFileError,
    JudgedNumber,
    JudgedRecord,
    add_judged,
    judged_file,
    read_judged,
    text_of,
)


def record(command: str, weights: tuple[str, ...] = ("a",), value: float = 0.5) -> JudgedRecord:
    return JudgedRecord(command=command, weights=weights, numbers=(JudgedNumber(name="AUC", value=value),))


def test_records_come_back(tmp_path: Path) -> None:
    path = tmp_path / "model.judged.json"
    assert read_judged(path) == ()
    for one in (record("one"), record("two"), record("one", value=0.6)):
        add_judged(path, one)
    assert read_judged(path) == (record("two"), record("one", value=0.6))
    add_judged(path, record("three", ("b",)))
    assert read_judged(path) == (record("three", ("b",)),)
    assert [one.name for one in tmp_path.iterdir()] == ["model.judged.json"]


def test_it_is_beside_its_model(tmp_path: Path) -> None:
    assert judged_file(tmp_path / "model.safetensors") == tmp_path / "model.judged.json"
    assert judged_file(tmp_path) == tmp_path / "ensemble.judged.json"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "simulacra-judged-2"}, "written by a later version of Simulacra"),
        ({"format": "else"}, r"are damaged \(format: .*remove the file and judge again"),
        ({"records": 3}, r"are damaged \(records: "),
        ({"records": [{"command": 1, "numbers": []}]}, r"are damaged \(records.0.command: "),
        ({"records": [{"command": "a", "numbers": [{"name": "b", "value": "0.5"}]}]}, "numbers.0.value"),
        ({"more": 1}, r"are damaged \(more: "),
    ],
)
def test_damage_is_told(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = tmp_path / "model.judged.json"
    path.write_text(json.dumps(json.loads(text_of([record("one")])) | change))
    with pytest.raises(JudgedFileError, match=told) as caught:
        read_judged(path)
    assert str(path) in str(caught.value)
    with pytest.raises(JudgedFileError):
        add_judged(path, record("two"))


def test_truncated_files_and_folders_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.judged.json"
    whole = text_of([record("one")]).encode()
    for n in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:n])
        with pytest.raises(JudgedFileError):
            read_judged(path)
    with pytest.raises(JudgedFileError, match="cannot be read: Is a directory"):
        read_judged(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JudgedFileError, match="cannot be written to"):
        add_judged(tmp_path / "none" / "model.judged.json", record("one"))
