"""The examples in the docstrings of what ``import simulacra`` offers: each is run."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import simulacra
from events_of_every_kind import table

COMMANDS = {
    "simulate",
    "train",
    "load",
    "generate",
    "judge",
    "judge_score",
    "reweight",
    "fit",
    "refine",
    "export",
    "observe",
    "read",
    "write",
}
WITH_EXAMPLES = [name for name in simulacra.__all__ if ">>>" in (getattr(simulacra, name).__doc__ or "")]
ROOMS = ("", ".systems")


def run_examples(text: str, name: str, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_each_step_of_the_work_has_an_example() -> None:
    assert set(WITH_EXAMPLES) >= COMMANDS


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {"folder": tmp_path}
    if name in ("fit", "simulate"):
        pytest.importorskip("pythia8mc", reason="pythia8mc is not installed: pip install 'simulacra[jets]'")
    if name == "export":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")
    if name == "fit":
        for sample, seed in (("data", 71), ("reference", 72)):
            simulacra.simulate("pythia", tmp_path / sample, 1000, seed=seed, process="z-to-dijets", progress=False)
            names[sample] = tmp_path / sample
    if name == "reweight":
        names |= {"source": table(1500, 1), "target": table(1500, 2, shift=0.5)}
    run_examples(getattr(simulacra, name).__doc__, name, names)


@pytest.mark.parametrize("room", ROOMS)
def test_the_examples_of_a_room_run(room: str) -> None:
    module = sys.modules[f"simulacra{room}"] if room else simulacra
    run_examples(module.__doc__ or "", module.__name__, {})


def test_python_runs_the_package_as_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "simulacra", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.startswith("simulacra ")
