"""The Lund plane of clouds of partons: the splittings that reclustering by angle finds in a final state.

Partons are merged pair by pair, the closest in angle first (Cambridge/Aachen), and each merging is read as a splitting
(Dreyer, Salam and Soyez, arXiv:1807.04758). Shares and angles are those of light-cone momenta along the x axis: a
parton of energy E' and momentum p has the light-cone energy E = (E' + p_x) / 2 and the slopes s = (p_y, p_z) / E, which
are its angles if these are small. Mergings add both light-cone energies and transverse momenta, so for a shower
that splits them (:mod:`simulacra.simulators.parton_shower`) they are the exact inverse of its splittings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.events import EventsError

#: what ``parton_energy`` is, in one line
COUPLED: Final = "light-cone energy (E + p) / 2 of the first parton"
#: most events that are reclustered together, and the numbers of partons at which a new group begins
BLOCK: Final = 1000
GROUPS: Final = (3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257)


@dataclass(frozen=True)
class Declusterings:
    """The splittings of N events, (N, P - 1) each, the widest ones first; 0 where there is none.

    Attributes
    ----------
    present:
        whether there is a splitting.
    energy:
        light-cone energy of the parton that splits [GeV].
    z, angle, kt:
        share of the softer one of the two, the distance of their slopes, and z times energy times angle [GeV].
    mother_energy, mother_angle:
        of the splitting that made the parton; 0 of the first parton.
    soft:
        whether the parton is the softer one of its mother's two.
    primary:
        whether it is the first parton, or the harder one of the two of a primary splitting.
    """

    present: np.ndarray
    energy: np.ndarray
    z: np.ndarray
    angle: np.ndarray
    mother_energy: np.ndarray
    mother_angle: np.ndarray
    soft: np.ndarray
    primary: np.ndarray

    @property
    def kt(self) -> np.ndarray:
        """Transverse momentum z E theta [GeV], (N, P - 1)."""
        return np.asarray(self.z * self.energy * self.angle)


def momenta_of(energy: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return momenta (..., 3) and energies (...) [GeV] of massless partons.

    Parameters
    ----------
    energy, slope:
        light-cone energies (...) [GeV], and slopes (..., 2).
    """
    other = 0.25 * energy * (slope**2).sum(axis=-1)
    return np.concatenate([(energy - other)[..., None], energy[..., None] * slope], axis=-1), energy + other


