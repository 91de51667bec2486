"""``simulacra demo jets`` on toys: one screen, the report that it names, and what it says without Pythia or a model."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import simulacra
from judged_showers import toy_events
from simulacra.cli import demo_jets, main
from simulacra.judges import Verdict, judge
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.store import write_events
from toy_jets import toy_jets

SMALL = {"width": 8, "blocks": 1, "pooled": 4, "jet_steps": 1, "particle_steps": 1, "particles": 12}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_events(toy_jets(400), folder / "jets.zarr")
    training = {"steps": 2, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"}
    experiment = {"name": "jets-tiny", "data": {"path": str(folder / "jets.zarr")}, "training": training}
    simulacra.train(experiment | {"system": {"kind": "epic", **SMALL}}, folder / "run", progress=False)
    return folder / "run"


def test_the_demo_sets_a_generator_beside_pythia_in_one_screen(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, xr.Dataset] = {}

    def judge_toys(truth: xr.Dataset, events: xr.Dataset, _generator: object, seed: int) -> Verdict:
        # A verdict on toys: what judges find has tests of its own.
        made.update(truth=truth, events=events)
        return judge(toy_events(220, 1), toy_events(220, 2, width=1.4, simulator="toy generator"), seed=seed)

    monkeypatch.setattr(demo_jets, "MODEL", str(tiny))
    monkeypatch.setattr(demo_jets, "_simulate", lambda _path, seed: toy_jets(300, seed + 1))
    monkeypatch.setattr(demo_jets, "judged", judge_toys)
    result = CliRunner().invoke(main.app, ["demo", "jets", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) <= 40
    assert (made["events"]["jet_class"].values == made["truth"]["jet_class"].values).all()
    np.testing.assert_allclose(made["events"]["jet_pt"], made["truth"]["jet_pt"], atol=5)
    for name in JET_CLASS.choices:
        (row,) = [line for line in result.stdout.splitlines() if line.strip().startswith(f"{name} ")]
        assert len(re.findall(r"[\d.]+ ± [\d.]+", row)) == 4
    assert "jets-tiny: FAIL: not good enough for a full stand-in, cell by cell." in result.stdout
    assert re.search(
        r"learned from \d+ other jets in 0 minutes; [\d,]+ µs per jet, [\d,]+ times as fast", result.stdout
    )
    assert (tmp_path / "jets" / "jets-tiny" / "report.html").is_file()
    # The commands at the end exist, with their options.
    for command, _ in demo_jets.NEXT:
        program, *words = shlex.split(command)
        assert program == "simulacra"
        asked = CliRunner().invoke(
            main.app, [*[word for word in words if word in ("generate", "simulate", "pythia", "judge")], "--help"]
        )
        assert asked.exit_code == 0
        assert all(word in asked.stdout for word in words if word.startswith("-"))


def test_without_pythia_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(main.app, ["demo", "jets", "-o", str(tmp_path / "demo")])
    assert result.exit_code == 1
    assert result.stderr == "error: Pythia needs the package pythia8mc: pip install 'simulacra[jets]'\n"
    assert not (tmp_path / "demo").exists()


def test_it_has_no_shorter_form(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, ["demo", "jets", "--quick", "-o", str(tmp_path / "demo")])
    assert result.exit_code == 2
    assert "--quick is only for showers: the demo of jets has no shorter form" in " ".join(result.stderr.split())
