"""Partons of any shower as clouds: sorted by falling energy and padded with zeros."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import variable

#: PDG code of a gluon, which stands for any parton: its flavour is not kept
GLUON: Final = 21


def cloud_variables(momentum: np.ndarray, energy: np.ndarray, present: np.ndarray) -> dict[str, xr.Variable]:
    """Return the variables of clouds of partons from momenta (N, P, 3) and energies (N, P) [GeV] and a mask (N, P)."""
    order = np.argsort(np.where(present, -energy, np.inf), axis=1, kind="stable")
    present = np.take_along_axis(present, order, axis=1)
    energy = np.where(present, np.take_along_axis(energy, order, axis=1), 0)
    momentum = np.where(present[..., None], np.take_along_axis(momentum, order[..., None], axis=1), 0)
    along = "particle"
    return {
        "momentum": variable(
            momentum.astype(np.float32),
            along,
            "component",
            units="GeV",
            long_name="momentum px, py, pz of each final parton",
            role="feature",
            signed=True,
        ),
        "energy": variable(
            energy.astype(np.float32), along, units="GeV", long_name="energy of each final parton", role="feature"
        ),
        "identity": variable(
            np.where(present, GLUON, 0).astype(np.int32),
            along,
            units="1",
            long_name="PDG code, 21 for any parton and 0 where there is none",
            role="feature",
        ),
        "charge": variable(
            np.zeros(present.shape, np.int8),
            along,
            units="e",
            long_name="charge, 0 of any parton",
            role="feature",
            signed=True,
        ),
        "present": variable(present, along, units="1", long_name="whether there is a parton", role="mask"),
    }


def parton_variables(
    event: np.ndarray, momentum: np.ndarray, energy: np.ndarray, n_events: int, room: int
) -> dict[str, xr.Variable]:
    """Return the variables of clouds from a list of partons in any order.

    Parameters
    ----------
    event, momentum, energy:
        of each parton: the place of its event, (M,), its momentum (M, 3) and its energy (M,), [GeV].
    n_events, room:
        number of events, and of places in each.

    Raises
    ------
    ValueError
        if an event has more partons than places.
    """
    counts = np.bincount(event, minlength=n_events)
    if len(event) and counts.max() > room:
        raise ValueError(f"event {int(counts.argmax())} has {counts.max()} partons, more than {room}")
    order = np.argsort(event, kind="stable")
    slot = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = event[order], slot
    energies, momenta = np.zeros((n_events, room)), np.zeros((n_events, room, 3))
    energies[place], momenta[place] = energy[order], momentum[order]
    return cloud_variables(momenta, energies, np.arange(room) < counts[:, None])
