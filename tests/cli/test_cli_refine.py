"""``simulacra refine`` and ``simulacra generate --refine``: what they write, and what stops them in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import Result
from typer.testing import CliRunner

from simulacra.cli import main
from simulacra.reweighting import refinement_report
from simulacra.reweighting.refiner import Refiner
from simulacra.store import open_events, write_events
from simulacra.trained import load

SMALL = [
    part
    for setting in (
        "members=1",
        "calibration=none",
        "average_decay=0.9",
        "network.widths=[8]",
        "network.summary=4",
        "network.dropout=0",
        "training.steps=9",
        "training.validate_every=3",
        "training.threads=1",
    )
    for part in ("--set", setting)
]


def simulacra_command(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """Check that a command ends with one line on standard error and the exit code of bad input; return the line."""
    result = simulacra_command(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.fixture(scope="module")
def truth(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of the generator's own showers: their support is the generator's for certain."""
    generator = load(trained_run)
    low, high = generator.trained_range["incident_energy"]
    path = tmp_path_factory.mktemp("truth") / "truth.zarr"
    write_events(generator.sample(1200, seed=17, incident_energy=np.geomspace(low, high, 1200)), path)
    return path


@pytest.fixture(scope="module")
def done(trained_run: Path, truth: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("refined") / "refined"
    command = ["refine", trained_run, truth, "-o", folder, "--times", 1, "--seed", 3, "--quiet", *SMALL]
    with pytest.MonkeyPatch.context() as patch:
        # Two of the four classifiers: they take most of the time.
        patch.setattr(refinement_report, "JUDGES", (refinement_report.JUDGES[0], refinement_report.JUDGES[2]))
        return folder, simulacra_command(*command)


def test_it_writes_a_refiner_a_page_and_its_numbers(done: tuple[Path, Result], trained_run: Path) -> None:
    folder, result = done
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == [
        "member-0",
        "report.html",
        "report.json",
        "reweighter.safetensors",
    ]
    refiner = Refiner.load(folder)
    assert refiner.sees == "cells"
    assert refiner.generator_sha256 == load(trained_run).weights_sha256
    said = " ".join(result.stdout.split())
    assert "trees on shapes" in said
    assert "perceptron on cells" in said
    assert "an effective event, at" in said
    numbers = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert numbers["cost"]["effective"]["value"] > 0


@pytest.mark.parametrize("unweight", [False, True])
def test_a_store_of_refined_showers_is_what_python_draws(
    done: tuple[Path, Result], trained_run: Path, tmp_path: Path, unweight: bool
) -> None:
    store, again = tmp_path / "store.zarr", tmp_path / "again.zarr"
    command = ["generate", trained_run, "-n", 90, "--energy", "uniform:5:50", "--seed", 4, "--quiet"]
    options = ["--refine", done[0], *(["--unweight"] if unweight else [])]
    result = simulacra_command(*command, store, *options, "--batch-size", 90)
    assert result.exit_code == 0, result.output
    assert "weights are clipped at" in result.stderr
    assert simulacra_command(*command, again, *options, "--batch-size", 25).exit_code == 0
    events, pieces = open_events(store).load(), open_events(again).load()
    refined = load(trained_run).refined_by(done[0])
    drawn = refined.sample(90, seed=4, unweighted=unweight, incident_energy="uniform:5:50")
    assert ("weight" in events) is not unweight
    for name in events.data_vars:
        np.testing.assert_array_equal(events[name].values, drawn[name].values)
        np.testing.assert_array_equal(events[name].values, pieces[name].values)
    refiner = Refiner.load(done[0])
    for one in (events, pieces):
        assert one.attrs["clipped_share"] == refiner.clipped_share
        assert one.attrs["largest_weight"] == refiner.maximum
    # A store with weights is not continued without them.
    plain = simulacra_command(*command, store)
    assert plain.exit_code == 1
    assert "store with other settings (refiner" in plain.stderr


def test_what_cannot_be_done_is_said(done: tuple[Path, Result], trained_run: Path, truth: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.zarr"
    assert "name it with --refine" in refused("generate", trained_run, store, "--unweight")
    assert "cannot hold weights" in refused(
        "generate", trained_run, tmp_path / "x.hdf5", "--format", "calochallenge", "--refine", done[0]
    )
    assert "refines 'toy'" in refused("generate", "calogan-eplus", store, "--refine", done[0])
    assert "there is no refiner" in refused("generate", trained_run, store, "--refine", tmp_path)
    far = simulacra_command(
        "generate", trained_run, store, "--refine", done[0], "-n", 5, "--energy", "log:1:900", "--quiet"
    )
    assert far.exit_code == 0
    assert "that the refiner of 'toy' was trained on" in far.stderr
    assert not (tmp_path / "x.hdf5").exists()
    assert "is a file; -o names a folder" in refused("refine", trained_run, truth, "-o", done[0] / "report.json")
    assert "'nothing'" in refused("refine", "nothing", truth, "-o", tmp_path / "o")
    assert "members" in refused("refine", trained_run, truth, "-o", tmp_path / "o", "--set", "members=0")


def test_a_generator_that_does_not_reach_the_truth_is_refused_with_the_remedies(
    trained_run: Path, tmp_path: Path
) -> None:
    events = much_brighter(trained_run)
    write_events(events, tmp_path / "far.zarr")
    said = refused("refine", trained_run, tmp_path / "far.zarr", "-o", tmp_path / "o", "--quiet", *SMALL)
    assert "do not overlap" in said or "--allow-missing-support, or --sees shapes" in " ".join(said.split())


def much_brighter(trained_run: Path) -> xr.Dataset:
    generator = load(trained_run)
    low, high = generator.trained_range["incident_energy"]
    events = generator.sample(400, seed=18, incident_energy=np.geomspace(low, high, 400))
    events["shower"] = events["shower"] * 30.0
    events["shower"].attrs.update(units="MeV", long_name="energy", role="feature")
    return events
