r"""Observables of collisions as visible particles: of pile-up, and of the underlying event about the hardest particle.

===========================  ======================================================================================
``multiplicity``             number of particles
``summed_pt``                sum of the transverse momenta
``forward_pt``               this sum at positive pseudorapidity
``backward_pt``              this sum at other pseudorapidities
``missing_pt``               length of the vector sum of the transverse momenta
``leading_pt``               largest transverse momentum
``second_pt``                second largest
``hard_multiplicity``        number of particles of more than 1 GeV
``central_multiplicity``     number of particles with :math:`|\eta| < 2.5`
``mean_abs_eta``             mean :math:`|\eta|` weighted by the transverse momentum
``toward_pt``                share of the summed pT within 60 degrees of the hardest particle's azimuth
``away_pt``                  share of the summed pT beyond 120 degrees
``elongation``               :math:`|\sum p_T e^{2 i \phi}| / \sum p_T`
===========================  ======================================================================================

Collisions without particles, and ratios over 0, are 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables.visible_particles import VARIABLES

HARD: Final = 1.0
CENTRAL: Final = 2.5
_GEV: Final = ("summed_pt", "forward_pt", "backward_pt", "missing_pt", "leading_pt", "second_pt")
_NAMES: Final = {
    "multiplicity": "Number of particles",
    "summed_pt": "Summed pT",
    "forward_pt": "Summed pT at positive pseudorapidity",
    "backward_pt": "Summed pT at negative pseudorapidity",
    "missing_pt": "Missing pT",
    "leading_pt": "pT of the hardest particle",
    "second_pt": "pT of the second hardest particle",
    "hard_multiplicity": "Number of particles of more than 1 GeV",
    "central_multiplicity": "Number of particles with |η| < 2.5",
    "mean_abs_eta": "pT-weighted mean |η|",
    "toward_pt": "Share of the pT towards the hardest particle",
    "away_pt": "Share of the pT away from the hardest particle",
    "elongation": "Elongation in the transverse plane",
}


def collision_observables(events: xr.Dataset) -> xr.Dataset:
    """Return the observables of collisions, each (event,) with its ``units`` and ``long_name``.

    Parameters
    ----------
    events:
        ``particle_pt`` [GeV], ``particle_eta``, ``particle_phi`` [rad] and ``present``, (event, particle).

    Raises
    ------
    ValueError
        if a variable is missing or a value is not possible; the message names the event.
    """
    missing = [name for name in (*VARIABLES, "present") if name not in events.data_vars]
    if missing:
        raise ValueError(
            f"observables of collisions need {missing}; the events hold {sorted(map(str, events.data_vars))}"
        )
    found = observables_of(*(events[name].values for name in (*VARIABLES, "present")))
    variables = {
        name: xr.Variable(
            ("event",),
            values,
            {"units": "GeV" if name in _GEV else "1", "long_name": _NAMES[name], "role": "feature"},
        )
        for name, values in found.items()
    }
    return xr.Dataset(variables, coords={"event": events["event"]} if "event" in events.coords else None)


def observables_of(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, present: np.ndarray) -> dict[str, np.ndarray]:
    """Return the observables of collisions as plain arrays, (N,) each.

    Parameters
    ----------
    pt, eta, phi, present:
        transverse momentum [GeV], pseudorapidity and azimuth [rad] of each particle, and whether there is one, (N, P).

    Raises
    ------
    ValueError
        if the shapes differ, or a present particle's value is not finite or its transverse momentum negative.
    """
    there = np.asarray(present, dtype=bool)
    for name, array in zip(VARIABLES, (pt, eta, phi), strict=True):
        if np.shape(array) != there.shape:
            raise ValueError(f"'{name}' is {np.shape(array)}: expected {there.shape}, as 'present'")
        wrong = there & (~np.isfinite(array) | ((array < 0) if name == "particle_pt" else False))
        if wrong.any():
            event, particle = np.argwhere(wrong)[0]
            raise ValueError(f"'{name}' is {array[event, particle]} for particle {particle} of event {event}")
    pt, eta, phi = (np.where(there, array, 0).astype(np.float64) for array in (pt, eta, phi))
    total = pt.sum(axis=1)
    if pt.shape[1]:
        hardest = np.take_along_axis(phi, pt.argmax(axis=1)[:, None], axis=1)
        largest = -np.partition(-pt, min(1, pt.shape[1] - 1), axis=1)[:, :2]
    else:
        hardest, largest = np.zeros((len(pt), 1)), np.zeros((len(pt), 0))
    largest = np.pad(largest, ((0, 0), (0, 2 - largest.shape[1])))
    apart = np.cos(phi - hardest)
    return {
        "multiplicity": np.count_nonzero(there, axis=1).astype(np.float64),
        "summed_pt": total,
        "forward_pt": (pt * (eta > 0)).sum(axis=1),
        "backward_pt": (pt * (eta <= 0)).sum(axis=1),
        "missing_pt": np.hypot((pt * np.cos(phi)).sum(axis=1), (pt * np.sin(phi)).sum(axis=1)),
        "leading_pt": largest[:, 0],
        "second_pt": largest[:, 1],
        "hard_multiplicity": np.count_nonzero(pt > HARD, axis=1).astype(np.float64),
        "central_multiplicity": np.count_nonzero(there & (np.abs(eta) < CENTRAL), axis=1).astype(np.float64),
        "mean_abs_eta": _share((pt * np.abs(eta)).sum(axis=1), total),
        "toward_pt": _share((pt * (apart > 0.5)).sum(axis=1), total),
        "away_pt": _share((pt * (apart < -0.5)).sum(axis=1), total),
        "elongation": _share(np.hypot((pt * np.cos(2 * phi)).sum(axis=1), (pt * np.sin(2 * phi)).sum(axis=1)), total),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def pt_density(
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    *,
    between: tuple[float, float] = (-4.0, 4.0),
    size: float = 0.55,
) -> np.ndarray:
    r"""Return :math:`\rho`, the median density of transverse momentum [GeV per unit area], of each event, (N,).

    It is that of fastjet's ``GridMedianBackgroundEstimator`` (Cacciari, Salam and Soyez, arXiv:1111.6097): the median
    over cells of about ``size`` x ``size`` in pseudorapidity and azimuth of the summed pT over the cell's area.

    Parameters
    ----------
    pt, eta, phi:
        transverse momentum [GeV], 0 of absent particles, pseudorapidity and azimuth [rad], (N, P).
    between:
        the range in pseudorapidity.
    size:
        of the cells, which is adjusted so that a whole number of them fits.

    Raises
    ------
    ValueError
        if the range or the size is empty, or a value is not finite or a transverse momentum negative.
    """
    low, high = between
    if not low < high or not 0 < size < np.inf:
        raise ValueError(f"a density needs a range and cells above 0, not {between} and {size}")
    pt, eta, phi = (np.asarray(one, dtype=np.float64) for one in (pt, eta, phi))
    if not (np.isfinite(pt).all() and np.isfinite(eta).all() and np.isfinite(phi).all()) or (pt < 0).any():
        raise ValueError("a density needs finite numbers, and transverse momenta of 0 or more")
    rows, columns = max(1, round((high - low) / size)), max(1, round(2 * np.pi / size))
    row = np.floor((eta - low) / (high - low) * rows).astype(np.int64)
    column = np.floor((phi / (2 * np.pi)) % 1.0 * columns).astype(np.int64) % columns
    inside = (row >= 0) & (row < rows) & (pt > 0)
    event = np.broadcast_to(np.arange(len(pt))[:, None], pt.shape)
    cell = (event * rows + row) * columns + column
    sums = np.bincount(cell[inside], weights=pt[inside], minlength=len(pt) * rows * columns)
    area = (high - low) / rows * 2 * np.pi / columns
    return np.asarray(np.median(sums.reshape(len(pt), -1), axis=1) / area)
