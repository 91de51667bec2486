"""Events of any kind in one compressed HDF5 file: a sample that travels, where a Zarr store is one that grows."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from simulacra.events import validate, with_source
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import created, opened
from simulacra.store.arrays import plain
from simulacra.units import in_convention

CONVENTIONS = "simulacra-events-1"


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read events that :func:`write` wrote.

    Raises
    ------
    FormatError
        if the file is damaged, or not of this layout.
    EventsError
        if what it holds breaks the conventions.
    """
    with opened(path) as file:
        if file.attrs.get("conventions") != CONVENTIONS:
            raise FormatError(
                f"'{path}': expected the attribute conventions = '{CONVENTIONS}', found {dict(file.attrs)}"
            )
        variables = {}
        for name, dataset in file.items():
            attributes = {key: plain(value) for key, value in dataset.attrs.items()}
            if "dimensions" not in attributes:
                raise FormatError(f"'{path}': the dataset '{name}' carries no 'dimensions'")
            variables[name] = xr.Variable(str(attributes.pop("dimensions")).split(), dataset[()], attrs=attributes)
        events = xr.Dataset(variables, attrs={key: plain(value) for key, value in file.attrs.items()})
    events = with_source(events, path)
    validate(events)
    return in_convention(events, f"'{path}'")


def write(events: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write validated events, whole or not at all; every number comes back bit for bit."""
    validate(events)
    with created(Path(path)) as file:
        file.attrs.update(events.attrs)
        file.attrs["conventions"] = CONVENTIONS
        for name, array in events.variables.items():
            dataset = file.create_dataset(
                str(name), data=array.values, compression="gzip", compression_opts=9, shuffle=True
            )
            dataset.attrs.update({str(key): value for key, value in array.attrs.items()})
            dataset.attrs["dimensions"] = " ".join(map(str, array.dims))
