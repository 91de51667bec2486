"""The folders of Geant4's data sets, and a check that those needed for a simulation are there.

Geant4 aborts the process when a file is missing, and importing ``geant4_pybind`` without data asks on standard input
(or downloads 2 GB if ``CI=true``). Everything is therefore checked here before that import.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

DATA_SETS: Final = {
    "G4NDL4.7.1": "G4NEUTRONHPDATA",
    "G4EMLOW8.8": "G4LEDATA",
    "PhotonEvaporation6.1.2": "G4LEVELGAMMADATA",
    "RadioactiveDecay6.1.2": "G4RADIOACTIVEDATA",
    "G4PARTICLEXS4.2": "G4PARTICLEXSDATA",
    "G4PII1.3": "G4PIIDATA",
    "RealSurface2.2": "G4REALSURFACEDATA",
    "G4SAIDDATA2.0": "G4SAIDXSDATA",
    "G4ABLA3.3": "G4ABLADATA",
    "G4INCL1.3": "G4INCLDATA",
    "G4ENSDFSTATE3.0": "G4ENSDFSTATEDATA",
    "G4CHANNELING2.0": "G4CHANNELINGDATA",
}
"""The data sets of Geant4 11.4 known to geant4-pybind 0.1.3, and the environment variable with the folder of each."""

HADRONIC: Final = ("G4PARTICLEXS4.2", "PhotonEvaporation6.1.2", "G4ENSDFSTATE3.0", "G4SAIDDATA2.0")
"""The data that the physics list FTFP_BERT reads in addition to the electromagnetic data."""

ELECTROMAGNETIC_FILES: Final = (
    "brem_SB/br{z}",
    "epics2017/phot/pe-cs-{z}.dat",
    "epics2017/phot/pe-high-{z}.dat",
    "epics2017/phot/pe-low-{z}.dat",
    "epics2017/phot/pe-ss-cs-{z}.dat",
    "epics2017/rayl/re-cs-{z}.dat",
)
"""The files in G4EMLOW that the standard electromagnetic physics reads for an element of atomic number z."""

SEVERAL_SHELLS: Final = "epics2017/phot/pe-le-cs-{z}.dat"
"""Further files from lithium (z = 3) on."""

HOW_TO_GET: Final = (
    "Get the data sets (2 GB) by running `python -c 'import geant4_pybind'` in a terminal and answering y, which puts "
    "them into ~/.geant4_pybind; or set GEANT4_DATA_DIR to a folder with them (https://geant4.web.cern.ch/download)"
)


class Geant4Error(RuntimeError):
    """Geant4 cannot run: a package, a data set, a material or a particle is missing; the message says how to get it."""


def require_package() -> None:
    """Raise :class:`Geant4Error` unless geant4-pybind is installed; this does not import it."""
    if importlib.util.find_spec("geant4_pybind") is None:
        raise Geant4Error("Geant4 needs the package geant4-pybind: pip install 'simulacra[geant4]'")


def folder_of(data_set: str) -> Path:
    """Return the folder where Geant4 looks for a data set, whether or not it is there."""
    variable = os.environ.get(DATA_SETS[data_set])
    if variable:
        return Path(variable)
    common = os.environ.get("GEANT4_DATA_DIR")
    return (Path(common) if common else Path.home() / ".geant4_pybind") / data_set


def has_content(data_set: str) -> bool:
    """Return whether the folder of a data set holds anything but hidden and empty files."""
    folder = folder_of(data_set)
    return folder.is_dir() and any(
        entry.is_dir() or entry.stat().st_size > 0 for entry in folder.iterdir() if not entry.name.startswith(".")
    )


def require_importable() -> None:
    """Raise :class:`Geant4Error` if importing geant4_pybind would fail, ask a question or start a download."""
    require_package()
    common = os.environ.get("GEANT4_DATA_DIR")
    if common is not None and not Path(common).is_dir():
        raise Geant4Error(f"GEANT4_DATA_DIR is '{common}', which is not a folder. {HOW_TO_GET}")
    # Geant4 looks for the folders of data that it does not read, too.
    missing = [name for name in DATA_SETS if not folder_of(name).is_dir()]
    if missing:
        unset = "GEANT4_DATA_DIR is not set and " if common is None else ""
        raise Geant4Error(
            f"{unset}data sets of Geant4 are missing: {', '.join(missing)} "
            f"(looked for {folder_of(missing[0])}). {HOW_TO_GET}"
        )
    states = folder_of("G4ENSDFSTATE3.0") / "ENSDFSTATE.dat"
    if not states.is_file():
        raise Geant4Error(f"Geant4's data file {states} is missing. {HOW_TO_GET}")
    if not has_content("G4EMLOW8.8"):
        raise Geant4Error(
            f"Geant4's data set G4EMLOW8.8, which all physics needs, is missing or empty: {folder_of('G4EMLOW8.8')}. "
            f"{HOW_TO_GET}"
        )


def missing_hadronic() -> list[str]:
    """Return the hadronic data sets that are missing or empty."""
    return [name for name in HADRONIC if not has_content(name)]


def require_elements(atomic_numbers: Iterable[int], materials: str) -> None:
    """Raise :class:`Geant4Error`, naming files and ``materials``, if G4EMLOW lacks an element."""
    folder = folder_of("G4EMLOW8.8")
    missing = [
        name
        for z in sorted(set(atomic_numbers))
        for name in (pattern.format(z=z) for pattern in (*ELECTROMAGNETIC_FILES, *([SEVERAL_SHELLS] if z > 2 else [])))
        if not (folder / name).is_file()
    ]
    if missing:
        raise Geant4Error(
            f"{folder} lacks {', '.join(missing[:6])}{' ...' if len(missing) > 6 else ''}, which the elements of "
            f"{materials} need. {HOW_TO_GET}"
        )
