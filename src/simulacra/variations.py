"""Variations: the weight of an event with other settings of its simulator, as variables of events.

A variation is a variable ``variation_...`` (event) of the role ``weight``. With the attribute ``holds = "weight"`` it
is the weight itself, to be used instead of ``weight``; an event of weight 0 then keeps its variation. Without the
attribute, as in stores of earlier versions, it is the ratio to ``weight``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError, variable

PREFIX: Final = "variation_"
_HOLDS: Final = "holds"
_WEIGHT: Final = "weight"


def variation_variable(weights: np.ndarray, description: str) -> xr.Variable:
    """Return the variable of a variation from its weights (N,), which replace the events' own."""
    long_name = f"weight of the event in the variation {description}, instead of its own"
    return variable(weights, units="1", long_name=long_name, role="weight", **{_HOLDS: _WEIGHT})


def variable_names(names: Sequence[str]) -> list[str]:
    """Return unique names of the variables of variations, from the names in a file."""
    found: list[str] = []
    for i, name in enumerate(names):
        plain = re.sub(r"\W+", "_", name).strip("_")
        candidate = base = f"{PREFIX}{plain or i}"
        number = 1
        while candidate in found:
            number += 1
            candidate = f"{base}_{number}"
        found.append(candidate)
    return found


def variations_of(events: xr.Dataset) -> list[str]:
    """Return the names of the variables that hold variations."""
    return [str(name) for name in events.data_vars if str(name).startswith(PREFIX)]


def holds_weights(events: xr.Dataset, name: str) -> bool:
    """Return whether a variation holds weights and not ratios to the events' own."""
    return bool(events[name].attrs.get(_HOLDS) == _WEIGHT)


def variation_weights(events: xr.Dataset, name: str) -> np.ndarray:
    """Return the weights of events in a variation, (N,), to be used instead of their own."""
    values = np.asarray(events[name].values)
    return values if holds_weights(events, name) else values * np.asarray(events["weight"].values)


def variation_ratios(events: xr.Dataset, name: str) -> np.ndarray:
    """Return the weights of events in a variation divided by their own, (N,).

    Raises
    ------
    EventsError
        if an event's own weight is 0 and that of the variation is not, because there is no such ratio.
    """
    values = np.asarray(events[name].values)
    if not holds_weights(events, name):
        return values
    if "weight" not in events.data_vars:
        raise EventsError(f"'{name}' must be compared with the events' own 'weight', which is missing")
    own = np.asarray(events["weight"].values)
    lost = (own == 0) & (values != 0)
    if lost.any():
        place = int(np.flatnonzero(lost)[0])
        raise EventsError(
            f"'{name}' is {values[place]} in event {events['event'].values[place]}, whose own weight is 0 "
            f"({int(lost.sum())} such events): there is no ratio. Leave these events out"
        )
    return np.asarray(np.divide(values, own, out=np.ones(values.shape), where=own != 0))
