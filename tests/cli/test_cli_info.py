"""``simulacra info``: the card in words and as JSON, and one line for what is no model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import simulacra
from simulacra.cli.main import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["info", *map(str, words)], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "calo-eplus",
            ("incident_energy 1 to 100 [GeV]", "0.527 ± 0.007", "make bench-showers", "weights: not recorded"),
        ),
        ("dctr-z", ("1,000,000 events of pythia 8.317", "alphaS 0.1 to 0.18", "AUC of a second classifier")),
        ("gd1-via-machinae", ("makes", "scores", "PASS: a cut on the score")),
        ("jets-mpgan", ("jet_class: gluon, light quark", "arXiv:2106.11535", "BSD-3-Clause")),
        ("parton-shower-dglap", ("parton_energy:220:280", "checksums of")),
        ("calo-gamma-angle", ("polar_angle 0 to 0.35 [rad]", "any_direction.toml", "AUC on cells")),
        ("pile-up-minimum-bias", ("valid for", "it has no conditions")),
    ],
)
def test_the_card_is_shown(name: str, told: tuple[str, ...]) -> None:
    result = run(name)
    assert result.exit_code == 0, result.output
    for words in told:
        assert words in result.stdout


def test_a_model_that_no_one_judged_says_so(trained_run: Path) -> None:
    assert "not judged: simulacra judge TRUTH MODEL judges it" in run(trained_run).stdout


def test_hashes_are_shown_whole_in_a_narrow_terminal() -> None:
    result = CliRunner().invoke(app, ["info", "calogan-eplus"], env={"COLUMNS": "60"})
    sha = json.loads(run("calogan-eplus", "--json").stdout)["weights"][0]
    assert sha in "".join(result.stdout.split())


def test_the_card_as_json(trained_run: Path) -> None:
    card = json.loads(run(trained_run, "--json").stdout)
    assert card["system"] == "calogan"
    assert card["valid"][0]["units"] == "GeV"


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04.")
    for word, told in ((tmp_path / "model.pt", "a Python pickle"), ("nothing", "neither a file, nor a run folder")):
        result = run(word)
        assert result.exit_code == 2
        assert told in result.stderr
        assert result.stderr.count("\n") == 1


def test_hashes_are_whole_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["info", "calogan-eplus"])
    assert simulacra.load("calogan-eplus").weights_sha256 in shown.output
