"""What every system must do, from its example experiment to a judged and exported model: no system is named here."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError

import simulacra
from simulacra.conditions import Condition
from simulacra.deploy.onnx import JUMPS, open_session
from simulacra.deploy.session import Session
from simulacra.events import EventsError, validate
from simulacra.events import names as variables_with
from simulacra.reports.score_page import write_score
from simulacra.reweighting.support import NoOverlapError
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.systems import any_system, makes, names, scoring_system, system
from simulacra.trained import TrainedGenerator, TrainedScore
from simulacra.workflows.export import drawn_conditions
from simulacra.workflows.train import read_sample
from system_checks import CHECKS, Case, case_of

TRAINED = [kind for kind in names() if makes(kind) != "weights"]
EVERY, EVENTS, WEIGHTS, SCORES = (
    pytest.mark.parametrize("trained", [kind for kind in names() if makes(kind) in made], indirect=True)
    for made in (("events", "scores"), ("events",), ("weights",), ("scores",))
)
#: a search's background is also beyond its signal region
BEYOND = pytest.mark.filterwarnings("ignore:.*beyond its signal region:simulacra.trained.ExtrapolationWarning")
OURS = Path(simulacra.systems.find.__file__).parent


@dataclass(frozen=True)
class Trained:
    """A system's example, trained: the events, the run folder, and what ``simulacra.load`` makes of it."""

    kind: str
    events: xr.Dataset
    run: Path
    model: Any


@pytest.fixture(scope="module")
def example_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, Any], Path]]:
    """Return a function that makes a system's example once; it skips if a package that this needs is not installed."""

    @cache
    def make(kind: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp(kind)
        try:
            return any_system(kind).example(folder), folder
        except (ImportError, PythiaError) as error:
            if "pip install" not in str(error):
                raise
            pytest.skip(str(error))

    return make


@pytest.fixture(scope="module")
def trained(request: pytest.FixtureRequest, example_of: Callable[[str], tuple[dict[str, Any], Path]]) -> Trained:
    kind = request.param
    experiment, folder = example_of(kind)
    assert experiment["system"]["kind"] == kind
    lines = simulacra.train(experiment, folder / "run", progress=False)
    assert experiment["name"] in lines[-1]
    data = experiment["data"]
    events = read_sample(data["path"])
    return Trained(
        kind, events.isel(event=slice(data.get("max_events"))), folder / "run", simulacra.load(folder / "run")
    )


def asked(trained: Trained, n: int) -> dict[str, Any]:
    """Return the conditions of the first events."""
    return {name: trained.events[name].values[:n] for name in trained.model.trained_range}


@pytest.mark.parametrize("kind", names())
def test_it_says_what_it_is(kind: str) -> None:
    module = any_system(kind)
    assert (module.__doc__ or "").strip().splitlines()[0].endswith(".")
    if Path(str(module.__file__)).parent == OURS:  # type: ignore[attr-defined]
        assert "arXiv:" in (module.__doc__ or "")
    assert module.MAKES in ("events", "weights", "scores")
    assert all(isinstance(one, Condition) for one in module.CONDITIONS.values())
    assert module.Settings.model_fields["kind"].default == kind
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        module.Settings.model_validate({"kind": kind, "laten": 3})


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, example_of: Callable[[str], tuple[dict[str, Any], Path]]) -> Case:
    experiment, _ = example_of(request.param)
    events = read_sample(experiment["data"]["path"]).isel(event=slice(0, 200))
    return case_of(experiment["system"], events)


