r"""The leading jet of each event as a cloud of particles relative to the jet, as in JetNet (arXiv:2106.11535).

====================  =========  =====  ==================  =========================================================
variable              role       units  dimensions
====================  =========  =====  ==================  =========================================================
``eta_rel``           feature    1      (event, particle)   pseudorapidity of the particle minus that of the jet
``phi_rel``           feature    rad    (event, particle)   azimuth of the particle minus that of the jet
``pt_rel``            feature    1      (event, particle)   transverse momentum of the particle over that of the jet
``present``           mask       1      (event, particle)   whether there is a particle
``jet_pt``            condition  GeV    (event)             transverse momentum of the jet
``particle_number``   condition  1      (event)             number of particles of the jet, as given in a file
``jet_eta``           feature    1      (event)             pseudorapidity of the jet
``jet_mass``          feature    GeV    (event)             mass of the jet
``jet_class``         condition  1      (event)             what the jet comes from, one of :data:`JET_CLASS`'s choices
====================  =========  =====  ==================  =========================================================
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import EventsError, Role, variable
from simulacra.observables.jets import cluster_jets

#: origins of jets by the letters in the names of JetNet's files
JET_NAMES: Final = {"g": "gluon", "q": "light quark", "t": "top quark", "w": "W boson", "z": "Z boson"}
JET_CLASS: Final = Condition("1", "what the jet comes from", kind="choice", choices=tuple(JET_NAMES.values()))

_VARIABLES: Final[dict[str, tuple[str, Role, str]]] = {
    "eta_rel": ("1", "feature", "pseudorapidity of the particle relative to the jet"),
    "phi_rel": ("rad", "feature", "azimuth of the particle relative to the jet"),
    "pt_rel": ("1", "feature", "transverse momentum of the particle over that of the jet"),
    "present": ("1", "mask", "whether there is a particle"),
    "jet_pt": ("GeV", "condition", "transverse momentum of the jet"),
    "jet_eta": ("1", "feature", "pseudorapidity of the jet"),
    "jet_mass": ("GeV", "feature", "mass of the jet"),
    "particle_number": ("1", "condition", "number of particles of the jet"),
    "jet_class": (JET_CLASS.units, "condition", JET_CLASS.long_name),
}

#: what a particle of a jet is described by
OF_PARTICLES: Final = ("eta_rel", "phi_rel", "pt_rel")
#: largest difference of pseudorapidities, which no two particles of one jet have
FURTHEST_ETA: Final = 20.0
#: how far below 0 rounding of single particles makes the mass of a light jet, as a share of its transverse momentum
ROUNDED_MASS: Final = 1e-3


def jet_variable(values: np.ndarray, name: str) -> xr.Variable:
    """Return a variable of jets in relative coordinates, (N, P) or (N,), by its name in the table above."""
    units, role, long_name = _VARIABLES[name]
    # clustering gives light jets a mass of -sqrt(-m^2) where rounding makes their m^2 negative
    further = {"signed": True} if name == "jet_mass" else JET_CLASS.attributes if name == "jet_class" else {}
    dimensions = ("particle",) * (values.ndim - 1)
    return variable(values, *dimensions, units=units, long_name=long_name, role=role, **further)


def leading_jets(
    momentum: np.ndarray,
    energy: np.ndarray,
    present: np.ndarray,
    *,
    radius: float = 0.8,
    max_abs_eta: float = 5.0,
    particles: int = 150,
) -> dict[str, xr.Variable]:
    """Return the leading anti-kT jet of each event with its particles by falling transverse momentum.

    Parameters
    ----------
    momentum:
        px, py, pz of each particle, (N, P, 3), [GeV].
    energy:
        energy of each particle, (N, P), [GeV].
    present:
        which particles are clustered, (N, P): leave out neutrinos.
    radius:
        the jets' radius R in rapidity and azimuth.
    max_abs_eta:
        particles of a larger pseudorapidity are not clustered.
    particles:
        number of places for particles; those of a jet with more that are left out are the softest.

    Returns
    -------
    dict
        the variables of the table above, float32, without ``particle_number`` and ``jet_class``. Events without
        particles have a ``jet_pt`` of 0 and no particles.

    Raises
    ------
    ValueError, ImportError
        as :func:`simulacra.observables.jets.cluster_jets`.
    """
    momentum, energy, present = (np.asarray(array) for array in (momentum, energy, present))
    pt = np.hypot(momentum[..., 0], momentum[..., 1]).astype(np.float64)
    eta = np.arcsinh(np.divide(momentum[..., 2], pt, out=np.full_like(pt, np.inf), where=pt > 0))
    seen = np.asarray(present, dtype=bool) & (np.abs(eta) < max_abs_eta)
    found = cluster_jets(momentum, energy, seen, radius=radius, n_jets=1)
    jet = {name: found[f"jet_{name}"].values[:, 0].astype(np.float64) for name in ("pt", "eta", "phi", "mass")}

    inside = found["jet_index"].values == 0
    order = np.argsort(np.where(inside, -pt, np.inf), axis=1, kind="stable")[:, :particles]
    if order.shape[1] < particles:
        raise ValueError(f"the events have room for {order.shape[1]} particles, fewer than the {particles} of a jet")
    kept = np.take_along_axis(inside, order, axis=1)

    def placed(values: np.ndarray) -> np.ndarray:
        return np.where(kept, np.take_along_axis(values, order, axis=1), 0).astype(np.float32)

    azimuth = np.arctan2(momentum[..., 1], momentum[..., 0]) - jet["phi"][:, None]
    share = np.divide(pt, jet["pt"][:, None], out=np.zeros_like(pt), where=jet["pt"][:, None] > 0)
    columns = {
        "eta_rel": placed(np.where(seen, eta, 0) - jet["eta"][:, None]),
        "phi_rel": placed((azimuth + np.pi) % (2 * np.pi) - np.pi),
        "pt_rel": placed(share),
        "present": kept,
        **{f"jet_{name}": jet[name].astype(np.float32) for name in ("pt", "eta", "mass")},
    }
    return {name: jet_variable(values, name) for name, values in columns.items()}


def hardest_particles(events: xr.Dataset, places: int) -> xr.Dataset:
    """Return jets in relative coordinates with at most ``places`` particles each: the hardest ones, by falling pT."""
    there = events["present"].values
    order = np.argsort(np.where(there, -events["pt_rel"].values, np.inf), axis=1, kind="stable")[:, :places]
    dimension = str(events["present"].dims[1])
    kept = {}
    for name, array in events.variables.items():
        if array.dims[:2] == ("event", dimension):
            chosen = np.take_along_axis(array.values, order.reshape(*order.shape, *(1,) * (array.ndim - 2)), axis=1)
            kept[str(name)] = (array.dims, chosen, array.attrs)
    if "particle_number" in events:
        number = events["particle_number"]
        kept["particle_number"] = (number.dims, np.minimum(number.values, places).astype(number.dtype), number.attrs)
    return events.drop_vars(list(kept)).assign(kept)


def refuse_impossible_jets(events: xr.Dataset) -> None:
    """Refuse jets in relative coordinates that no generator should learn.

    Raises
    ------
    simulacra.events.EventsError
        if a jet is impossible (:func:`what_is_impossible`).
    """
    if found := what_is_impossible(events):
        raise EventsError(found)


def what_is_impossible(events: xr.Dataset) -> str:
    """Return what is impossible in jets in relative coordinates, how often, and what to do; "" if nothing is.

    That is a jet without particles, of a transverse momentum of 0, or of a negative mass; a particle of a transverse
    momentum of 0 or less, an azimuth beyond pi, or a pseudorapidity that none can have.
    """
    if "present" not in events:
        return "missing mask 'present', which tells how many particles each jet has"
    there, index = events["present"].values.astype(bool), events["event"].values
    pt, phi, eta = (events[name].values for name in ("pt_rel", "phi_rel", "eta_rel"))
    of_particles = {
        "pt_rel": (~(pt > 0) & there, "above 0"),
        "phi_rel": (~(np.abs(phi) <= np.float32(np.pi)) & there, "from -pi to pi [rad]"),
        "eta_rel": (~(np.abs(eta) <= FURTHEST_ETA) & there, f"from -{FURTHEST_ETA:g} to {FURTHEST_ETA:g}"),
    }
    for name, (wrong, allowed) in of_particles.items():
        if wrong.any():
            event, particle = np.argwhere(wrong)[0]
            return (
                f"'{name}' is {events[name].values[event, particle]:g} for particle {particle} of event "
                f"{index[event]}, one of {np.count_nonzero(wrong):,} such particles: it must be {allowed}; correct "
                "them, or set 'present' to False there"
            )
    empty = ~there.any(axis=1)
    if empty.any():
        return (
            f"event {index[np.flatnonzero(empty)[0]]} is one of {np.count_nonzero(empty):,} jets without particles, "
            "which nothing can be learned from: leave them out, with "
            "events.isel(event=events['present'].values.any(axis=1))"
        )
    of_jets = {}
    if "jet_pt" in events:
        of_jets["jet_pt"] = (~(events["jet_pt"].values > 0), "above 0")
        if "jet_mass" in events:
            least = -ROUNDED_MASS * events["jet_pt"].values
            of_jets["jet_mass"] = (events["jet_mass"].values < least, "0 or more, but for rounding")
    for name, (wrong, allowed) in of_jets.items():
        if wrong.any():
            place = np.flatnonzero(wrong)[0]
            return (
                f"'{name}' is {events[name].values[place]:g} GeV in event {index[place]}, one of "
                f"{np.count_nonzero(wrong):,} such jets: it must be {allowed}; leave those events out"
            )
    return ""
