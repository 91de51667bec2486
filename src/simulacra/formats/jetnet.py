"""JetNet's HDF5 files (Kansal et al., arXiv:2106.11535, doi:10.5281/zenodo.6975118), also of generated jets.

``particle_features`` (N, P, 4) holds eta_rel, phi_rel, pt_rel and a mask of each particle, ``jet_features`` (N, 4) pt
[GeV], eta, mass [GeV] and number of particles of each jet; P is 30 or 150. In events they are the variables of
:mod:`simulacra.observables.relative_jets`.

The conditions are inputs of jet generators; the two features are results. Generated jets may have less: without
``jet_features`` the four variables of the jet are missing; without the mask, (N, P, 3), a particle is present if one of
its three numbers is not 0. Relative transverse momenta and jet masses from generators may be negative; the observables
of jets count such particles. Values of absent particles are not changed. A file may give its ``particle`` and
``seconds_per_event`` as attributes.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import Column, dataset, opened, values, write_file
from simulacra.formats.metadata import file_attributes
from simulacra.formats.provenance import GROUP, file_provenance, to_events, write_group
from simulacra.observables.relative_jets import JET_CLASS, JET_NAMES, OF_PARTICLES, jet_variable
from simulacra.units import in_convention

PARTICLES: Final = "particle_features"
JETS: Final = "jet_features"
PARTICLE_VARIABLES: Final = OF_PARTICLES
JET_VARIABLES: Final = ("jet_pt", "jet_eta", "jet_mass", "particle_number")


def read(
    path: str | os.PathLike[str], *, particle: str | None = None, start: int = 0, stop: int | None = None
) -> xr.Dataset:
    """Read JetNet's layout.

    Parameters
    ----------
    particle:
        origin of the jets: "g", "q", "t", "w" or "z", or any other name. The file's name is not used. Jets of one of
        the five get it as ``jet_class``, which generators of jets need.
    start, stop:
        the first jet, and the one after the last (None: all).

    Raises
    ------
    FormatError
        if the file is truncated, a dataset is missing or of a wrong shape, a value is NaN, a mask is neither 0 nor 1, a
        jet's pt is negative, or the file is of another particle.

    Warns
    -----
    UserWarning
        if ``particle`` is none of the five classes.
    """
    with opened(path) as file:
        found = dataset(file, PARTICLES, (None, None, None))
        n, width, columns = found.shape
        if columns not in (3, 4) or width == 0:
            raise FormatError(
                f"'{file.filename}': expected '{PARTICLES}' of the shape (N, particles, 4) or (N, particles, 3), found "
                f"{found.shape}"
            )
        stop = n if stop is None else stop
        if not 0 <= start < stop <= n:
            raise FormatError(f"'{file.filename}' holds {n} jets: there are none from {start} to {stop - 1}")
        rows = slice(start, stop)
        particles = np.asarray(found[rows])
        variables = {
            name: jet_variable(np.ascontiguousarray(particles[..., i]), name)
            for i, name in enumerate(PARTICLE_VARIABLES)
        }
        variables["present"] = jet_variable(_mask(file, particles, start), "present")
        if JETS in file:
            jets = values(file, JETS, (n, len(JET_VARIABLES)), rows)
            for i, name in enumerate(JET_VARIABLES):
                variables[name] = jet_variable(np.ascontiguousarray(jets[:, i]), name)
        attributes = _attributes(file, particle)
        # Jets of several classes that were written here have theirs in the group.
        if attributes.get("particle") in JET_CLASS.choices and GROUP not in file:
            place = JET_CLASS.place_of(attributes["particle"])
            variables["jet_class"] = jet_variable(np.full(stop - start, place, np.int32), "jet_class")
        elif particle is not None and jet_name(particle) not in JET_CLASS.choices:
            known = ", ".join(f"{letter} ({name})" for letter, name in JET_NAMES.items())
            warnings.warn(
                f"'{file.filename}': jets of '{particle}' get no 'jet_class', which is given to those of {known}",
                stacklevel=2,
            )
        events = to_events(file, n, rows, variables, attributes, known=(PARTICLES, JETS))
    if particle is not None and "jet_class" in events and jet_name(particle) in JET_CLASS.choices:
        other = np.unique(
            events["jet_class"].values[events["jet_class"].values != JET_CLASS.place_of(jet_name(particle))]
        )
        if len(other):
            raise FormatError(
                f"'{path}' holds jets of '{JET_CLASS.choices[int(other[0])]}', not only of '{jet_name(particle)}'"
            )
    return events


def write(events: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write jets in relative coordinates in JetNet's layout, with ``jet_features`` if the events hold pt, eta and mass.

    Raises
    ------
    FormatError
        if the events hold no such jets, or the file cannot be written.
    """
    events = in_convention(events)
    if "present" in events and {name for name in JET_VARIABLES if name not in events} == {"particle_number"}:
        number = events["present"].values.sum(axis=-1, dtype=np.int32)
        events = events.assign(particle_number=jet_variable(number, "particle_number"))
    missing = [name for name in (*PARTICLE_VARIABLES, "present") if name not in events.data_vars]
    if missing:
        raise FormatError(
            f"JetNet's layout needs the variables {missing}; the events hold {sorted(map(str, events.data_vars))}"
        )
    shape = events["pt_rel"].shape
    for name in (*PARTICLE_VARIABLES, "present"):
        if events[name].ndim != 2 or events[name].shape != shape:
            raise FormatError(f"JetNet's layout needs '{name}' of the shape {shape}, not {events[name].shape}")
    if events["present"].dtype != bool:
        raise FormatError(f"'present' is a mask of bool, not {events['present'].dtype}")
    layout: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
        PARTICLES: ((*PARTICLE_VARIABLES, "present"), (shape[1], 4))
    }
    if all(name in events and events[name].ndim == 1 for name in JET_VARIABLES):
        layout[JETS] = (JET_VARIABLES, (len(JET_VARIABLES),))
    columns, covered = {}, set()
    for name, (held, inner) in layout.items():
        dtype = np.result_type(*(events[one].dtype for one in held if one != "present"))
        columns[name] = Column(inner, dtype, _stacking(held))
        # a type that differs from the column's is stored with it, so that events are read back unchanged
        covered |= {one for one in held if one == "present" or events[one].dtype == dtype}

    def finish(file: h5py.File) -> None:
        write_group(file, events, covered)

    attributes = {"particle": str(events.attrs["particle"])} if "particle" in events.attrs else {}
    write_file(path, events, columns, attributes=attributes, finish=finish, overwrite=overwrite)


