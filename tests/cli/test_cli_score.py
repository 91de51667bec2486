"""``simulacra score`` and ``simulacra judge-score``, from a trained score to a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import simulacra
from simulacra.cli.main import app
from simulacra.systems import any_system


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score")
    system = any_system("toy_score")
    simulacra.train(system.example(folder), folder / "run", progress=False)
    for name, n, seed, shift in (("background", 2000, 5, 0.0), ("second", 1500, 6, 0.0), ("signal", 500, 7, 1.0)):
        simulacra.write_events(system.stars(n, seed, shift=shift), folder / f"{name}.zarr")  # type: ignore[attr-defined]
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.filterwarnings("ignore::simulacra.trained.ExtrapolationWarning")
def test_events_are_scored_and_the_score_is_judged(folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.zarr"
    result = run("score", folder / "run", folder / "background.zarr", scores, "--batch-size", 500, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2000 events scored by toy-score in ")
    judged = [
        run("judge-score", folder / "run", first, folder / "signal.zarr", "--null", folder / "second.zarr", *more)
        for first, more in (
            (folder / "background.zarr", ("-o", tmp_path / "a", "--quiet")),
            (scores, ("-o", tmp_path / "b", "--quiet")),
        )
    ]
    signal = tmp_path / "signal.zarr"
    assert run("score", folder / "run", folder / "signal.zarr", signal, "--quiet").exit_code == 0
    judged.append(run("judge-score", scores, signal, "-o", tmp_path / "c", "--quiet"))
    for one in judged:
        assert one.exit_code == 0, one.output
        assert one.stdout.startswith("PASS: a cut on the score improves the significance by a factor of ")
        assert "Report: " in one.stdout.splitlines()[-1]
    (kept,) = simulacra.info(folder / "run").judged[:1]
    assert f"Numbers kept in {folder / 'run' / 'model.judged.json'}" in judged[0].stdout
    assert "Numbers kept" not in judged[2].stdout
    assert kept.headline == judged[0].stdout.splitlines()[0]
    assert "classifier_auc".replace("_", " ") in [one.name for one in kept.numbers] or kept.numbers
    records = [json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8")) for name in "ab"]
    # Scores that are there stand for the events that they are of.
    assert records[0]["findings"] == records[1]["findings"]
    assert "toy-score" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_scored_or_judged_is_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    result = run("score", "calogan-eplus", folder / "background.zarr", tmp_path / "scores.zarr")
    assert result.exit_code == 2
    assert result.stderr.strip().startswith("error: 'calogan-eplus' makes events, not scores")
    result = run("judge-score", folder / "run", folder / "background.zarr", folder / "missing.zarr", "-o", tmp_path)
    assert result.exit_code != 0
    assert "there is no store" in result.stderr
    (tmp_path / "file").write_text("", encoding="utf-8")
    events = folder / "background.zarr"
    result = run("judge-score", folder / "run", events, events, "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "is a file; -o names a folder" in result.stderr
    result = run("judge-score", events, events, "-o", tmp_path / "report")
    assert (result.exit_code, "the background holds " in result.stderr) == (2, True)
    assert "and no 'score': score it first" in result.stderr
    assert "give one model" in run("judge-score", *[events] * 4).stderr
