r"""Observables of jets with particles relative to the jet, as in JetNet (``formats.jetnet``).

With the transverse momenta :math:`p_i` over the jet's, their shares :math:`z_i = p_i / \sum_j p_j`, the distances
:math:`R_i` to the jet's axis and :math:`R_{ij}` between particles in the plane of pseudorapidity and azimuth:

=============================  ====================================================================================
``multiplicity``               number of particles
``unphysical_particles``       number of particles with :math:`p_i \le 0`, which count as 0 in everything else
``summed_pt``                  :math:`\sum_i p_i`
``relative_mass``              :math:`m / p_T` of the massless particles' sum (Kansal et al., arXiv:2106.11535)
``leading_pt_1`` to ``_3``     the largest :math:`p_i`; 0 if there are fewer particles
``centre_eta``, ``centre_phi`` :math:`\sum_i z_i \eta_i`, :math:`\sum_i z_i \phi_i`: 0 if the axis is that of the sum
``width``                      :math:`\sum_i z_i R_i`
``pt_dispersion``              :math:`\sqrt{\sum_i z_i^2}`
``energy_correlation_2, _3``   :math:`e_2 = \sum_{i<j} z_i z_j R_{ij}^\beta`,
                               :math:`e_3 = \sum_{i<j<k} z_i z_j z_k (R_{ij} R_{ik} R_{jk})^\beta`
``c2``                         :math:`C_2 = e_3 / e_2^2` (Larkoski, Salam and Thaler, arXiv:1305.0007)
``d2``                         :math:`D_2 = e_3 / e_2^3` (Larkoski, Moult and Neill, arXiv:1409.6298)
``energy_flow_...``            the prime energy flow polynomials of degree 2 and 3 (arXiv:1712.07124)
=============================  ====================================================================================

Jets without particles, and ratios over 0, are 0 by convention, never NaN.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables.energy_flow import GRAPHS, MOST_DEGREE, energy_flow_polynomials

VARIABLES: Final = ("eta_rel", "phi_rel", "pt_rel", "present")
LEADING: Final = 3
#: beyond this pseudorapidity a particle is along the beam, and squares of its energy lose all precision
MOST_ETA: Final = 20.0
#: numbers in the matrices of pairs in memory at a time
BLOCK: Final = 2_000_000


def jet_observables(events: xr.Dataset, *, beta: float = 1.0, degree: int = 3) -> xr.Dataset:
    """Return the observables of jets in relative coordinates, each (event,) with its ``units`` and ``long_name``.

    Parameters
    ----------
    events:
        ``eta_rel``, ``phi_rel`` [rad], ``pt_rel`` and ``present``, (event, particle).
    beta:
        exponent of the distances in energy correlations and energy flow polynomials, above 0.
    degree:
        the largest degree of the polynomials, 1 to 4.

    Raises
    ------
    ValueError
        if a variable is missing, a particle's value is not finite (the message names the event), or a setting is
        invalid.
    """
    missing = [name for name in VARIABLES if name not in events.data_vars]
    if missing:
        raise ValueError(f"observables of jets need {missing}; the events hold {sorted(map(str, events.data_vars))}")
    eta, phi, pt, present = (events[name].values for name in VARIABLES)
    found = jet_observables_of(eta, phi, pt, present, beta=beta, degree=degree)
    variables = {}
    for name, values in found.items():
        units, long_name = _description(name)
        attributes = {"units": units, "long_name": long_name.format(beta=beta), "role": "feature"}
        variables[name] = xr.Variable(("event",), values, attrs=attributes)
    return xr.Dataset(variables, coords={"event": events["event"]} if "event" in events.coords else None)


def jet_observables_of(
    eta: np.ndarray,
    phi: np.ndarray,
    pt: np.ndarray,
    present: np.ndarray,
    *,
    beta: float = 1.0,
    degree: int = 3,
) -> dict[str, np.ndarray]:
    """Return the observables of jets as plain arrays, (N,) each.

    Parameters
    ----------
    eta, phi, pt:
        pseudorapidity and azimuth [rad] relative to the jet's and transverse momentum over the jet's, (N, P).
    present:
        whether there is a particle, (N, P), bool.

    Raises
    ------
    ValueError
        if the shapes differ, a value of a present particle is not finite, or a setting is invalid.
    """
    if not 0 < beta < np.inf:
        raise ValueError(f"the exponent beta must be above 0, not {beta}")
    if degree not in range(1, MOST_DEGREE + 1):
        raise ValueError(f"energy flow polynomials have degrees 1 to {MOST_DEGREE}, not {degree}")
    present = np.asarray(present)
    if present.ndim != 2 or present.dtype != bool:
        raise ValueError(f"'present' is a mask (N, P) of bool, not {present.shape} of {present.dtype}")
    n, width = present.shape
    for name, array in (("eta_rel", eta), ("phi_rel", phi), ("pt_rel", pt)):
        if np.shape(array) != present.shape:
            raise ValueError(f"'{name}' is {np.shape(array)}: expected {present.shape}, as 'present'")
        wrong = ~np.isfinite(array) & present
        if wrong.any():
            event, particle = np.argwhere(wrong)[0]
            raise ValueError(f"'{name}' is {array[event, particle]} for particle {particle} of event {event}")
    # those that are there come first, and jets of like multiplicity together: the work grows with the padding's square
    order = np.argsort(~present, axis=1, kind="stable")
    counts = np.count_nonzero(present, axis=1)
    by_multiplicity = np.argsort(counts, kind="stable")
    found: dict[str, np.ndarray] = {}
    start = 0
    while start < n or not found:
        size = max(1, BLOCK // max(1, min(width, int(counts.max(initial=0)))) ** 2)
        rows = by_multiplicity[start : start + size]
        place = (rows[:, None], order[rows, : max(1, int(counts[rows].max(initial=0)))])
        values = [np.where(present[place], a[place], 0).astype(np.float64) for a in (eta, phi, pt)]
        block = _of_block(values[0], values[1], values[2], present[place], beta, degree)
        for name, column in block.items():
            found.setdefault(name, np.zeros(n))[rows] = column
        start += size
    return found


def _of_block(
    eta: np.ndarray, phi: np.ndarray, pt: np.ndarray, present: np.ndarray, beta: float, degree: int
) -> dict[str, np.ndarray]:
    unphysical = present & (pt <= 0)
    pt = np.maximum(pt, 0.0)
    total = pt.sum(axis=1)
    share = np.divide(pt, total[:, None], out=np.zeros_like(pt), where=total[:, None] > 0)
    leading = -np.sort(-pt, axis=1)[:, :LEADING]
    leading = np.pad(leading, ((0, 0), (0, LEADING - leading.shape[1])))
    distance = np.hypot(eta[:, :, None] - eta[:, None, :], phi[:, :, None] - phi[:, None, :])
    if beta != 1:
        distance **= beta
    flow = energy_flow_polynomials(share, distance, degree=max(degree, 3))
    # each pair is in the sum over all i and j twice, each triple six times, and no particle has a distance to itself
    pairs, triples = flow["line"] / 2, flow["triangle"] / 6
    return {
        "multiplicity": np.count_nonzero(present, axis=1).astype(np.float64),
        "unphysical_particles": np.count_nonzero(unphysical, axis=1).astype(np.float64),
        "summed_pt": total,
        "relative_mass": _mass(eta, phi, pt),
        **{f"leading_pt_{i + 1}": leading[:, i] for i in range(LEADING)},
        "centre_eta": (share * eta).sum(axis=1),
        "centre_phi": (share * phi).sum(axis=1),
        "width": (share * np.hypot(eta, phi)).sum(axis=1),
        "pt_dispersion": np.sqrt((share**2).sum(axis=1)),
        "energy_correlation_2": pairs,
        "energy_correlation_3": triples,
        "c2": _ratio(triples, pairs**2),
        "d2": _ratio(triples, pairs**3),
        **{
            f"energy_flow_{name}": flow[name]
            for name, (edges, _) in GRAPHS.items()
            if len(edges) <= degree and name not in ("line", "triangle")
        },
    }


def _mass(eta: np.ndarray, phi: np.ndarray, pt: np.ndarray) -> np.ndarray:
    """Return the mass of the sum of massless particles, (N,)."""
    eta = np.clip(eta, -MOST_ETA, MOST_ETA)
    energy = (pt * np.cosh(eta)).sum(axis=1)
    x, y, z = (pt * np.cos(phi)).sum(axis=1), (pt * np.sin(phi)).sum(axis=1), (pt * np.sinh(eta)).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(energy**2 - x**2 - y**2 - z**2, 0.0)))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    # two collinear particles leave a distance of 1e-9 by rounding, and a ratio of nothing to nothing
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 1e-18))


def _description(name: str) -> tuple[str, str]:
    if name.startswith("leading_pt_"):
        rank = ("Largest", "Second largest", "Third largest")[int(name[-1]) - 1]
        return "1", f"{rank} particle pT over the jet's"
    if name.startswith("energy_flow_"):
        graph = name.removeprefix("energy_flow_").replace("_", " ")
        return "1", f"Energy flow polynomial, {graph} (β = {{beta:g}})"
    return _DESCRIPTIONS[name]


_DESCRIPTIONS: Final = {
    "multiplicity": ("1", "Number of particles"),
    "unphysical_particles": ("1", "Number of particles with a pT of 0 or less"),
    "summed_pt": ("1", "Summed pT of the particles over the jet's"),
    "relative_mass": ("1", "Jet mass over the jet's pT"),
    "centre_eta": ("1", "pT-weighted mean of the relative pseudorapidity"),
    "centre_phi": ("rad", "pT-weighted mean of the relative azimuth"),
    "width": ("1", "pT-weighted distance from the jet's axis"),
    "pt_dispersion": ("1", "pT dispersion of the particles"),
    "energy_correlation_2": ("1", "2-point energy correlation (β = {beta:g})"),
    "energy_correlation_3": ("1", "3-point energy correlation (β = {beta:g})"),
    "c2": ("1", "C2 (β = {beta:g})"),
    "d2": ("1", "D2 (β = {beta:g})"),
}
