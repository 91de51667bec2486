"""``simulacra judge`` on stores: a report, or one line that says what is wrong."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import simulacra
from events_of_every_kind import number, table
from judged_showers import CALOGAN, ToyGenerator, toy_events
from simulacra.cli import main
from simulacra.conditions import Band
from simulacra.events import take_part
from simulacra.judges import Verdict, judging
from simulacra.store import open_events, write_events
from simulacra.workflows.judged_model import keep_judged
from tiny_calogan import toy_showers


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, ["judge", *map(str, arguments)])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stores")
    other = CALOGAN.model_copy(update={"lateral_size": 300.0})
    events = {
        "truth": toy_events(1200, 1),
        "generated": toy_events(220, 2, width=1.4, simulator="simulacra wide toy"),
        "few": toy_events(50, 3),
        "other": toy_events(220, 2).assign_attrs(geometry=other.to_json()),
    }
    for name, sample in events.items():
        write_events(sample, folder / f"{name}.zarr")
    return {name: folder / f"{name}.zarr" for name in events}


class Recorder:
    """Stands for the judges: keeps what they are asked, and answers with a verdict that was made before."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[dict[str, Any]] = []

    def __call__(self, truth: xr.Dataset, generated: xr.Dataset, **options: Any) -> Verdict:
        self.asked.append({"truth": truth, "generated": generated, **options})
        return self.verdict

    @property
    def only(self) -> dict[str, Any]:
        """What was asked the one time."""
        (asked,) = self.asked
        return asked


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """Return a verdict on tables."""
    return judging.judge(table(210, 1), table(210, 2, shift=1.0))


