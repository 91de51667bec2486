"""``simulacra simulate pythia``: what is handed on to the simulator, and bad input refused in one line."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.simulators import PythiaSettings, pythia
from simulacra.simulators.pythia_settings import JetSettings
from simulacra.store import WriteSummary

COMMAND = ["simulate", "pythia", "--seed", "1", "-n", "1000"]
NEEDS_PYTHIA = pytest.mark.skipif(importlib.util.find_spec("pythia8mc") is None, reason="pythia8mc is not installed")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Take what the command hands to the simulator, instead of running it."""
    calls: list[dict[str, Any]] = []

    def write_collisions(path: Path, settings: PythiaSettings, **options: Any) -> WriteSummary:
        calls.append({"path": path, "settings": settings, **options})
        return WriteSummary(path, 12_000, 2_000, 61.5, 0.0004114)

    monkeypatch.setattr(pythia, "write_collisions", write_collisions)
    return calls


def test_options_reach_the_simulator(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    card = tmp_path / "Z.cmnd"
    card.write_text("Beams:eCM = 91.2\n")
    options = ["--process", "z-to-dijets", "--card", str(card), "--set", "StringZ:bLund=1.1", "--set", "rFactB = 0.9"]
    options += ["--vary", "alphaS=uniform:0.10:0.18", "--vary", "StringPT:sigma=0.3", "--events-per-draw", "50"]
    options += ["--variation", "up fsr:muRfac=0.5", "--variation", "strange frag:rho=0.275", "--shower", "vincia"]
    options += ["--jets", "0.4", "--n-jets", "3", "--jet-min-pt", "5", "--max-particles", "99", "--workers", "2"]
    result = CliRunner().invoke(main.app, [*COMMAND, *options, "--chunk-size", "500", "out ü.zarr"])
    assert result.exit_code == 0, result.stderr
    (call,) = asked
    assert (call["path"], call["n_events"], call["seed"]) == (Path("out ü.zarr"), 1000, 1)
    assert (call["workers"], call["chunk_size"], call["overwrite"]) == (2, 500, False)
    assert call["settings"] == PythiaSettings(
        process="z-to-dijets",
        card="Beams:eCM = 91.2\n",
        values={"StringZ:bLund": "1.1", "rFactB": "0.9"},
        vary={"alphaS": "uniform:0.10:0.18", "StringPT:sigma": "0.3"},
        events_per_draw=50,
        variations=("up fsr:muRfac=0.5", "strange frag:rho=0.275"),
        shower="vincia",
        jets=JetSettings(radius=0.4, n_jets=3, min_pt=5.0),
        max_particles=99,
    )
    expected = (
        "12,000 z-to-dijets events in out ü.zarr (2,000 were there): 0.000411 s of one core per event, 61.5 s in all"
    )
    assert result.stdout.strip() == expected


@pytest.mark.parametrize(
    ("options", "jet"),
    [
        ([], None),
        (["--leading-jet", "30:50"], {"min_pt": 30, "max_pt": 50}),
        (["--leading-jet", "30:50", "--jets", "0.4"], {"min_pt": 30, "max_pt": 50, "radius": 0.4}),
        (["--jet-particles", "30"], {"particles": 30}),
    ],
)
def test_a_leading_jet_reaches_the_simulator(
    asked: list[dict[str, Any]], options: list[str], jet: dict[str, float] | None
) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, "--process", "z-to-dijets", *options, "jets.zarr"])
    assert result.exit_code == 0, result.stderr
    assert asked[0]["settings"] == PythiaSettings.model_validate({"process": "z-to-dijets", "leading_jet": jet})


def test_the_rotation_of_images_reaches_the_simulator(asked: list[dict[str, Any]]) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, "--process", "jet-images", "--image-rotation", "none", "x.zarr"])
    assert result.exit_code == 0, result.stderr
    assert asked[0]["settings"].image.rotation == "none"
    result = CliRunner().invoke(main.app, [*COMMAND, "--process", "jet-images", "--image-rotation", "linear", "x.zarr"])
    assert result.exit_code == 2
    assert "jet_image.rotation: Input should be 'spline' or 'none'" in result.stderr


def test_pile_up_in_images_around_muons_reaches_the_simulator(asked: list[dict[str, Any]]) -> None:
    command = [*COMMAND, "--process", "muon-images", "x.zarr"]
    for options in ([], ["--pile-up", "0"]):
        result = CliRunner().invoke(main.app, [*command, *options])
        assert result.exit_code == 0, result.stderr
    assert [one["settings"].muon.pile_up for one in asked] == [50, 0]
    result = CliRunner().invoke(main.app, [*COMMAND, "--process", "top-jets", "--pile-up", "20", "x.zarr"])
    assert result.exit_code == 2
    assert "leading jets and calorimeters around muons only" in result.stderr


def test_a_range_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, "--process", "top-jets", "--leading-jet", "800", "x.zarr"])
    assert result.exit_code == 2
    assert "--leading-jet takes LOW:HIGH in GeV, such as 800:1600, not '800'" in result.stderr


def test_weights_of_an_lhe_file_are_asked_for_by_name(asked: list[dict[str, Any]]) -> None:
    options = ["--lhe", "x.lhe.gz", "--lhe-weight", "1002", "--lhe-weight", "MUR*"]
    result = CliRunner().invoke(main.app, [*COMMAND, *options, "out.zarr"])
    assert result.exit_code == 0, result.stderr
    assert asked[0]["settings"] == PythiaSettings(lhe=Path("x.lhe.gz"), lhe_weights=("1002", "MUR*"))


