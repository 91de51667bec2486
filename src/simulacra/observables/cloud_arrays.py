"""Particle clouds as plain arrays, checked once before anything is computed from them."""

from __future__ import annotations

import numpy as np


def checked_cloud(
    momentum: np.ndarray, energy: np.ndarray, present: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the momenta, energies and mask of particle clouds as float64 and bool, zero for absent particles.

    Parameters
    ----------
    momentum:
        px, py, pz of each particle, (N, P, 3), [GeV].
    energy:
        energy of each particle, (N, P), [GeV].
    present:
        whether there is a particle, (N, P).

    Raises
    ------
    ValueError
        if the shapes do not fit, or a present particle has a value that is not finite or a negative energy; the message
        names the event and the particle.
    """
    momentum, energy, present = np.asarray(momentum), np.asarray(energy), np.asarray(present)
    if momentum.ndim != 3 or momentum.shape[2] != 3:
        raise ValueError(f"momenta of particle clouds are (N, P, 3), not {momentum.shape}")
    for name, array in (("energy", energy), ("present", present)):
        if array.shape != momentum.shape[:2]:
            raise ValueError(f"momenta {momentum.shape} need '{name}' {momentum.shape[:2]}, not {array.shape}")
    if present.dtype != bool:
        raise ValueError(f"'present' is a mask of bool, not {present.dtype}")
    momentum = np.where(present[..., None], momentum, 0).astype(np.float64)
    energy = np.where(present, energy, 0).astype(np.float64)
    wrong = ~np.isfinite(momentum).all(axis=2) | ~(np.isfinite(energy) & (energy >= 0))
    if wrong.any():
        event, particle = np.argwhere(wrong)[0]
        raise ValueError(
            f"the particle {particle} of event {event} has the momentum {momentum[event, particle].tolist()} GeV and "
            f"the energy {energy[event, particle]} GeV: both must be finite, and the energy not negative"
        )
    return momentum, energy, present
