"""The format of a file, from its contents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal

import xarray as xr

from simulacra.compressed import is_compressed
from simulacra.formats import (
    asas,
    calochallenge,
    calogan,
    flat_showers,
    hepmc,
    jetnet,
    ogle,
    single_file,
    star_table,
    surface_density,
)
from simulacra.formats.binning import Binning
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import opened
from simulacra.formats.particles import geant4_name
from simulacra.settings import path_of
from simulacra.store import open_events

Format = Literal[
    "store",
    "calogan",
    "calochallenge",
    "flat_showers",
    "single_file",
    "hepmc",
    "jetnet",
    "ogle",
    "asas",
    "surface_density",
    "star_table",
]

#: the datasets that identify each layout
_LAYOUTS: Final[Mapping[Format, frozenset[str]]] = {
    "calogan": frozenset({"energy", "layer_0"}),
    "calochallenge": frozenset({"incident_energies", "showers"}),
    "flat_showers": frozenset({"energy", "showers"}),
    "jetnet": frozenset({jetnet.PARTICLES}),
    "ogle": frozenset({ogle.CURVES, ogle.CATALOGUE}),
    "surface_density": frozenset({surface_density.DENSITY, surface_density.REDSHIFT}),
}


def format_of(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file or folder.

    Raises
    ------
    FormatError
        if the format is unknown; the message lists the contents.
    """
    path = path_of(path, "the file")
    if not path.is_file():
        return "store"
    # A damaged file that is called HepMC is one: the message says what is wrong with it.
    if hepmc.is_hepmc(path) or any(suffix.startswith(".hepmc") for suffix in path.suffixes):
        return "hepmc"
    if asas.is_archive(path):
        return "asas"
    if path.name.lower().endswith(star_table.ENDINGS):
        raise FormatError(
            f"'{path}' is a map of the sky or a table: cut a map into patches (simulacra sky-patches; "
            "simulacra.sky_patches), or make a store of a table of stars (simulacra stars; formats.star_table.read)"
        )
    if is_compressed(path):
        raise FormatError(f"'{path}' is compressed, and is not a HepMC file: unpack it first")
    with opened(path) as file:
        # a damaged name is bytes
        there = set(map(str, file))
        if "conventions" in file.attrs:
            return "single_file"
        fitting: list[Format] = [name for name, needed in _LAYOUTS.items() if needed <= there]
        if "calochallenge" in fitting and "flat_showers" in fitting:
            # `showers` are one dataset, and their energies are those that the challenge names so
            fitting.remove("flat_showers")
        if len(fitting) > 1:
            raise FormatError(
                f"'{path}' holds {sorted(there)}, the datasets of several layouts ({', '.join(fitting)}): read it "
                f"explicitly, such as by simulacra.formats.{fitting[0]}.read(path)"
            )
        if fitting:
            return fitting[0]
        if star_table.is_pandas(file):
            return "star_table"
        raise FormatError(
            f"'{path}' holds {sorted(there)}: expected 'energy' and 'layer_0' to 'layer_2' (CaloGAN), "
            "'incident_energies' and 'showers' (CaloChallenge), 'energy' and 'showers', 'particle_features' (JetNet), "
            "'light_curves' and 'fundamental_mode' (OGLE), 'density' and 'redshift' (N-body planes), or a table "
            "of stars that pandas has written"
        )


def read(
    path: str | os.PathLike[str],
    *,
    particle: str | None = None,
    binning: Binning | str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Read events of any known format, or open a Zarr store of them lazily, in the conventions' units.

    Parameters
    ----------
    particle:
        the incident particle, if the file does not name it; for JetNet's files the origin of the jets.
    binning:
        the binning, or its XML file, of a CaloChallenge file.

    Raises
    ------
    FormatError
        if the file is of no known format, damaged, or of another particle.
    simulacra.events.EventsError
        if a variable has an unknown unit, or one that cannot be converted.
    simulacra.store.StoreError
        if there is no store, or it is unfinished or damaged.

    Examples
    --------
    >>> import pathlib, tempfile, simulacra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> summary = simulacra.generate("calogan-eplus", folder / "showers.zarr", 10, progress=False)
    >>> simulacra.read(folder / "showers.zarr")["shower"].dims
    ('event', 'cell')
    """
    found = format_of(path)
    if binning is not None and found != "calochallenge":
        raise FormatError(f"'{path}' is not in the CaloChallenge's layout ('{found}'): it takes no binning")
    match found:
        case "calochallenge":
            return calochallenge.read(path, binning, particle)
        case "calogan":
            return calogan.read(path, particle=particle)
        case "flat_showers":
            return flat_showers.read(path, particle=particle)
        case "jetnet":
            return jetnet.read(path, particle=particle)
        case "hepmc":
            events = hepmc.read(path)
        case "ogle":
            events = ogle.read(path)
        case "asas":
            events = asas.read(path)
        case "surface_density":
            events = surface_density.read(path)
        case "star_table":
            events = star_table.read(path)
        case "single_file":
            events = single_file.read(path)
        case "store":
            events = open_events(path)
    held = events.attrs.get("particle")
    if particle is not None and held is not None and geant4_name(particle) != held:
        raise FormatError(f"'{path}' holds showers of '{held}', not of '{geant4_name(particle)}'")
    return events
