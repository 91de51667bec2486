"""The choice of observables by what the events hold."""

from __future__ import annotations

import xarray as xr

from simulacra.observables.showers import shower_shapes


def observe(events: xr.Dataset) -> xr.Dataset:
    """Return the observables of events, each a variable (event,) with its ``units`` and ``long_name``.

    Showers (events with the variable ``shower``) get the shower shapes of the CaloGAN papers.

    Raises
    ------
    ValueError
        if the events are of a kind that no observables are known for.
    """
    if "shower" in events.data_vars:
        return shower_shapes(events)
    raise ValueError(
        f"no observables are known for events that hold {sorted(map(str, events.data_vars))}: showers need the "
        "variable 'shower' and the attribute 'geometry'"
    )
