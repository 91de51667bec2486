"""The choice of observables from the contents of events."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables import clouds, jet_clouds, visible_particles
from simulacra.observables.arrays import array_observables, measurement_observables
from simulacra.observables.clouds import cloud_observables
from simulacra.observables.collisions import collision_observables
from simulacra.observables.jet_clouds import jet_observables
from simulacra.observables.jet_images import IMAGE, image_observables, is_image
from simulacra.observables.showers import shower_shapes
from simulacra.units import in_convention

#: the variables that the shower shapes replace
SHOWER_VARIABLES: Final = ("shower", "active", "overflow")


def observe(events: xr.Dataset) -> xr.Dataset:
    """Return the observables of any events, each a variable (event,) with its ``units`` and ``long_name``.

    The contents of the events decide; events with several of these get the observables of each:

    * showers (the variable ``shower``) get the shower shapes of the CaloGAN papers;
    * particle clouds (``momentum`` and ``present``) get :func:`~simulacra.observables.clouds.cloud_observables`, their
      densities bin by bin; variables of jets clustered with them have no further observables;
    * jets in relative coordinates (``eta_rel``, ``phi_rel``, ``pt_rel`` and ``present``) get
      :func:`~simulacra.observables.jet_clouds.jet_observables`;
    * images of jets and muons (``image`` and the attribute ``pixel_size``) get
      :func:`~simulacra.observables.jet_images.image_observables`;
    * collisions as visible particles (``particle_pt``, ``particle_eta``, ``particle_phi`` and ``present``) get
      :func:`~simulacra.observables.collisions.collision_observables`;
    * every other feature of more dimensions gets :func:`~simulacra.observables.arrays.array_observables`, prefixed by
      its name; masked entries do not count, and values are weighted by their uncertainties;
    * uncertainties get their mean and standard deviation, coordinates the spread of an event's entries;
    * every other feature (event,) is an observable itself; if another observable has its name, it is called
      ``stated_NAME``.

    Raises
    ------
    ValueError
        if the events hold no feature.
    simulacra.events.EventsError
        if a unit is unknown, or cannot be converted to the conventional one.

    Examples
    --------
    >>> import simulacra
    >>> showers = simulacra.load("calogan-eplus").sample(5, incident_energy=50.0, seed=1)
    >>> simulacra.observe(showers)["total_energy"].dims
    ('event',)
    """
    events = in_convention(events)
    there = {str(name) for name in events.data_vars}
    found: dict[str, xr.Variable] = {}
    taken: set[str] = set()
    if "shower" in there:
        found |= _variables(shower_shapes(events))
        taken |= set(SHOWER_VARIABLES)
    if {"momentum", "present"} <= there:
        found |= _variables(_bin_by_bin(cloud_observables(events)))
        taken |= {*clouds.VARIABLES, *(name for name in there if name.startswith("jet_"))}
    if set(jet_clouds.VARIABLES) <= there:
        found |= _variables(jet_observables(events))
        taken |= set(jet_clouds.VARIABLES)
    if is_image(events):
        found |= _variables(image_observables(events))
        taken |= {IMAGE}
    if {*visible_particles.VARIABLES, "present"} <= there:
        found |= _variables(collision_observables(events))
        taken |= {*visible_particles.VARIABLES, "present"}
    others = [str(name) for name, array in events.data_vars.items() if array.attrs.get("role") == "feature"]
    others = [name for name in others if name not in taken]
    found |= array_observables(events, [name for name in others if events[name].ndim > 1])
    found |= measurement_observables(events)
    for name in others:
        if events[name].ndim == 1:
            values = events[name].values.astype(np.float64)
            given = events[name].attrs
            attributes = {
                "units": given.get("units", "1"),
                "long_name": given.get("long_name", name),
                "role": "feature",
            }
            found[f"stated_{name}" if name in found else name] = xr.Variable(("event",), values, attrs=attributes)
    if not found:
        raise ValueError(
            f"no observables are known for events that hold {sorted(there)}: showers need the variable 'shower' and "
            "the attribute 'geometry', particle clouds the variables 'momentum' and 'present', and all others a "
            "variable with the role 'feature'"
        )
    return xr.Dataset(found, coords={"event": events["event"]} if "event" in events.coords else None)


def _variables(observables: xr.Dataset) -> dict[str, xr.Variable]:
    return {str(name): array.variable for name, array in observables.data_vars.items()}


def _bin_by_bin(observables: xr.Dataset) -> xr.Dataset:
    """Return each bin of the densities as a separate variable."""
    single = {}
    for key, array in observables.data_vars.items():
        if array.ndim == 1:
            single[str(key)] = array.variable
            continue
        edges = array.attrs["edges"]
        for i in range(array.shape[1]):
            place = f"{edges[i]:g} to {edges[i + 1]:g}"
            attributes = {"units": array.attrs["units"], "role": array.attrs["role"]}
            attributes["long_name"] = f"{array.attrs['long_name']}: {place}"
            single[f"{key}_{i}"] = xr.Variable(("event",), array.values[:, i], attrs=attributes)
    return xr.Dataset(single, coords={"event": observables["event"]})
