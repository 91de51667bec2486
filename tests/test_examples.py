"""The examples in the docstrings of what ``import simulacra`` offers: each is run."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import simulacra

COMMANDS = {
    "simulate",
    "train",
    "load",
    "generate",
    "judge",
    "judge_score",
    "reweight",
    "score",
    "fit",
    "refine",
    "export",
    "observe",
    "read",
    "write",
}
WITH_EXAMPLES = [name for name in simulacra.__all__ if ">>>" in (getattr(simulacra, name).__doc__ or "")]
ROOMS = ("", ".reports", ".systems")


def run_examples(text: str, name: str) -> None:
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert not any(doctest.SKIP in example.options for example in test.examples)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_each_step_of_the_work_has_an_example() -> None:
    assert set(WITH_EXAMPLES) >= COMMANDS


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if name in ("fit", "simulate", "pile_up", "summed_jet_mass"):
        pytest.importorskip("pythia8mc", reason="pythia8mc is not installed: pip install 'simulacra[jets]'")
    if name == "export":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")
    run_examples(getattr(simulacra, name).__doc__, name)


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_of_a_room_run(room: str) -> None:
    module = importlib.import_module(f"simulacra{room}")
    run_examples(module.__doc__ or "", module.__name__)


def test_python_runs_the_package_as_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "simulacra", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.startswith("simulacra ")
