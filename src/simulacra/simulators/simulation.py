"""What every simulator does with its settings and seed: it names what decides its events, and opens what it wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

import xarray as xr
from pydantic import BeforeValidator

from simulacra.conditions import Distribution
from simulacra.settings import whole_number
from simulacra.store import WriteSummary, open_events


def _text_of_distribution(value: Any) -> Any:
    """Return a distribution as its text, and check it."""
    if isinstance(value, Distribution):
        return value.exact
    text = repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str):
        Distribution.parse(text)
    return text


#: a distribution in settings: a number, ``uniform:LOW:HIGH`` or ``log:LOW:HIGH``
DistributionText = Annotated[str, BeforeValidator(_text_of_distribution)]


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
