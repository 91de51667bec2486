"""Signal regions of a search: bands of one proper motion, with side bands, from a scan and not from known members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables.stars import PROPER_MOTIONS

#: a region is searched if it and its side bands hold at least so many stars
FEWEST: Final = 200


@dataclass(frozen=True)
class Region:
    """A band of a proper motion, from ``low`` to ``high`` [mas/yr], with side bands of the width ``side``."""

    searched: str
    low: float
    high: float
    side: float

    def __str__(self) -> str:
        """Name it as "proper_motion_phi1 -9 to -7 mas/yr"."""
        return f"{self.searched} {self.low:g} to {self.high:g} mas/yr"

    def inside(self, motion: np.ndarray) -> np.ndarray:
        """Return which stars are in the signal region, (N,), by their searched proper motion, (N,) [mas/yr]."""
        return (motion >= self.low) & (motion < self.high)

    def beside(self, motion: np.ndarray) -> np.ndarray:
        """Return which stars are in the side bands, (N,)."""
        near = (motion >= self.low - self.side) & (motion < self.high + self.side)
        return np.asarray(near & ~self.inside(motion))

    def share(self, other: Region, stars: xr.Dataset) -> float:
        """Return how many stars two regions share, over the geometric mean of their numbers."""
        first, second = (one.inside(stars[one.searched].values) for one in (self, other))
        return float((first & second).sum() / max(np.sqrt(float(first.sum()) * float(second.sum())), 1.0))


def scan(
    stars: xr.Dataset,
    *,
    searched: Sequence[str] = PROPER_MOTIONS,
    width: float = 2.0,
    step: float = 1.0,
    side: float = 4.0,
) -> list[Region]:
    """Return the signal regions of a scan over proper motions.

    Parameters
    ----------
    stars:
        events with the searched proper motions.
    searched:
        the proper motions that are scanned.
    width, step, side:
        of a region, from one region to the next, and of each side band [mas/yr].

    Returns
    -------
    list of Region
        those that hold, as their side bands do, at least 200 stars.

    Raises
    ------
    ValueError
        if a width is not above 0, or no region holds enough stars.
    """
    for name, value in (("width", width), ("step", step), ("side", side)):
        if not value > 0 or not np.isfinite(value):
            raise ValueError(f"the {name} of signal regions is {value}: it must be above 0")
    if unknown := [name for name in searched if name not in PROPER_MOTIONS] or not searched:
        raise ValueError(f"a scan is over {' or '.join(PROPER_MOTIONS)}, not {unknown if searched else 'nothing'}")
    found = []
    for name in searched:
        motion = stars[name].values
        for low in np.arange(np.floor(motion.min() / step), np.ceil(motion.max() / step) + 1) * step:
            region = Region(name, float(low), float(low + width), side)
            below = motion < region.low
            sides = region.beside(motion)
            enough = min(region.inside(motion).sum(), sides.sum()) >= FEWEST
            # Beyond the last side band a density is extrapolated.
            if enough and min((sides & below).sum(), (sides & ~below).sum()) >= FEWEST / 4:
                found.append(region)
    if not found:
        raise ValueError(
            f"no signal region of {width:g} mas/yr holds {FEWEST} of the {len(motion):,} stars, with side bands: take "
            "wider regions, or a larger window"
        )
    return found