Z = ["--process", "z-to-dijets"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "error: nothing to simulate: name a process (z-to-dijets, qcd-dijets, z-plus-jet"),
        (["--process", "higgs"], "error: no process 'higgs'"),
        ([*Z, "--set", "Beams:eCM"], "error: --set takes NAME=VALUE, not 'Beams:eCM'"),
        ([*Z, "--set", "Beams:eCM=1", "--set", "Beams:eCM=2"], "error: --set: 'Beams:eCM' is given twice"),
        ([*Z, "--vary", "=0.1"], "error: --vary takes NAME=VALUE, not '=0.1'"),
        (
            [*Z, "--vary", "alphaS=uniform:0.2:0.1"],
            "error: vary.alphaS: 'uniform:0.2:0.1': the lower bound 0.2 is above",
        ),
        ([*Z, "--vary", "alphaS=uniform:nan:0.1"], "error: vary.alphaS: 'uniform:nan:0.1': bounds must be finite"),
        ([*Z, "--lhe-weight", "up"], "error: the weights ['up'] need an LHE file (--lhe)"),
        ([*Z, "--variation", "up"], "error: a variation is a name and keywords with values"),
        ([*Z, "--shower", "dire"], "error: shower: Input should be 'simple' or 'vincia'"),
        ([*Z, "--jets", "-1"], "error: jets.radius: Input should be greater than 0"),
        ([*Z, "--jets", "0.4", "--jet-min-pt", "nan"], "Invalid value for '--jet-min-pt'"),
        ([*Z, "--card", "missing.cmnd"], "error: card: there is no card 'missing.cmnd'"),
        ([*Z, "--seed", "-1"], "Invalid value for '--seed'"),
        ([*Z, "-n", "0"], "Invalid value for '-n'"),
        ([*Z, "--events-per-draw", "0"], "Invalid value for '--events-per-draw'"),
    ],
)
def test_bad_input_is_refused_in_one_line(asked: list[dict[str, Any]], options: list[str], message: str) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, *options, "out.zarr"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.stderr
    assert not asked


def test_without_pythia_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(main.app, [*COMMAND, *Z, str(tmp_path / "out.zarr")])
    assert result.exit_code == 1
    assert "error: Pythia needs the package pythia8mc: pip install 'simulacra[jets]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


@NEEDS_PYTHIA
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--set", "StringZ:aLundd=0.5"],
            "input string not found in settings databases:: StringZ:aLundd = 0.5; similar",
        ),
        (["--set", "StringZ:aLund=9"], "its value is out of range: StringZ:aLund = 9 (it takes 0 to 2)"),
        (["--set", "StringZ:aLund=nan"], "takes a finite number, not 'nan'"),
        (["--set", "StringZ:aLund=much"], "takes a number, not 'much'"),
        (["--set", "HadronLevel:all=perhaps"], "is a switch, on or off, not 'perhaps'"),
        (["--set", "TimeShower:nGluonToQuark=1.5"], "takes a whole number, not '1.5'"),
        (["--set", "23:mayDecay=maybe"], "is a switch, on or off, not 'maybe'"),
        (["--vary", "alphaS=uniform:0.1:0.3"], "must be within Pythia's 0.06 to 0.25, not uniform:0.1:0.3"),
        (["--vary", "alphaT=0.1"], "'alphaT' is unknown to Pythia"),
        (["--vary", "HadronLevel:all=1"], "'HadronLevel:all' is not a real number"),
        (["--vary", "alphaS=0.1", "--set", "TimeShower:alphaSvalue=0.1"], "is both set to 0.1 and drawn"),
        (["--vary", "alphaS=0.1", "--vary", "timeshower:alphasvalue=0.1"], "is both set to 0.1 and drawn"),
        (["--vary", "alphaS=0.1", "--events-per-draw", "300"], "not a multiple of the 300 events per draw"),
        (["--shower", "vincia", "--vary", "alphaS=uniform:0.1:0.14"], "must be at most 0.136, not 0.14"),
        (["--shower", "vincia", "--set", "Vincia:alphaSvalue=0.15"], "must be at most 0.136, not 0.15"),
        (["--shower", "vincia", "--vary", "TimeShower:alphaSvalue=0.12"], "Vincia ignores"),
        (["--shower", "vincia", "--variation", "up fsr:muRfac=0.5"], "Pythia computes no weight for the variation"),
        (["--variation", "hard frag:aLund=5"], "frag:aLund (StringZ:aLund) takes 0 to 2, not 5"),
    ],
)
def test_what_pythia_refuses_is_told_before_any_event(tmp_path: Path, options: list[str], message: str) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, *Z, *options, str(tmp_path / "out.zarr")])
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@NEEDS_PYTHIA
def test_settings_that_pythia_does_not_start_with_are_told_with_its_reason(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, [*COMMAND, *Z, "--set", "Beams:eCM=1", str(tmp_path / "out.zarr")])
    assert result.exit_code == 1
    assert "PYTHIA Error in ProcessLevel::init: all processes have vanishing cross sections" in result.stderr
    assert list(tmp_path.iterdir()) == []