@pytest.mark.parametrize("case", TRAINED, indirect=True)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_before_it_is_trained(case: Case, check: Any, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_an_unknown_kind_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no system of kind 'caloflow'; there are: .*calogan"):
        any_system("caloflow")
    with pytest.raises(ValueError, match="'dctr' makes weights, not events"):
        system("dctr")


@EVENTS
def test_a_trained_generator_makes_valid_events_like_those_it_was_trained_on(trained: Trained) -> None:
    model = trained.model
    assert isinstance(model, TrainedGenerator)
    events = model.sample(70, seed=3, **asked(trained, 70))
    validate(events)
    for name, array in events.data_vars.items():
        assert array.dims == trained.events[name].dims
        assert array.dtype.kind == trained.events[name].dtype.kind
        assert array.attrs["units"] == trained.events[name].attrs["units"]
        assert array.attrs["role"] == trained.events[name].attrs["role"]
    for name in model.trained_range:
        np.testing.assert_array_equal(events[name].values, trained.events[name].values[:70])
    for name in system(trained.kind).CARRIES:
        assert events.attrs[name] == trained.events.attrs[name]
    assert set(events.coords) == set(trained.events.coords)
    assert json.loads(events.attrs["trained_range"]) == {k: list(v) for k, v in model.trained_range.items()}


@EVENTS
def test_an_event_depends_on_seed_index_and_conditions_alone(trained: Trained) -> None:
    model = trained.model
    whole = model.sample(150, seed=5, exact=True)
    part = model.sample(40, seed=5, first_event=80, exact=True)
    for name in whole.data_vars:
        np.testing.assert_array_equal(whole[name].values[80:120], part[name].values)
    again = model.sample(150, seed=6, exact=True)
    assert any((whole[name].values != again[name].values).any() for name in variables_with(whole, "feature"))


@EVENTS
def test_without_conditions_those_of_the_training_sample_are_drawn(trained: Trained) -> None:
    model = trained.model
    events = model.sample(400, seed=2)
    for name, (low, high) in model.trained_range.items():
        values = events[name].values
        assert values.min() >= low - 1e-6 * abs(low)
        assert values.max() <= high + 1e-6 * abs(high)
        # Of 400 events the mean lies within 5 of its errors, and that of the training events within theirs.
        truth = trained.events[name].values
        error = truth.std() * np.sqrt(1 / 400 + 1 / len(truth))
        assert abs(values.mean() - truth.mean()) < 5 * error
    empirical = model.conditions.empirical
    if len(empirical) > 1:
        # Conditions of one training event stay together.
        known = set(zip(*(values.tolist() for values in empirical.values()), strict=True))
        drawn = set(zip(*(events[name].values.astype("f4").tolist() for name in empirical), strict=True))
        assert drawn <= known


@EVENTS
def test_conditions_that_make_no_sense_are_refused(trained: Trained) -> None:
    with pytest.raises(ValueError, match="has no condition 'nonsense'"):
        trained.model.sample(2, nonsense=1.0)
    for name, one in trained.model.conditions.declared.items():
        with pytest.raises(ValueError, match=f"'{name}' is nan"):
            trained.model.sample(2, **asked(trained, 2) | {name: np.nan})
        if one.positive:
            with pytest.raises(ValueError, match=f"'{name}' is 0 .* above 0"):
                trained.model.sample(2, **asked(trained, 2) | {name: 0.0})
        if one.kind == "choice":
            named = trained.model.sample(2, **asked(trained, 2) | {name: one.choices[-1]})
            assert named[name].values.tolist() == [len(one.choices) - 1] * 2
            assert named[name].attrs["flag_meanings"].split() == [c.replace(" ", "_") for c in one.choices]
            with pytest.raises(ValueError, match="is not one of the choices"):
                trained.model.sample(2, **asked(trained, 2) | {name: "strange"})
        if one.kind == "integer":
            with pytest.raises(ValueError, match="a whole number"):
                trained.model.sample(2, **asked(trained, 2) | {name: 1.5})


@pytest.mark.slow
@EVENTS
def test_a_store_is_generated_and_judged(trained: Trained, tmp_path: Path) -> None:
    model = trained.model
    like = trained.events.isel(event=slice(0, 220))
    simulacra.write_events(like, tmp_path / "like.zarr")
    options = {"like": tmp_path / "like.zarr"} if model.trained_range else {}
    simulacra.generate(trained.run, tmp_path / "made.zarr", 220, seed=4, progress=False, batch_size=128, **options)
    made = simulacra.open_events(tmp_path / "made.zarr").load()
    expected = model.sample(220, seed=4, exact=True, **{name: like[name].values for name in model.trained_range})
    for name in expected.data_vars:
        np.testing.assert_array_equal(made[name].values, expected[name].values)
    for name in expected.coords:
        np.testing.assert_array_equal(made[name].values, expected[name].values)
    verdict = simulacra.judge(trained.events.isel(event=slice(300, 520)), trained.run, seed=1, progress=False)
    assert "learning_curves" in verdict.evidence
    assert verdict.stated.outcome in ("pass", "pass with weights", "fail", "undecided")
    page = simulacra.reports.write(verdict, tmp_path / "report")
    assert verdict.headline.split(":")[0] in page.read_text(encoding="utf-8")


@pytest.mark.slow
@EVENTS
def test_its_events_are_refined(trained: Trained, tmp_path: Path) -> None:
    settings = ["training.steps=4", "training.batch_size=64", "training.validate_every=2"]
    options: dict[str, Any] = {"times": 1, "overrides": settings, "allow_missing_support": True, "judged": False}
    try:
        refiner = simulacra.refine(trained.run, trained.events, tmp_path / "refined", progress=False, **options)
    except NoOverlapError as error:
        # An example trains for seconds: its events may be too far off, and are refused with where they are.
        assert "source and target do not overlap in" in str(error)  # noqa: PT017
        return
    weighted = trained.model.refined_by(tmp_path / "refined").sample(40, seed=3, **asked(trained, 40))
    plain = trained.model.sample(40, seed=3, exact=True, **asked(trained, 40))
    for name in plain.data_vars:
        np.testing.assert_array_equal(weighted[name].values, plain[name].values)
    assert np.isfinite(weighted["weight"].values).all()
    assert (weighted["weight"].values > 0).all()
    assert weighted.attrs["refiner"] == refiner.sha256
    simulacra.write_events(trained.events.isel(event=slice(0, 40)), tmp_path / "like.zarr")
    made: dict[str, Any] = {"like": tmp_path / "like.zarr"} if trained.model.trained_range else {"n_events": 40}
    simulacra.generate(
        trained.run, tmp_path / "made.zarr", seed=3, refine=str(tmp_path / "refined"), progress=False, **made
    )
    stored = simulacra.open_events(tmp_path / "made.zarr")["weight"].values
    np.testing.assert_array_equal(stored, weighted["weight"].values)


@pytest.mark.slow
@EVERY
def test_the_exported_file_does_what_torch_does(trained: Trained, tmp_path: Path) -> None:
    if importlib.util.find_spec("onnxscript") is None:
        pytest.skip("onnxscript is not installed: pip install 'simulacra[export]'")
    model, path = trained.model, tmp_path / "model.onnx"
    simulacra.export(model, path)
    session = open_session(path)
    assert [one["name"] for one in session.metadata["inputs"]["conditions"]] == list(model.trained_range)
    assert all(one["units"] for one in session.metadata["outputs"])
    rows = drawn_conditions(model, 70)
    first = np.random.default_rng(3).standard_normal((70, session.latent), np.float32)
    with torch.inference_mode():
        expected = model.module(torch.from_numpy(first), torch.from_numpy(rows)).numpy()
    made = session.run(first, rows)
    flat, right = made.reshape(70, -1), expected.reshape(70, -1)
    scale = np.abs(right).max() if right.shape[1] == 1 else np.maximum(np.abs(right).max(axis=1, keepdims=True), 1e-30)
    assert (np.abs(flat - right) / scale > 1e-5).mean() <= 2 * JUMPS
    assert_impossible_is_refused(session, model, first, rows)


def assert_impossible_is_refused(session: Session, model: Any, first: np.ndarray, rows: np.ndarray) -> None:
    """An impossible row is NaN throughout, and spoils no other."""
    broken, wrong = rows.copy(), first.copy()
    wrong[1, 0] = np.nan
    for column in model.above_zero:
        broken[2, column] = 0.0
    made = session.run(wrong, broken).reshape(len(rows), -1)
    assert np.isnan(made[1]).all()
    assert np.isnan(made[2]).all() == bool(model.above_zero)
    np.testing.assert_array_equal(made[3:], session.run(first, rows).reshape(len(rows), -1)[3:])


@EVERY
def test_it_can_be_moved_to_a_device_or_says_that_there_is_none(trained: Trained) -> None:
    trained.model.to("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch finds no device 'cuda'"):
            trained.model.to("cuda")


@WEIGHTS
def test_weights_are_positive_and_about_1(trained: Trained) -> None:
    model = trained.model
    source = trained.events
    parameters = {name: (low + high) / 2 for name, (low, high) in model.bounds.items()}
    found = model.weights(source, **parameters)
    assert found.shape == (source.sizes["event"],)
    assert np.isfinite(found).all()
    assert (found > 0).all()
    assert found.mean() == pytest.approx(1, abs=0.5)


@BEYOND
@SCORES
def test_scores_are_written_with_the_events_indices(trained: Trained, tmp_path: Path) -> None:
    model = trained.model
    assert isinstance(model, TrainedScore)
    some = trained.events.isel(event=slice(100, 250))
    simulacra.score(trained.run, some, tmp_path / "scores.zarr", batch_size=64, progress=False)
    found = simulacra.open_events(tmp_path / "scores.zarr").load()
    validate(found)
    np.testing.assert_array_equal(found["event"].values, some["event"].values)
    # An event's score depends neither on the other events nor on the chunk.
    np.testing.assert_array_equal(found["score"].values, model.score(trained.events)[100:250])
    assert (found["score"].attrs["units"], found["score"].attrs["long_name"]) == model.score_attributes
    for name in model.trained_range:
        np.testing.assert_array_equal(found[name].values, some[name].values)


@BEYOND
@SCORES
def test_events_without_what_a_score_depends_on_are_refused(trained: Trained) -> None:
    model = trained.model
    assert isinstance(model, TrainedScore)
    some = trained.events.isel(event=slice(10))
    for name, units in model.needs.items():
        with pytest.raises(EventsError, match=rf"\['{name}'\] are not in"):
            model.score(some.drop_vars(name))
        if units != "1":
            other = some.assign({name: some[name].assign_attrs(units="GeV" if "GeV" not in units else "mm")})
            with pytest.raises(EventsError, match=f"'{name}' has the unit .* cannot be converted"):
                model.score(other)
        if some[name].dtype.kind == "f":
            broken = some.assign({name: some[name].where(some["event"] != some["event"][7])})
            with pytest.raises(EventsError, match=f"'{name}' is nan in event {int(some['event'][7])}"):
                model.score(broken)


@BEYOND
@SCORES
def test_a_score_finds_its_example_signal_and_is_judged(trained: Trained, tmp_path: Path) -> None:
    model, kind = trained.model, trained.kind
    assert isinstance(model, TrainedScore)
    signal = read_sample(str(scoring_system(kind).example_signal(tmp_path)))
    background = trained.events.isel(event=slice(400))
    null = trained.events.isel(event=slice(400, 800))
    verdict = simulacra.judge_score(background, signal, null, model=model, seed=1)
    found = {finding.judge: finding for finding in verdict.findings}
    assert found["score_auc"].value > 0.5 + 3 * found["score_auc"].uncertainty
    # The events are of one distribution: a false alarm in one sample of a thousand.
    assert found["null_auc"].p_value > 1e-3
    page = write_score(verdict, tmp_path / "report", title=model.name)
    assert verdict.headline.split(":")[0] in page.read_text(encoding="utf-8")
    json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_a_folder_of_systems_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lost = str(tmp_path / "nowhere")
    monkeypatch.setattr(simulacra.systems, "__path__", [*simulacra.systems.__path__, lost])
    with pytest.warns(UserWarning, match=f"SIMULACRA_SYSTEMS names {lost}, which is no folder"):
        assert "calogan" in simulacra.systems.names()
