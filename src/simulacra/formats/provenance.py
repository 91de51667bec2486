"""A separate group for what the public layouts cannot store, so that a round trip restores the events exactly.

Besides the datasets of its layout, every HDF5 file written here holds the group ``simulacra``: the provenance and the
attributes of the variables as JSON, the indices of the events, and the variables that the layout does not have.
Programs that read the layout can ignore it.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

from simulacra.errors import printable
from simulacra.events import NUMBERS, EventsError, Role, validate, variable, with_source
from simulacra.formats import metadata
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import BLOCK, dataset, text
from simulacra.formats.metadata import attribute, json_attribute, parse
from simulacra.lazy_arrays import in_memory
from simulacra.units import in_convention

GROUP: Final = "simulacra"
VARIABLES: Final = f"{GROUP}/variables"
RECORD: Final = f"{GROUP}/record"
#: range of the mean ratio of shower to incident energy; outside of it units are probably wrong
LEAST_RESPONSE: Final = 0.005
MOST_RESPONSE: Final = 20.0
#: fewer showers are not checked
FEWEST_SHOWERS: Final = 20


def shower_variable(values: np.ndarray, name: str) -> xr.Variable:
    """Return a variable of shower events from the values in a file."""
    units, dimensions, role, long_name = _SHOWER_VARIABLES[name]
    return variable(values, *dimensions, units=units, long_name=long_name, role=role)


_CELL, _SECTION = ("cell",), ("section",)
_SHOWER_VARIABLES: Final[Mapping[str, tuple[str, tuple[str, ...], Role, str]]] = {
    "shower": ("MeV", _CELL, "feature", "energy deposited in absorber and active medium of each cell"),
    "active": ("MeV", _CELL, "feature", "energy deposited in the active medium of each cell"),
    "overflow": ("MeV", _SECTION, "feature", "energy deposited beyond the cells of each section"),
    "incident_energy": ("GeV", (), "condition", "kinetic energy of the incident particle"),
    "impact_x": ("mm", (), "condition", "x of the impact point on the front face"),
    "impact_y": ("mm", (), "condition", "y of the impact point on the front face"),
    "polar_angle": ("rad", (), "condition", "angle of incidence to the z axis"),
    "azimuthal_angle": ("rad", (), "condition", "angle of incidence from the x axis around z"),
}


def file_provenance(
    particle: str,
    *,
    simulator: str = "geant4",
    simulator_version: str | None = None,
    seconds_per_event: float | None = None,
    settings: Mapping[str, Any],
    **attributes: str,
) -> dict[str, Any]:
    """Return the attributes of events from a file with little provenance."""
    return {
        "conventions": "simulacra-events-1",
        "simulator": simulator,
        "simulator_version": simulator_version or "not stated in the file",
        "seed": -1,
        "settings": json.dumps(settings, sort_keys=True),
        "seconds_per_event": float("nan") if seconds_per_event is None else float(seconds_per_event),
        "particle": particle,
        **attributes,
    }


def warn_of_units(path: str, showers: np.ndarray | xr.Variable, incident_energy: np.ndarray) -> None:
    """Warn if the energies of showers (N, cells) [MeV] and of their particles (N,) [GeV] can hardly be in these units.

    The layouts define the units, and files do not state them. A calorimeter measures between a few per cent of the
    incident energy, if only its active medium is read out, and slightly more than all of it. A factor of 1000 is far
    outside this range.
    """
    if len(showers) < FEWEST_SHOWERS:
        return
    if isinstance(showers, xr.Variable):
        # of a large file, the first ones
        n = len(showers) if in_memory(showers) else BLOCK
        showers, incident_energy = showers[:n].values, incident_energy[:n]
    held = sum(float(showers[i : i + BLOCK].sum(dtype=np.float64)) for i in range(0, len(showers), BLOCK)) / 1000
    incident = float(incident_energy.sum(dtype=np.float64))
    if not (incident > 0 and held > 0 and np.isfinite(held) and np.isfinite(incident)):
        return
    if not LEAST_RESPONSE <= held / incident <= MOST_RESPONSE:
        warnings.warn(
            f"'{path}': its showers hold {held / incident:.3g} of their incident energies, read in the units of the "
            "layout: is one of the two in MeV where GeV is meant, or vice versa?",
            stacklevel=4,
        )


def to_events(
    file: h5py.File,
    n_events: int,
    rows: slice,
    variables: Mapping[str, xr.Variable],
    attributes: Mapping[str, Any],
    *,
    known: Collection[str],
    coordinates: Mapping[str, xr.Variable] | None = None,
) -> xr.Dataset:
    """Return validated events from the variables of a file's layout and of its group ``simulacra``.

    Parameters
    ----------
    known:
        the datasets of the layout; a warning names other datasets in the file, which are not read.

    Raises
    ------
    FormatError
        if the values break the conventions of events; the message names the variable and event.
    """
    unknown = sorted(str(name) for name in file if name not in known and name != GROUP)
    if unknown:
        warnings.warn(f"'{file.filename}' holds {unknown}, which are not read", stacklevel=3)
    index = np.arange(rows.start, rows.stop, dtype=np.int64)
    events = xr.Dataset(dict(variables), coords={"event": index, **(coordinates or {})}, attrs=dict(attributes))
    if GROUP in file:
        events = _with_group(file, events, n_events, rows)
    events = with_source(events, file.filename)
    try:
        validate(events)
        return in_convention(events, f"'{file.filename}'")
    except EventsError as error:
        raise FormatError(str(error)) from error


def write_group(file: h5py.File, events: xr.Dataset, covered: Collection[str]) -> None:
    """Write the group ``simulacra`` of events; the layout already holds the variables ``covered`` exactly."""
    record = {
        "attributes": _plain_attributes(events.attrs),
        "variables": {str(name): _plain_attributes(array.attrs) for name, array in events.data_vars.items()},
    }
    # a dataset, as an attribute of HDF5 may not be longer than 64 kB
    file[RECORD] = json.dumps(record)
    group = file.create_group(VARIABLES)
    for name, array in events.variables.items():
        counted = name == "event" and np.array_equal(array.values, np.arange(array.size))
        if name in covered or counted:
            continue
        written = group.create_dataset(
            str(name), shape=array.shape, dtype=array.dtype, compression="gzip" if array.ndim else None
        )
        if array.dims[:1] == ("event",):
            for start in range(0, len(array), BLOCK):
                written[start : start + BLOCK] = array[start : start + BLOCK].values
        else:
            written[...] = array.values
        written.attrs["dimensions"] = json.dumps([str(d) for d in array.dims])
        written.attrs["attributes"] = json.dumps(_plain_attributes(array.attrs))
        written.attrs["coordinate"] = name in events.coords


def _with_group(file: h5py.File, events: xr.Dataset, n_events: int, rows: slice) -> xr.Dataset:
    held = file.get(VARIABLES)
    if not isinstance(held, h5py.Group):
        raise FormatError(f"'{file.filename}': the group '{GROUP}' is damaged: it holds no group 'variables'")
    for name in held:
        events = _with_variable(file, events, name, n_events, rows)
    record = parse(text(file, RECORD), metadata.RECORD, f"the dataset '{RECORD}'", file)
    if lost := [name for name in record["variables"] if name not in events]:
        raise FormatError(f"'{file.filename}': the variable '{lost[0]}', which '{RECORD}' names, is not there")
    # in the order in which they were; what was added to the file since stands behind
    more = [str(name) for name in events.data_vars if name not in record["variables"]]
    events = events[[*record["variables"], *more]]
    for name, attributes in record["variables"].items():
        events[name].attrs = attributes
    events.attrs = record["attributes"]
    return events


def _with_variable(file: h5py.File, events: xr.Dataset, name: str, n_events: int, rows: slice) -> xr.Dataset:
    """Return events with a variable of the group ``simulacra``."""
    place = f"{VARIABLES}/{name}"
    found = file.get(place)
    shape = found.shape if isinstance(found, h5py.Dataset) and found.shape is not None else (None,)
    found = dataset(file, place, shape, kinds=NUMBERS)
    dimensions = json_attribute(found, "dimensions", metadata.DIMENSIONS)
    if len(dimensions) != len(shape) or len(set(dimensions)) != len(dimensions) or "event" in dimensions[1:]:
        raise FormatError(
            f"'{file.filename}': '{place}' of the shape {shape} cannot have the dimensions {dimensions}, with "
            "'event' first"
        )
    if dimensions[:1] == ["event"]:
        dataset(file, place, (n_events, *shape[1:]), kinds=NUMBERS)
    content = found[rows] if dimensions[:1] == ["event"] else found[()]
    array = xr.Variable(dimensions, content, json_attribute(found, "attributes", metadata.VARIABLE))
    coordinate = attribute(found, "coordinate", metadata.FLAG)
    try:
        return events.assign_coords({name: array}) if coordinate else events.assign({name: array})
    except ValueError as error:
        # Two variables with one dimension of different lengths, in the words of xarray.
        raise FormatError(f"'{file.filename}': '{place}' does not fit ({printable(str(error), 200)})") from error


def _plain_attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(name): value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for name, value in attributes.items()
    }
