"""The CaloChallenge's HDF5 files (Krause et al., arXiv:2410.21611; doi:10.5281/zenodo.6234054, 6366270 and 6366323).

``incident_energies`` (N, 1) [MeV] and ``showers`` (N, voxels) [MeV]; in the order of voxels r runs fastest, then alpha
from -pi, then the layers, as in the challenge's evaluation with the binning XML. In events the order of cells is the
same, but alpha starts at 0: the bins of each layer are rotated by half a circle. The values and types do not change.

The incident energy is in GeV in events. A division by 1000 cannot always be reversed exactly, so the coordinate
``incident_energy_mev`` keeps the value of the file. It is written back unless the incident energy was changed.
"""

from __future__ import annotations

import os
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr
from pydantic import ValidationError

from simulacra.errors import printable
from simulacra.formats.binning import Binning, read_binning
from simulacra.formats.challenge_sets import SAMPLING_FRACTION, SILICON_THRESHOLD, set_of
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import (
    BLOCK,
    Column,
    dataset,
    opened,
    require_showers,
    rows_at,
    rows_of,
    text,
    values,
    write_file,
)
from simulacra.formats.metadata import file_attributes
from simulacra.formats.particles import particle_of
from simulacra.formats.provenance import (
    GROUP,
    VARIABLES,
    file_provenance,
    shower_variable,
    to_events,
    warn_of_units,
    write_group,
)
from simulacra.geometry import CalorimeterGeometry
from simulacra.lazy_arrays import in_memory, read_by
from simulacra.units import in_convention

ENERGY_COORDINATE: Final = "incident_energy_mev"
BINNING: Final = f"{GROUP}/binning"
#: showers of a file that are read when it is opened [bytes]; those of larger files are read when needed
READ_AT_ONCE: Final = 2**30


def read(
    path: str | os.PathLike[str],
    binning: Binning | str | os.PathLike[str] | None = None,
    particle: str | None = None,
    *,
    geometry: CalorimeterGeometry | None = None,
    start: int = 0,
    stop: int | None = None,
) -> xr.Dataset:
    """Read the CaloChallenge's layout.

    Parameters
    ----------
    binning:
        the binning or its XML file; not needed for files from :func:`write` and for the challenge's own files, which
        are identified by their number of voxels.
    particle:
        the particle to look up in the XML, as :func:`~simulacra.formats.binning.read_binning` takes it.
    geometry:
        the calorimeter, with its materials; by default that of datasets 2 and 3 if the binning has its 45 layers, and
        otherwise the voxels of the binning with nominal materials (dataset 1 is ATLAS's). the first event, and the one
        after the last (None: all).
    start, stop:
        the first event, and the one after the last (None: all).

    Raises
    ------
    FormatError
        if the file is truncated, a dataset is missing or does not fit the binning, or a value is NaN or negative.
    """
    with opened(path) as file:
        if binning is None:
            binning = _own_binning(file)
        elif not isinstance(binning, Binning):
            binning = read_binning(binning, particle)
        geometry = geometry or binning.geometry() or binning.nominal_geometry()
        if not binning.matches(geometry):
            raise FormatError(
                f"the geometry '{geometry.name}' does not have the voxels of the binning '{binning.name}'"
            )
        n, rows = rows_of(file, "incident_energies", start, stop)
        energies = values(file, "incident_energies", (n, 1), rows)[:, 0]
        variables = {
            "incident_energy": shower_variable(_gev(energies), "incident_energy"),
            "shower": _showers(file, binning, n, rows),
        }
        attributes = file_provenance(
            particle_of(file.filename, None, file_attributes(file).particle or binning.particle),
            settings={"format": "calochallenge"},
            binning=binning.model_dump_json(),
        )
        warn_of_units(file.filename, variables["shower"], variables["incident_energy"].values)
        attributes["geometry"] = geometry.to_json()
        in_file = xr.Variable("event", energies, {"units": "MeV", "long_name": "incident energy as in the file"})
        exact = f"{VARIABLES}/incident_energy" in file
        return to_events(
            file,
            n,
            rows,
            variables,
            attributes,
            known=("incident_energies", "showers"),
            coordinates={} if exact else {ENERGY_COORDINATE: in_file},
        )


