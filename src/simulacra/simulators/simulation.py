"""What every simulator does with its settings and seed: it names what decides its events, and opens what it wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr

from simulacra.settings import whole_number
from simulacra.store import WriteSummary, open_events


def fingerprint_of(
    simulator: str, settings: Mapping[str, Any], seed: int, *, package: str | None = None, **further: Any
) -> dict[str, Any]:
    """Return everything that determines a sample; a store can be continued only if this is unchanged.

    Parameters
    ----------
    simulator, settings, seed:
        the name that events carry, the settings as JSON, and the seed.
    package:
        whose version decides the events too.

    Raises
    ------
    ValueError
        if the seed is negative.
    """
    check_seed(seed)
    versions = {} if package is None else {package.replace("-", "_"): version(package)}
    return {"simulator": simulator, **versions, "settings": settings, "seed": seed, **further}


def simulated(
    write: Callable[..., WriteSummary], settings: object, path: str | PathLike[str] | None, **options: Any
) -> xr.Dataset:
    """Return the events that ``write(path, settings, ...)`` writes: lazily from ``path``, or in memory without one."""
    with tempfile.TemporaryDirectory(prefix="simulacra-") as folder:
        target = Path(folder) / "events.zarr" if path is None else Path(path)
        write(target, settings, **options)
        events = open_events(target)
        return events.load() if path is None else events


def check_seed(seed: int) -> None:
    """Refuse a seed that is no whole number, or negative."""
    whole_number(seed, "the seed")