def in_common(first: xr.Dataset, second: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset, tuple[str, ...]]:
    """Return two samples of jets without the jet variables that one of them lacks, and the names of these.

    Generated jets with particles only can then be judged against JetNet's. Other events are returned unchanged.
    """
    if not all("pt_rel" in events.data_vars for events in (first, second)):
        return first, second, ()
    lacking = tuple(name for name in JET_VARIABLES if (name in first) != (name in second))
    return first.drop_vars(lacking, errors="ignore"), second.drop_vars(lacking, errors="ignore"), lacking


def jet_name(particle: str) -> str:
    """Return the meaning of a letter of JetNet, such as "top quark" for "t"; any other name unchanged."""
    return JET_NAMES.get(particle, particle)


def _mask(file: h5py.File, particles: np.ndarray, start: int) -> np.ndarray:
    """Return whether there is a particle, (N, P)."""
    if particles.shape[2] == len(PARTICLE_VARIABLES):
        return np.asarray((particles != 0).any(axis=2))
    mask = particles[..., -1]
    wrong = (mask != 0) & (mask != 1)
    if wrong.any():
        jet, particle = np.argwhere(wrong)[0]
        raise FormatError(
            f"'{file.filename}': the mask of particle {particle} of jet {start + jet} is {mask[jet, particle]}: "
            "expected 0 or 1 in the fourth column. A generator's raw output has to be rounded first"
        )
    return np.asarray(mask == 1)


def _attributes(file: h5py.File, particle: str | None) -> dict[str, Any]:
    found = file_attributes(file)
    stated = found.particle
    if stated is not None and particle is not None and jet_name(stated) != jet_name(particle):
        raise FormatError(f"'{file.filename}' holds jets of '{jet_name(stated)}', not of '{jet_name(particle)}'")
    name = stated if stated is not None else particle
    attributes = file_provenance(
        "" if name is None else jet_name(name),
        simulator="",
        seconds_per_event=found.seconds_per_event,
        settings={"format": "jetnet"},
    )
    if name is None:
        del attributes["particle"]
    return attributes


def _stacking(held: tuple[str, ...]) -> Any:
    return lambda block: np.stack([block[name].values for name in held], axis=-1)
