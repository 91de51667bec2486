"""The description of the training sample in every model file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition, Distribution
from simulacra.events import SOURCE, EventsError, refuse_other_choices

if TYPE_CHECKING:
    from torch import Tensor

#: names of conditions in simulators' settings, if they differ
SETTING: Final = {"incident_energy": "energy"}


def describe(
    events: xr.Dataset, conditions: Mapping[str, Condition], used: Sequence[str], carries: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the description of the training sample: trained ranges, provenance and attributes.

    Parameters
    ----------
    events:
        the training part.
    conditions:
        those of the system, by name.
    used:
        names of the model's conditions, in the order of the network's columns.
    carries:
        names of the attributes that generated events also have, such as ``geometry``; "" if the sample has none.

    Raises
    ------
    EventsError
        if the sample lacks a condition, or has a value that is none of its choices.
    """
    if missing := [name for name in used if name not in events.data_vars]:
        held = ", ".join(sorted(map(str, events.data_vars)))
        where = f"'{events.encoding[SOURCE]}'" if SOURCE in events.encoding else "the training sample"
        raise EventsError(f"the model's condition '{missing[0]}' is not in {where}, which holds {held}")
    for name in used:
        if choices := conditions[name].choices:
            places = np.arange(len(choices))
            refuse_other_choices(name, events[name].values, places, choices, events["event"].values)
    held_out = json.loads(events.attrs.get("hold_out", "[]"))
    asked = {name: _asked_of_the_simulator(name, events) for name in used if conditions[name].kind == "float"}
    forms = {name: drawn.form for name, drawn in asked.items() if drawn is not None and drawn.low < drawn.high}
    # Other conditions are drawn from the sample, because no simulator gives their distribution.
    kept = [name for name in used if name not in forms]
    return {
        **{name: events.attrs.get(name, "") for name in carries},
        "condition_ranges": {name: trained_range(name, events, conditions[name]) for name in used},
        **({"condition_distributions": forms} if forms else {}),
        **({"empirical_conditions": kept} if kept else {}),
        "simulator": events.attrs["simulator"],
        "simulator_version": events.attrs["simulator_version"],
        "seconds_per_event": float(events.attrs["seconds_per_event"]),
        **({"hold_out": held_out} if held_out else {}),
    }


def _asked_of_the_simulator(name: str, events: xr.Dataset) -> Distribution | None:
    """Return the distribution from which a simulator drew a condition, if the sample's settings contain it."""
    try:
        return Distribution.parse(str(json.loads(events.attrs["settings"]).get(SETTING.get(name, name))))
    except ValueError:
        return None


def trained_range(name: str, events: xr.Dataset, condition: Condition) -> tuple[float, float]:
    """Return the range from which a condition was drawn, or its range in the sample if the settings do not contain it.

    A held-out band at the end of the range is not part of it; one in the middle is.
    """
    if condition.kind == "choice":
        return 0.0, float(len(condition.choices) - 1)
    lowest, highest = float(events[name].min()), float(events[name].max())
    asked = _asked_of_the_simulator(name, events) if condition.kind == "float" else None
    if asked is None:
        if condition.kind != "float" or not condition.positive:
            return lowest, highest
        # The extremes in a foreign file are a little inside its simulator's range. They are rounded outwards, so
        # no training event is outside the trained range.
        return min(lowest, float(f"{lowest:.2g}")), max(highest, float(f"{highest:.2g}"))
    if not asked.low < asked.high:
        return lowest, highest
    low, high = asked.low, asked.high
    for held, start, stop in json.loads(events.attrs.get("hold_out", "[]")):
        if held == name and start <= low < stop:
            low = stop
        if held == name and start < high <= stop:
            high = start
    return low, high


def columns_of(events: xr.Dataset, used: Sequence[str]) -> Tensor:
    """Return conditions as inputs of a network, (N, C) float32, in physical units."""
    import torch

    columns = [events[name].values.astype(np.float32) for name in used]
    return torch.as_tensor(np.stack(columns, axis=1) if columns else np.empty((events.sizes["event"], 0), np.float32))
