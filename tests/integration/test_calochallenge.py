"""Two commands from Geant4's showers in the challenge's layout to a file that its evaluation reads, and a verdict."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.formats import calochallenge, read
from simulacra.statistics.classifiers.classifier import cell_features, classify

pytestmark = pytest.mark.skipif(
    "GEANT4_DATA_DIR" not in os.environ, reason="GEANT4_DATA_DIR is not set: there are no Geant4 data to simulate with"
)

# The challenge's stack of tungsten and silicon, in coarse voxels, which few low-energy showers fill.
GEOMETRY = """
name = "coarse"
kind = "cylindrical"
lateral_size = 400.0
absorber = { material = "G4_W", thickness = 1.4 }
active = { material = "G4_Si", thickness = 0.3 }

[[sections]]
repeat = 3
name = "layer"
layers = 10
alpha_bins = 4
r_edges = [0.0, 4.65, 13.95, 41.85]
"""
EXPERIMENT = """
name = "coarse"
[data]
path = "{path}"
[system]
kind = "showerflow"
width = 32
blocks = 1
knots = 4
reflections = false
[training]
steps = 20
batch_size = 32
validate_every = 10
threads = 1
accelerator = "cpu"
"""


def simulacra_command(*arguments: object) -> str:
    result = CliRunner().invoke(main.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_two_commands_enter_the_challenge(tmp_path: Path) -> None:
    (tmp_path / "coarse.toml").write_text(GEOMETRY)
    options = f"--geometry {tmp_path / 'coarse.toml'} --particle e- --energy log:0.3:1 -n 260 --seed 5 --chunk-size 260"
    command = [sys.executable, "-c", "from simulacra.cli.main import run; run()", "simulate", "geant4"]
    subprocess.run([*command, tmp_path / "geant4.zarr", *options.split()], check=True, capture_output=True)
    # As the challenge publishes it: what the silicon collects, scaled, above its threshold, and no record of ours.
    seen = calochallenge.as_read_out(read(tmp_path / "geant4.zarr"))
    calochallenge.write(seen, tmp_path / "dataset.hdf5")
    with h5py.File(tmp_path / "dataset.hdf5") as file:
        showers, energies = file["showers"][()], file["incident_energies"][()]
    assert showers.shape == (260, 36)
    assert showers[showers > 0].min() >= 0.5e-3 / 0.033
    # The sampling fraction of this thin stack, whose silicon holds 3 % of the deposited energy, is about 0.033.
    assert 0.6 < (showers.sum(axis=1) / energies[:, 0]).mean() < 1.1

    (tmp_path / "experiment.toml").write_text(EXPERIMENT.format(path=tmp_path / "dataset.hdf5"))
    run, submission = tmp_path / "run", tmp_path / "submission.hdf5"
    simulacra_command("train", tmp_path / "experiment.toml", "-o", run, "--quiet")
    arguments = ("--format", "calochallenge", "--like", tmp_path / "dataset.hdf5", "--threshold", 0.01515, "--quiet")
    simulacra_command("generate", run, submission, *arguments)

    assert sorted(path.name for path in tmp_path.glob("submission*")) == ["submission.hdf5"]
    with h5py.File(submission) as file:
        made = file["showers"][()]
        np.testing.assert_array_equal(file["incident_energies"], energies, strict=True)
    assert made.shape == showers.shape
    assert made[made > 0].min() >= 0.01515
    # Twenty steps from the right marginal distributions, which the representation has from the start: the error of a
    # voxel's mean over 260 showers is a few per cent of the largest.
    assert np.abs(made.mean(axis=0) - showers.mean(axis=0)).max() < 0.3 * showers.mean(axis=0).max()

    truth, generated = (
        cell_features(events["shower"].values, events["incident_energy"].values, threshold=0.01515)
        for events in (read(tmp_path / "dataset.hdf5"), read(submission))
    )
    # Hardly trained, it is told apart; but by its marginal distributions alone it would not be.
    judged = classify(truth, generated, "trees", folds=2, repetitions=1)
    assert 0.4 < judged.auc < 0.98
