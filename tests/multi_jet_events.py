"""Events of several jets and collisions of visible particles without a simulator."""

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.observables.visible_particles import particle_variable

ORIGIN = {"simulator": "toy", "simulator_version": "1", "settings": {}, "seconds_per_event": 0.01}


def toy_multi_jets(n: int, seed: int = 1, *, places: int = 4) -> xr.Dataset:
    """Return events of 1 to ``places`` jets, with log(mass / pT) normal: mean -1.5, standard deviation 0.3."""
    rng = np.random.default_rng(seed)
    there = np.arange(places) < rng.integers(1, places + 1, n)[:, None]
    pt = -np.sort(-rng.uniform(100, 600, (n, places)) * there, axis=1)
    columns = {
        "jet_pt": ("GeV", pt),
        "jet_eta": ("1", rng.uniform(-2, 2, (n, places))),
        "jet_phi": ("rad", rng.uniform(-3, 3, (n, places))),
        "jet_mass": ("GeV", pt * np.exp(rng.normal(-1.5, 0.3, (n, places)))),
    }
    variables = {
        name: variable(np.where(there, values, 0).astype("f4"), "jet", units=units, long_name=name, role="feature")
        for name, (units, values) in columns.items()
    }
    variables["present"] = variable(there, "jet", units="1", long_name="whether there is a jet", role="mask")
    return make_events(variables, seed=seed, **ORIGIN)


def toy_collisions(n: int, seed: int = 1, *, places: int = 12) -> xr.Dataset:
    """Return collisions of 0 to ``places`` particles of more than 0.2 GeV with |eta| < 5."""
    rng = np.random.default_rng(seed)
    there = np.arange(places) < rng.integers(0, places + 1, n)[:, None]
    pt = -np.sort(-(0.2 + rng.exponential(0.5, (n, places))) * there, axis=1)
    columns = {
        "particle_pt": pt,
        "particle_eta": np.where(there, rng.uniform(-5, 5, (n, places)), 0),
        "particle_phi": np.where(there, rng.uniform(-np.pi, np.pi, (n, places)), 0),
    }
    variables = {name: particle_variable(values.astype("f4"), name) for name, values in columns.items()}
    variables["present"] = particle_variable(there, "present")
    return make_events(variables, seed=seed, **ORIGIN)
