"""The Geant4 application that replaces particles by a generator's showers, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from simulacra.deploy.onnx import export
from simulacra.geometry import CalorimeterGeometry

pytestmark = pytest.mark.geant4
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'simulacra[export]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")

PROGRAM = Path(__file__).parents[2] / "examples" / "geant4_fast_simulation.py"
GEOMETRY = CalorimeterGeometry.load("calogan")


class KnownShower(torch.nn.Module):
    """A shower that a test can recognise: 0.9 of the energy, cell by cell in rising shares; half of the cells empty."""

    latent = 2

    def __init__(self) -> None:
        super().__init__()
        share = np.arange(GEOMETRY.n_cells) * (np.arange(GEOMETRY.n_cells) % 2)
        self.register_buffer("share", torch.tensor(share / share.sum(), dtype=torch.float32))

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return 900.0 * conditions[:, :1] * self.share + 0.0 * noise[:, :1]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("known") / "Schauer γ.onnx"
    condition = {"name": "incident_energy", "units": "GeV", "low": 0.2, "high": 100.0}
    metadata = {"geometry": GEOMETRY.to_json(), "particle": "e+", "inputs": {"conditions": [condition]}}
    export(KnownShower(), 1, path, metadata)
    return path


def run(path: Path, output: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, str(PROGRAM), str(path), "-o", str(output), *options]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(output.read_text())
    return result | {"printed": process.stdout}


def test_every_particle_is_replaced_and_read_out_by_geant4(known: Path, tmp_path: Path) -> None:
    # The program itself compares the read-out with what the generator made, cell by cell.
    result = run(known, tmp_path / "result.json", "-n", "8", "--energy", "0.5")
    assert result["replaced"] == result["events"] == 8
    assert result["fast"]["mean_response"] == pytest.approx(0.9, rel=1e-5)
    assert result["fast"]["mean_response_error"] < 1e-6
    share = KnownShower().share.numpy()
    expected = [share[GEOMETRY.section_slice(i)].sum() for i in range(3)]
    assert result["fast"]["mean_section_shares"] == pytest.approx(expected, rel=1e-5)
    # In full, positrons deposit their energy and that of their annihilation, less what leaks.
    assert 0.97 < result["full"]["mean_response"] < 1.003
    assert result["fast"]["sampling_fraction"] == pytest.approx(result["full"]["sampling_fraction"], rel=1e-4)
    assert "8 e+ of 0.5 GeV in 'calogan', 8 replaced" in result["printed"]


def test_what_the_generator_does_not_know_is_left_to_geant4(known: Path, tmp_path: Path) -> None:
    result = run(known, tmp_path / "result.json", "-n", "6", "--energy", "0.1")
    assert result["replaced"] == 0
    assert result["fast"]["mean_response"] == pytest.approx(result["full"]["mean_response"], abs=0.05)
    assert result["fast"]["mean_section_shares"][0] > 0.5
