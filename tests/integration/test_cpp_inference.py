"""The C++ of examples/cpp that needs no Geant4: compiled, and run on files that were exported here.

Headers of ONNX Runtime come with Debian's libonnxruntime-dev (from Debian 13), or lie in ONNXRUNTIME_INCLUDE_DIR; the
library is that of the Python package.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from par04_inference import GEOMETRY
from simulacra.deploy.onnx import export
from simulacra.geometry import CalorimeterGeometry

pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'simulacra[export]'")

EXAMPLES = Path(__file__).parents[2] / "examples" / "cpp"
FOLDERS = (os.environ.get("ONNXRUNTIME_INCLUDE_DIR", ""), "/usr/include/onnxruntime", "/usr/local/include/onnxruntime")
HEADERS = next((folder for folder in FOLDERS if folder and (Path(folder) / "onnxruntime_cxx_api.h").is_file()), None)
COMPILER = shutil.which("g++") or shutil.which("clang++")

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler (looked for g++, clang++)"),
    pytest.mark.skipif(
        HEADERS is None,
        reason="no headers of ONNX Runtime: install libonnxruntime-dev (Debian 13) or set ONNXRUNTIME_INCLUDE_DIR",
    ),
]


def compiled(folder: Path, program: str, *sources: str) -> Path:
    """Compile sources of examples/cpp to a program, linked to the library in the Python package."""
    import onnxruntime

    packaged = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not packaged:
        pytest.skip("the Python package of ONNX Runtime has no libonnxruntime.so here")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(packaged[0])
    files = [str(EXAMPLES / source) for source in sources]
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-isystem{HEADERS}", f"-I{EXAMPLES}"]
    linked = [f"-L{folder}", "-lonnxruntime", f"-Wl,-rpath,{folder}", "-pthread", "-o", str(folder / program)]
    command = [str(COMPILER), *options, *files, *linked]
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder / program


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=120)


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


def test_a_file_for_par04_is_fed_as_in_geant4(tmp_path: Path) -> None:
    from simulacra.deploy.par04 import export_par04

    path = tmp_path / "toy.onnx"
    (tmp_path / "coarse.toml").write_text(GEOMETRY)
    export_par04(Toy().eval(), CalorimeterGeometry.load(tmp_path / "coarse.toml"), (1.0, 100.0), path, {})
    program = compiled(tmp_path, "par04_showers", "par04_showers.cc")
    shown = run(program, path, 50, 500)
    assert shown.returncode == 0, shown.stderr
    # Two sessions in two threads repeat no shower.
    assert "GeV in 24 voxels on average, 1000 different showers of 1000 from two threads" in shown.stdout
    # Of 1000 showers with a spread of 10 %: 0.14 GeV; 5 standard deviations, passed once in 1.7 million runs.
    assert float(shown.stdout.split(": ")[1].split(" GeV")[0]) == pytest.approx(45, abs=0.7)
    for arguments, reason in (
        ((500, 2), "the energy is negative, not finite or above 101 GeV: the generator was trained on 1 to 100 GeV"),
        (("nan", 2), "the energy is negative, not finite"),
        ((50, 2, 0.1), "theta is not within 0.87 to 2.27 rad"),
    ):
        stopped = run(program, path, *arguments)
        assert stopped.returncode == 1
        assert reason in stopped.stderr
