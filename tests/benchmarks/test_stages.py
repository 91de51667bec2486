"""The benchmark's stages: done once, never half."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reweighting.stages import run_stage
from benchmarks.reweighting.tables import Table, print_tables


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    calls = []

    def stage(folder: Path, number: int) -> dict[str, Any]:
        calls.append(folder)
        return {"answer": number}

    first = run_stage(tmp_path, "one", stage, 42)
    assert first["answer"] == 42
    assert first["core_seconds"] >= 0
    assert run_stage(tmp_path, "one", stage, 43) == first
    assert calls == [tmp_path]


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def stage(folder: Path) -> dict[str, Any]:
        return {"not a number": float("nan")}

    with pytest.raises(ValueError, match="not a finite number"):
        run_stage(tmp_path, "two", stage)
    assert not list(tmp_path.rglob("*.json"))


def test_tables_are_for_a_terminal_and_for_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("numbers", ("a", "b"), [("1", "2")])
    assert table.markdown().splitlines()[2:] == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    row = {"slope": 0.98, "slope_error": 0.01, "chi_square": 20.0, "degrees_of_freedom": 19, "p_value": 0.4}
    told = print_tables({"exact-continuous": {"alphaS_up": row, "seconds": 3.0}})
    assert "| alphaS_up | 0.980 ± 0.010 | 20.0 / 19 | 0.4 |" in told
    assert "alphaS_up" in capsys.readouterr().out
