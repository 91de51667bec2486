"""Write events in the format given by a path or a name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import xarray as xr

from simulacra.formats import calochallenge, calogan, flat_showers, hepmc, jetnet, single_file
from simulacra.formats.errors import FormatError
from simulacra.store import write_events

_WRITERS: Final[Mapping[str, Callable[..., Any]]] = {
    "store": write_events,
    "single_file": single_file.write,
    "calogan": calogan.write,
    "calochallenge": calochallenge.write,
    "flat_showers": flat_showers.write,
    "jetnet": jetnet.write,
    "hepmc": hepmc.write,
}
#: the formats that a path's ending means
_ENDINGS: Final = {".zarr": "store", ".h5": "single_file", ".hdf5": "single_file", ".hepmc": "hepmc"}


def write(
    events: xr.Dataset, path: str | os.PathLike[str], file_format: str | None = None, *, overwrite: bool = False
) -> Path:
    """Write events, whole or not at all; :func:`simulacra.read` reads them back.

    Parameters
    ----------
    events:
        the events.
    path:
        what to write.
    file_format:
        "store", "single_file" (any events in one HDF5 file), "calogan", "calochallenge", "flat_showers", "jetnet" or
        "hepmc". If None, the path's ending says it: .zarr a store, .h5 a single file, .hepmc HepMC.
    overwrite:
        replace what is there.

    Raises
    ------
    FormatError
        if the format is unknown, something is there, there are no events, or the format has no place for the events.
    simulacra.events.EventsError
        if the events break the conventions.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> events = simulacra.load("calogan-eplus").sample(3, incident_energy=50.0, seed=1)
    >>> simulacra.write(events, folder / "three.h5").name
    'three.h5'
    >>> simulacra.read(folder / "three.h5").sizes["event"]
    3
    """
    path = Path(path)
    name = file_format or _ENDINGS.get(path.suffix)
    if name is None or name not in _WRITERS:
        asked = f"there is no format '{name}'" if name else f"the ending of '{path}' means no format"
        raise FormatError(f"{asked}: give one of {', '.join(_WRITERS)} as file_format")
    if path.exists() and not overwrite:
        raise FormatError(
            f"'{path}' exists: choose another path, or overwrite it (--overwrite; overwrite=True in Python)"
        )
    if "event" in events.dims and not events.sizes["event"]:
        raise FormatError(f"there are no events to write to '{path}'")
    takes_overwrite = name not in ("single_file", "hepmc")
    _WRITERS[name](events, path, **({"overwrite": overwrite} if takes_overwrite else {}))
    return path
