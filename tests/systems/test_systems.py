"""What every system must do, whatever it is of: one contract, and how systems are found."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError

from simulacra import reference
from simulacra.events import make_events, take_part, validate
from simulacra.systems import generators, names, system
from simulacra.training.checkpoint import fill, read_model, save_model
from tiny_calogan import FIVE, SYSTEM, toy_showers

# Settings small enough for a test, and events to train on: a system that is added brings its own.
SMALL: dict[str, list[tuple[dict[str, Any], xr.Dataset]]] = {
    "calogan": [
        (SYSTEM, toy_showers(120)),
        (SYSTEM | {"conditions": FIVE}, toy_showers(120, five_conditions=True)),
        (SYSTEM | {"reflections": False, "observable_matching": 0.0, "power": 3}, toy_showers(120)),
    ],
    "showerflow": [
        ({"kind": "showerflow", "width": 16, "blocks": 1, "knots": 3, "section_steps": 2}, toy_showers(240)),
        (
            {
                "kind": "showerflow",
                "width": 16,
                "blocks": 1,
                "knots": 3,
                "section_steps": 1,
                "cell_steps": 1,
                "conditions": FIVE,
                "reflections": False,
            },
            toy_showers(240, five_conditions=True),
        ),
        ({"kind": "showerflow", "family": "flow", "width": 16, "blocks": 1, "knots": 3}, toy_showers(240)),
        ({"kind": "showerflow", "family": "autoencoder", "width": 16, "knots": 3}, toy_showers(240)),
    ],
    "grindhammer_peters": [
        ({"kind": "grindhammer_peters"}, reference.load("calogan-eplus").isel(event=np.arange(120)))
    ],
}
CASES = [(kind, i) for kind in generators() for i in range(len(SMALL[kind]))]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, xr.Dataset, Any]:
    kind, i = request.param
    data, events = SMALL[kind][i]
    module = system(kind)
    settings = module.Settings.model_validate(data)
    torch.manual_seed(1)
    return module, settings, events, module.Trainer(settings, take_part(events, "train"))


def batch_of(trainer: Any, events: xr.Dataset) -> dict[str, torch.Tensor]:
    return {name: tensor[:24] for name, tensor in trainer.tensors(events).items()}


def test_a_system_says_what_it_is_and_which_conditions_it_knows() -> None:
    for kind in names():
        module = system(kind)
        assert (module.__doc__ or "").strip().splitlines()[0].endswith(".")
        assert "arXiv:" in (module.__doc__ or "")
        assert all(units and long_name for units, long_name in module.CONDITIONS.values())


def test_settings_refuse_what_they_do_not_know() -> None:
    for kind in names():
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            system(kind).Settings.model_validate({"kind": kind, "laten": 3})


def test_an_unknown_kind_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no system of kind 'caloflow'; there are: .*calogan"):
        system("caloflow")


def test_description_travels_as_json(case: Any) -> None:
    _, _, _, trainer = case
    assert json.loads(json.dumps(trainer.description)) is not None
    for low, high in trainer.description["condition_ranges"].values():
        assert low < high


def test_gradient_reaches_each_parameter_of_each_player(case: Any) -> None:
    _, _, events, trainer = case
    batch, rng = batch_of(trainer, events), torch.Generator().manual_seed(2)
    for player, module in trainer.family.players().items():
        trainer.family.zero_grad()
        loss, logs = trainer.family(player, trainer.augment(batch, rng), 0, rng)
        assert loss.shape == ()
        assert all(value.shape == () for value in logs.values())
        loss.backward()
        blind = [n for n, p in module.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
        assert blind == [], player


def test_augmenting_keeps_shapes_and_does_not_touch_its_input(case: Any) -> None:
    _, _, events, trainer = case
    batch = batch_of(trainer, events)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    augmented = trainer.augment(batch, torch.Generator().manual_seed(1))
    again = trainer.augment(batch, torch.Generator().manual_seed(1))
    for name, tensor in batch.items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
        torch.testing.assert_close(augmented[name], again[name], rtol=0, atol=0)
        assert augmented[name].shape == tensor.shape


def test_validation_is_a_function_of_the_seed(case: Any) -> None:
    _, _, events, trainer = case
    part = take_part(events, "validation")
    first, again = (trainer.validate(part, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first == again
    assert first.values["score"] > 0
    assert all(np.isfinite(value) for value in first.values.values())


def test_what_is_made_are_valid_events_and_folding_changes_nothing(case: Any) -> None:
    module, _, events, trainer = case
    conditions = trainer.tensors(events)["conditions"][:24]
    network = trainer.family.average.eval()
    noise = torch.randn(24, network.latent, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        output, folded = network(noise, conditions), module.fold(network)(noise, conditions)
        exact = copy.deepcopy(network).double()(noise.double(), conditions.double())
    assert folded.shape == output.shape
    # A cell right at a threshold is lit or not by rounding, on one processor more than on another: what single
    # precision costs the network itself, beside double precision, is what folding may cost.
    scale = exact.flatten(1).abs().amax(dim=1)
    rounding, difference = ((one - exact).flatten(1).abs().amax(dim=1) / scale for one in (output, folded))
    assert float(difference.median()) < min(3 * float(rounding.median()) + 1e-7, 1e-5)
    assert float((difference < 10 * (rounding + 1e-6)).float().mean()) > 0.9
    variables = module.to_variables(output.numpy())
    made = make_events(variables, simulator="x", simulator_version="1", seed=1, settings={}, seconds_per_event=0.0)
    validate(made)
    for name, array in made.data_vars.items():
        assert array.dims == events[name].dims
        assert array.shape[1:] == events[name].shape[1:]
        assert array.attrs["units"] == events[name].attrs["units"]


def test_weights_come_back_from_a_file(case: Any, tmp_path: Path) -> None:
    module, settings, events, trainer = case
    path = tmp_path / "model.safetensors"
    save_model(path, trainer.family.average, {"description": trainer.description})
    metadata, weights = read_model(path)
    rebuilt = module.build(settings, metadata["description"])
    fill(rebuilt, weights, str(path))
    conditions = trainer.tensors(events)["conditions"][:8]
    noise = torch.randn(8, rebuilt.latent, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = trainer.family.average(noise, conditions)
        torch.testing.assert_close(rebuilt.eval()(noise, conditions), expected, rtol=0, atol=0)
