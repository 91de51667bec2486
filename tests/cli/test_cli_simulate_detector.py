"""``simulacra simulate detector``: from one store to another, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.simulators.detector import simulate_detector
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.store import open_events, write_events
from toy_clouds import clouds_of

COMMAND = ["simulate", "detector"]
EVENT = [(3.0, 0.0, 1.0, 3.17, 211, 1), (-2.0, 1.0, 0.0, 2.2360680, 22, 0), (0.0, -1.0, -1.0, 1.4142135, -12, 0)]


@pytest.fixture
def particles(tmp_path: Path) -> Path:
    path = tmp_path / "Teilchen ü.zarr"
    write_events(clouds_of([EVENT] * 40), path, chunk_size=15)
    return path


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main.app, [*COMMAND, *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def test_a_store_passes_the_detector(particles: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen.zarr"
    code, stdout, stderr = run(particles, out, "--seed", "3")
    assert code == 0, stderr
    assert stdout.startswith(f"40 events as a lep-like detector sees them in {out}: ")
    expected = simulate_detector(open_events(particles).load(), DetectorSettings.load("lep-like"), 3)
    xr.testing.assert_identical(open_events(out).load().drop_attrs(deep=False), expected.drop_attrs(deep=False))
    code, stdout, _ = run(particles, out, "--seed", "3")
    assert code == 0
    assert "(40 were there)" in stdout


def test_settings_of_ones_own(particles: Path, tmp_path: Path) -> None:
    blind = tmp_path / "blind.toml"
    blind.write_text('name = "blind"\n[tracking]\nefficiency = 0\n', encoding="utf-8")
    code, stdout, stderr = run(particles, tmp_path / "seen.zarr", "--settings", blind, "--seed", "3", "--workers", "2")
    assert code == 0, stderr
    assert "a blind detector" in stdout
    seen = open_events(tmp_path / "seen.zarr")
    assert seen["present"].values.sum(axis=1).tolist() == [1] * 40
    assert seen["identity"].values[:, 0].tolist() == [22] * 40


def test_bad_input_is_refused_in_one_line(particles: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen.zarr"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "wrong"\n[tracking]\nefficiency = 1.2\n', encoding="utf-8")
    for arguments, code, message in (
        ((particles, out, "--seed", "1", "--settings", "atlas"), 2, "error: no detector 'atlas': neither a file nor"),
        ((particles, out, "--seed", "1", "--settings", wrong), 2, "wrong.toml: tracking.efficiency: Input should be"),
        ((tmp_path / "none.zarr", out, "--seed", "1"), 1, "error: there is no store"),
        ((particles, particles, "--seed", "1"), 2, "would overwrite its own source"),
        ((particles, out, "--seed", "-1"), 2, "Invalid value for '--seed'"),
        ((particles, out), 2, "Missing option '--seed'"),
    ):
        found, stdout, stderr = run(*arguments)
        assert (found, stdout) == (code, "")
        assert message in stderr
    assert not out.exists()


def test_another_seed_does_not_replace_a_store_unasked(particles: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen.zarr"
    assert run(particles, out, "--seed", "1")[0] == 0
    code, _, stderr = run(particles, out, "--seed", "2")
    assert code == 1
    assert "seed: 1 there, 2 now" in stderr
    assert run(particles, out, "--seed", "2", "--overwrite")[0] == 0
    assert open_events(out).attrs["seed"] == 2
