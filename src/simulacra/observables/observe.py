"""The choice of observables by what the events hold."""

from __future__ import annotations

import xarray as xr

from simulacra.observables.clouds import cloud_observables
from simulacra.observables.showers import shower_shapes


def observe(events: xr.Dataset) -> xr.Dataset:
    """Return the observables of events, each a variable (event,) with its ``units`` and ``long_name``.

    Showers (events with the variable ``shower``) get the shower shapes of the CaloGAN papers; particle clouds (events
    with ``momentum`` and ``present``) get :func:`~simulacra.observables.clouds.cloud_observables`, their densities bin
    by bin.

    Raises
    ------
    ValueError
        if the events are of a kind that no observables are known for.
    """
    if "shower" in events.data_vars:
        return shower_shapes(events)
    if {"momentum", "present"} <= set(events.data_vars):
        return _bin_by_bin(cloud_observables(events))
    raise ValueError(
        f"no observables are known for events that hold {sorted(map(str, events.data_vars))}: showers need the "
        "variable 'shower' and the attribute 'geometry', particle clouds the variables 'momentum' and 'present'"
    )


def _bin_by_bin(observables: xr.Dataset) -> xr.Dataset:
    """Return each bin of the densities as a variable of its own."""
    single = {}
    for key, array in observables.data_vars.items():
        if array.ndim == 1:
            single[str(key)] = array.variable
            continue
        edges = array.attrs["edges"]
        for i in range(array.shape[1]):
            place = f"{edges[i]:g} to {edges[i + 1]:g}"
            attributes = {"units": array.attrs["units"], "role": array.attrs["role"]}
            attributes["long_name"] = f"{array.attrs['long_name']}: {place}"
            single[f"{key}_{i}"] = xr.Variable(("event",), array.values[:, i], attrs=attributes)
    return xr.Dataset(single, coords={"event": observables["event"]})
