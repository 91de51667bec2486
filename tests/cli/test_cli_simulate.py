"""``simulacra simulate geant4``: what is refused before Geant4 is looked for, and what is handed on."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.simulators import Geant4Settings, geant4, geant4_data
from simulacra.store import WriteSummary

PROGRAM = [sys.executable, "-c", "from simulacra.cli.main import run; run()"]
COMMAND = ["simulate", "geant4", "--geometry", "calogan", "--particle", "e+", "--seed", "1"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Take what the command hands to the simulator, instead of running it."""
    calls: list[dict[str, Any]] = []

    def write_showers(path: Path, settings: Geant4Settings, **options: Any) -> WriteSummary:
        calls.append({"path": path, "settings": settings, **options})
        return WriteSummary(path, 12_000, 2_000, 61.5, 0.2114)

    monkeypatch.setattr(geant4, "write_showers", write_showers)
    return calls


def test_options_reach_the_simulator(asked: list[dict[str, Any]]) -> None:
    options = ["--energy", "log:1:100", "-n", "12000", "--workers", "2", "--impact-x", "uniform:-50:50"]
    options += ["--impact-y", "-20", "--polar-angle", "uniform:0:0.35", "--azimuthal-angle", "uniform:0:6.2832"]
    result = CliRunner().invoke(main.app, [*COMMAND, *options, "--chunk-size", "50", "out ü.zarr"])
    assert result.exit_code == 0, result.stderr
    (call,) = asked
    assert call["path"] == Path("out ü.zarr")
    assert (call["n_events"], call["seed"], call["workers"], call["chunk_size"]) == (12000, 1, 2, 50)
    settings = call["settings"]
    assert settings.geometry.name == "calogan"
    assert (settings.particle, settings.energy, settings.impact_y) == ("e+", "log:1:100", "-20")
    assert (settings.polar_angle, settings.azimuthal_angle) == ("uniform:0:0.35", "uniform:0:6.2832")
    assert settings.physics_list == "auto"
    expected = "12,000 e+ showers in out ü.zarr (2,000 were there): 0.211 s of one core per shower, 61.5 s in all"
    assert result.stdout.strip() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--energy", "0", "-n", "5"], "error: energy must be above 0 and up to 100000 GeV, not 0"),
        (["--energy", "log:0:5", "-n", "5"], "error: energy: 'log:0:5': a log-uniform distribution needs"),
        (["--energy", "5", "-n", "0"], "Invalid value for '-n'"),
        (["--energy", "5", "-n", "5", "--impact-x", "500"], "error: impact_x must be from -240 to 240 mm, not 500"),
        (["--energy", "5", "-n", "5", "--geometry", "atlas"], "error: geometry: no geometry 'atlas'"),
        (["--energy", "5", "-n", "5", "--physics", "QBBC"], "error: physics_list: "),
    ],
)
def test_bad_input_is_refused_in_one_line(asked: list[dict[str, Any]], options: list[str], message: str) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, *options, "out.zarr"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.stderr
    assert not asked


@pytest.mark.skipif(importlib.util.find_spec("geant4_pybind") is None, reason="geant4-pybind is not installed")
@pytest.mark.parametrize("in_ci", ["", "true"])
def test_without_data_there_is_one_line_and_no_question(tmp_path: Path, in_ci: str) -> None:
    hidden = {"GEANT4_DATA_DIR", *geant4_data.DATA_SETS.values()}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(
        [*PROGRAM, *COMMAND, "--energy", "1", "-n", "2", str(tmp_path / "out.zarr")],
        env={**environment, "HOME": str(tmp_path), "CI": in_ci},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: GEANT4_DATA_DIR is not set and data sets of Geant4 are missing: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".geant4_pybind").exists()
