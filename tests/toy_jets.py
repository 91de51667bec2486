"""Jets in relative coordinates without a simulator: two clusters of particles, wider for later classes."""

import numpy as np
import xarray as xr

from simulacra.events import make_events
from simulacra.observables.relative_jets import JET_CLASS, jet_variable


def toy_jets(n: int, seed: int = 1, *, particles: int = 12, classes: int = 5) -> xr.Dataset:
    """Return jets of 2 to ``particles`` particles, of the classes in turn."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % classes
    number = rng.integers(2, particles + 1, n)
    there = np.arange(particles) < number[:, None]
    pt = -np.sort(-(rng.exponential(1.0, (n, particles)) ** 1.5) * there, axis=1)
    pt = np.where(there, np.maximum(pt, 1e-4), 0)
    pt *= rng.uniform(0.8, 1.0, (n, 1)) / pt.sum(axis=1, keepdims=True)
    side = rng.choice([-0.5, 0.5], (n, particles)) * (0.1 + 0.05 * kind[:, None])
    turn = rng.uniform(0, 2 * np.pi, (n, 1))
    eta, phi = (
        np.where(there, side * direction + 0.02 * rng.normal(size=(n, particles)), 0)
        for direction in (np.cos(turn), np.sin(turn))
    )
    jet_pt = rng.uniform(800, 1200, n)
    columns = {
        "eta_rel": eta,
        "phi_rel": phi,
        "pt_rel": pt,
        "jet_pt": jet_pt,
        "jet_eta": rng.normal(size=n),
        "jet_mass": jet_pt * rng.lognormal(-2.0 + 0.2 * kind, 0.2),
    }
    variables = {name: jet_variable(values.astype(np.float32), name) for name, values in columns.items()}
    variables["present"] = jet_variable(there, "present")
    variables["jet_class"] = jet_variable(kind.astype(np.int32), "jet_class")
    return make_events(
        variables, simulator="toy", simulator_version="1", seed=seed, settings={}, seconds_per_event=0.01
    )


N_CLASSES = len(JET_CLASS.choices)
