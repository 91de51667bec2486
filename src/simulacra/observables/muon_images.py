"""Images of the calorimeter around the hardest muon of each event: the second images of SARM (arXiv:2009.14017).

A pixel holds the summed transverse momenta of the visible particles there, without muons: a calorimeter hardly sees
them. The muon is in the centre. Particles fly straight to the calorimeter, and none is smeared. Pile-up is added from a
library of collisions (:mod:`simulacra.observables.visible_particles`), each turned by an azimuth of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from simulacra.observables.image_preparation import summed, wrapped

#: PDG code
MUON: Final = 13


class Muons(NamedTuple):
    """The hardest muons of some of the events: places among the events, pT [GeV], eta and phi, (n,) each."""

    place: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray


def hardest_muons(
    momentum: np.ndarray,
    identity: np.ndarray,
    present: np.ndarray,
    *,
    pt_range: tuple[float, float],
    max_abs_eta: float,
) -> Muons:
    """Return the hardest muon within a pseudorapidity of those events where its pT [GeV] is in range.

    Parameters
    ----------
    momentum, identity, present:
        of particles, (N, P, 3) [GeV], PDG codes (N, P), (N, P).
    """
    pt, eta, phi = _polar(momentum)
    there = present & (np.abs(identity) == MUON) & (np.abs(eta) < max_abs_eta)
    hardest = np.argmax(np.where(there, pt, -1.0), axis=1)[:, None]
    pt, eta, phi, there = (np.take_along_axis(one, hardest, axis=1)[:, 0] for one in (pt, eta, phi, there))
    place = np.flatnonzero(there & (pt >= pt_range[0]) & (pt < pt_range[1]))
    return Muons(place, pt[place], eta[place], phi[place])


def calorimeter_images(
    momentum: np.ndarray,
    identity: np.ndarray,
    visible: np.ndarray,
    muons: Muons,
    *,
    min_particle: float,
    pixels: int,
    pixel_size: float,
) -> np.ndarray:
    """Return the images (n, pixels, pixels) [GeV] around these muons, without pile-up.

    Parameters
    ----------
    momentum, identity, visible:
        of the particles of all events, as in :func:`hardest_muons`.
    min_particle:
        transverse momentum [GeV] above which particles reach the calorimeter.
    """
    pt, eta, phi = _polar(momentum[muons.place])
    kept = visible[muons.place] & (np.abs(identity[muons.place]) != MUON) & (pt > min_particle)
    event, particle = np.nonzero(kept)
    return summed(
        event,
        wrapped(phi[event, particle] - muons.phi[event]),
        eta[event, particle] - muons.eta[event],
        pt[event, particle],
        (len(muons.place), pixels),
        pixel_size,
    )


def pile_up_images(
    library: Mapping[str, np.ndarray],
    muon_eta: np.ndarray,
    rng: np.random.Generator,
    *,
    mean: float,
    pixels: int,
    pixel_size: float,
) -> np.ndarray:
    """Return images (N, pixels, pixels) [GeV] of a Poisson number of collisions each, around these pseudorapidities.

    The collisions are drawn from the library with replacement, and turned by a random azimuth.

    Parameters
    ----------
    library:
        ``particle_pt``, ``particle_eta``, ``particle_phi`` and ``present`` of collisions, (L, P).
    mean:
        mean number of collisions.
    """
    pt, eta, phi, present = (library[name] for name in ("particle_pt", "particle_eta", "particle_phi", "present"))
    half = pixels * pixel_size / 2
    found = np.zeros((len(muon_eta), pixels, pixels))
    for i, centre in enumerate(muon_eta):
        rows = rng.integers(len(pt), size=rng.poisson(mean))
        turn = rng.uniform(-np.pi, np.pi, len(rows))
        collision, particle = np.nonzero(present[rows] & (np.abs(eta[rows] - centre) < half))
        entry = rows[collision], particle
        away = wrapped(phi[entry] + turn[collision])
        event = np.zeros(len(away), dtype=int)
        found[i] = summed(event, away, eta[entry] - centre, pt[entry], (1, pixels), pixel_size)[0]
    return found


def _polar(momentum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pT, eta and phi of momenta (..., 3); the pseudorapidity along the beam is infinite."""
    px, py, pz = np.moveaxis(momentum.astype(np.float64), -1, 0)
    pt = np.hypot(px, py)
    return pt, np.arcsinh(np.divide(pz, pt, out=np.full_like(pt, np.inf), where=pt > 0)), np.arctan2(py, px)
