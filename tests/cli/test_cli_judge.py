"""``simulacra judge`` on stores: a report, or one line that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from judged_showers import CALOGAN, ToyGenerator, toy_events
from simulacra import trained
from simulacra.cli import main
from simulacra.store import write_events


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, ["judge", *map(str, arguments)])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stores")
    other = CALOGAN.model_copy(update={"lateral_size": 300.0})
    events = {
        "truth": toy_events(1200, 1),
        "generated": toy_events(220, 2, width=1.4, simulator="simulacra wide toy"),
        "few": toy_events(50, 3),
        "other": toy_events(220, 2).assign_attrs(geometry=other.to_json()),
    }
    for name, sample in events.items():
        write_events(sample, folder / f"{name}.zarr")
    return {name: folder / f"{name}.zarr" for name in events}


@pytest.mark.slow
def test_test_part_against_generated_with_a_generator(
    stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "load", lambda name: {"toy": ToyGenerator(width=1.4)}[name])
    output = tmp_path / "a report"
    options = ["--part", "test", "--generator", "toy", "--use", "shapes", "--seed", 7, "--max-events", 210]
    result = run(stores["truth"], stores["generated"], "-o", output, *options)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "FAIL: not good enough for selections on single observables."
    assert lines[1].startswith("Distinguishable: a classifier")
    assert any(line.split()[:2] == ["fail", "Worst"] and "limit 0.1" in line for line in lines)
    assert lines[-1] == f"Report: {output / 'report.html'}"
    record = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert record["seed"] == 7
    # A fifth of 1200 events is the test part; 70 % of them, cut to 210, are the further truth.
    assert 200 <= record["samples"]["truth"]["events"] <= 210
    assert record["samples"]["truth_pool_events"] == record["samples"]["truth"]["events"] + 210
    assert record["samples"]["generated"]["label"] == "wide toy"
    assert record["neighbours"]["reference"] == "training"
    assert record["extrapolation"]["trained"] == [1.0, 100.0]


@pytest.mark.parametrize(
    ("truth", "generated", "options", "said"),
    [
        ("truth", "nowhere", [], "nowhere"),
        ("truth", "few", [], "50 events are too few to judge; at least 200 are needed"),
        ("truth", "other", [], "different detectors: lateral_size 480.0 against 300.0"),
        ("truth", "generated", ["--part", "test", "--train", "x"], "--part test takes the truth's own training part"),
        ("truth", "generated", ["--generator", "nobody"], "'nobody' is neither a file"),
    ],
)
def test_bad_input(
    stores: dict[str, Path], tmp_path: Path, truth: str, generated: str, options: list[str], said: str
) -> None:
    output = tmp_path / "report"
    result = run(stores[truth], stores.get(generated, tmp_path / "nowhere.zarr"), "-o", output, *options)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "Traceback" not in result.output
    assert not output.exists()


def test_output_that_is_a_file(stores: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine", encoding="utf-8")
    result = run(stores["truth"], stores["generated"], "-o", tmp_path / "report")
    assert result.exit_code == 2
    assert "is a file; -o names a folder" in result.output
    assert (tmp_path / "report").read_text(encoding="utf-8") == "mine"


def test_nan_in_the_generated_events(tmp_path: Path, stores: dict[str, Path]) -> None:
    import h5py

    path = tmp_path / "nan.h5"
    cells = toy_events(210, 5)["shower"].values.copy()
    cells[12, 100] = np.nan
    with h5py.File(path, "w") as file:
        file["energy"] = np.full((210, 1), 50.0, dtype=np.float32)
        file["showers"] = cells
    result = run(stores["truth"], path, "-o", tmp_path / "report", "--particle", "e+")
    assert result.exit_code == 2
    assert "nan" in result.output.lower()
    assert "12" in result.output