def as_read_out(
    events: xr.Dataset, *, sampling_fraction: float = SAMPLING_FRACTION, threshold: float = SILICON_THRESHOLD
) -> xr.Dataset:
    """Return simulated showers as in sets 2 and 3: the energy in the active medium, scaled to the full energy.

    Parameters
    ----------
    events:
        showers with the variable ``active`` [MeV], as ``simulacra simulate geant4`` makes them.
    sampling_fraction:
        fraction of the energy in the active medium.
    threshold:
        energy in a cell's active medium below which it counts as empty [MeV].

    Raises
    ------
    FormatError
        if there is no variable ``active``.
    """
    if "active" not in events.data_vars:
        raise FormatError(
            "a read-out needs the variable 'active', the energy in the active medium, of simulated showers"
        )
    active = events["active"].values
    scaled = np.where(active < threshold, 0.0, active / sampling_fraction).astype(active.dtype)
    return events.drop_vars("active").assign(shower=(events["shower"].dims, scaled, events["shower"].attrs))


def as_evaluated(events: xr.Dataset) -> xr.Dataset:
    """Return showers as in the challenge's evaluation: voxels below the set's threshold are 0.

    The set is identified by the number of voxels; other showers are returned unchanged. The evaluation applies the
    threshold to the reference and the generated showers. With the threshold in one sample only, the samples would
    differ.
    """
    known = set_of(events["shower"].shape[1]) if "shower" in events and events["shower"].ndim == 2 else None
    if known is None:
        return events
    array = events["shower"]
    if not in_memory(array.variable):

        def read(showers: xr.Variable, key: tuple[Any, ...]) -> np.ndarray:
            found = np.asarray(showers[key].values)
            return np.where(found < known.threshold, found.dtype.type(0), found)

        return events.assign(shower=read_by(read, array.variable))
    cells = np.array(array.values)
    for start in range(0, len(cells), BLOCK):
        block = cells[start : start + BLOCK]
        block[block < known.threshold] = 0
    return events.assign(shower=(array.dims, cells, array.attrs))


