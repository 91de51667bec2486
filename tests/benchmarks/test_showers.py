"""The front of shower generators: what is listed, how a shower's time and weights count, and a run from end to end."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.showers import __main__ as benchmark
from benchmarks.showers import drawing, models, quality, refined, speed, summary, truth
from benchmarks.showers.drawing import Job
from benchmarks.showers.figure import front
from benchmarks.showers.models import Entry
from benchmarks.showers.tables import print_tables
from benchmarks.showers.truth import Sources
from benchmarks.stages import run_stage

from judged_showers import toy_events
from simulacra.events import take_part
from simulacra.judges.published_results import Published, PublishedResult
from simulacra.pages.front import PUBLISHED
from simulacra.statistics.classifiers.classifier import classify
from simulacra.store import write_events
from tiny_calogan import toy_showers

FAMILIES = ["CaloGAN", "VAE", "flow", "flow matching", "distilled", "refined", "analytic"]
POSITRONS = Entry("toy-eplus", "toy", "toy", "e+", "toy")


# the list


def test_every_family_is_listed_and_its_weights_are_at_hand() -> None:
    entries = models.read_entries().values()
    assert [entry.label for entry in entries if entry.particle == "e+"] == FAMILIES
    # Of photons, those families that were worth a training.
    assert [entry.label for entry in entries if entry.particle == "gamma"] == [
        label for label in FAMILIES if label not in ("VAE", "flow")
    ]
    for entry in entries:
        assert all(path is not None and path.is_file() for path in models.files_of(entry).values()), entry.name
    assert all((entry.refiner is not None) == (entry.label == "refined") for entry in entries)


def test_a_family_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(models.LIST.read_text() + 'new = { label = "new", family = "n", particle = "e+", weights = "w" }\n')
    assert models.read_entries(path) == models.read_entries() | {"new": Entry("new", "new", "n", "e+", "w")}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('a = { label = "a", family = "a", particle = "e+" }', "'a' needs"),
        ('a = { label = "a", family = "a", particle = "e+", weights = "w", colour = "red" }', "'a' needs"),
        ('a = { label = "a", family = "a", particle = "pi+", weights = "w" }', "not 'pi\\+'"),
        ('a = { label = "a", family = "a", particle = "e+", weights = 3 }', "must be a text, not 3"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(f"[models]\n{line}\n")
    with pytest.raises(ValueError, match=message):
        models.read_entries(path)


def test_models_are_given_by_name(trained_run: Path) -> None:
    entries = models.with_given(models.read_entries(), [f"vae-eplus={trained_run}", f"mine={trained_run}"])
    assert entries["vae-eplus"].weights == str(trained_run)
    assert entries["vae-eplus"].label == "VAE"
    assert entries["mine"] == Entry("mine", "mine", "mine", "e+", str(trained_run))
    assert models.located(str(trained_run)) == (trained_run / "model.safetensors").resolve()
    for text, message in (("mine", "is not NAME=PATH"), ("mine=/nowhere", "there is no model '/nowhere'")):
        with pytest.raises(ValueError, match=message):
            models.with_given({}, [text])


def test_a_number_is_computed_again_if_what_it_depends_on_changed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    first = models.digest(POSITRONS, file)
    assert models.digest(POSITRONS, file) == first
    file.write_bytes(b"2")
    assert len({first, models.digest(POSITRONS, file), models.digest(POSITRONS)}) == 3


# Geant4 against Geant4


def test_the_reference_sample_is_halved_and_a_file_stands_against_it(tmp_path: Path) -> None:
    reference = Sources("e+", most=400)
    one, other, said = truth.pair(reference)
    assert (one.sizes["event"], other.sizes["event"]) == (200, 200)
    assert not set(one["event"].values) & set(other["event"].values)
    assert "halves of the shipped reference sample" in said
    assert reference.training_events() is None

    path = tmp_path / "more.zarr"
    write_events(toy_events(300, 5), path)
    sources = Sources("e+", truth=str(path))
    one, other, said = truth.pair(sources)
    assert "and the shipped reference sample" in said
    assert other.sizes["event"] == 2_500
    training = sources.training_events()
    assert training is not None
    assert not set(training["event"].values) & set(one["event"].values)
    # Showers that are in both are no second sample.
    write_events(truth.Sources("e+").events(), tmp_path / "same.zarr")
    assert "halves" in truth.pair(Sources("e+", truth=str(tmp_path / "same.zarr")))[2]


def test_a_time_that_is_not_known_is_none() -> None:
    events = toy_showers(10)
    assert truth.milliseconds(events) == 250.0
    assert truth.milliseconds(events.assign_attrs(seconds_per_event=np.nan)) is None
    assert truth.milliseconds(events.assign_attrs(seconds_per_event=0.0)) is None


# time


def test_a_time_is_that_of_a_shower(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that each shower moves on by 2 ms, and nothing else does."""
    clock = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])

    def call(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        clock[0] += 0.002 * len(rows)
        return rng.standard_normal((len(rows), 3))

    found = speed.measured(call, np.ones((7, 1), np.float32), 10, 1.0)
    assert found["median"] == pytest.approx(2.0)
    assert found["low"] == pytest.approx(2.0)
    assert found["repetitions"] == 50
    # A clock of the test's making, but the processor's own: next to nothing is used.
    assert 0 <= found["cores"] < 0.5
    few = speed.measured(call, np.ones((7, 1), np.float32), 1000, 1.0)
    assert few["repetitions"] == speed.FEWEST_REPETITIONS
    for broken in (lambda rows, _: np.full((len(rows), 3), np.nan), lambda rows, _: np.ones((len(rows) - 1, 3))):
        with pytest.raises(RuntimeError, match="10 finite showers"):
            speed.measured(broken, np.ones((7, 1), np.float32), 10, 0.0)


def test_the_faster_runtime_counts_at_each_batch(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])

    def taking(call: float, shower: float) -> Any:
        def made(rows: np.ndarray, _: Any) -> np.ndarray:
            clock[0] += call + shower * len(rows)
            return np.ones((len(rows), 2))

        return made

    runtimes = {"torch": taking(0.010, 0.001), "onnx": taking(0.001, 0.002)}
    monkeypatch.setattr(speed, "_runtimes", lambda *_: (runtimes, None))
    monkeypatch.setattr(Sources, "events", lambda self: toy_showers(20))
    found = speed.speed(Path(), Job(Entry("t", "t", "t", "e+", str(trained_run)), Sources("e+"), 1, 0.0), 0.0)
    assert {batch: told["runtime"] for batch, told in found["fastest"].items()} == {
        "1": "onnx",
        "100": "torch",
        "1024": "torch",
    }
    assert found["fastest"]["1"]["median"] == pytest.approx(3.0)
    assert found["torch"]["1"]["median"] == pytest.approx(11.0)


