"""The shipped reweighters on fresh collisions of Pythia: what they are shipped for, from weights to a fitted alphaS."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import simulacra
from simulacra.cli import demo_reweighting, main
from simulacra.fits.from_events import embed_events, runs_of
from simulacra.reweighting import second_classifier
from simulacra.reweighting.reweighter import WEIGHTS, OutsideBoxWarning, shipped_reweighters
from simulacra.simulators import DetectorSettings, PythiaSettings, write_collisions, write_detector
from simulacra.store import open_events

pytest.importorskip("pythia8mc", reason="pythia8mc is not installed: pip install 'simulacra[jets]'")

Z = "z-to-dijets"
TRUTH = 0.16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with default events, events at alphaS 0.16, runs at other values, and what a detector sees."""
    where = tmp_path_factory.mktemp("collisions")
    for name, n, settings, size in (
        ("default", 4000, PythiaSettings(process=Z), 2500),
        ("data", 1500, PythiaSettings(process=Z, values={"alphaS": f"{TRUTH}"}), 2500),
        ("runs", 1500, PythiaSettings(process=Z, vary={"alphaS": "uniform:0.14:0.175"}, events_per_draw=250), 250),
    ):
        write_collisions(where / f"{name}.zarr", settings, seed=41, n_events=n, chunk_size=size, progress=False)
    for name in ("default", "data"):
        detector = DetectorSettings.load("lep-like")
        write_detector(where / f"{name}.zarr", where / f"{name}-seen.zarr", detector, seed=5, progress=False)
    return where


def charged(events: xr.Dataset) -> np.ndarray:
    return (events["charge"].values != 0).sum(axis=1)


def test_each_is_small_names_its_box_and_weighs_its_own_source_by_one(folder: Path) -> None:
    assert shipped_reweighters() == ["dctr-z", "srgn-z"]
    for name, store in (("dctr-z", "default"), ("srgn-z", "default-seen")):
        assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 20e6
        reweighter = simulacra.Reweighter.load(name)
        assert list(reweighter.bounds) == ["alphaS", "aLund", "probStoUD"]
        events = open_events(folder / f"{store}.zarr").isel(event=slice(200))
        np.testing.assert_array_equal(reweighter.weights(events, normalise=False), 1.0)
        with pytest.warns(OutsideBoxWarning, match=r"alphaS = 0.3 is outside the trained box \(0.1 to 0.18\)"):
            reweighter.weights(events, alphaS=0.3)


@pytest.mark.parametrize(("name", "seen"), [("dctr-z", ""), ("srgn-z", "-seen")])
def test_weights_move_the_charged_multiplicity_to_that_of_a_direct_run(folder: Path, name: str, seen: str) -> None:
    """Within 4 standard errors, which chance exceeds once in 16,000; without weights it is more than 10 away."""
    source, target = (open_events(folder / f"{part}{seen}.zarr") for part in ("default", "data"))
    weights = simulacra.Reweighter.load(name).weights(source, alphaS=TRUTH)
    ours, theirs = charged(source), charged(target)
    error = theirs.std() / np.sqrt(len(theirs))
    assert theirs.mean() - ours.mean() > 10 * error
    after = np.average(ours, weights=weights)
    spread = np.sqrt(np.sum((weights * (ours - after)) ** 2)) / weights.sum()
    assert abs(after - theirs.mean()) < 4 * np.hypot(error, spread)


def alpha_s(stdout: str) -> tuple[float, float]:
    """Return value and error that the command printed."""
    (line,) = [line for line in stdout.splitlines() if line.startswith("alphaS = ")]
    told = line.split()
    return float(told[2]), float(told[4])


