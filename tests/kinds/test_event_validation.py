"""Validation of any generator's events: every kind, conditions, weights, and showers as they were judged before."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from events_of_every_kind import array, events_of, fields, images, jets, light_curves, number, table
from simulacra import reference
from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds.showers import ShowerValidation
from simulacra.kinds.validation import EventValidation
from simulacra.observables.showers import shower_shapes_of
from simulacra.statistics.validation import ValidationJudge

N = 400


@pytest.mark.parametrize(
    ("of_kind", "conditions", "wrong"),
    [
        (table, (), {"shift": 0.5}),
        (images, ("height",), {"width": 0.8}),
        (light_curves, (), {"memory": 0.3}),
        (fields, (), {"smooth": False}),
        (jets, (), {"spread": 0.2}),
    ],
)
def test_a_wrong_generator_scores_worse_than_a_right_one(
    of_kind: Callable[..., xr.Dataset], conditions: tuple[str, ...], wrong: dict[str, float]
) -> None:
    """The difference is five of its own errors or more in each kind: no false alarms are to be expected."""
    truth = of_kind(N, 1)
    validation = EventValidation(conditions)
    right, off = validation.check(truth, of_kind(N, 2)), validation.check(truth, of_kind(N, 3, **wrong))
    error = np.std(np.subtract(off.replicates, right.replicates), ddof=1)
    assert off.values["score"] - right.values["score"] > 5 * error
    assert validation.check(truth, truth).values["score"] < 1e-12


def at_heights(n: int, seed: int, *, deaf: bool = False) -> xr.Dataset:
    """Return events whose value follows a condition, or only seems to; another condition is one number."""
    rng = np.random.default_rng(seed)
    height = np.random.default_rng(7).uniform(size=n)
    value = height + 0.01 * rng.normal(size=n)
    variables = {
        "value": number(rng.permutation(value) if deaf else value),
        "height": number(height, "condition"),
        "depth": number(np.full(n, 2.0), "condition"),
    }
    return events_of(variables, seed)


def test_the_score_is_taken_in_bins_of_the_conditions_that_vary() -> None:
    truth = at_heights(2000, 1)
    deaf = at_heights(2000, 2, deaf=True)
    binned = EventValidation(("height", "depth"))
    assert binned.check(truth, at_heights(2000, 2)).values["score"] < 0.05
    # In units of a bin's width: quantiles of a quarter against those of the whole.
    assert binned.check(truth, deaf).values["score"] > 1.5
    assert EventValidation(("depth",)).check(truth, deaf).values["score"] < 0.05
    assert EventValidation(("height", "depth"), binned=()).check(truth, deaf).values["score"] < 0.05


def test_events_at_other_conditions_are_compared_at_their_own() -> None:
    truth = at_heights(2000, 1)
    fewer = at_heights(2000, 2).isel(event=slice(0, 1500))
    assert EventValidation(("height",)).check(truth, fewer).values["score"] < 0.1
    deaf = at_heights(2000, 2, deaf=True).isel(event=slice(0, 1500))
    assert EventValidation(("height",)).check(truth, deaf).values["score"] > 1.5


def test_weights_of_either_count() -> None:
    """Half of the truth weighs nothing: a generator of the other half is right."""
    n = 1000
    first = np.random.default_rng(3).normal(np.repeat([0.0, 5.0], n // 2))
    weight = np.repeat([1.0, 0.0], n // 2)
    truth = events_of({"value": number(first), "weight": number(weight, "weight")}, 1)
    made = events_of({"value": number(np.random.default_rng(4).normal(size=n))}, 2)
    assert EventValidation().check(truth, made).values["score"] < 0.15
    assert EventValidation(weighted=False).check(truth, made).values["score"] > 0.5
    assert EventValidation().check(made, truth).values["score"] < 0.15


def test_what_the_generated_events_lack_is_said() -> None:
    truth = events_of({"value": number(np.arange(100.0)), "field": array(np.ones((100, 4, 4)), "x", "y")}, 1)
    made = events_of({"value": number(np.arange(100.0))}, 2)
    with pytest.raises(ValueError, match="lack observables of the truth: field_sum, field_mean"):
        EventValidation().check(truth, made)


def test_showers_are_judged_by_their_shapes_in_bins_of_energy_alone() -> None:
    events = reference.load("calogan-eplus").isel(event=slice(0, 500)).load()
    geometry = CalorimeterGeometry.from_events(events)
    cells = events["shower"].values[::-1].copy()
    energy = events["incident_energy"].values.astype(np.float32)
    shapes = shower_shapes_of(events["shower"].values.astype(np.float32), energy, geometry)
    made = shower_shapes_of(cells.astype(np.float32), energy, geometry)
    judge = ValidationJudge(
        np.stack(list(shapes.values()), axis=1), energy[:, None], seed=17, names=tuple(shapes), binned=(0,)
    )
    expected = judge.check(np.stack(list(made.values()), axis=1))
    found = ShowerValidation(geometry, ("incident_energy",)).check(events, cells)
    assert found == expected
