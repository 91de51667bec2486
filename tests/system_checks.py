"""What the system of every trained network must do before it is trained; no system is named here."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from simulacra.events import make_events, take_part, validate
from simulacra.statistics.validation import Validation
from simulacra.systems import trained_system
from simulacra.training.checkpoint import fill, read_model, save_model


class Case(NamedTuple):
    """A system, its settings, events and the trainer that is built of them."""

    module: Any
    settings: Any
    events: xr.Dataset
    trainer: Any


def case_of(system: dict[str, Any], events: xr.Dataset) -> Case:
    """Build the trainer of a system's settings on the training part of events."""
    module = trained_system(system["kind"])
    settings = module.Settings.model_validate(system)
    torch.manual_seed(1)
    return Case(module, settings, events, module.Trainer(settings, take_part(events, "train")))


def batch_of(trainer: Any, events: xr.Dataset) -> dict[str, torch.Tensor]:
    return {name: tensor[:24] for name, tensor in trainer.tensors(events).items()}


def check_that_description_travels_as_json(case: Case, tmp_path: Path) -> None:
    _, _, _, trainer = case
    assert json.loads(json.dumps(trainer.description)) is not None
    ranges = trainer.description["condition_ranges"]
    assert all(low < high for low, high in ranges.values())
    assert set(trainer.description.get("empirical_conditions", ())) <= set(ranges)


def check_that_gradient_reaches_each_parameter_of_each_player(case: Case, tmp_path: Path) -> None:
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


def check_that_augmenting_keeps_shapes_and_does_not_touch_its_input(case: Case, tmp_path: Path) -> None:
    _, _, events, trainer = case
    batch = batch_of(trainer, events)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    augmented = trainer.augment(batch, torch.Generator().manual_seed(1))
    again = trainer.augment(batch, torch.Generator().manual_seed(1))
    for name, tensor in batch.items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
        torch.testing.assert_close(augmented[name], again[name], rtol=0, atol=0)
        assert augmented[name].shape == tensor.shape


def check_that_validation_is_a_function_of_the_seed(case: Case, tmp_path: Path) -> None:
    _, _, events, trainer = case
    part = take_part(events, "validation")
    first, again = (trainer.validate(part, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first == again
    found = first.values if isinstance(first, Validation) else first
    assert "score" in found
    assert all(np.isfinite(value) for value in found.values())


def check_that_what_is_made_are_valid_events_and_folding_changes_nothing(case: Case, tmp_path: Path) -> None:
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
    # An event may be empty, such as a collision without visible particles.
    scale = exact.reshape(24, -1).abs().amax(dim=1).clamp(min=1e-30)
    if exact.numel() == 24:
        scale = scale.clamp(min=float(exact.abs().max()))
    rounding, difference = ((one - exact).reshape(24, -1).abs().amax(dim=1) / scale for one in (output, folded))
    assert float(difference.median()) < min(3 * float(rounding.median()) + 1e-7, 1e-5)
    assert float((difference < 10 * (rounding + 1e-6)).float().mean()) > 0.9
    if module.MAKES != "events":
        return
    variables = module.to_variables(output.numpy(), trainer.description)
    made = make_events(variables, simulator="x", simulator_version="1", seed=1, settings={}, seconds_per_event=0.0)
    validate(made)
    for name, array in made.data_vars.items():
        assert array.dims == events[name].dims
        assert array.shape[1:] == events[name].shape[1:]
        assert array.attrs["units"] == events[name].attrs["units"]


def check_that_weights_come_back_from_a_file(case: Case, tmp_path: Path) -> None:
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


CHECKS = (
    check_that_description_travels_as_json,
    check_that_gradient_reaches_each_parameter_of_each_player,
    check_that_augmenting_keeps_shapes_and_does_not_touch_its_input,
    check_that_validation_is_a_function_of_the_seed,
    check_that_what_is_made_are_valid_events_and_folding_changes_nothing,
    check_that_weights_come_back_from_a_file,
)
