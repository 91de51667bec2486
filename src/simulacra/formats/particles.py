"""Names of incident particles: Geant4's names, used in events, for the names in file formats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from simulacra.formats.errors import FormatError

GEANT4_NAMES: Final[Mapping[str, str]] = {
    "eplus": "e+",
    "positron": "e+",
    "eminus": "e-",
    "electron": "e-",
    "gamma": "gamma",
    "photon": "gamma",
    "piplus": "pi+",
    "pion": "pi+",
    "piminus": "pi-",
}

#: Geant4's names by the numbers of the Particle Data Group
BY_NUMBER: Final[Mapping[int, str]] = {11: "e-", -11: "e+", 22: "gamma", 211: "pi+", -211: "pi-"}


def geant4_name(name: str) -> str:
    """Return Geant4's name of a particle; an unknown name is returned unchanged."""
    return GEANT4_NAMES.get(name, name)


def particle_of(path: str, asked: str | None, stated: str | None) -> str:
    """Return Geant4's name of the incident particle of a file.

    Parameters
    ----------
    path:
        the file; its name may begin with the particle's name, as in CaloGAN's files.
    asked, stated:
        the name from the caller, and the one in the file.

    Raises
    ------
    FormatError
        if the two differ, or there is none.
    """
    if stated is not None:
        if asked is not None and geant4_name(asked) != geant4_name(stated):
            raise FormatError(f"'{path}' holds showers of '{geant4_name(stated)}', not of '{geant4_name(asked)}'")
        return geant4_name(stated)
    if asked is not None:
        return geant4_name(asked)
    stem = Path(path).stem.lower()
    for name, found in GEANT4_NAMES.items():
        if stem == name or stem.startswith((f"{name}_", f"{name}-", f"{name}.")):
            return found
    raise FormatError(f"'{path}' does not say which particle it holds: give it, such as particle='e+'")