def incident_energies(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the incident energies (N,) [MeV] of a file, unchanged, without reading its showers.

    Raises
    ------
    FormatError
        if it is not of this layout, or an energy is not finite and above 0.
    """
    with opened(path) as file:
        energies = values(file, "incident_energies", (None, 1), slice(None))[:, 0]
        wrong = ~(np.isfinite(energies) & (energies > 0))
        if wrong.any():
            event = int(np.flatnonzero(wrong)[0])
            raise FormatError(f"'{file.filename}': the incident energy of event {event} is {energies[event]} MeV")
        return energies


def write(
    events: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    binning: Binning | None = None,
    threshold: float = 0.0,
    energies_mev: np.ndarray | None = None,
    overwrite: bool = False,
) -> None:
    """Write showers in cylindrical cells in the CaloChallenge's layout.

    Parameters
    ----------
    binning:
        the voxels; by default those of the events' attribute ``binning`` or else of their geometry. Other programs need
        it as XML too: :func:`~simulacra.formats.binning.write_binning`.
    threshold:
        energy below which a voxel is written as 0 [MeV].
    energies_mev:
        incident energies (N,) [MeV] to write, if those in the events are rounded, as from generators.

    Raises
    ------
    FormatError
        if the events have no such cells, the threshold is negative or not finite, the energies are not those of the
        events, or the file cannot be written.
    """
    events = in_convention(events)
    if not 0 <= threshold < float("inf"):
        raise FormatError(f"the threshold of a voxel must be 0 MeV or more and finite, not {threshold}")
    binning = binning or _binning_of(events)
    require_showers(events, binning.n_voxels, "the CaloChallenge's layout with this binning")
    kept = ENERGY_COORDINATE in events.coords and np.array_equal(
        _gev(events[ENERGY_COORDINATE].values), events["incident_energy"].values
    )
    if not kept:
        events = events.drop_vars(ENERGY_COORDINATE, errors="ignore")
    if energies_mev is not None:
        held = _mev(events["incident_energy"].values)
        if np.shape(energies_mev) != held.shape or not np.allclose(energies_mev, held, rtol=1e-6, atol=0):
            raise FormatError("the incident energies given are not those of the events: give one for each, in MeV")
        exact = xr.Variable("event", energies_mev, {"units": "MeV", "long_name": "incident energy as in the file"})
        events, kept = events.assign_coords({ENERGY_COORDINATE: exact}), True
    record, cell_of_voxel = binning.model_dump_json(), binning.cell_of_voxel

    def energies(block: xr.Dataset) -> np.ndarray:
        found = block[ENERGY_COORDINATE].values if kept else _mev(block["incident_energy"].values)
        return np.asarray(found)[:, None]

    def showers(block: xr.Dataset) -> np.ndarray:
        voxels = np.asarray(block["shower"].values[:, cell_of_voxel])
        return voxels if threshold == 0 else np.where(voxels < threshold, voxels.dtype.type(0), voxels)

    def finish(file: h5py.File) -> None:
        # where the file's energies do not give back the events' exactly, those are kept too
        covered = ["incident_energy", ENERGY_COORDINATE] if kept and energies_mev is None else []
        write_group(file, events, {"shower", *covered})
        file[BINNING] = record

    write_file(
        path,
        events,
        {
            "incident_energies": Column((1,), events[ENERGY_COORDINATE].dtype if kept else np.dtype("f8"), energies),
            "showers": Column((binning.n_voxels,), events["shower"].dtype, showers),
        },
        attributes={"particle": str(events.attrs.get("particle", binning.particle))},
        finish=finish,
        overwrite=overwrite,
    )


def _showers(file: h5py.File, binning: Binning, n_events: int, rows: slice) -> xr.Variable:
    """Return the showers in the order of cells, (N, cells); those of a large file are read when needed."""
    showers = dataset(file, "showers", (n_events, binning.n_voxels))
    n = rows.stop - rows.start
    if n * binning.n_voxels * showers.dtype.itemsize <= READ_AT_ONCE:
        return shower_variable(_cells(showers, binning, rows), "shower")
    path = file.filename

    def read(_: xr.Variable, key: tuple[Any, ...]) -> np.ndarray:
        events, cells = (np.atleast_1d(np.arange(size)[part]) for size, part in zip(shape, key, strict=True))
        with opened(path) as again:
            found = rows_at(dataset(again, "showers", (n_events, binning.n_voxels)), events + rows.start)
        found = found[:, binning.voxel_of_cell[cells]]
        return found[tuple(0 if isinstance(part, int | np.integer) else slice(None) for part in key)]

    shape = (n, binning.n_voxels)
    # without memory: one number, as large as the showers
    like = shower_variable(np.broadcast_to(np.zeros((), showers.dtype), shape), "shower")
    return read_by(read, like)


def _cells(showers: h5py.Dataset, binning: Binning, rows: slice) -> np.ndarray:
    """Return showers in the order of cells, rotated block by block to save memory."""
    cells = np.empty((rows.stop - rows.start, binning.n_voxels), dtype=showers.dtype)
    for start in range(rows.start, rows.stop, BLOCK):
        block = showers[start : min(start + BLOCK, rows.stop)]
        cells[start - rows.start : start - rows.start + len(block)] = block[:, binning.voxel_of_cell]
    return cells


def _gev(energies: np.ndarray) -> np.ndarray:
    """Return energies [MeV] in GeV; in single precision if given in single or half precision."""
    precision = np.promote_types(energies.dtype, np.float32) if energies.dtype.kind == "f" else np.float64
    return (energies.astype(np.float64) / 1000).astype(precision)


def _mev(energies: np.ndarray) -> np.ndarray:
    """Return energies [GeV] in MeV, in double precision."""
    return energies.astype(np.float64) * 1000


def _own_binning(file: h5py.File) -> Binning:
    if BINNING not in file:
        known = set_of(dataset(file, "showers", (None, None)).shape[1])
        if known is not None:
            return known.binning
        raise FormatError(
            f"'{file.filename}' holds voxels: give their binning, such as binning='binning_dataset_2.xml'"
        )
    return _from_json(text(file, BINNING), f"'{file.filename}'")


def _binning_of(events: xr.Dataset) -> Binning:
    if "binning" in events.attrs:
        return _from_json(str(events.attrs["binning"]), "the attribute 'binning' of the events")
    if "geometry" not in events.attrs or "particle" not in events.attrs:
        raise FormatError("the events have neither a 'binning' nor a 'geometry' and 'particle': give the binning")
    return Binning.from_geometry(CalorimeterGeometry.from_events(events), str(events.attrs["particle"]))


def _from_json(text: str, where: str) -> Binning:
    try:
        return Binning.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = printable(".".join(map(str, fault["loc"])), 80)
        what = printable(fault["msg"], 200)
        raise FormatError(f"the binning in {where} is damaged ({f'{place}: ' if place else ''}{what})") from None
