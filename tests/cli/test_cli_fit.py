"""``simulacra fit`` on Gaussians whose means are known: what it finds and writes, and what stops it in one line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import Result
from typer.testing import CliRunner

from gaussian_events import gaussian_events, small_settings
from simulacra.cli import main
from simulacra.events import part_of, variable
from simulacra.fits.default_fit import ManyFits
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.parameter_map import ParameterMap
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.reweighter import Reweighter
from simulacra.store import open_events, write_events

TRUTH = {"mu": 0.4, "nu": -0.3}
N = 2000
RUNS, EVENTS_A_RUN = 8, 400


def events_at(mu: np.ndarray, nu: np.ndarray, seed: int, *, drawn: bool = False, smeared: float = 0.0) -> xr.Dataset:
    """Return events of two numbers x and y about means mu and nu, (N,), perhaps as a detector blurs them."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(mu, 1.0), rng.normal(nu, 1.0)
    blur = np.random.default_rng(seed + 1000).normal(0.0, smeared, (2, len(x)))
    more = {"y": variable((y + blur[1]).astype("f4"), units="1", long_name="another number", role="feature")}
    if drawn:
        more["nu"] = variable(nu.astype("f4"), units="1", long_name="mean of y", role="condition")
    return gaussian_events(x + blur[0], mu=mu if drawn else None, seed=seed, **more)


