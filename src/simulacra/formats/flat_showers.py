"""Showers with all cells in one row, in HDF5: ``energy`` (N, 1) [GeV], ``showers`` (N, cells) and ``active`` [MeV].

The cells are those of the geometry, in its order (by default CaloGAN's 504: sections one after the other, phi-major).
The file's attributes may state ``particle``, ``geant4`` (version), ``physics`` and ``seconds_per_event``.
"""

from __future__ import annotations

import os

import h5py
import xarray as xr

from simulacra.formats.hdf5 import cells, one_each, opened, require_showers, rows_of, values, write_file
from simulacra.formats.metadata import file_attributes
from simulacra.formats.particles import particle_of
from simulacra.formats.provenance import file_provenance, shower_variable, to_events, warn_of_units, write_group
from simulacra.geometry import CalorimeterGeometry
from simulacra.units import in_convention


def read(
    path: str | os.PathLike[str],
    *,
    particle: str | None = None,
    geometry: CalorimeterGeometry | None = None,
    start: int = 0,
    stop: int | None = None,
) -> xr.Dataset:
    """Read showers with all cells in one row.

    Parameters
    ----------
    particle:
        the incident particle, if neither the file nor its name says.
    geometry:
        the calorimeter; by default CaloGAN's.
    start, stop:
        the first event, and the one after the last (None: all).

    Raises
    ------
    FormatError
        if the file is truncated, a dataset is missing or of a wrong shape, or a value is NaN or negative.
    """
    geometry = geometry or CalorimeterGeometry.load("calogan")
    with opened(path) as file:
        n, rows = rows_of(file, "energy", start, stop)
        variables = {
            "incident_energy": shower_variable(values(file, "energy", (n, 1), rows)[:, 0], "incident_energy"),
            "shower": shower_variable(values(file, "showers", (n, geometry.n_cells), rows), "shower"),
        }
        warn_of_units(file.filename, variables["shower"].values, variables["incident_energy"].values)
        if "active" in file:
            variables["active"] = shower_variable(values(file, "active", (n, geometry.n_cells), rows), "active")
        stated = file_attributes(file)
        attributes = file_provenance(
            particle_of(file.filename, particle, stated.particle),
            simulator_version=None if stated.geant4 is None else str(stated.geant4),
            seconds_per_event=stated.seconds_per_event,
            settings={"format": "flat_showers"} | ({} if stated.physics is None else {"physics": stated.physics}),
            geometry=geometry.to_json(),
        )
        return to_events(file, n, rows, variables, attributes, known=("energy", "showers", "active"))


def write(events: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write showers with all cells in one row.

    Raises
    ------
    FormatError
        if the events hold no showers, or the file cannot be written.
    """
    events = in_convention(events)
    require_showers(events, None, "the layout with all cells in one row")
    columns = {"energy": one_each(events, "incident_energy")}
    for name, column in {"shower": "showers", "active": "active"}.items():
        if name in events:
            columns[column] = cells(events, name, slice(None), events[name].shape[1:])
    covered = {"incident_energy", "shower", *(["active"] if "active" in events else [])}

    def finish(file: h5py.File) -> None:
        write_group(file, events, covered)

    attributes = {"particle": str(events.attrs["particle"])} if "particle" in events.attrs else {}
    write_file(path, events, columns, attributes=attributes, finish=finish, overwrite=overwrite)