class Weigher:
    """A refiner that gives showers above 1 MeV in the first cell the weight 0, and costs nothing to make."""

    def weights_of(self, showers: np.ndarray, conditions: dict[str, np.ndarray], index: np.ndarray) -> Any:
        self.seen = showers.shape, {name: values.tolist() for name, values in conditions.items()}, index.tolist()
        return type("Refined", (), {"weights": np.where(showers[:, 0] > 1, 0.0, 2.0)})()

    def weights(self, events: xr.Dataset) -> Any:
        conditions = {str(name): events[name].values for name in events.data_vars if name != "shower"}
        return self.weights_of(events["shower"].values, conditions, events["event"].values)


def test_showers_are_weighed_while_the_clock_runs() -> None:
    refiner = Weigher()
    call = refined.weighing(lambda rows, _: np.ones((len(rows), 4)), refiner, ["incident_energy", "impact_x"])
    cells = call(np.array([[1.0, 2.0], [3.0, 4.0]]), np.random.default_rng(1))
    assert cells.shape == (2, 4)
    assert refiner.seen == ((2, 4), {"incident_energy": [1, 3], "impact_x": [2, 4]}, [0, 1])


# weights in the judgement


def test_a_sample_is_judged_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the generated showers are twice as wide: told at once as they are, and not told with the weight 0.

    With 300 + 300 of equal distribution the AUC's error is 0.025: it lies above 0.6 once in 30,000 draws.
    """
    geant4 = toy_events(300, 1)
    good, bad = toy_events(300, 2, energy=geant4["incident_energy"].values), toy_events(300, 3, width=2.0)
    bad = bad.assign_coords(event=bad["event"] + 300)
    mixed = xr.concat([good, bad], "event", combine_attrs="override", join="outer", data_vars="all")
    mixed["shower"][:300, 0], mixed["shower"][300:, 0] = 0.0, 1.5

    def generate(entry: Entry, events: xr.Dataset, seed: int) -> xr.Dataset:
        return refined.with_weights(mixed, Weigher()) if entry.refiner else mixed

    monkeypatch.setattr(drawing, "generate", generate)
    monkeypatch.setattr(quality, "classify", partial(classify, repetitions=1))
    monkeypatch.setattr(Sources, "events", lambda self: geant4)
    found = {}
    for refiner in (None, "r"):
        entry = Entry("toy", "toy", "toy", "e+", "toy", refiner)
        job = Job(entry, Sources("e+"), 1, 0.0)
        found[refiner] = quality.area(Path(), job, "shapes"), quality.distances(Path(), job)
    assert found[None][0]["auc"] > 0.7
    assert found["r"][0]["auc"] < 0.6
    assert found["r"][0]["auc"] == max(found["r"][0][kind]["auc"] for kind in quality.CLASSIFIERS)
    assert found[None][1]["effective_share"] == 1.0
    assert found["r"][1]["effective_share"] == pytest.approx(0.5)
    # A share of equal weights, binomial: the error is sqrt(0.5 * 0.5 / 600), and that of 200 bootstraps 5 % of it.
    assert found["r"][1]["effective_share_error"] == pytest.approx(0.0204, rel=0.25)
    assert found[None][1]["effective_share_error"] == 0.0
    fpd = {refiner: told[1]["frechet_physics_distance"] for refiner, told in found.items()}
    assert fpd["r"].value + 3 * fpd["r"].uncertainty < fpd[None].value
    assert found["r"][1]["memorisation"] is None


def stages(milliseconds: float, share: float, auc: float = 0.53) -> dict[str, dict[str, Any]]:
    told = {"auc": auc, "error": 0.01}
    area = {**told, "trees": told, "perceptron": told, "n_truth": 9, "n_generated": 9}
    time = {"median": milliseconds, "low": milliseconds, "high": milliseconds}
    times = {str(batch): time for batch in speed.BATCHES}
    return {
        "low_level": area,
        "shapes": area,
        "distances": {"effective_share": share, "effective_share_error": 0.02},
        "speed": {"torch": times, "fastest": times},
    }


def test_milliseconds_count_for_an_effective_shower_and_goals_by_them() -> None:
    record = summary.model_record(POSITRONS, summary.JUDGED, None, stages(0.2, 0.5))
    assert record["milliseconds"]["100"]["median"] == 0.2
    assert record["milliseconds_per_effective_shower"]["100"] == 0.4
    assert record["goals"] == {"low_level": True, "shapes": True, "batch_1": True, "batch_100": False}
    assert all(summary.model_record(POSITRONS, summary.JUDGED, None, stages(0.2, 0.9))["goals"].values())
    record = summary.model_record(POSITRONS, summary.NOT_TRAINED, None, {})
    assert record["status"] == "not trained"
    assert "auc" not in record


# tables and figures


def front_record() -> dict[str, Any]:
    refiner = Entry("r", "refined", "refined", "e+", "toy", "r")
    rows = [
        summary.model_record(models.geant4("e+"), summary.JUDGED, None, {"low_level": stages(1, 1)["low_level"]}),
        summary.model_record(POSITRONS, summary.JUDGED, {"parameters": 1234, "file_bytes": 2e6}, stages(0.2, 1.0)),
        summary.model_record(refiner, summary.JUDGED, None, stages(0.2, 0.5)),
        summary.model_record(Entry("v", "VAE", "VAE", "e+", "none"), summary.NOT_TRAINED, None, {}),
    ]
    there = {
        "truth": "a truth",
        "showers": 9,
        "pair": "halves",
        "geant4_milliseconds": 250.0,
        "geant4_time": "its time",
        "models": rows,
    }
    settings = {"seed": 1, "folds": 5, "cell_threshold": 0.0}
    return {"settings": settings, "goals": summary.GOALS, "processor": "a processor", "particles": {"e+": there}}


def test_times_of_a_busy_machine_are_called_so() -> None:
    record = front_record()
    assert "Other programs" not in print_tables(record)
    record["particles"]["e+"]["models"][1]["milliseconds"]["100"]["cores"] = 0.5
    assert "Other programs ran during the timing of toy (e+)" in print_tables(record)


def test_tables_show_what_is_missing_and_what_a_weighted_shower_costs(capsys: pytest.CaptureFixture[str]) -> None:
    told = print_tables(front_record())
    assert "| VAE | not trained |  |" in told
    assert "| toy | 0.530 ± 0.010 | 0.530 ± 0.010 | – | – | – | – | 0.2 | 0.2 | 0.2 | 1,234 | – | – | 2 |" in told
    assert "| refined | 0.530 ± 0.010 | 0.530 ± 0.010 | – | – | – | – | 0.4 (plain 0.2) |" in told
    assert "| Geant4 against Geant4 | 0.530 ± 0.010 | – | – | – | – | – | 250 | 250 | 250 |" in told
    assert "| 0.2 (0.2 to 0.2) | – | – | – | 50 ± 2 % |" in told
    assert "All are reached by toy (e+)." in told.replace("\n", " ")
    assert "cells above 0 MeV" in told.replace("\n", " ")
    assert "not trained" in capsys.readouterr().out


def test_the_figure_shows_what_is_judged_and_what_is_published() -> None:
    results = tuple(PublishedResult(f"model {k}", {"cells": (0.7, 0.01)}, 10.0 + k) for k in range(2))
    svg, png = front(front_record(), None)
    assert png.startswith(b"\x89PNG")
    published, _ = front(front_record(), Published("ds1_photons", "time CPU 100", results))
    assert published.count(PUBLISHED.encode()) > svg.count(PUBLISHED.encode()) == 0
    untrained = front_record()
    untrained["particles"]["e+"]["models"] = untrained["particles"]["e+"]["models"][:1]
    assert front(untrained, None)[0].count(b"<use") < svg.count(b"<use")


# a run


def no_export(*_: Any, **__: Any) -> None:
    raise RuntimeError("no such operator")


def one_after_the_other(folder: Path, asked: dict[str, tuple[Any, ...]], workers: int) -> dict[str, dict[str, Any]]:
    return {name: run_stage(folder, name, *stage) for name, stage in asked.items()}


def test_a_run_judges_what_is_there_and_says_what_is_not(
    tmp_path: Path, trained_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "run_stages", one_after_the_other)
    monkeypatch.setattr(quality, "classify", partial(classify, repetitions=1))
    monkeypatch.setattr(speed, "export", no_export)
    path = tmp_path / "truth.zarr"
    write_events(toy_showers(2_050), path)
    listed = tmp_path / "models.toml"
    listed.write_text(
        "[models]\n"
        f'toy = {{ label = "toy", family = "GAN", particle = "e+", weights = "{trained_run}" }}\n'
        'vae = { label = "VAE", family = "VAE", particle = "e+", weights = "vae-toy" }\n'
        f'other = {{ label = "o", family = "o", particle = "e+", weights = "{trained_run}", refiner = "nowhere" }}\n'
    )
    arguments = ["--list", listed, "--truth", f"e+={path}", "--folder", tmp_path / "runs", "-o", tmp_path / "out"]
    arguments += ["--seconds", 0.0]
    monkeypatch.setattr(sys, "argv", ["showers", *map(str, arguments)])
    benchmark.main()
    told = capsys.readouterr().out
    assert "vae: there is no model 'vae-toy'" in told
    assert "other: there is no model 'nowhere'" in told
    record = json.loads((tmp_path / "out" / "showers.json").read_text(encoding="utf-8"))
    there = record["particles"]["e+"]
    n = take_part(toy_showers(2_050), "test").sizes["event"]
    assert there["showers"] == n
    by_name = {model["name"]: model for model in there["models"]}
    assert {name: model["status"] for name, model in by_name.items()} == {
        "geant4-eplus": "judged",
        "toy": "judged",
        "vae": "not trained",
        "other": "not trained",
    }
    toy, null = by_name["toy"], by_name["geant4-eplus"]
    # A GAN of twelve steps; the error of the null at these sizes is 0.03.
    assert toy["auc"]["low_level"]["auc"] > 0.9
    assert null["auc"]["low_level"]["auc"] < 0.65
    assert null["auc"]["shapes"]["n_truth"] == n // 2
    assert toy["memorisation"]["training_showers"] == take_part(toy_showers(2_050), "train").sizes["event"]
    assert 0 < toy["memorisation"]["p_value"] <= 1
    assert toy["speed"]["onnx_fault"] == "RuntimeError: no such operator"
    assert toy["milliseconds"]["1024"] == {"runtime": "torch", **toy["speed"]["torch"]["1024"]}
    assert toy["training_events"] > 0
    assert toy["parameters"] > 100
    assert there["geant4_milliseconds"] == 250.0
    page = (tmp_path / "out" / "showers.md").read_text(encoding="utf-8")
    assert page == print_tables(record)
    assert (tmp_path / "out" / "showers.svg").stat().st_size > 1000
    assert (tmp_path / "out" / "showers.png").stat().st_size > 1000

    # Again: nothing is done twice.
    monkeypatch.setattr(benchmark, "run_stages", lambda folder, asked, workers: _all_done(folder, asked))
    monkeypatch.setattr(benchmark, "front", lambda *_: (b"", b""))
    benchmark.main()
    assert json.loads((tmp_path / "out" / "showers.json").read_text())["particles"] == record["particles"]


def _all_done(folder: Path, asked: dict[str, tuple[Any, ...]]) -> dict[str, dict[str, Any]]:
    return {name: json.loads((folder / "results" / f"{name}.json").read_text()) for name in asked}


def test_a_model_that_cannot_be_used_is_a_row_that_says_why(
    tmp_path: Path, trained_on_five_conditions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    status, cost = benchmark._status(Entry("b", "b", "b", "e+", str(broken)), ["incident_energy"])
    assert status.startswith("cannot be used: ")
    assert cost is None
    entry = Entry("five", "five", "five", "e+", str(trained_on_five_conditions))
    assert "does not hold impact_x" in benchmark._status(entry, ["incident_energy"])[0]
    assert "five: the truth does not hold impact_x" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--truth", "pi+=file"], "give PARTICLE=FILE"),
        (["--truth", "file"], "give PARTICLE=FILE"),
        (["--models", "x"], "is not NAME=PATH"),
        (["--published", "/nowhere.json"], "cannot read published results"),
        (["--list", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["showers", "--folder", str(tmp_path), *arguments])
    with pytest.raises(SystemExit, match=message):
        benchmark.main()
