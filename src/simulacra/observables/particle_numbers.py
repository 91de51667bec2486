"""Numbers of particles of each kind, and distributions of their momenta."""

from __future__ import annotations

from typing import Final

import numpy as np

#: kinds of particles by the magnitude of their PDG code
KINDS: Final[dict[str, tuple[int, ...]]] = {
    "kaon": (321, 130, 310, 311),
    "pion": (211, 111),
    "proton": (2212,),
    "photon": (22,),
}
NEUTRINOS: Final = (12, 14, 16)

#: edges of the bins of the number densities, in log10 of the momentum fraction
MOMENTUM_FRACTION_EDGES: Final = tuple(-3 + i / 4 for i in range(13))


def is_kind(identity: np.ndarray, codes: tuple[int, ...]) -> np.ndarray:
    """Return where a PDG code is one of ``codes`` or of their antiparticles, of the shape of ``identity``."""
    magnitude = np.abs(identity)
    found = np.zeros(identity.shape, dtype=bool)
    for code in codes:
        found |= magnitude == code
    return found


def momentum_fraction_bin(momentum: np.ndarray, centre_of_mass_energy: np.ndarray) -> np.ndarray:
    """Return the bin of log10 of the momentum fraction 2p/E_cm of each particle, (N, P) int64, -1 for none.

    Parameters
    ----------
    momentum:
        px, py, pz of each particle, zero if absent, (N, P, 3), [GeV].
    centre_of_mass_energy:
        E_cm of each event, (N,), [GeV].
    """
    edges = 10.0 ** np.array(MOMENTUM_FRACTION_EDGES)
    length = np.sqrt((momentum**2).sum(axis=2))
    energy = centre_of_mass_energy[:, None]
    fraction = np.divide(2 * length, energy, out=np.zeros_like(length), where=energy > 0)
    found: np.ndarray = np.searchsorted(edges, fraction, side="right") - 1
    # as in numpy.histogram, the last bin includes its upper edge; values beyond the edges are not counted
    found[fraction == edges[-1]] = len(edges) - 2
    found[fraction > edges[-1]] = -1
    return found


def numbers_in_bins(found: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the number of particles in each bin, (N, bins), of those that are ``counted``, (N, P).

    Parameters
    ----------
    found:
        the bin of each particle, -1 for none, (N, P).
    """
    bins = len(MOMENTUM_FRACTION_EDGES) - 1
    counted = counted & (found >= 0)
    event = np.broadcast_to(np.arange(len(found))[:, None], found.shape)
    number: np.ndarray = np.bincount(event[counted] * bins + found[counted], minlength=len(found) * bins)
    return np.asarray(number.reshape(len(found), bins), dtype=np.float64)
