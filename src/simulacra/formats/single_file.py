"""Events of any kind in one compressed HDF5 file, to be copied; a Zarr store is for samples that are still written."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import xarray as xr

from simulacra.errors import printable
from simulacra.events import NUMBERS, validate, with_source
from simulacra.formats import metadata
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import created, dataset, opened
from simulacra.formats.metadata import attribute, attributes
from simulacra.units import in_convention
from simulacra.version import is_later, written_later

CONVENTIONS = "simulacra-events-1"


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read events that :func:`write` wrote.

    Raises
    ------
    FormatError
        if the file is damaged, or not of this layout.
    EventsError
        if the contents break the conventions.
    """
    with opened(path) as file:
        if is_later(said := attribute(file, "conventions", metadata.TEXT), CONVENTIONS):
            raise FormatError(written_later(f"'{path}'", said, CONVENTIONS))
        if said != CONVENTIONS:
            raise FormatError(f"'{path}': expected the attribute conventions = '{CONVENTIONS}', found '{said}'")
        stated = attributes(file, metadata.EVENTS)
        variables = {}
        for name in file:
            found = file.get(name)
            shape = found.shape if isinstance(found, h5py.Dataset) and found.shape is not None else (None,)
            found = dataset(file, name, shape, kinds=NUMBERS)
            dimensions = attribute(found, "dimensions", metadata.TEXT).split()
            if len(dimensions) != len(shape):
                raise FormatError(f"'{path}': '{name}' of the shape {shape} cannot have the dimensions {dimensions}")
            own = attributes(found, metadata.VARIABLE)
            del own["dimensions"]
            variables[name] = xr.Variable(dimensions, found[()], attrs=own)
        try:
            events = xr.Dataset(variables, attrs=stated)
        except ValueError as error:
            # Two variables with one dimension of different lengths, in the words of xarray.
            raise FormatError(f"'{path}': its variables do not fit ({printable(str(error), 200)})") from error
    events = with_source(events, path)
    validate(events)
    return in_convention(events, f"'{path}'")


def write(events: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write validated events to a complete file or none; every number is read back bit for bit."""
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
