"""The hardest jets of each event, without their particles: transverse momentum, direction and mass.

===============  =========  =====  ============  ============================================
variable         role       units  dimensions    meaning
===============  =========  =====  ============  ============================================
``jet_pt``       feature    GeV    (event, jet)  transverse momentum, falling
``jet_eta``      feature    1      (event, jet)  pseudorapidity
``jet_phi``      feature    rad    (event, jet)  azimuth, from -pi to pi
``jet_mass``     feature    GeV    (event, jet)  mass
``present``      mask       1      (event, jet)  whether there is a jet
===============  =========  =====  ============  ============================================
"""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError, names, validate, variable
from simulacra.observables.jets import cluster_jets
from simulacra.observables.relative_jets import jet_variable
from simulacra.settings import whole_number

#: particles beyond this pseudorapidity are not clustered
MAX_ABS_ETA: Final = 5.0
VARIABLES: Final = ("jet_pt", "jet_eta", "jet_mass")


def multi_jets(
    momentum: np.ndarray,
    energy: np.ndarray,
    present: np.ndarray,
    *,
    radius: float,
    min_pt: float,
    max_abs_eta: float,
    most: int,
) -> dict[str, xr.Variable]:
    """Return the variables of the table above for the anti-kT jets of each event.

    Parameters
    ----------
    momentum, energy, present:
        of particles, as :func:`~simulacra.observables.jets.cluster_jets`; leave out neutrinos.
    radius:
        of the jets, in rapidity and azimuth.
    min_pt, max_abs_eta:
        lowest transverse momentum [GeV] and largest pseudorapidity of a jet.
    most:
        number of places for jets; those left out are the softest.

    Raises
    ------
    ValueError, ImportError
        as :func:`~simulacra.observables.jets.cluster_jets`.
    """
    pt = np.hypot(momentum[..., 0], momentum[..., 1]).astype(np.float64)
    eta = np.arcsinh(np.divide(momentum[..., 2], pt, out=np.full_like(pt, np.inf), where=pt > 0))
    seen = present & (np.abs(eta) < MAX_ABS_ETA)
    # room for jets outside the range in pseudorapidity, which are left out only after the clustering
    found = cluster_jets(momentum, energy, seen, radius=radius, n_jets=4 * most, min_pt=min_pt)
    kept = (found["jet_pt"].values > 0) & (np.abs(found["jet_eta"].values) < max_abs_eta)
    order = np.argsort(~kept, axis=1, kind="stable")[:, :most]
    there = np.take_along_axis(kept, order, axis=1)
    variables = {}
    for name in ("jet_pt", "jet_eta", "jet_phi", "jet_mass"):
        one = found[name]
        values = np.where(there, np.take_along_axis(one.values, order, axis=1), 0).astype(np.float32)
        variables[name] = xr.Variable(one.dims, values, one.attrs)
    variables["present"] = variable(there, "jet", units="1", long_name="whether there is a jet", role="mask")
    return variables


def with_jets(events: xr.Dataset, fewest: int = 1, most: int | None = None) -> xr.Dataset:
    """Return the events with at least ``fewest`` and at most ``most`` jets: a region of a search.

    Raises
    ------
    EventsError
        if the events are not of several jets, or none is in the region.
    ValueError
        if ``fewest`` is below 1 or above ``most``.
    """
    check(events)
    fewest, most = whole_number(fewest, "fewest"), None if most is None else whole_number(most, "most")
    if fewest < 1 or (most is not None and fewest > most):
        raise ValueError(f"a region has at least 1 jet and no empty range, not {fewest} to {most}")
    number = events["present"].values.sum(axis=1)
    inside = (number >= fewest) & (number <= (number.max(initial=0) if most is None else most))
    if not inside.any():
        wanted = f"{fewest} jets or more" if most is None else f"{fewest} to {most} jets"
        held = f"these have {number.min()} to {number.max()}" if len(number) else "there is none"
        raise EventsError(f"no event has {wanted}: {held}")
    return events.isel(event=np.flatnonzero(inside))


def single_jets(events: xr.Dataset, fewest: int = 1, most: int | None = None) -> xr.Dataset:
    """Return each jet of a region as an event of its own, given its transverse momentum and pseudorapidity.

    Parameters
    ----------
    events:
        events of several jets: the variables of this module's table.
    fewest, most:
        numbers of jets of the events that are used (:func:`with_jets`).

    Returns
    -------
    xarray.Dataset
        ``jet_pt`` [GeV] and ``jet_eta`` as conditions, ``jet_mass`` [GeV] as feature, (jets,) each, and the event's
        weights. Jet j of event i is number i P + j, for P places.

    Raises
    ------
    EventsError, ValueError
        as :func:`with_jets`.
    """
    region = with_jets(events, fewest, most).load()
    row, place = np.nonzero(region["present"].values)
    variables = {name: jet_variable(region[name].values[row, place], name) for name in ("jet_pt", "jet_mass")}
    variables["jet_eta"] = variable(
        region["jet_eta"].values[row, place], units="1", long_name="pseudorapidity of the jet", role="condition"
    )
    for name in names(region, "weight"):
        variables[name] = xr.Variable(("event",), region[name].values[row], region[name].attrs)
    index = region["event"].values[row] * region.sizes["jet"] + place
    return xr.Dataset(variables, coords={"event": index.astype(np.int64)}, attrs=region.attrs)


def check(events: xr.Dataset, *, masses: bool = True) -> None:
    """Raise :class:`EventsError` unless these are events of several jets, with or without their masses."""
    validate(events)
    needed = [name for name in (*VARIABLES, "present") if masses or name != "jet_mass"]
    for name in needed:
        if name not in events or events[name].dims != ("event", "jet"):
            held = f"of the shape {dict(events[name].sizes)}" if name in events else "not there"
            raise EventsError(
                f"events of several jets hold {', '.join(needed)} (event, jet): '{name}' is {held} "
                "(simulacra simulate pythia --process multi-jets makes such events)"
            )
    there = events["present"].values.astype(bool)
    wrong = there & (events["jet_pt"].values <= 0)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise EventsError(
            f"'jet_pt' is {events['jet_pt'].values[row, place]:g} GeV for jet {place} of event "
            f"{int(events['event'].values[row])}: a jet's transverse momentum must be above 0"
        )
