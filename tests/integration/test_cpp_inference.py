"""The C++ of examples/cpp that needs no Geant4, on a file that was exported here; test_par04.py runs that for Par04."""

from pathlib import Path

import pytest
import torch

from cpp_examples import NEEDED, compiled, run
from simulacra.deploy.onnx import export

pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")

pytestmark = NEEDED


class Toy(torch.nn.Module):
    """90 % of the energy in 24 equal cells, give or take a tenth."""

    latent = 3

    def forward(self, noise: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return 900 / 24 * conditions * (1 + 0.1 * noise[:, :1]).expand(-1, 24)


def test_the_inference_of_the_fast_simulation_reads_an_exported_file(tmp_path: Path) -> None:
    # test_onnx.py holds the metadata of simulacra.export to the names that the C++ reads.
    told = {"units": "MeV", "particle": "e+", "conditions": "incident_energy GeV 1 100", "cell_places": "0 0 1 " * 24}
    export(Toy().eval(), 1, tmp_path / "toy.onnx", told)
    program = compiled(tmp_path, "mean_response", "mean_response.cc", "ShowerInference.cc")
    shown = run(program, tmp_path / "toy.onnx", 50, 1000)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("e+ of 50 GeV: mean response ")
    # The program's noise has a fixed seed; 5 standard deviations.
    assert float(shown.stdout.split("mean response ")[1].split(",")[0]) == pytest.approx(0.9, abs=5 * 0.09 / 1000**0.5)
    assert run(program, tmp_path / "nothing.onnx", 50).stderr.startswith("error: ")
