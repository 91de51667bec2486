"""The benchmark of reweighting: stages done once and never half, and tables of what they found."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reweighting import __main__ as benchmark
from benchmarks.reweighting.tables import print_tables
from benchmarks.stages import run_stage, run_stages
from benchmarks.tables import Table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


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


def not_finite(folder: Path) -> dict[str, Any]:
    return {"not a number": float("nan")}


def failing(folder: Path) -> dict[str, Any]:
    raise RuntimeError("no convergence")


@pytest.mark.parametrize(
    ("stage", "error", "message"),
    [(not_finite, ValueError, "not a finite number"), (failing, RuntimeError, "no convergence")],
)
def test_a_stage_that_fails_leaves_nothing_and_is_done_again(
    tmp_path: Path, stage: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_stage(tmp_path, "two", stage)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert run_stage(tmp_path, "two", lambda folder: {"answer": 1})["answer"] == 1


def test_of_several_stages_only_those_left_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage in a process of its own would have to be importable; here none is left, so none is started."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("b", "a"):
        run_stage(tmp_path, name, lambda folder, name=name: {"name": name})
    found = run_stages(tmp_path, {"a": (failing,), "b": (failing,)}, workers=1)
    assert [(name, result["name"]) for name, result in found.items()] == [("a", "a"), ("b", "b")]


def test_a_run_that_is_asked_for_no_stage_writes_an_empty_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = ["--folder", tmp_path / "runs", "--only", "none", "-o", tmp_path / "results", "--scale", 0.5]
    monkeypatch.setattr(sys, "argv", ["reweighting", *map(str, arguments)])
    benchmark.main()
    record = json.loads((tmp_path / "results" / "reweighting.json").read_text(encoding="utf-8"))
    assert record["stages"] == {}
    assert record["scale"] == 0.5
    assert record["models"] == {"particle": "dctr-z", "detector": "srgn-z"}
    assert (tmp_path / "results" / "reweighting.md").read_text(encoding="utf-8") == "\n"


# tables


def test_tables_are_for_a_terminal_and_for_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("numbers", ("a", "b"), [("1", "2")])
    assert table.markdown().splitlines()[2:] == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    row = {"slope": 0.98, "slope_error": 0.01, "chi_square": 20.0, "degrees_of_freedom": 19, "p_value": 0.4}
    told = print_tables({"stages": {"exact-continuous": {"aLund_up": row, "seconds": 3.0}}})
    assert "| aLund 0.8 | `dctr-z` | 0.980 ± 0.010 | 20.0 / 19 |" in told
    assert "aLund 0.8" in capsys.readouterr().out


def test_reweighters_with_and_without_trees() -> None:
    areas = {"auc_before": 0.71, "auc": 0.504, "uncertainty": 0.003, "truth_auc": 0.5, "truth_uncertainty": 0.004}
    thrust = {"before": 31.2, "after": 1.04, "closes": True}
    record = {"effective_share": 0.62, "seconds": 90.0}
    told = print_tables(
        {
            "models": {"particle": "a-model"},
            "stages": {
                "reweight-vincia": record
                | {
                    "closure": {"thrust": thrust | {"trees": 2.5, "trees_p_value": 0.001}},
                    "second": [
                        {"name": "all particles", **areas},
                        {"name": "all particles, reweighted by boosted trees", **areas, "auc": 0.55},
                    ],
                },
                "continuous-alphaS": record
                | {"closure": {"thrust": thrust | {"closes": False}}, "second": [{"name": "all particles", **areas}]},
            },
        }
    )
    closing, area = "31.2 → 1.04 (thrust)", "62 % | 0.710 → 0.504 ± 0.003"
    assert f"| Vincia | trained on it | {closing} | 1 of 1 (0) | {area} | 0.550 ± 0.003 | 0.500 ± 0.004 |" in told
    assert f"| alphaS 0.160 | `a-model` | {closing} | 0 of 1 | {area} |  | 0.500 ± 0.004 |" in told
    assert "| thrust | 31.2 -> 1.04 (2.50) | 31.2 -> 1.04 |" in told


def test_fits_with_and_without_calibration() -> None:
    fitted = {
        "scatter": 0.0006,
        "bias_percent": 1.2,
        "bias_percent_error": 0.04,
        "coverage": 0.02,
        "coverage_low": 0.01,
        "coverage_high": 0.05,
        "pull_width": 0.96,
        "pull_width_error": 0.07,
        "experiments": 100,
    }
    calibrated = fitted | {"bias_percent": -0.01, "coverage": 0.7, "coverage_low": 0.65, "coverage_high": 0.74}
    as_fitted = {"alphaS": fitted, "truths": {"alphaS": 0.16}, "pulls": [], "estimates": [], "warned": 0}
    three = as_fitted | {"truths": {"alphaS": 0.16, "aLund": 0.8}, "aLund": fitted}
    told = print_tables(
        {
            "stages": {
                "fit-particle-alphaS": {
                    "seconds": 3.0,
                    "likelihood ratio": {"as_fitted": as_fitted, "calibrated": {"alphaS": calibrated}},
                },
                "fit-detector-three": {"naive": {"as_fitted": three}},
            }
        }
    )
    raw = "alphaS (0.16) | 0.38 % | +1.20 ± 0.04 %"
    assert f"| likelihood ratio | {raw} | -0.01 ± 0.04 % | 70 % (65 to 74) | 0.96 ± 0.07 | 100 |" in told
    assert f"| detector ignored (naive), 3-D | {raw} |  | 2 % (1 to 5) | 0.96 ± 0.07 | 100 |" in told


def test_the_tables_that_are_shown_are_those_of_the_record() -> None:
    """Of the numbers that the documentation quotes."""
    record = json.loads((RESULTS / "reweighting.json").read_text(encoding="utf-8"))
    assert print_tables(record) == (RESULTS / "reweighting.md").read_text(encoding="utf-8")
