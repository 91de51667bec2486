"""The benchmark of runtimes: each makes the same showers, and whole numbers are told from others where they differ."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import simulacra
from benchmarks import inference
from simulacra.deploy.onnx import open_session
from simulacra.workflows.export import drawn_conditions

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")


@pytest.fixture(scope="module")
def made(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    return inference.runtimes(simulacra.load(trained_run), tmp_path_factory.mktemp("inference"), compiled=False)


def test_every_runtime_makes_the_same_showers_and_is_timed(
    made: tuple[dict, dict], trained_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, files = made
    given_noise = ["torch", "torch, folded", "ONNX Runtime, float32"]
    assert list(calls) == [*given_noise, "sample()", "sample(exact=True)"], "the toy has no large layer for int8"
    assert list(files) == ["float32"]
    trained = simulacra.load(trained_run)
    conditions = drawn_conditions(trained, 50)
    expected, *others = (call(conditions, np.random.default_rng(1)) for call in map(calls.get, given_noise))
    for other in others:
        # A cell right at the threshold may be lit in one and not in the other.
        assert (np.abs(other - expected) < 1e-5 * expected.max(axis=1, keepdims=True)).mean() > 0.999
    monkeypatch.setattr(inference, "BATCHES", (1, 100))
    times = {str(batch): inference.taking_turns(calls, trained, batch, rounds=2) for batch in inference.BATCHES}
    for one in times.values():
        for found in one.values():
            assert 0 < found["best"] <= found["low"] <= found["median"] <= found["high"]
    geant4 = {"milliseconds": 50.0, "error": 1.0, "version": "11"}
    record = {"generator": "toy", "processor": "x", "milliseconds": times, "geant4": geant4, "energy": "log:1:100"}
    inference.show(record | {"whole_numbers": {}})
    printed = capsys.readouterr().out
    assert "ONNX Runtime, float32" in printed
    assert f"({50.0 / times['1']['torch']['median']:,.0f})" in printed


def test_what_differs_is_told_apart_and_what_does_not_is_not(
    made: tuple[dict, dict], monkeypatch: pytest.MonkeyPatch, trained_run: Path
) -> None:
    path = made[1]["float32"]
    conditions = drawn_conditions(simulacra.load(trained_run), 800)
    monkeypatch.setattr(inference, "JUDGED_BY", ("trees",))
    same = inference.told_apart(path, path, conditions)
    assert same["showers_of_each"] == 400
    # Fixed seeds: one draw of a null, five errors wide.
    assert abs(same["trees"]["auc"] - 0.5) < 5 * same["trees"]["error"]

    factors = iter((1.0, 1.3))

    def brighter(path: Path) -> Any:
        session, factor = open_session(path), next(factors)
        return lambda rows, rng: factor * session(rows, rng)

    monkeypatch.setattr(inference, "open_session", brighter)
    other = inference.told_apart(path, path, conditions)
    assert other["trees"]["auc"] > 0.6
