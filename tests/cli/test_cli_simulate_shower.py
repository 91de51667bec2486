"""``simulacra simulate shower``: showers of the toy into a store, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.store import open_events


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main.app, ["simulate", "shower", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def test_showers_are_written_with_their_splittings(tmp_path: Path) -> None:
    out = tmp_path / "Schauer ü.zarr"
    code, stdout, stderr = run(out, "--energy", "log:50:100", "-n", "30", "--seed", "2", "--splittings")
    assert code == 0, stderr
    assert stdout.startswith(f"30 parton showers in {out}: ")
    events = open_events(out).load()
    assert events["parton_energy"].attrs["role"] == "condition"
    assert int(events["split"].sum()) == int(events["present"].sum()) - 30


def test_impossible_settings_are_told_in_one_line(tmp_path: Path) -> None:
    code, _, stderr = run(tmp_path / "x.zarr", "--energy", "-5", "-n", "3", "--seed", "1")
    assert code != 0
    assert "parton_energy must be above 0 GeV, not -5" in stderr
    code, _, stderr = run(tmp_path / "x.zarr", "--energy", "900", "-n", "50", "--seed", "1", "--max-partons", "2")
    assert code != 0
    assert "more than 2: allow more with --max-partons" in stderr
