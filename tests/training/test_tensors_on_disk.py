"""Training on events that stay on disk: the same tensors, the same run, and nothing half made."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.events import take_part
from simulacra.store import open_events, write_events
from simulacra.systems import makes, names, trained_system
from simulacra.training.checkpoint import CheckpointError, data_hash
from simulacra.training.run import read_parts
from simulacra.training.settings import SettingsError
from simulacra.training.tensors_on_disk import FILE, stays_on_disk, tensors_on_disk
from tiny_calogan import toy_experiment, toy_showers

#: examples with many events by Pythia; these were tried by hand
SLOW_EXAMPLES = ("pile_up", "epic", "mpgan")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "showers.zarr"
    write_events(toy_showers(300), path, chunk_size=40)
    return path


def doubled(events: xr.Dataset) -> dict[str, torch.Tensor]:
    return {"shower": torch.tensor(2 * events["shower"].values), "event": torch.tensor(events["event"].values)}


def test_rows_are_those_of_tensors_in_memory(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.training.tensors_on_disk.BLOCK", 20_000)
    training, _ = read_parts(str(store), None, open_events, in_memory=False)
    whole, _ = read_parts(str(store), None, open_events, in_memory=True)
    assert stays_on_disk(training)
    assert not stays_on_disk(whole)
    found = tensors_on_disk(doubled, training, tmp_path, {"x": 1}, progress=False)
    wanted = doubled(whole)
    rows = torch.tensor([3, 150, 3, 0, 17])
    for name, tensor in wanted.items():
        assert len(found[name]) == len(tensor)
        torch.testing.assert_close(found[name][rows], tensor[rows], rtol=0, atol=0)
        torch.testing.assert_close(torch.cat(list(found[name].blocks(64))), tensor, rtol=0, atol=0)
    assert data_hash(found) == data_hash(wanted)


def test_a_run_from_disk_is_the_run_from_memory(store: Path, tmp_path: Path) -> None:
    from simulacra.training.loop import train
    from simulacra.training.run import prepare

    runs, experiment, module = {}, toy_experiment(), trained_system("calogan")
    settings = module.Settings(**experiment.system)
    for name, in_memory in (("memory", True), ("disk", False)):
        training, validation = read_parts(str(store), None, open_events, in_memory=in_memory)
        trainer = prepare(experiment, lambda events=training: module.Trainer(settings, events))
        train(experiment, trainer, training, validation, tmp_path / name, progress=False)
        rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        runs[name] = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
        assert not (tmp_path / name / FILE).exists(), "the tensors of a finished run are removed"
    assert runs["memory"] == runs["disk"]


def test_a_file_is_made_once_and_again_if_it_was_made_of_something_else(store: Path, tmp_path: Path) -> None:
    training, _ = read_parts(str(store), None, open_events, in_memory=False)
    made: list[int] = []

    def make(events: xr.Dataset) -> dict[str, torch.Tensor]:
        made.append(events.sizes["event"])
        return doubled(events)

    for what, times in (({"x": 1}, 1), ({"x": 1}, 1), ({"x": 2}, 2)):
        tensors_on_disk(make, training, tmp_path, what, progress=False)
        assert len(made) == times
    (tmp_path / FILE).write_bytes(b"damaged")
    tensors_on_disk(make, training, tmp_path, {"x": 2}, progress=False)
    assert len(made) == 3


def test_what_is_half_made_is_not_kept(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.training.tensors_on_disk.BLOCK", 20_000)
    training, _ = read_parts(str(store), None, open_events, in_memory=False)
    made: list[int] = []

    def make(events: xr.Dataset) -> dict[str, torch.Tensor]:
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        return doubled(events)

    with pytest.raises(KeyboardInterrupt):
        tensors_on_disk(make, training, tmp_path, {}, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda events: {"x": torch.zeros(1, 2)}, r"makes 1 rows of 'x' from \d+ events: .* data\.in_memory = true"),
        (lambda events: {"x": torch.zeros(events.sizes["event"], int(events["event"][0]) + 1)}, "'x' of the shape"),
    ],
)
def test_systems_whose_tensors_are_not_rows_are_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any, message: str
) -> None:
    monkeypatch.setattr("simulacra.training.tensors_on_disk.BLOCK", 20_000)
    training, _ = read_parts(str(store), None, open_events, in_memory=False)
    with pytest.raises(CheckpointError, match=message):
        tensors_on_disk(wrong, training, tmp_path, {}, progress=False)


def test_a_full_disk_is_named(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = read_parts(str(store), None, open_events, in_memory=False)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(CheckpointError, match=r"cannot be kept in .*tensors\.h5: .*No space left .*; free space"):
        tensors_on_disk(doubled, training, tmp_path, {}, progress=False)


def test_no_value_that_is_not_a_number_passes(tmp_path: Path) -> None:
    from simulacra.events import EventsError

    events = toy_showers(300)
    path = tmp_path / "showers.zarr"
    write_events(events, path, chunk_size=40)
    import zarr

    last = int(take_part(events, "train")["event"][-1])
    zarr.open_array(path / "shower", mode="r+")[last, 3] = np.nan
    training, _ = read_parts(str(path), None, lambda name: xr.open_zarr(name, chunks=None), in_memory=False)
    with pytest.raises(EventsError, match=rf"'shower' is nan in event {last}"):
        tensors_on_disk(doubled, training, tmp_path / "run", {}, progress=False)


def test_further_samples_need_memory(store: Path) -> None:
    with pytest.raises(SettingsError, match=r"data\.further cannot be used with events that stay on disk"):
        read_parts(str(store), None, open_events, further=[str(store)], in_memory=False)


def test_the_validation_part_is_bounded(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.training.run.MOST_VALIDATED", 1)
    monkeypatch.setattr("simulacra.training.run.FEWEST_VALIDATED", 9)
    _, validation = read_parts(str(store), None, open_events, in_memory=False)
    assert validation.sizes["event"] == 9
    _, validation = read_parts(str(store), None, open_events, in_memory=True)
    assert validation.sizes["event"] > 9


def test_large_samples_stay_on_disk_by_themselves(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not stays_on_disk(read_parts(str(store), None, open_events)[0])
    monkeypatch.setattr("simulacra.training.run.memory", lambda: 40_000)
    assert stays_on_disk(read_parts(str(store), None, open_events)[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [name for name in names() if makes(name) != "weights" and name not in SLOW_EXAMPLES])
def test_tensors_of_a_block_are_rows_of_those_of_all_events(kind: str, tmp_path: Path) -> None:
    """Otherwise a system could not train from disk."""
    from simulacra.training.run import prepare
    from simulacra.training.settings import Experiment, check
    from simulacra.workflows.train import read_sample

    module = trained_system(kind)
    experiment = check(Experiment, module.example(tmp_path), "the example")
    training, _ = read_parts(experiment.data.path, experiment.data.max_events, read_sample)
    settings = module.Settings(**experiment.system)
    trainer = prepare(experiment, lambda: module.Trainer(settings, training))
    whole = trainer.tensors(training)
    half = training.sizes["event"] // 2
    parts = [trainer.tensors(training.isel(event=rows)) for rows in (slice(0, half), slice(half, None))]
    for name, tensor in whole.items():
        pieces = [part[name] for part in parts]
        alike = all(len(p) in (half, len(tensor) - half) and p.shape[1:] == tensor.shape[1:] for p in pieces)
        # Numbers that are drawn one given the others add up their roundings.
        slack = 1e-3 if name == "latent" else 1e-6
        alike = alike and torch.allclose(torch.cat(pieces).double(), tensor.double(), rtol=1e-5, atol=slack)
        assert alike, name