def at(truth: dict[str, float], n: int, seed: int, **options: Any) -> xr.Dataset:
    return events_at(np.full(n, truth["mu"]), np.full(n, truth["nu"]), seed, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of stores, right and wrong, and of reweighters: continuous in mu and nu, and of one target."""
    folder = tmp_path_factory.mktemp("fits ü")
    rng = np.random.default_rng(7)
    none = {"mu": 0.0, "nu": 0.0}
    source = at(none, 20_000, 1)
    prior = events_at(*rng.uniform(-1, 1, (2, 20_000)), seed=2, drawn=True)
    known = np.repeat(rng.uniform(-0.8, 0.8, (2, RUNS)), EVENTS_A_RUN, axis=1)
    untested = np.flatnonzero(part_of(np.arange(200)) != "test")
    x = source["x"].values[:N].astype("f8")
    only_mu = events_at(known[0], np.zeros(len(known[0])), 5, drawn=True).drop_vars("nu")
    stores = {
        "reference": source,
        "data": at(TRUTH, N, 3),
        "runs": events_at(*known, seed=4, drawn=True),
        "runs-in-mu": only_mu,
        "short-runs": events_at(*rng.uniform(-0.8, 0.8, (2, 50)), seed=4, drawn=True),
        "few-runs": events_at(*known[:, : 4 * EVENTS_A_RUN], seed=4, drawn=True),
        "far": at({"mu": 3.0, "nu": 0.0}, N, 6),
        "seen-data": at(TRUTH, N, 3, smeared=0.5),
        "seen-reference": at(none, 20_000, 1, smeared=0.5),
        "shorter-reference": source.isel(event=slice(0, 10_000)),
        "other": gaussian_events(x, name="z"),
        "one": at(TRUTH, 1, 3),
        "untested": source.isel(event=untested),
        "zero": at(TRUTH, N, 3).assign(weight=_weights(np.zeros(N))),
        "negative": at(TRUTH, N, 3).assign(weight=_weights(np.where(np.arange(N) % 5 == 0, 1.0, -1.0))),
    }
    for name, events in stores.items():
        write_events(events, folder / f"{name}.zarr")
    settings = small_settings(
        ("x", "y"),
        parameters=("mu", "nu"),
        reference=none,
        calibration="temperature",
        members=2,
        steps=500,
    )
    fit_reweighter(source, prior, settings, folder / "toy", name="toy", progress=False)
    fixed = small_settings(("x", "y"), steps=2)
    fit_reweighter(source, stores["data"], fixed, folder / "fixed", name="one-target", progress=False)
    return folder


def _weights(values: np.ndarray) -> xr.Variable:
    return variable(values, units="1", long_name="weight", role="weight")


def fit_command(
    folder: Path, output: Path, *options: object, data: str = "data", reference: str = "reference"
) -> Result:
    stores = [folder / f"{data}.zarr", folder / f"{reference}.zarr"]
    arguments = ["fit", *stores, "--with", folder / "toy", "-o", output, "--quiet", *options]
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def printed(result: Result) -> dict[str, tuple[float, float]]:
    """Return the values and errors that the command printed."""
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    number = r"(-?[\d.e-]+)"
    lines = re.findall(
        rf"^(\w+) = {number} ± {number} \({number} to {number}; events .*\)$", result.stdout, re.MULTILINE
    )
    for _, value, error, low, high in lines:
        assert float(low) < float(value) < float(high)
        # The two ends have five digits, the error two.
        assert (float(high) - float(low)) / 2 == pytest.approx(float(error), rel=0.06)
    return {name: (float(value), float(error)) for name, value, error, _, _ in lines}


def record_of(output: Path) -> dict[str, Any]:
    assert sorted(path.name for path in output.iterdir()) == ["report.html", "report.json"]
    found: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return found


def assert_near_truth(found: dict[str, tuple[float, float]], *, learned: float) -> None:
    """Check values within 4 of their errors, a false alarm in 16,000 each, and what the networks have not learned."""
    for name, (value, error) in found.items():
        assert 1 / np.sqrt(N) < error < 0.1
        assert abs(value - TRUTH[name]) < 4 * error + learned


@pytest.mark.parametrize("method", ["likelihood_ratio", "classifier_loss"])
def test_both_methods_find_both_means_and_write_the_page(folder: Path, tmp_path: Path, method: str) -> None:
    truth = [part for name, value in TRUTH.items() for part in ("--truth", f"{name}={value}")]
    result = fit_command(folder, tmp_path / "out", "--method", method, *truth)
    found = printed(result)
    assert list(found) == ["mu", "nu"]
    assert_near_truth(found, learned=0.03)
    assert f"Page: {tmp_path / 'out' / 'report.html'}" in " ".join(result.stdout.split())
    record = record_of(tmp_path / "out")
    ((label, told),) = record["fits"].items()
    assert label == method.replace("_", " ")
    assert told["method"] == method
    for name, (value, error) in found.items():
        assert told["values"][name] == pytest.approx(value, rel=1e-4)
        assert told["errors"][name] == pytest.approx(error, rel=0.06)
        assert len(told["scans"][name]["values"]) == 25
    assert record["truth"] == TRUTH
    assert record["provenance"]["data"] == str(folder / "data.zarr")
    assert told["calibrated"] == ""
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "mu, nu of data" in page
    assert "truth 0.4" in page


def test_only_the_references_test_part_is_taken_and_as_many_data_as_asked(folder: Path, tmp_path: Path) -> None:
    printed(fit_command(folder, tmp_path / "all"))
    (told,) = record_of(tmp_path / "all")["fits"].values()
    unseen = int(np.count_nonzero(part_of(np.arange(20_000)) == "test"))
    assert (told["n_data"], told["n_reference"]) == (N, unseen)
    printed(fit_command(folder, tmp_path / "some", "--max-events", 500, "--max-reference", 700))
    (told,) = record_of(tmp_path / "some")["fits"].values()
    assert (told["n_data"], told["n_reference"]) == (500, 700)


def test_a_reference_of_another_seed_is_taken_whole(folder: Path, tmp_path: Path) -> None:
    write_events(at({"mu": 0.0, "nu": 0.0}, 3000, 9), tmp_path / "fresh.zarr")
    result = fit_command(folder, tmp_path / "out", reference=str(tmp_path / "fresh"))
    printed(result)
    (told,) = record_of(tmp_path / "out")["fits"].values()
    assert told["n_reference"] == 3000
    assert "The reference is used whole, because its seed is 9 and 'toy' was trained on 1 and 2." in result.stdout


def test_one_without_a_calibration_says_so_before_any_number(folder: Path, tmp_path: Path) -> None:
    result = fit_command(folder, tmp_path / "out")
    first = result.stdout.splitlines()[0]
    assert first.startswith("Warning: this fit is not calibrated: without correction its intervals are statistical")
    assert ", which is unknown" in first
    record = record_of(tmp_path / "out")
    (told,) = record["fits"].values()
    assert f"Warning: {told['warnings'][0]}" == first
    assert told["bias_covariance"] is None
    assert "statistical only" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_calibration_over_the_box_is_made_by_one_command_and_used_by_default(folder: Path, tmp_path: Path) -> None:
    """And left out where that is asked for, or made for another objective: then its bias widens the interval."""
    rng = np.random.default_rng(11)
    write_events(events_at(*rng.uniform(-0.98, 0.98, (2, 8000)), seed=21, drawn=True), tmp_path / "box.zarr")
    write_events(at({"mu": 0.0, "nu": 0.0}, 8000, 22), tmp_path / "source.zarr")
    made = tmp_path / "toy.safetensors"
    arguments = ["calibrate", folder / "toy", tmp_path / "box.zarr", tmp_path / "source.zarr", "-o", made, "--quiet"]
    result = CliRunner().invoke(main.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "likelihood ratio: a polynomial of degree" in result.stdout
    model = Reweighter.load(made)
    assert model.sha256 == Reweighter.load(folder / "toy").sha256
    assert model.fit_calibration["likelihood_ratio"]["made_from"]["drawn"]["seed"] == 21

    told = {}
    for label, more in {
        "default": [],
        "plain": ["--uncalibrated"],
        "runs": ["--calibrate", folder / "runs.zarr"],
    }.items():
        result = fit_command(folder, tmp_path / label, "--with", made, *more)
        assert_near_truth(printed(result), learned=0.0 if label == "default" else 0.03)
        assert result.stdout.startswith("Warning: this fit is not calibrated") == (label == "plain")
        (told[label],) = record_of(tmp_path / label)["fits"].values()
    assert [one["calibrated"] for one in told.values()] == ["over the box", "", "by runs"]
    for name in TRUTH:
        parts = told["default"]["error_parts"][name]
        assert parts["calibration"] > 0
        assert parts["networks"] == 0
        assert told["default"]["errors"][name] == pytest.approx(np.hypot(parts["events"], parts["calibration"]))
        # What validation saw, the mean square of the map's shifts, is in the plain fit's interval.
        over_box = ParameterMap.from_json(model.fit_calibration["likelihood_ratio"])
        seen = np.sqrt(np.diag(over_box.second_moment()))[list(TRUTH).index(name)]
        assert told["plain"]["error_parts"][name]["bias seen in validation"] == pytest.approx(seen)
    # The nested form has no calibration of its own, but the networks' bias is known.
    nested = fit_command(
        folder,
        tmp_path / "nested",
        *("--with", made, "--nested", folder / "reference.zarr", "--features", folder / "toy", "--free", "mu"),
        data="seen-data",
        reference="seen-reference",
    )
    assert nested.stdout.splitlines()[0].startswith("Warning: this fit is not calibrated")
    (one,) = record_of(tmp_path / "nested")["fits"].values()
    assert one["error_parts"]["mu"]["bias seen in validation"] > 0


def test_what_is_not_fitted_stands_at_the_source_or_where_it_is_fixed(folder: Path, tmp_path: Path) -> None:
    assert list(printed(fit_command(folder, tmp_path / "free", "--free", " mu "))) == ["mu"]
    (free,) = record_of(tmp_path / "free")["fits"].values()
    assert free["fixed"] == {"nu": 0.0}
    found = printed(fit_command(folder, tmp_path / "fixed", "--fix", f"nu={TRUTH['nu']}"))
    (fixed,) = record_of(tmp_path / "fixed")["fits"].values()
    assert list(found) == ["mu"]
    assert fixed["fixed"]["nu"] == pytest.approx(TRUTH["nu"])
    assert_near_truth(found, learned=0.03)
    # In float64 the two differ, since the networks have learned nearly but not quite that the means do not mix.
    assert fixed["values"]["mu"] != free["values"]["mu"]


def test_runs_at_known_parameters_calibrate(folder: Path, tmp_path: Path) -> None:
    found = printed(fit_command(folder, tmp_path / "out", "--calibrate", folder / "runs.zarr"))
    assert_near_truth(found, learned=0.0)
    record = record_of(tmp_path / "out")
    (told,) = record["fits"].values()
    assert told["calibrated"] == "by runs"
    assert told["error_parts"]["mu"]["calibration"] > 0
    assert told["error_parts"]["mu"]["networks"] == 0
    assert np.shape(record["calibration"]["truths"]) == (RUNS, 2)
    np.testing.assert_allclose(np.diag(record["calibration"]["slope"]), 1.0, atol=0.3)
    # Runs in mu alone calibrate a fit of mu alone.
    alone = fit_command(
        folder, tmp_path / "mu", "--free", "mu", "--fix", "nu=-0.3", "--calibrate", folder / "runs-in-mu.zarr"
    )
    assert list(printed(alone)) == ["mu"]


def test_what_is_not_fitted_is_held_where_each_run_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[float] = []
    estimates = ManyFits.estimates

    def spied(self: ManyFits, data: EmbeddedEvents, *, free: list[str], fixed: dict[str, float]) -> np.ndarray:
        held.append(fixed["nu"])
        return estimates(self, data, free=free, fixed=fixed)

    monkeypatch.setattr(ManyFits, "estimates", spied)
    printed(
        fit_command(folder, tmp_path / "out", "--free", "mu", "--fix", "nu=-0.3", "--calibrate", folder / "runs.zarr")
    )
    drawn = open_events(folder / "runs.zarr")["nu"].values[::EVENTS_A_RUN]
    assert held == pytest.approx(list(drawn))


def test_runs_outside_the_trained_box_are_refused(folder: Path, tmp_path: Path) -> None:
    drawn = np.repeat(np.linspace(-0.8, 2.5, RUNS), EVENTS_A_RUN)
    write_events(events_at(drawn, np.zeros(len(drawn)), 8, drawn=True), tmp_path / "outside.zarr")
    result = fit_command(folder, tmp_path / "out", "--calibrate", tmp_path / "outside.zarr")
    assert result.exit_code == 2
    assert re.search(r"run \d has mu = 1\.\d+, outside the trained box, -0\.99\d+ to 0\.99\d+:", result.stderr)


def test_runs_whose_parameters_are_mirrored_are_refused(folder: Path, tmp_path: Path) -> None:
    runs = open_events(folder / "runs-in-mu.zarr").load()
    write_events(runs.assign(mu=runs["mu"].copy(data=-runs["mu"].values)), tmp_path / "mirrored.zarr")
    result = fit_command(folder, tmp_path / "out", "--free", "mu", "--calibrate", tmp_path / "mirrored.zarr")
    assert result.exit_code == 2
    assert "the estimates of mu fall when the truth rises" in result.stderr


def test_data_that_are_the_reference_are_refused(folder: Path, tmp_path: Path) -> None:
    result = fit_command(folder, tmp_path / "out", data="reference")
    assert result.exit_code == 2
    assert "20000 events are both in the data and in the reference (seed 1)" in result.stderr


def test_the_nested_form_fits_behind_a_detector(folder: Path, tmp_path: Path) -> None:
    found = printed(
        fit_command(
            folder,
            tmp_path / "out",
            *("--nested", folder / "reference.zarr", "--features", folder / "toy", "--free", "mu", "--fix", "nu=-0.3"),
            data="seen-data",
            reference="seen-reference",
        )
    )
    assert_near_truth(found, learned=0.03)
    (told,) = record_of(tmp_path / "out")["fits"].values()
    assert told["method"] == "nested_detector_level"


def test_a_fit_that_should_not_be_trusted_says_so_once(folder: Path, tmp_path: Path) -> None:
    """Data far outside the box: the edge is said on the terminal and the page, with a calibration too."""
    options = ["--free", "mu", "--calibrate", folder / "runs.zarr"]
    for number, more in enumerate(([], options)):
        output = tmp_path / str(number)
        result = fit_command(folder, output, *more, data="far")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        warned = [line for line in result.stdout.splitlines() if line.startswith("Warning: ")]
        assert sum("is at the upper edge of the trained box" in line for line in warned) == 1
        assert len(set(warned)) == len(warned)
        (told,) = record_of(output)["fits"].values()
        assert [f"Warning: {said}" for said in told["warnings"]] == warned


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--free", "rho"], r"'rho' is not a parameter; the parameters are mu, nu"),
        (["--free", "mu,mu"], "named twice among the free ones"),
        (["--free", ","], "--free names no parameter"),
        (["--fix", "rho=1"], "'rho' is not a parameter; the parameters are mu, nu"),
        (["--fix", "mu=nan"], "'mu=nan' is not NAME=VALUE"),
        (["--fix", "mu=3"], r"mu = 3 \(fixed\) is outside the trained box, -0\.99"),
        (["--free", "mu", "--fix", "mu=0.1"], "mu is both free and fixed"),
        (["--fix", "mu=0.1", "--fix", "nu=0.1"], "no parameter is free"),
        (["--fix", "mu=0.1", "--fix", "mu=0.2"], "'mu' is given twice"),
        (["--truth", "rho=0.4"], r"--truth names 'rho', .* mu, nu"),
        (["--truth", "mu=inf"], "'mu=inf' is not NAME=VALUE"),
        (["--with", "nothing"], "'nothing' is neither a file, nor a folder, nor one of the shipped reweighters"),
        (["--with", "FOLDER/fixed"], "'one-target' has one fixed target and no parameters to fit"),
        (["--with", "FOLDER/data.zarr"], "there is no model file"),
        (["--calibrate", "FOLDER/reference.zarr"], r"not drawn in \['mu', 'nu'\]; simulate them with --vary"),
        (["--calibrate", "FOLDER/runs-in-mu.zarr"], r"not drawn in \['nu'\]; simulate them with --vary"),
        (["--calibrate", "FOLDER/short-runs.zarr"], "has 1 events, fewer than 100: simulate with a larger"),
        (["--calibrate", "FOLDER/few-runs.zarr"], "a calibration of 2 parameters needs 6 pseudo-experiments, not 4"),
        (["--nested", "FOLDER/reference.zarr", "--features", "nothing"], "'nothing' is neither a file"),
        (["--nested", "FOLDER/reference.zarr", "--features", "FOLDER/toy", "--method", "classifier_loss"], "--nested"),
        (["--nested", "FOLDER/shorter-reference.zarr", "--features", "FOLDER/toy"], "pair them by their event index"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder: Path, tmp_path: Path, options: list[str], message: str) -> None:
    refused(fit_command(folder, tmp_path / "out", *(o.replace("FOLDER", str(folder)) for o in options)), message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "reference", "message"),
    [
        ("other", "reference", r"the data: the events lack \['x', 'y'\]"),
        ("data", "other", r"the reference: the events lack \['x', 'y'\]"),
        ("data", "untested", r"the reference holds no test events \(\d+ in all\)"),
        ("one", "reference", "the data are 1 events of effective number 1"),
        ("zero", "reference", "weights of the data are zero"),
        ("negative", "reference", "weights of the data add up to -.*, which is not positive"),
        ("data", "runs", r"the reference was drawn in mu, nu"),
    ],
)
def test_events_that_cannot_be_fitted_are_refused(
    folder: Path, tmp_path: Path, data: str, reference: str, message: str
) -> None:
    refused(fit_command(folder, tmp_path / "out", data=data, reference=reference), message)
    assert list(tmp_path.iterdir()) == []


def refused(result: Result, message: str, *, code: int = 2) -> None:
    """Check that a command ended with one line on standard error and the exit code of bad input."""
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert re.search(message, result.stderr), result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("missing", ["data", "reference", "--calibrate", "--nested"])
def test_a_store_that_is_not_there_is_missed_before_any_is_read(
    folder: Path, tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code that missing stores have with every command."""
    monkeypatch.setattr("simulacra.fits.from_events.embed_events", None)
    stores = {missing: "missing"} if missing in ("data", "reference") else {}
    options = [] if stores else [missing, folder / "missing.zarr", "--features", folder / "toy"]
    result = fit_command(folder, tmp_path / "out", *options, **stores)
    refused(result, r"there is no store '.*missing\.zarr'", code=1)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_is_not_finite_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store takes NaN or holds it unnoticed; another reader might let it through."""
    data, reference = at(TRUTH, N, 3), at({"mu": 0.0, "nu": 0.0}, N, 1)
    data["x"][17] = np.nan
    monkeypatch.setattr("simulacra.formats.read", lambda path: data if path.stem == "data" else reference)
    refused(fit_command(folder, tmp_path / "out"), "the data: variable 'x' is nan in event 17")
    assert not (tmp_path / "out").exists()


def test_pairs_are_of_the_same_events(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many particles as seen events, but others."""
    reference = at({"mu": 0.0, "nu": 0.0}, N, 1)
    shifted = reference.assign_coords(event=reference["event"] + 3)
    monkeypatch.setattr("simulacra.formats.read", lambda path: shifted if path.stem == "particles" else reference)
    nested = ["--nested", "particles.zarr", "--features", folder / "toy", "--max-reference", 100]
    refused(fit_command(folder, tmp_path / "out", *nested), "pair them by their event index")


def test_a_file_in_the_way_is_refused_before_anything_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    refused(fit_command(folder, tmp_path / "out", data="missing"), "is a file; -o names a folder")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"