@pytest.fixture
def judges(verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Put a recorder in the judges' place."""
    recorder = Recorder(verdict)
    monkeypatch.setattr(judging, "judge", recorder)
    monkeypatch.setattr("simulacra.reports.write", lambda verdict, folder: Path(folder) / "report.html")
    return recorder


def test_part_options_and_lines(
    stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judges: Recorder
) -> None:
    toy = ToyGenerator(width=1.4)
    monkeypatch.setattr("simulacra.trained.find.load_generator", lambda name: {"toy": toy}[name])
    output = tmp_path / "a report"
    options = ["--part", "test", "--generator", "toy", "--use", "shapes", "--seed", 7, "--max-events", 210]
    result = run(stores["truth"], stores["generated"], "-o", output, *options, "--protocol", "calochallenge")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Judging 210 generated events against 210 true ones: distances, classifiers")
    lines = result.stdout.splitlines()
    assert lines[0] == "FAIL: not good enough for a full stand-in, all features together."
    assert lines[1].startswith("Distinguishable: a classifier")
    assert lines[2].split()[0] == "fail"
    assert any(line.split()[:2] == ["fail", "Worst"] and "limit 0.1" in line for line in lines)
    assert lines[-1] == f"Report: {output / 'report.html'}"
    asked = judges.only
    np.testing.assert_array_equal(asked["truth"]["event"], take_part(toy_events(1200, 1), "test")["event"])
    np.testing.assert_array_equal(asked["train"]["event"], take_part(toy_events(1200, 1), "train")["event"])
    assert asked["generated"].attrs["simulator"] == "simulacra wide toy"
    assert asked["generator"] is toy
    assert (asked["use"], asked["seed"], asked["max_events"]) == ("shapes", 7, 210)
    assert (asked["protocol"], asked["members"], asked["hold_out"]) == ("calochallenge", (), None)


@pytest.mark.parametrize("protocol", ["calochallenge", "cross-validation"])
def test_the_calochallenges_protocol_cuts_all_samples_alike(tmp_path: Path, judges: Recorder, protocol: str) -> None:
    """Set 1: what is below 1 MeV is emptied in the truth, the generated and the training sample, or in none."""
    paths = [tmp_path / f"{name}.hdf5" for name in ("truth", "generated", "train")]
    rng = np.random.default_rng(1)
    showers = [np.exp(rng.normal(0, 2, (210, 368))).astype(np.float32) for _ in paths]
    for path, values in zip(paths, showers, strict=True):
        with h5py.File(path, "w") as file:
            file["incident_energies"], file["showers"] = np.full((210, 1), 1024.0), values
    truth, generated, train = paths
    result = run(truth, generated, "--train", train, "-o", tmp_path / "report", "--protocol", protocol)
    assert result.exit_code == 0, result.output
    for name, values in zip(("truth", "generated", "train"), showers, strict=True):
        seen = judges.only[name]["shower"].values
        expected = np.where(values < 1, 0, values) if protocol == "calochallenge" else values
        np.testing.assert_array_equal(np.sort(seen, axis=1), np.sort(expected, axis=1))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return stores of tables, one of which holds the events of three members."""
    folder = tmp_path_factory.mktemp("tables")
    members = np.arange(630) % 3
    events = {
        "truth": table(210, 1),
        "good": table(210, 2),
        "bad": table(210, 3, shift=1.0).assign_attrs(seconds_per_event=0.002),
        "members": table(630, 4, member=number(members, "condition", name="member")),
    }
    for name, sample in events.items():
        write_events(sample, folder / f"{name}.zarr")
    return {name: folder / f"{name}.zarr" for name in events}


def test_generators_are_compared(tables: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / "comparison"
    result = run(tables["truth"], tables["good"], tables["bad"], "--compare", "-o", output, "--quiet")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1] == f"Report: {output / 'comparison.html'}"
    assert sorted(path.name for path in output.iterdir()) == ["bad", "comparison.html", "comparison.json", "good"]
    for name in ("good", "bad"):
        assert sorted(path.name for path in (output / name).iterdir()) == ["report.html", "report.json"]
        assert f'href="{name}/report.html"' in (output / "comparison.html").read_text(encoding="utf-8")
    record = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert {"good", "bad"} <= set(re.findall(r"\w+", json.dumps(record)))
    reports = [json.loads((output / name / "report.json").read_text(encoding="utf-8")) for name in ("good", "bad")]
    good, bad = (report["verdict"]["outcome"] for report in reports)
    assert bad == "fail"
    assert good != "fail"
    assert "good" in lines[0]


def test_several_samples_are_one_ensemble(tables: dict[str, Path], judges: Recorder) -> None:
    result = run(tables["truth"], tables["good"], tables["bad"], "--ensemble")
    assert result.exit_code == 0, result.output
    assert judges.only["generated"].identical(open_events(tables["good"]))
    (member,) = judges.only["members"]
    assert member.identical(open_events(tables["bad"]))


def test_a_store_of_members_is_an_ensemble(tables: dict[str, Path], judges: Recorder) -> None:
    result = run(tables["truth"], tables["members"])
    assert result.exit_code == 0, result.output
    asked = judges.only
    assert [one.sizes["event"] for one in (asked["generated"], *asked["members"])] == [210, 210, 210]
    assert all("member" not in one for one in (asked["generated"], *asked["members"]))
    np.testing.assert_array_equal(asked["members"][1]["event"], np.arange(2, 630, 3))


@pytest.fixture(scope="module")
def tiny_showers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of what the tiny CaloGANs are trained on."""
    path = tmp_path_factory.mktemp("tiny") / "showers.zarr"
    write_events(toy_showers(220, 8), path)
    return path


def test_a_run_draws_events_at_the_conditions_of_the_truth(
    tiny_showers: Path, trained_run: Path, judges: Recorder
) -> None:
    result = run(tiny_showers, trained_run, "--max-events", 210)
    assert result.exit_code == 0, result.output
    asked = judges.only
    assert asked["generated"].sizes["event"] == 210
    assert np.isin(asked["generated"]["incident_energy"].values, asked["truth"]["incident_energy"].values).all()
    assert asked["generator"].path == trained_run / "model.safetensors"
    assert len(asked["learning_curves"].steps) > 0
    again = run(tiny_showers, trained_run / "model.safetensors", "--max-events", 210)
    assert again.exit_code == 0, again.output
    assert judges.asked[1]["generated"].equals(asked["generated"])
    kept = trained_run / "model.judged.json"
    try:
        assert f"Numbers kept in {kept}: simulacra info {trained_run} shows them" in result.stdout
        card = simulacra.info(trained_run)
    finally:
        kept.unlink()
    records = {record.command: record for record in card.judged}
    assert len(records) == 2
    record = next(one for command, one in records.items() if shlex.split(command)[3] == str(trained_run))
    assert record.weights == card.weights == (asked["generator"].weights_sha256,)
    assert (record.headline, record.truth) == (judges.verdict.headline, str(tiny_showers))
    assert "--max-events 210" in record.command
    found = [(one.criterion.title, one.finding.value, one.outcome) for one in judges.verdict.stated.judgements]
    assert [(one.name, one.value, one.outcome) for one in record.numbers] == found


def test_events_and_shipped_models_get_no_file(
    stores: dict[str, Path], judges: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(stores["truth"], stores["generated"])
    assert result.exit_code == 0, result.output
    assert "Numbers kept" not in result.stdout
    monkeypatch.setattr(
        "simulacra.trained.judged_file.add_judged", lambda *_: pytest.fail("a shipped file was changed")
    )
    assert keep_judged(judges.verdict, ["calogan-eplus"], command="", truth="") is None


def test_a_generator_lacks_a_condition(tables: dict[str, Path], trained_run: Path) -> None:
    result = run(tables["truth"], trained_run)
    assert result.exit_code == 2
    assert "the truth has no condition 'incident_energy', which" in result.output


def test_a_band_that_the_generator_saw_is_refused_with_the_remedy(
    tiny_showers: Path, trained_run: Path, tmp_path: Path
) -> None:
    result = run(tiny_showers, trained_run, "--hold-out", "energy:10:20", "-o", tmp_path / "report")
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "this includes the band incident_energy:10:20" in said
    assert "simulacra train EXPERIMENT --hold-out incident_energy:10:20" in said
    assert not (tmp_path / "report").exists()


def test_a_band_that_the_generator_did_not_see_is_judged(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch, judges: Recorder
) -> None:
    toy = ToyGenerator(hold_out=(Band("incident_energy", 10.0, 20.0),))
    monkeypatch.setattr("simulacra.trained.find.load_generator", lambda name: {"toy": toy}[name])
    result = run(stores["truth"], stores["generated"], "--generator", "toy", "--hold-out", "energy:12:20")
    assert result.exit_code == 0, result.output
    assert judges.only["hold_out"] == "energy:12:20"
    wider = run(stores["truth"], stores["generated"], "--generator", "toy", "--hold-out", "energy:12:30")
    assert wider.exit_code == 2
    assert "with incident_energy:10:20 held out" in wider.output


def test_a_band_is_judged_without_knowing_the_generator(stores: dict[str, Path], judges: Recorder) -> None:
    result = run(stores["truth"], stores["generated"], "--hold-out", "energy:10:20")
    assert result.exit_code == 0, result.output
    assert judges.only["hold_out"] == "energy:10:20"
    assert judges.only["generator"] is None


@pytest.mark.parametrize(
    ("samples", "options", "said"),
    [
        (["good", "bad"], [], "2 generated samples: add --compare or --ensemble, or give one"),
        (["good", "bad"], ["--compare", "--ensemble"], "choose one"),
        (["good", "good"], ["--compare"], "is given twice"),
        (["good"], ["--hold-out", "colour:1:2"], "colour"),
        (["good"], ["--hold-out", "nonsense"], "nonsense"),
        (["good"], ["--published-dataset", "2"], "only drawn with --compare"),
        (["good"], ["--use", "energy"], "no use 'energy' for tables"),
        (["good", "bad"], ["--compare", "--generator", "calogan-eplus"], "--generator is for one sample"),
    ],
)
def test_what_cannot_be_meant(
    tables: dict[str, Path], tmp_path: Path, samples: list[str], options: list[str], said: str
) -> None:
    output = tmp_path / "report"
    result = run(tables["truth"], *(tables[name] for name in samples), "-o", output, *options)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not output.exists()


@pytest.mark.parametrize(
    ("truth", "generated", "options", "said"),
    [
        ("truth", "nowhere", [], "nowhere"),
        ("truth", "few", [], "50 events are too few to judge; at least 200 are needed"),
        ("truth", "other", [], "different detectors: lateral_size 480.0 against 300.0"),
        ("truth", "generated", ["--part", "test", "--train", "x"], "--part test uses the truth's own training part"),
        ("truth", "generated", ["--generator", "nobody"], "'nobody' is neither a file"),
    ],
)
def test_bad_input(
    stores: dict[str, Path], tmp_path: Path, truth: str, generated: str, options: list[str], said: str
) -> None:
    output = tmp_path / "report"
    result = run(stores[truth], stores.get(generated, tmp_path / "nowhere.zarr"), "-o", output, *options)
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "Traceback" not in result.output
    assert not output.exists()


def test_output_that_is_a_file(stores: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine", encoding="utf-8")
    result = run(stores["truth"], stores["generated"], "-o", tmp_path / "report")
    assert result.exit_code == 2
    assert "is a file; -o names a folder" in result.output
    assert (tmp_path / "report").read_text(encoding="utf-8") == "mine"


def test_nan_in_the_generated_events(tmp_path: Path, stores: dict[str, Path]) -> None:
    import h5py

    path = tmp_path / "nan.h5"
    cells = toy_events(210, 5)["shower"].values.copy()
    cells[12, 100] = np.nan
    with h5py.File(path, "w") as file:
        file["energy"] = np.full((210, 1), 50.0, dtype=np.float32)
        file["showers"] = cells
    result = run(stores["truth"], path, "-o", tmp_path / "report", "--particle", "e+")
    assert result.exit_code == 2
    assert "nan" in result.output.lower()
    assert "12" in result.output
