"""``simulacra demo reweighting`` without Pythia; with it, the demo runs through in the tests of the shipped ones."""

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulacra.cli import main


def test_without_pythia_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    output = tmp_path / "demo"
    result = CliRunner().invoke(main.app, ["demo", "reweighting", "-o", str(output)])
    assert result.exit_code == 1
    assert result.stderr == "error: Pythia needs the package pythia8mc: pip install 'simulacra[jets]'\n"
    assert not output.exists()


def test_an_unknown_demo_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, ["demo", "dancing", "-o", str(tmp_path / "demo")])
    assert result.exit_code == 2
    assert "'dancing' is not one of 'showers', 'jets', 'sky', 'reweighting'" in " ".join(
        result.stderr.replace("│", " ").split()
    )
    assert list(tmp_path.iterdir()) == []