def light_cone(momentum: np.ndarray, energy: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return light-cone energies (N, P) [GeV] and slopes (N, P, 2) of particles (N, P, 3); 0 where there is none.

    Raises
    ------
    simulacra.events.EventsError
        if a particle has no light-cone energy above 0, or one that is not finite; the message names its place.
    """
    found = np.where(present, (energy.astype(np.float64) + momentum[..., 0]) / 2, 1.0)
    if not (np.isfinite(found) & (found > 0)).all() or not np.isfinite(momentum[present]).all():
        event, place = np.argwhere(
            ~(np.isfinite(found) & (found > 0)) | (present & ~np.isfinite(momentum).all(axis=2))
        )[0]
        raise EventsError(
            f"particle {place} of event {event} of these has the energy {energy[event, place]:g} GeV and the momentum "
            f"{momentum[event, place].tolist()}: a parton of a shower goes along the x axis, with a light-cone energy "
            "above 0"
        )
    slope = np.where(present[..., None], momentum[..., 1:] / found[..., None], 0.0)
    return np.where(present, found, 0.0), slope


def clouds_of(
    event: np.ndarray, energy: np.ndarray, slope: np.ndarray, n_events: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a list of partons as clouds: light-cone energies (N, P), slopes (N, P, 2) and which are present (N, P).

    ``event`` (M,) are the places of the partons' events, from 0 to ``n_events`` - 1.
    """
    counts = np.bincount(event, minlength=n_events)
    order = np.argsort(event, kind="stable")
    place = event[order], np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    present = np.arange(max(1, counts.max(initial=0))) < counts[:, None]
    energies, slopes = np.zeros(present.shape), np.zeros((*present.shape, 2))
    energies[place], slopes[place] = energy[order], slope[order]
    return energies, slopes, present


def decluster(energy: np.ndarray, slope: np.ndarray, present: np.ndarray) -> Declusterings:
    """Return the splittings of clouds of light-cone energies (N, P) [GeV] and slopes (N, P, 2)."""
    n, places = present.shape
    shape = (n, max(places - 1, 0))
    columns = {name: np.zeros(shape) for name in ("energy", "z", "angle", "mother_energy", "mother_angle")}
    flags = {name: np.zeros(shape, dtype=bool) for name in ("present", "soft", "primary")}
    number = present.sum(axis=1)
    order = np.argsort(~present, axis=1, kind="stable")
    by_number = np.argsort(number, kind="stable")
    by_number = by_number[number[by_number] > 1]
    ends = np.searchsorted(number[by_number], GROUPS)
    for rows in np.split(by_number, np.union1d(ends, np.arange(0, len(by_number), BLOCK))):
        if not len(rows):
            continue
        most = int(number[rows].max())
        place = (rows[:, None], order[rows, :most])
        found = _of_block(energy[place], slope[place], present[place])
        for name, values in found.items():
            (flags if name in flags else columns)[name][rows, : most - 1] = values
    return Declusterings(**columns, **flags)


def _of_block(energy: np.ndarray, slope: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the splittings of clouds of similar numbers of partons; the arrays of these are overwritten."""
    n, places = present.shape
    rows = np.arange(n)
    separation = ((slope[:, :, None] - slope[:, None]) ** 2).sum(axis=3)
    separation[~(present[:, :, None] & present[:, None])] = np.inf
    separation[:, np.arange(places), np.arange(places)] = np.inf
    found = {name: np.zeros((n, places - 1)) for name in ("energy", "z", "angle", "mother_energy", "mother_angle")}
    found |= {name: np.zeros((n, places - 1), dtype=bool) for name in ("present", "soft", "primary")}
    # where the splitting of each parton is recorded, -1 of a final one; a round fills one column, from the last
    node = np.full((n, places), -1)
    count = present.sum(axis=1)
    for done in range(places - 1):
        closest = separation.reshape(n, -1).argmin(axis=1)
        first, second = np.divmod(closest, places)
        squared = separation[rows, first, second]
        here = np.flatnonzero(np.isfinite(squared))
        i, j, k = first[here], second[here], count[here] - 2 - done
        total = energy[here, i] + energy[here, j]
        soft = np.where(energy[here, i] < energy[here, j], i, j)
        angle = np.sqrt(squared[here])
        for name, values in (("energy", total), ("z", energy[here, soft] / total), ("angle", angle)):
            found[name][here, k] = values
        found["present"][here, k] = True
        for one in (i, j):
            inner = node[here, one]
            which = here[inner >= 0], inner[inner >= 0]
            found["mother_energy"][which] = total[inner >= 0]
            found["mother_angle"][which] = angle[inner >= 0]
            found["soft"][which] = (one == soft)[inner >= 0]
        shares = (energy[here, i] / total)[:, None]
        slope[here, i] = shares * slope[here, i] + (1 - shares) * slope[here, j]
        energy[here, i] = total
        node[here, i] = k
        separation[here, j] = np.inf
        separation[here, :, j] = np.inf
        there = np.isfinite(separation[here, i])
        apart = ((slope[here] - slope[here, i][:, None]) ** 2).sum(axis=2)
        fresh = np.where(there, apart, np.inf)
        separation[here, i] = fresh
        separation[here, :, i] = fresh
    found["primary"] = _primary(found)
    return found


def _primary(found: dict[str, np.ndarray]) -> np.ndarray:
    """Return which splittings are along the harder branch: column by column, for mothers are before their daughters."""
    present = found["present"]
    events, columns = len(present), len(present.T)
    primary: np.ndarray = np.zeros((events, columns), dtype=bool)
    if columns:
        primary[:, 0] = present[:, 0]
    # The next primary splitting is the hard daughter of the last one: of its angle and energy.
    angle, energy = found["angle"][:, 0].copy(), found["energy"][:, 0].copy()
    for k in range(1, columns):
        primary[:, k] = (
            present[:, k]
            & ~found["soft"][:, k]
            & (found["mother_angle"][:, k] == angle)
            & (found["mother_energy"][:, k] == energy)
        )
        angle = np.where(primary[:, k], found["angle"][:, k], angle)
        energy = np.where(primary[:, k], found["energy"][:, k], energy)
    return primary