@pytest.mark.parametrize("method", ["likelihood_ratio", "classifier_loss"])
def test_the_command_fit_finds_alpha_s(folder: Path, tmp_path: Path, method: str) -> None:
    """Within 4 standard deviations, a false alarm in 16,000; without calibration the networks' bias of 2 % more."""
    options = ["--free", "alphaS", "--truth", f"alphaS={TRUTH}", "--method", method, "-o", str(tmp_path / "fit")]
    result = CliRunner().invoke(
        main.app, ["fit", str(folder / "data.zarr"), str(folder / "default.zarr"), *options, "--quiet"]
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads((tmp_path / "fit" / "report.json").read_text(encoding="utf-8"))
    assert (tmp_path / "fit" / "report.html").stat().st_size > 10_000
    value, error = alpha_s(result.stdout)
    assert 0 < error < 0.01
    ((_, fitted),) = found["fits"].items()
    assert fitted["n_reference"] == 4000
    parts = fitted["error_parts"]["alphaS"]
    if method == "likelihood_ratio":
        assert abs(value - TRUTH) < 4 * error
        assert fitted["calibrated"] == "over the box"
        assert not result.stdout.startswith("Warning")
        assert 0 < parts["calibration"] < parts["events"]
        assert parts["networks"] == 0
    else:
        # There is no map of this objective, but another's tells how far off these networks are.
        assert abs(value - TRUTH) < 4 * error + 0.02 * TRUTH
        assert result.stdout.startswith("Warning: this fit is not calibrated")
        assert parts["bias seen in validation"] > 0


def test_the_command_fit_calibrates_and_fits_behind_a_detector(folder: Path, tmp_path: Path) -> None:
    for data, reference, *more in (
        ["data", "default", "--calibrate", str(folder / "runs.zarr")],
        ["data-seen", "default-seen", "--nested", str(folder / "default.zarr")],
        ["data-seen", "default-seen", "--with", "srgn-z", "--method", "classifier_loss"],
    ):
        stores = [str(folder / f"{name}.zarr") for name in (data, reference)]
        options = [*more, "--free", "alphaS", "-o", str(tmp_path / data), "--quiet"]
        result = CliRunner().invoke(main.app, ["fit", *stores, *options])
        assert result.exit_code == 0, result.stderr
        value, error = alpha_s(result.stdout)
        assert abs(value - TRUTH) < 4 * error + 0.02 * TRUTH, more


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--free", "alpha"], "alpha"),
        (["--fix", "alphaS=0.5"], "outside the trained box"),
        (["--fix", "alphaS=much"], "is not NAME=VALUE"),
        (["--with", "nothing"], "nor one of the shipped reweighters: dctr-z, srgn-z"),
        (["--with", "calogan-eplus"], "shipped reweighters"),
    ],
)
def test_bad_input_of_the_command_fit_is_one_line(
    folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = CliRunner().invoke(
        main.app,
        [
            "fit",
            str(folder / "data.zarr"),
            str(folder / "default.zarr"),
            *options,
            "-o",
            str(tmp_path / "x"),
            "--quiet",
        ],
    )
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_runs_are_found_by_their_parameters(folder: Path) -> None:
    events = open_events(folder / "runs.zarr")
    found = runs_of(events, ["alphaS"])
    assert [len(rows) for rows in found.samples] == [250] * 6
    for rows, truth in zip(found.samples, found.truths, strict=True):
        np.testing.assert_allclose(events["alphaS"].values[rows], truth["alphaS"])
    with pytest.raises(ValueError, match=r"shortest run .* 250 events, fewer than 400"):
        runs_of(events, ["alphaS"], fewest=400)
    with pytest.raises(ValueError, match=r"not drawn in \['aLund'\]"):
        runs_of(events, ["aLund"])


def test_events_are_embedded_for_each_member(folder: Path) -> None:
    reweighter = simulacra.Reweighter.load("dctr-z")
    found = embed_events(reweighter, open_events(folder / "data.zarr"), most=50)
    assert [tuple(z.shape) for z in found.embeddings] == [(50, 32)] * reweighter.size


@pytest.mark.slow
def test_the_demo_runs_through_and_continues_with_existing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SOURCE_EVENTS", 1500), ("EVENTS", 900), ("RUNS", 5), ("EVENTS_A_RUN", 600)):
        monkeypatch.setattr(demo_reweighting, name, value)
    few = second_classifier.TRAINING.model_copy(update={"steps": 10, "validate_every": 5, "checkpoint_every": 5})
    monkeypatch.setattr(second_classifier, "TRAINING", few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        demo_reweighting.demonstrate(tmp_path, seed=1)
    first = capsys.readouterr().out
    assert "900 events of Pythia (alphaS = 0.16)" in first
    assert "calibrated: alphaS = 0.1" in first
    for page in ("reweighting", "fit"):
        assert (tmp_path / page / "report.html").is_file()
    demo_reweighting.demonstrate(tmp_path, seed=1)
    assert "a second" not in capsys.readouterr().out
