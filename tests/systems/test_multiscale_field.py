"""Multiscale fields: how training moves fields, and what is refused."""

import numpy as np
import pytest
import torch
import xarray as xr

from simulacra.events import EventsError, variable
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
from simulacra.systems import multiscale_field

SMALL = {"scales": 1, "width": 2, "layers": 1, "knots": 4, "pieces": 4, "hidden": 4}


def toy(pixels: int = 8) -> xr.Dataset:
    return simulate_random_fields(RandomFieldSettings(pixels=pixels, amplitude="uniform:0.1:1"), seed=1, n_events=40)


def trainer(events: xr.Dataset, **settings: object) -> multiscale_field.Trainer:
    return multiscale_field.Trainer(multiscale_field.Settings.model_validate(SMALL | settings), events)


@pytest.mark.parametrize(
    ("boundary", "turned", "number"), [("periodic", False, 64), ("open", True, 8), ("open", False, 1)]
)
def test_training_moves_fields_by_their_symmetries_alone(boundary: str, turned: bool, number: int) -> None:
    of = trainer(toy(), boundary=boundary, turned=turned)
    field = torch.arange(64.0).reshape(1, 8, 8)
    rng = torch.Generator().manual_seed(1)
    batch = {"field": field, "conditions": torch.zeros(1, 1)}
    seen = {tuple(of.augment(batch, rng)["field"].flatten().tolist()) for _ in range(1200)}
    assert len(seen) == number
    if boundary == "periodic":
        expected = {tuple(field.roll((i, j), (1, 2)).flatten().tolist()) for i in range(8) for j in range(8)}
    else:
        same = [field.rot90(k, (1, 2)) for k in range(4)]
        expected = {tuple(one.flatten().tolist()) for turn in same for one in (turn, turn.flip(1))}
    assert seen <= expected


def test_fields_that_are_not_square_are_mirrored_only() -> None:
    of = trainer(toy().isel(x=slice(0, 8), y=slice(0, 8)).pad(y=(0, 4), mode="wrap"), boundary="open")
    batch = {"field": torch.randn(3, 8, 12), "conditions": torch.zeros(3, 1)}
    shapes = {of.augment(batch, torch.Generator().manual_seed(k))["field"].shape for k in range(20)}
    assert shapes == {(3, 8, 12)}


def test_what_has_no_scales_is_refused() -> None:
    with pytest.raises(EventsError, match=r"'field': 1 scales need axes of a multiple of 2 pixels, 8 at least"):
        trainer(toy(9))
    observed = np.ones((40, 8, 8), bool)
    mask = variable(observed, "x", "y", units="1", long_name="observed", role="mask")
    with pytest.raises(EventsError, match="'field' has a mask: train a system of kind trenf"):
        trainer(toy().assign(observed=mask))
