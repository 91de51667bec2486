"""``simulacra stars`` and ``simulacra find-streams``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import simulacra
from simulacra.cli.main import app
from simulacra.systems.via_machinae import toy_field


def test_a_search_from_the_command_line(tmp_path: Path) -> None:
    simulacra.write_events(toy_field(2500, seed=1, stream=150), tmp_path / "stars.zarr")
    command = ["find-streams", str(tmp_path / "stars.zarr"), "--method", "cwola", "--retrainings", "1", "--quiet"]
    command += ["--cut", "proper_motion_phi1=-12:", "--step", "2", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "Found a stream: p = " in result.output
    record = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert record["found"]
    assert len(record["candidates"]) == simulacra.open_events(tmp_path / "out" / "candidates.zarr").sizes["event"]


@pytest.mark.parametrize("cut", ["magnitude", "magnitude=:", "=1:2", "magnitude=a:2"])
def test_a_cut_that_is_none_is_refused(tmp_path: Path, cut: str) -> None:
    simulacra.write_events(toy_field(300, seed=1), tmp_path / "stars.zarr")
    result = CliRunner().invoke(app, ["find-streams", str(tmp_path / "stars.zarr"), "--cut", cut])
    assert result.exit_code != 0
    assert "--cut is NAME=LOW:HIGH" in result.output


@pytest.mark.parametrize(("centre", "said"), [("10", "is RA,DEC in degrees"), ("400,20", "is no place on the sky")])
def test_a_centre_that_is_none_is_refused(tmp_path: Path, centre: str, said: str) -> None:
    result = CliRunner().invoke(app, ["stars", str(tmp_path / "a.fits"), str(tmp_path / "b.zarr"), "--centre", centre])
    assert result.exit_code != 0
    assert said in result.output
