"""Arrays of unequal length in one form: entries sorted by time, in the slots of the longest event of all samples.

The padding of a file is not a property of its events, and neither is the order of the entries of a series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from simulacra.events import names, slots


def widths_of(samples: Sequence[xr.Dataset]) -> dict[str, int]:
    """Return the number of slots of the longest event of all samples, by dimension."""
    found: dict[str, int] = {}
    for events in samples:
        ordered = {str(events[name].dims[1]) for name in names(events, "coordinate") if events[name].ndim == 2}
        for dimension, masks in slots(events).items():
            there = _there(events, masks)
            if dimension in ordered:
                width = int(there.sum(axis=1).max(initial=0))
            else:
                width = int(np.flatnonzero(there.any(axis=0)).max(initial=-1)) + 1
            found[dimension] = max(found.get(dimension, 1), width)
    return found


def in_slots(events: xr.Dataset, widths: Mapping[str, int]) -> xr.Dataset:
    """Return events with series sorted by time and lists in ``widths`` slots, with absent entries last.

    Parameters
    ----------
    widths:
        number of slots by dimension, from :func:`widths_of` for these events and others.
    """
    masks = slots(events)
    orders: dict[str, np.ndarray] = {}
    for name in names(events, "coordinate"):
        place = events[name]
        dimension = str(place.dims[1])
        behind_event = all(a.dims[1] == dimension for a in events.data_vars.values() if dimension in a.dims)
        if place.ndim == 2 and dimension not in events.coords and behind_event:
            there = _there(events, masks[dimension]) if dimension in masks else np.ones(place.shape, bool)
            orders[dimension] = np.argsort(np.where(there, place.values, np.inf), axis=1, kind="stable")
    if not orders and all(events.sizes[dimension] == widths[dimension] for dimension in masks):
        return events
    variables = {name: _in_slots(array.variable, orders, masks, widths) for name, array in events.data_vars.items()}
    found = xr.Dataset(variables, coords=events.coords, attrs=events.attrs)
    found.encoding = dict(events.encoding)
    return found


def _in_slots(
    array: xr.Variable, orders: Mapping[str, np.ndarray], masks: Mapping[str, Sequence[str]], widths: Mapping[str, int]
) -> xr.Variable:
    dimension = str(array.dims[1]) if array.ndim > 1 else ""
    values = array.values
    if dimension in orders:
        order = orders[dimension]
        values = np.take_along_axis(values, order.reshape(order.shape + (1,) * (values.ndim - 2)), axis=1)
    if dimension in masks:
        values = values[:, : widths[dimension]]
        missing = widths[dimension] - values.shape[1]
        values = np.pad(values, ((0, 0), (0, missing)) + ((0, 0),) * (values.ndim - 2))
    return xr.Variable(array.dims, values, array.attrs)


def _there(events: xr.Dataset, masks: Sequence[str]) -> np.ndarray:
    return np.asarray(np.any([events[mask].values.astype(bool) for mask in masks], axis=0))
