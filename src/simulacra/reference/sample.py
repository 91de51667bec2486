"""Geant4 showers in the CaloGAN detector, e+ and photons of 1 to 100 GeV: truth for judging without Geant4.

They were made with the commands in each sample's attribute ``made_with`` and are split by their index
(:func:`simulacra.events.part_of`) like every sample; their test part is never used in training.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from simulacra.events import Part, take_part

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the samples."""
    return sorted(path.stem for path in _FOLDER.glob("*.h5"))


def load(name: str, part: Part | None = None) -> xr.Dataset:
    """Return a sample or one part of it.

    Parameters
    ----------
    name:
        "calogan-eplus" or "calogan-gamma".
    part:
        "train", "validation" or "test"; all of it if None.

    Raises
    ------
    ValueError
        if there is no such sample, with the names.
    """
    from simulacra.formats import single_file

    if name not in names():
        raise ValueError(f"there is no reference sample '{name}'; there are: {', '.join(names())}")
    events = single_file.read(_FOLDER / f"{name}.h5")
    return events if part is None else take_part(events, part)
