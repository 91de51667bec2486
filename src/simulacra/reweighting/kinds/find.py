"""Find the networks that see events, by the files in this folder."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulacra.reweighting.kinds.network import NetworkSettings, View

if TYPE_CHECKING:
    import xarray as xr


@functools.cache
def networks() -> tuple[type[NetworkSettings], ...]:
    """Return the settings of each network: one class per file."""
    import simulacra.reweighting.kinds

    found: list[type[NetworkSettings]] = []
    for file in sorted(module.name for module in pkgutil.iter_modules(simulacra.reweighting.kinds.__path__)):
        module = importlib.import_module(f"simulacra.reweighting.kinds.{file}")
        found += [
            one
            for one in vars(module).values()
            if isinstance(one, type)
            and issubclass(one, NetworkSettings)
            and one is not NetworkSettings
            and one.__module__ == module.__name__
        ]
    return tuple(found)


def views_of(events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
    """Return networks for events by their inputs, the one that sees everything first.

    Parameters
    ----------
    numbers:
        names of conditions that are inputs in addition to the events.

    Raises
    ------
    SampleError
        if no network sees such events.
    """
    from simulacra.reweighting.represented import SampleError

    for network in networks():
        if views := network.views(events, numbers):
            return views
    raise SampleError(f"no network sees events that hold {sorted(map(str, events.data_vars))}: they have no feature")
