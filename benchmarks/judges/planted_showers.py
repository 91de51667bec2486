"""Planted failures on Geant4 showers: the verdict on sections that do not belong together.

The shipped positron showers are divided at random into truth and generated ones. In "exchanged", each generated shower
has the first section of its neighbour in energy (in pairs along the sorted energies): each section alone is
Geant4's, but its correlations with the others are lost, including those that conserve the total energy.
"Exchanged in four of ten" does this for only 40 % of the showers. In "exchanged pattern" the section keeps its own
energy, and has its neighbour's shares of it in the cells: the energies and all marginal distributions are Geant4's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra import reference
from simulacra.geometry import CalorimeterGeometry

KINDS: Final = {
    "geant4": "nothing: other Geant4 showers",
    "exchanged": "the first section of each Geant4 shower is that of its neighbour in energy",
    "exchanged in four of ten": "the same in 40 % of the showers",
    "exchanged pattern": "the same in all showers, scaled to the energy that the section had",
}


def draw_showers(kind: str, seed: int, n: int | None = None) -> tuple[xr.Dataset, xr.Dataset]:
    """Return truth and generated showers, n of each, at most half of those that ship.

    Raises
    ------
    ValueError
        if there is no such kind, or there are too few showers.
    """
    if kind not in KINDS:
        raise ValueError(f"no failure of showers is named '{kind}'; there are {', '.join(KINDS)}")
    events = reference.load("calogan-eplus")
    half = events.sizes["event"] // 2
    if n is not None and n > half:
        raise ValueError(f"{n} showers of each sample are more than the {half} that ship")
    n = n or half
    rows = np.random.default_rng(seed).permutation(events.sizes["event"])
    truth, generated = (events.isel(event=np.sort(part)) for part in (rows[:n], rows[n : 2 * n]))
    if kind == "geant4":
        return truth, generated
    share = 0.4 if kind == "exchanged in four of ten" else 1.0
    return truth, exchanged(generated, keep_energy=kind == "exchanged pattern", share=share)


def exchanged(events: xr.Dataset, *, keep_energy: bool = False, share: float = 1.0) -> xr.Dataset:
    """Return showers; ``share`` of them get the first section of their neighbour in energy (an odd one stays)."""
    order = np.argsort(events["incident_energy"].values)
    n = len(order) // 2 * 2
    partner = np.arange(len(order))
    pairs = order[:n].reshape(-1, 2)
    pairs = pairs[np.floor(np.arange(1, len(pairs) + 1) * share) > np.floor(np.arange(len(pairs)) * share)]
    partner[pairs[:, 0]], partner[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    first = CalorimeterGeometry.from_events(events).sections[0].n_cells
    cells = events["shower"].values.copy()
    before, after = cells[:, :first], cells[partner, :first]
    if keep_energy:
        energy, other = before.sum(axis=1), after.sum(axis=1)
        # A section without energy cannot be scaled, and stays unchanged.
        both = (energy > 0) & (other > 0)
        scale = np.divide(energy, other, out=np.ones_like(energy), where=both)
        after = np.where(both[:, None], after * scale[:, None], before)
    cells[:, :first] = after
    return events.assign(shower=events["shower"].copy(data=cells))
