"""CaloGAN's HDF5 files (Paganini, de Oliveira and Nachman, arXiv:1712.10321, doi:10.17632/pvn3xc3wy5.1).

``energy`` (N, 1) [GeV], ``layer_0`` (N, 3, 96), ``layer_1`` (N, 12, 12), ``layer_2`` (N, 12, 6) [MeV], each (phi, eta),
and ``overflow`` (N, 3) [MeV]. Files with impact points and angles also hold ``x0`` and ``y0`` [mm], ``theta`` and
``phi`` [rad], (N, 1) each. Types are kept as they are in the file.
"""

from __future__ import annotations

import os
from typing import Final

import h5py
import numpy as np
import xarray as xr

from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import cells, one_each, opened, require_showers, rows_of, values, write_file
from simulacra.formats.metadata import file_attributes
from simulacra.formats.particles import particle_of
from simulacra.formats.provenance import file_provenance, shower_variable, to_events, warn_of_units, write_group
from simulacra.geometry import CalorimeterGeometry
from simulacra.units import in_convention

#: the dataset of each optional condition
CONDITIONS: Final = {"impact_x": "x0", "impact_y": "y0", "polar_angle": "theta", "azimuthal_angle": "phi"}


def read(
    path: str | os.PathLike[str], *, particle: str | None = None, start: int = 0, stop: int | None = None
) -> xr.Dataset:
    """Read CaloGAN's layout.

    Parameters
    ----------
    particle:
        the incident particle ("e+", "gamma", "pi+"), if neither the file nor its name ("eplus.hdf5") says.
    start, stop:
        the first event, and the one after the last (None: all).

    Raises
    ------
    FormatError
        if the file is truncated, a dataset is missing or of a wrong shape, or a value is NaN or negative.
    """
    geometry = CalorimeterGeometry.load("calogan")
    with opened(path) as file:
        n, rows = rows_of(file, "energy", start, stop)
        layers = []
        for i in range(len(geometry.sections)):
            image = values(file, f"layer_{i}", (n, *geometry.section_shape(i)), rows)
            layers.append(image.reshape(len(image), -1))
        variables = {
            "incident_energy": shower_variable(values(file, "energy", (n, 1), rows)[:, 0], "incident_energy"),
        }
        for name, column in CONDITIONS.items():
            if column in file:
                variables[name] = shower_variable(values(file, column, (n, 1), rows)[:, 0], name)
        variables["shower"] = shower_variable(np.concatenate(layers, axis=1), "shower")
        warn_of_units(file.filename, variables["shower"].values, variables["incident_energy"].values)
        if "overflow" in file:
            variables["overflow"] = shower_variable(values(file, "overflow", (n, len(layers)), rows), "overflow")
        known = ("energy", *(f"layer_{i}" for i in range(len(layers))), "overflow", *CONDITIONS.values())
        attributes = file_provenance(
            particle_of(file.filename, particle, file_attributes(file).particle),
            settings={"format": "calogan"},
            geometry=geometry.to_json(),
        )
        return to_events(file, n, rows, variables, attributes, known=known)


def write(events: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write showers of CaloGAN's calorimeter in its layout.

    Raises
    ------
    FormatError
        if the events are not of that calorimeter, or the file cannot be written.
    """
    events = in_convention(events)
    geometry = CalorimeterGeometry.load("calogan")
    expected = [geometry.section_shape(i) for i in range(len(geometry.sections))]
    require_showers(events, geometry.n_cells, f"CaloGAN's layout of {expected} cells")
    if "geometry" in events.attrs:
        given = CalorimeterGeometry.from_events(events)
        shapes = [given.section_shape(i) for i in range(len(given.sections))]
        if shapes != expected:
            raise FormatError(f"CaloGAN's layout needs sections of {expected} cells, not {shapes} ('{given.name}')")
    columns = {"energy": one_each(events, "incident_energy")}
    for i, shape in enumerate(expected):
        columns[f"layer_{i}"] = cells(events, "shower", geometry.section_slice(i), shape)
    if "overflow" in events:
        columns["overflow"] = cells(events, "overflow", slice(None), (len(expected),))
    for name, column in CONDITIONS.items():
        if name in events:
            columns[column] = one_each(events, name)
    covered = {"incident_energy", "shower", *(name for name in ("overflow", *CONDITIONS) if name in events)}

    def finish(file: h5py.File) -> None:
        write_group(file, events, covered)

    attributes = {"particle": str(events.attrs["particle"])} if "particle" in events.attrs else {}
    write_file(path, events, columns, attributes=attributes, finish=finish, overwrite=overwrite)
