"""Scores of stores, files and events: resumed, by several processes, in other units, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.errors import is_explained
from simulacra.events import EventsError, variable
from simulacra.formats import single_file
from simulacra.store import StoreError, StoreExistsError
from simulacra.systems import any_system
from simulacra.trained import ExtrapolationWarning, TrainedScore
from simulacra.workflows.score import scores_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score")
    simulacra.train(any_system("toy_score").example(folder), folder / "run", progress=False)
    return folder / "run"


@pytest.fixture(scope="module")
def model(run: Path) -> TrainedScore:
    trained = simulacra.load(run)
    assert isinstance(trained, TrainedScore)
    return trained


def inside(events: xr.Dataset, model: TrainedScore) -> xr.Dataset:
    low, high = model.trained_range["proper_motion"]
    motion = events["proper_motion"].values
    return events.isel(event=np.flatnonzero((low <= motion) & (motion <= high)))


@pytest.fixture(scope="module")
def stars(model: TrainedScore) -> xr.Dataset:
    events = inside(any_system("toy_score").stars(400, 7), model)  # type: ignore[attr-defined]
    weights = np.random.default_rng(1).exponential(size=events.sizes["event"])
    events["weight"] = variable(weights, units="1", long_name="weight", role="weight")
    return events.assign_coords(event=1000 + 3 * np.arange(events.sizes["event"]))


def test_a_store_and_a_file_are_scored_alike_with_their_indices(
    model: TrainedScore, run: Path, stars: xr.Dataset, tmp_path: Path
) -> None:
    simulacra.write_events(stars, tmp_path / "stars.zarr")
    single_file.write(stars, tmp_path / "stars.h5")
    for number, source in enumerate((tmp_path / "stars.zarr", tmp_path / "stars.h5", stars)):
        output = tmp_path / f"scores-{number}.zarr"
        summary = simulacra.score(run, source, output, batch_size=(100, 64, 7)[number], progress=False)
        assert summary.n_events == stars.sizes["event"]
        found = simulacra.open_events(output).load()
        np.testing.assert_array_equal(found["event"].values, stars["event"].values)
        np.testing.assert_array_equal(found["score"].values, model.score(stars))
        np.testing.assert_array_equal(found["weight"].values, stars["weight"].values)
        assert found.attrs["weights_sha256"] == model.weights_sha256
        assert '"simulator": "toy sky"' in found.attrs["settings"]


@pytest.mark.slow
def test_processes_do_not_change_a_bit(model: TrainedScore, stars: xr.Dataset, tmp_path: Path) -> None:
    simulacra.write_events(stars, tmp_path / "stars.zarr")
    lazy = simulacra.open_events(tmp_path / "stars.zarr")
    simulacra.score(model, lazy, tmp_path / "scores.zarr", batch_size=150, workers=2, progress=False)
    found = simulacra.open_events(tmp_path / "scores.zarr")
    np.testing.assert_array_equal(found["score"].values, model.score(stars))


def test_a_network_of_matrices_scores_an_event_alike_beside_any_others(
    run: Path, stars: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = simulacra.load(run)
    torch.manual_seed(1)
    layers = torch.nn.Sequential(torch.nn.Linear(2, 100), torch.nn.ReLU(), torch.nn.Linear(100, 1))
    monkeypatch.setattr(model, "_by_torch", lambda z, _: layers(torch.from_numpy(z)).detach().numpy()[:, 0])
    whole = model.score(stars)
    for rows in (slice(0, 1), slice(5, 50), slice(17, 390, 3)):
        np.testing.assert_array_equal(model.score(stars.isel(event=rows)), whole[rows])


def test_an_interrupted_run_continues(
    model: TrainedScore, run: Path, stars: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = TrainedScore.scored
    calls: list[int] = []

    def stopped(self: TrainedScore, events: xr.Dataset) -> xr.Dataset:
        calls.append(events.sizes["event"])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return scored(self, events)

    monkeypatch.setattr(TrainedScore, "scored", stopped)
    with pytest.raises(KeyboardInterrupt, match="2 of 8 chunks are kept"):
        simulacra.score(run, stars, tmp_path / "scores.zarr", batch_size=50, progress=False)
    assert not (tmp_path / "scores.zarr").exists()
    summary = simulacra.score(run, stars, tmp_path / "scores.zarr", batch_size=50, progress=False)
    assert summary.n_resumed_events == 100
    found = simulacra.open_events(tmp_path / "scores.zarr")
    np.testing.assert_array_equal(found["score"].values, model.score(stars))


def test_a_store_of_other_events_is_not_taken_for_these(run: Path, stars: xr.Dataset, tmp_path: Path) -> None:
    output = tmp_path / "scores.zarr"
    simulacra.score(run, stars, output, progress=False)
    assert simulacra.score(run, stars, output, progress=False).n_resumed_events == stars.sizes["event"]
    other = stars.copy(deep=True)
    other["colour"].values[200] += 0.1
    with pytest.raises(StoreExistsError, match="complete store with other settings"):
        simulacra.score(run, other, output, progress=False)
    simulacra.score(run, other, output, overwrite=True, progress=False)


def test_other_units_are_converted(model: TrainedScore, stars: xr.Dataset) -> None:
    motion = stars["proper_motion"]
    other = stars.assign(proper_motion=(motion / 1000).assign_attrs(motion.attrs | {"units": "arcsecond/year"}))
    np.testing.assert_allclose(model.score(other), model.score(stars), rtol=1e-5)
    assert model.scored(other)["proper_motion"].attrs["units"] == "mas/yr"


def test_a_value_that_cannot_be_scored_is_named_with_its_chunk(run: Path, stars: xr.Dataset, tmp_path: Path) -> None:
    broken = stars.copy(deep=True)
    broken["magnitude"].values[120] = np.nan
    event = int(stars["event"][120])
    with pytest.raises(StoreError, match=rf"chunk 1 .* 'magnitude' is nan in event {event}.* 1 of 4 chunks are kept"):
        simulacra.score(run, broken, tmp_path / "scores.zarr", batch_size=100, progress=False)
    with pytest.raises(EventsError, match=r"\['colour'\] are not in"):
        simulacra.score(run, stars.drop_vars("colour"), tmp_path / "other.zarr", progress=False)
    with pytest.raises(ValueError, match="no events to score"):
        simulacra.score(run, stars.isel(event=slice(0)), tmp_path / "other.zarr", progress=False)
    assert not (tmp_path / "other.zarr.partial").exists()


def test_what_makes_no_scores_is_refused(stars: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'calogan-eplus' makes events, not scores"):
        simulacra.score("calogan-eplus", stars, tmp_path / "scores.zarr")
    with pytest.raises(ValueError, match="'dctr-z' makes weights, not scores"):
        simulacra.score("dctr-z", stars, tmp_path / "scores.zarr")


def test_events_outside_the_trained_range_are_warned_of_once(run: Path, stars: xr.Dataset, tmp_path: Path) -> None:
    far = stars.copy(deep=True)
    far["proper_motion"].values[:] += 100
    with pytest.warns(ExtrapolationWarning, match="reaches outside the trained range") as said:
        simulacra.score(run, far, tmp_path / "scores.zarr", batch_size=50, progress=False)
    assert len(said) == 1


def test_scores_that_are_there_are_taken_and_those_of_another_model_refused(
    model: TrainedScore, run: Path, stars: xr.Dataset, tmp_path: Path
) -> None:
    simulacra.write_events(stars, tmp_path / "stars.zarr")
    simulacra.score(run, tmp_path / "stars.zarr", tmp_path / "scores.zarr", progress=False)
    rng = np.random.default_rng(1)
    made, there = (scores_of(model, tmp_path / name, 10_000, rng) for name in ("stars.zarr", "scores.zarr"))
    for name in ("score", "weight", "proper_motion"):
        np.testing.assert_array_equal(made[name].values, there[name].values)
    assert scores_of(model, tmp_path / "scores.zarr", 50, rng).sizes["event"] == 50
    other = simulacra.open_events(tmp_path / "scores.zarr").load().assign_attrs(weights_sha256="0" * 64)
    simulacra.write_events(other, tmp_path / "other.zarr")
    with pytest.raises(ValueError, match=r"other.zarr' holds the scores of .*, not of 'toy-score'"):
        scores_of(model, tmp_path / "other.zarr", 50, rng)


def test_a_store_is_not_overwritten_by_its_own_scores(run: Path, stars: xr.Dataset, tmp_path: Path) -> None:
    source = tmp_path / "self.zarr"
    simulacra.write_events(stars, source)
    (tmp_path / "link.zarr").symlink_to(source)
    for events in (source, simulacra.open_events(source), tmp_path / "link.zarr"):
        for output in (source, source / "scores.zarr"):
            with pytest.raises(ValueError, match="would overwrite its own source"):
                simulacra.score(run, events, output, overwrite=True, progress=False)
    np.testing.assert_array_equal(simulacra.open_events(source)["colour"].values, stars["colour"].values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.zarr", "self.zarr"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "events at a time must be at least 1, not 0"),
        ({"batch_size": 1.5}, "events at a time must be a whole number, not 1.5"),
        ({"device": "tpu!"}, "torch finds no device 'tpu!'"),
        ({"device": 3}, "the device must be a name such as 'cpu' or 'cuda', not 3"),
    ],
)
def test_wrong_options_leave_nothing(
    run: Path, stars: xr.Dataset, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        simulacra.score(run, stars, tmp_path / "scores.zarr", progress=False, **wrong)
    assert is_explained(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_events_is_refused(model: TrainedScore) -> None:
    with pytest.raises(EventsError, match="events to score are a dataset, not NoneType"):
        model.score(None)  # type: ignore[arg-type]
    scores = np.random.default_rng(1).normal(size=500)
    with pytest.raises(ValueError, match="arrays are scores already"):
        simulacra.judge_score(scores, scores[:100], model=model)
