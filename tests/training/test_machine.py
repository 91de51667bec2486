"""What a run asks of the machine: refused before it starts, with what there is."""

import math
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from simulacra.reweighting.settings import ReweighterSettings
from simulacra.reweighting.trees import TreeSettings
from simulacra.simulators.detector_settings import DetectorSettings
from simulacra.simulators.geant4 import Geant4Settings
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.systems import makes, names, trained_system
from simulacra.training import loop, machine
from simulacra.training.machine import check_batch, check_processors
from simulacra.training.settings import Experiment, SettingsError, TrainingSettings, check

MB = 10**6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", True),
        ("steps", 10**12),
        ("batch_size", True),
        ("batch_size", 1),
        ("learning_rate", math.inf),
        ("learning_rate", math.nan),
        ("learning_rate", True),
        ("learning_rate_factors", {"critic": math.inf}),
        ("learning_rate_factors", {"critic": True}),
        ("betas", [0.5, math.nan]),
        ("betas", [False, 0.9]),
        ("final_learning_rate", math.nan),
        ("validate_every", False),
        ("patience", True),
        ("threads", True),
        ("threads", 10**6),
        ("devices", True),
        ("devices", 10**6),
    ],
)
def test_what_is_no_number_or_a_slip_is_refused_with_its_place(key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"x\.toml: .*'?{key}"):
        check(TrainingSettings, {key: value}, "x.toml")


def test_the_settings_of_experiments_are_refused_likewise() -> None:
    experiment = {"name": "x", "data": {"path": "x"}, "system": {"kind": "calogan"}}
    assert check(Experiment, experiment, "x").seed == 1
    for change in ({"seed": True}, {"data": {"path": "x", "max_events": True}}, {"training": {"steps": True}}):
        with pytest.raises(SettingsError, match="a truth value is not a number"):
            check(Experiment, experiment | change, "x")


TRAINED = [name for name in names() if makes(name) != "weights"]


@pytest.mark.parametrize(
    "model",
    [
        TrainingSettings,
        ReweighterSettings,
        TreeSettings,
        DetectorSettings,
        Geant4Settings,
        PythiaSettings,
        *(trained_system(name).Settings for name in TRAINED),
    ],
)
def test_no_settings_take_a_truth_value_for_a_number_or_an_infinite_one(model: type[BaseModel]) -> None:
    numbers = [name for name, field in model.model_fields.items() if field.annotation in (int, float)]
    for name in numbers:
        with pytest.raises(SettingsError, match=f"'{name}' is true: a truth value is not a number"):
            check(model, {name: True}, "x")
        with pytest.raises(SettingsError, match=rf"'{name}': Input should be (a finite number|less than)"):
            check(model, {name: math.inf}, "x")


def test_a_truth_value_stays_one_where_it_belongs() -> None:
    showerflow = trained_system("showerflow").Settings
    assert check(showerflow, {"reflections": False}, "x").reflections is False


def settings(**changes: object) -> TrainingSettings:
    return TrainingSettings.model_validate(changes)


def test_more_threads_than_the_cores_can_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    check_processors(settings(threads=16))
    with pytest.raises(SettingsError, match=r"training\.threads = 17: this machine has 2 cores, on which at most 16"):
        check_processors(settings(threads=17))


@pytest.mark.parametrize(
    ("gpus", "asked", "told"),
    [
        (0, {"devices": 3, "accelerator": "cpu"}, "devices = 3: this machine has 2 cores, .* ask for at most 2"),
        (0, {"devices": 99}, "devices = 99: this machine has 2 cores"),
        (0, {"accelerator": "gpu"}, "torch finds no GPU"),
        (4, {"devices": 5}, "devices = 5: this machine has 4 GPUs; ask for at most 4"),
        (4, {"devices": 5, "accelerator": "gpu"}, "devices = 5: this machine has 4 GPUs"),
        (4, {"devices": 4, "accelerator": "cpu"}, "devices = 4: this machine has 2 cores"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: int, asked: dict[str, object], told: str
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    with pytest.raises(SettingsError, match=told):
        check_processors(settings(**asked))
    check_processors(settings(devices=max(gpus, 2)))


class Toy(nn.Module):
    """Keeps 1000 numbers of each event, or one of each pair, for its gradient."""

    def __init__(self, *, pairs: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1000))
        self.pairs = pairs

    def forward(self, name: str, batch: dict[str, Tensor], step: int, rng: torch.Generator):
        x = batch["x"][:, None]
        if self.pairs:
            return ((x - x.T) * self.weight[0]).exp().sum(), {}
        return (x * self.weight).exp().sum(), {}


def batch(n: int) -> dict[str, Tensor]:
    return {"x": torch.zeros(n)}


@pytest.mark.parametrize(
    ("pairs", "n", "needs"),
    # exp keeps its result, of 4 bytes a number, and half as much again is allowed for
    [(False, 10**6, 1.5 * 4e9), (True, 10**5, 1.5 * 2 * 4e10)],
)
def test_the_memory_of_a_batch_is_worked_out_from_small_ones(pairs: bool, n: int, needs: float) -> None:
    family = Toy(pairs=pairs)
    check_batch(family, {"toy": family}, batch, lambda b, _: b, n, n_events=n, memory=int(1.05 * needs))
    with pytest.raises(SettingsError, match=f"a step of {n:,} events needs about .*; lower it, to [0-9,]+"):
        check_batch(family, {"toy": family}, batch, lambda b, _: b, n, n_events=n, memory=int(0.9 * needs))


def test_a_batch_that_no_sample_allows_is_refused_however_few_events_there_are() -> None:
    family = Toy(pairs=False)
    with pytest.raises(SettingsError, match=r"training\.batch_size = 10000000: .*lower it, to 50 .*50 training events"):
        check_batch(family, {"toy": family}, batch, lambda b, _: b, 10**7, n_events=50, memory=10**9)
    check_batch(family, {"toy": family}, batch, lambda b, _: b, 2000, n_events=50, memory=10**9)


class Normed(nn.Module):
    """Has a state that each forward pass changes, and draws from torch's own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, name: str, batch: dict[str, Tensor], step: int, rng: torch.Generator):
        return self.norm(torch.rand(len(batch["x"]), 1)).sum(), {}


def test_looking_at_a_batch_changes_neither_networks_nor_random_numbers() -> None:
    family = Normed()
    before = {name: tensor.clone() for name, tensor in family.state_dict().items()}
    random = torch.get_rng_state()
    check_batch(family, {"toy": family}, batch, lambda b, _: b, 5000, n_events=5000)
    assert torch.equal(torch.get_rng_state(), random)
    for name, tensor in family.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_loop_looks_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0})
    experiment = Experiment.model_validate(
        {"name": "x", "data": {"path": "x"}, "system": {}, "training": {"devices": 99, "accelerator": "cpu"}}
    )
    with pytest.raises(SettingsError, match="devices = 99"):
        loop.train(experiment, None, None, None, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
