"""``simulacra export --contract par04``: a trained generator as Geant4's example runs it, or the reason why not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import simulacra
from par04_inference import GEOMETRY, Par04Inference
from simulacra.cli import main
from simulacra.geometry import CalorimeterGeometry
from tiny_calogan import toy_experiment, toy_showers, toy_train

pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a tiny generator in a cylinder."""
    folder = tmp_path_factory.mktemp("cylinder")
    (folder / "coarse.toml").write_text(GEOMETRY)
    showers = toy_showers(geometry=CalorimeterGeometry.load(folder / "coarse.toml"))
    toy_train(folder / "run", toy_experiment(steps=4), events=showers)
    return folder / "run"


def test_a_trained_generator_runs_as_par04_runs_it(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "showers.onnx"
    result = CliRunner().invoke(main.app, ["export", str(run), "--contract", "par04", "-o", str(path)])
    assert result.exit_code == 0, result.output
    first, *lines = result.stdout.splitlines()
    assert first.startswith(f"toy in {path}, ")
    assert "/Par04/inference/setModelPathName showers.onnx" in lines
    assert "/Par04/detector/setNbOfLayers 30" in lines
    told = {line.split()[0]: line.split()[1] for line in lines if line.startswith("/Par04/inference/setNb")}
    assert list(told.values()) == ["2", "4", "3"]

    par04 = Par04Inference(path, (2, 4, 3), 4.65, 17.0)
    n = 400
    made = np.array([par04.energies(30_000) for _ in range(n)]).reshape(n, 2, 4, 3)
    trained = simulacra.load(run)
    noise = torch.randn(4000, int(trained.module.latent), generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    with torch.inference_mode():
        expected = trained.module(noise, torch.full((len(noise), 1), 30.0)).numpy().reshape(-1, 3, 4, 2)
    mine, theirs = made.sum(axis=(1, 2)), expected.sum(axis=(2, 3))
    # 5 standard deviations for three layers: once in 600,000 runs.
    error = theirs.std(axis=0) * np.sqrt(1 / n + 1 / len(theirs))
    assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + 1).all()
    assert len(np.unique(mine[:, 0])) > n / 2


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(main.app, ["export", *map(str, arguments)])
    assert result.exit_code == 2
    return " ".join(result.stderr.split())


def test_what_does_not_fit_is_refused_with_the_reason(
    run: Path, trained_on_five_conditions: Path, tmp_path: Path
) -> None:
    options = ["--contract", "par04", "-o", tmp_path / "x.onnx"]
    assert "and 'calogan' is none: its cells are cartesian" in refusal("calo-eplus", *options)
    told = refusal(trained_on_five_conditions, *options)
    assert "is also given impact_x, impact_y, polar_angle, azimuthal_angle, which Par04 does not hand over" in told
    assert 'Train with conditions = ["incident_energy"]' in told
    assert "'jets-epic' makes no showers in a calorimeter: --contract par04 is for these" in refusal(
        "jets-epic", *options
    )
    assert "the contract is par04, not 'par05'" in refusal(run, "--contract", "par05", "-o", tmp_path / "x.onnx")
    assert "leave -o, --batch, --precision and --contract out" in refusal(run, "--graph", "--contract", "par04")
    assert not list(tmp_path.iterdir())


def test_particles_that_par04_does_not_hand_over_are_refused(run: Path, tmp_path: Path) -> None:
    trained: Any = simulacra.load(run)
    trained.description = {**trained.description, "particle": "pi+"}
    with pytest.raises(ValueError, match=r"makes showers of pi[+]; Par04 hands over e-, e[+], gamma only"):
        simulacra.export(trained, tmp_path / "x.onnx", contract="par04")
