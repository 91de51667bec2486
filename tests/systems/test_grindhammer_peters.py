"""The parametrised shower as a system: fitted by the loop, loaded by name, drawn from; what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra import reference
from simulacra.events import take_part, variable
from simulacra.observables.showers import shower_shapes
from simulacra.systems.grindhammer_peters import Settings, Trainer
from simulacra.training.loop import train
from simulacra.training.run import prepare
from simulacra.training.settings import Experiment


@pytest.fixture(scope="module")
def events() -> xr.Dataset:
    return reference.load("calogan-eplus").isel(event=np.arange(700))


@pytest.fixture(scope="module")
def run(events: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analytic") / "run"
    settings = {
        "name": "analytic",
        "data": {"path": "none"},
        "system": {"kind": "grindhammer_peters"},
        "training": {
            "steps": 40, "batch_size": 64, "learning_rate": 0.02, "betas": [0.9, 0.99], "validate_every": 40,
            "threads": 1, "accelerator": "cpu",
        },
    }  # fmt: skip
    experiment = Experiment.model_validate(settings)
    training = take_part(events, "train")
    trainer = prepare(experiment, lambda: Trainer(Settings(), training))
    train(experiment, trainer, training, take_part(events, "validation"), folder, progress=False)
    return folder


def test_what_was_fitted_makes_showers_like_those_that_it_was_fitted_to(run: Path, events: xr.Dataset) -> None:
    made = simulacra.load(run).sample(
        events.sizes["event"], seed=1, incident_energy=events.incident_energy.values.astype(float)
    )
    ours, theirs = (shower_shapes(one) for one in (made, events))
    # Means of 700 showers each: 5 % of a spread is a standard error.
    for name in ("energy_response", "energy_fraction_0", "energy_fraction_1", "shower_depth"):
        distance = float(ours[name].mean() - theirs[name].mean()) / float(theirs[name].std())
        assert abs(distance) < 0.25, name
    for name in ("energy_fraction_0", "shower_depth"):
        assert float(ours[name].std() / theirs[name].std()) == pytest.approx(1, abs=0.15)
    assert float(ours.eta_width_0.mean() / theirs.eta_width_0.mean()) == pytest.approx(1, abs=0.2)


def test_it_is_a_generator_like_the_others(run: Path) -> None:
    generator = simulacra.load(run)
    assert generator.trained_range == {"incident_energy": (1.0, 100.0)}
    one, other = generator.sample(70, seed=3, incident_energy="log:1:100"), generator.sample(
        10, seed=3, first_event=60, incident_energy="log:1:100"
    )  # fmt: skip
    np.testing.assert_array_equal(one.shower.values[60:], other.shower.values)
    assert one.shower.attrs["units"] == "MeV"
    assert (run / "model.safetensors").stat().st_size < 20_000


def test_training_raises_the_likelihood(run: Path, events: xr.Dataset) -> None:
    import torch

    training = take_part(events, "train")
    trainer = Trainer(Settings(), training)
    batch = trainer.tensors(training)
    before = trainer.log_likelihood(trainer.module, batch).mean()
    trained = simulacra.load(run).module
    with torch.no_grad():
        assert float(trainer.log_likelihood(trained, batch).mean()) > float(before.detach()) + 0.1


def test_showers_off_the_axis_or_without_energy_are_refused(events: xr.Dataset) -> None:
    few = events.isel(event=np.arange(40))
    moved = variable(np.full(40, 3.0, np.float32), units="mm", long_name="x", role="condition")
    with pytest.raises(ValueError, match="runs along the axis; impact_x of these events varies"):
        Trainer(Settings(), few.assign(impact_x=moved))
    empty = few.copy(deep=True)
    empty.shower[3] = 0
    with pytest.raises(ValueError, match="1 showers without any energy"):
        Trainer(Settings(), empty)
