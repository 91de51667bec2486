"""Observables of particle clouds, for judging reweightings; training does not use them.

Neutrinos are always left out, so an observable means the same with and without a detector. Particles that the detector
did not identify (0, or the identity of a pion) are counted by this identity.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError
from simulacra.observables.cloud_arrays import checked_cloud
from simulacra.observables.energy_correlations import energy_correlations
from simulacra.observables.jets import cluster_jets
from simulacra.observables.particle_numbers import (
    KINDS,
    MOMENTUM_FRACTION_EDGES,
    NEUTRINOS,
    is_kind,
    momentum_fraction_bin,
    numbers_in_bins,
)
from simulacra.observables.thrust import heavy_hemisphere_mass, thrust

VARIABLES: Final = ("momentum", "energy", "identity", "charge", "present")

#: events per reading and clustering, and events of similar multiplicity whose pairs are in memory at a time
BLOCK: Final = 5000
PAIRS_BLOCK: Final = 250


def cloud_observables(
    events: xr.Dataset, *, centre_of_mass_energy: float | None = None, jet_radius: float = 0.8, beta: float = 1.0
) -> xr.Dataset:
    """Return the observables of particle clouds, each with its ``units`` and ``long_name``.

    Parameters
    ----------
    events:
        particle clouds: ``momentum`` and ``energy`` [GeV], ``identity``, ``charge`` and ``present``; also at detector
        level.
    centre_of_mass_energy:
        the energy that momentum fractions refer to [GeV]; by default the visible energy of each event.
    jet_radius:
        radius of the anti-kT jets.
    beta:
        exponent of the angles in the energy correlation functions.

    Returns
    -------
    xarray.Dataset
        float64 variables (event,), and the number densities, (event, momentum_bin), with their ``edges`` as attribute.

    Raises
    ------
    simulacra.events.EventsError
        if a variable is missing.
    ValueError
        if a setting is invalid, or a particle's momentum or energy is not finite; the message names the event.
    ImportError
        if fastjet is not installed.
    """
    missing = [name for name in VARIABLES if name not in events.data_vars]
    if missing:
        raise EventsError(
            f"observables of particle clouds need {missing}; the events hold {sorted(map(str, events.data_vars))}"
        )
    if centre_of_mass_energy is not None and not 0 < centre_of_mass_energy < np.inf:
        raise ValueError(f"the centre-of-mass energy must be above 0 GeV, not {centre_of_mass_energy}")
    n = events.sizes["event"]
    blocks = [
        _of_block(events.isel(event=slice(start, start + BLOCK)), centre_of_mass_energy, jet_radius, beta)
        for start in range(0, max(n, 1), BLOCK)
    ]
    variables = {}
    for name in blocks[0]:
        values = np.concatenate([block[name] for block in blocks])
        units, long_name = _DESCRIPTIONS[name]
        attributes: dict[str, Any] = {
            "units": units,
            "long_name": long_name.format(radius=jet_radius, beta=beta),
            "role": "feature",
        }
        if values.ndim == 2:
            attributes["edges"] = list(MOMENTUM_FRACTION_EDGES)
        variables[name] = xr.Variable(("event", "momentum_bin")[: values.ndim], values, attrs=attributes)
    return xr.Dataset(variables, coords={"event": events["event"]})


def _of_block(
    events: xr.Dataset, centre_of_mass_energy: float | None, jet_radius: float, beta: float
) -> dict[str, np.ndarray]:
    identity, charge = events["identity"].values, events["charge"].values
    seen = events["present"].values & ~is_kind(identity, NEUTRINOS)
    momentum, energy, seen = checked_cloud(events["momentum"].values, events["energy"].values, seen)
    total = energy.sum(axis=1)
    found = {
        "multiplicity": _number(seen),
        "charged_multiplicity": _number(seen & (charge != 0)),
        **{f"{kind}_multiplicity": _number(seen & is_kind(identity, codes)) for kind, codes in KINDS.items()},
        "visible_energy": total,
        **_of_shape(momentum, energy, seen, beta),
    }
    mass = cluster_jets(momentum, energy, seen, radius=jet_radius, n_jets=2)["jet_mass"].values.astype(np.float64)
    found |= {"leading_jet_mass": mass[:, 0], "subleading_jet_mass": mass[:, 1]}
    scale = total if centre_of_mass_energy is None else np.full(len(total), float(centre_of_mass_energy))
    bins = momentum_fraction_bin(momentum, scale)
    found["number_density"] = numbers_in_bins(bins, seen)
    found["kaon_density"] = numbers_in_bins(bins, seen & is_kind(identity, KINDS["kaon"]))
    return {name: found[name] for name in _DESCRIPTIONS}


def _of_shape(momentum: np.ndarray, energy: np.ndarray, seen: np.ndarray, beta: float) -> dict[str, np.ndarray]:
    """Return the observables that need all pairs of particles or all directions.

    Events are sorted by multiplicity, because the work grows with the second and third power of the padded length.
    """
    found = {
        name: np.zeros(len(energy))
        for name in ("thrust", "heavy_hemisphere_mass", "energy_correlation_2", "energy_correlation_3")
    }
    # the particles that are seen come first, in their order
    order = np.argsort(~seen, axis=1, kind="stable")
    counts = np.count_nonzero(seen, axis=1)
    by_multiplicity = np.argsort(counts, kind="stable")
    for start in range(0, len(counts), PAIRS_BLOCK):
        rows = by_multiplicity[start : start + PAIRS_BLOCK]
        place = (rows[:, None], order[rows, : counts[rows].max()])
        momenta, energies = momentum[place], energy[place]
        found["thrust"][rows], axis = thrust(momenta)
        found["heavy_hemisphere_mass"][rows] = heavy_hemisphere_mass(momenta, energies, axis)
        pairs, triples = energy_correlations(momenta, energies, beta=beta)
        found["energy_correlation_2"][rows], found["energy_correlation_3"][rows] = pairs, triples
    return found


def _number(counted: np.ndarray) -> np.ndarray:
    return np.asarray(np.count_nonzero(counted, axis=1), dtype=np.float64)


_DESCRIPTIONS: Final = {
    "multiplicity": ("1", "Number of visible particles"),
    "charged_multiplicity": ("1", "Number of charged particles"),
    "kaon_multiplicity": ("1", "Number of kaons"),
    "pion_multiplicity": ("1", "Number of pions"),
    "proton_multiplicity": ("1", "Number of protons and antiprotons"),
    "photon_multiplicity": ("1", "Number of photons"),
    "visible_energy": ("GeV", "Visible energy"),
    "thrust": ("1", "Thrust"),
    "heavy_hemisphere_mass": ("GeV", "Mass of the heavy hemisphere"),
    "leading_jet_mass": ("GeV", "Mass of the leading anti-kT jet (R = {radius:g})"),
    "subleading_jet_mass": ("GeV", "Mass of the subleading anti-kT jet (R = {radius:g})"),
    "energy_correlation_2": ("1", "2-point energy correlation (β = {beta:g})"),
    "energy_correlation_3": ("1", "3-point energy correlation (β = {beta:g})"),
    "number_density": ("1", "Number of particles per bin of log10 of the momentum fraction"),
    "kaon_density": ("1", "Number of kaons per bin of log10 of the momentum fraction"),
}
