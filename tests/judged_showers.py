"""Showers of a simple formula in the CaloGAN detector: a truth that any number of events can be drawn from at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from simulacra.conditions import Band
from simulacra.events import make_events, variable
from simulacra.geometry import CalorimeterGeometry

CALOGAN = CalorimeterGeometry.load("calogan")


def toy_cells(
    energy: np.ndarray,
    rng: np.random.Generator,
    *,
    width: float = 1.0,
    response: float = 1.0,
    fixed_noise: bool = False,
    shift: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return cells (N, 504) [MeV] of showers with a fluctuating depth, exponential lateral profiles and empty cells."""
    n = len(energy)
    rows = 1 if fixed_noise else n
    start, spread = rng.normal(0, 0.25, (rows, 1)), rng.normal(1, 0.05, (rows, 1))
    noise = rng.gamma(4.0, 0.25, (rows, CALOGAN.n_cells))
    depth = np.log(energy / 10)[:, None] * 0.25 + start
    shares = np.exp(np.array([[0.3, 1.2, -4.5]]) + depth * np.array([[-0.5, 0.2, 1.2]]))
    shares /= shares.sum(axis=1, keepdims=True)
    cells = np.empty((n, CALOGAN.n_cells))
    for section in range(3):
        place = CALOGAN.section_slice(section)
        scale = width * (12.0 + 8.0 * section) * spread
        x = CALOGAN.cell_x[place] - np.broadcast_to(np.asarray(shift, dtype=float).reshape(-1, 1), (n, 1))
        profile = np.exp(-np.hypot(x, CALOGAN.cell_y[place]) / scale)
        cells[:, place] = shares[:, [section]] * profile / profile.sum(axis=1, keepdims=True)
    cells = cells * noise * energy[:, None] * 1000 * 0.9 * response
    return np.where(cells > 0.3, cells, 0.0).astype(np.float32)


def toy_events(
    n: int,
    seed: int,
    *,
    energy: np.ndarray | None = None,
    simulator: str = "toy",
    first_event: int = 0,
    weights: np.ndarray | None = None,
    settings: Mapping[str, Any] | None = None,
    impact_x: np.ndarray | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Return toy showers as events; ``changes`` go to :func:`toy_cells`."""
    rng = np.random.default_rng(seed)
    energy = 100.0 ** rng.random(n) if energy is None else np.asarray(energy, dtype=float)
    shift = 0.0 if impact_x is None else impact_x
    variables = {
        "shower": variable(
            toy_cells(energy, rng, shift=shift, **changes), "cell", units="MeV", long_name="energy", role="feature"
        ),
        "incident_energy": variable(
            energy.astype(np.float32), units="GeV", long_name="incident energy", role="condition"
        ),
    }
    if impact_x is not None:
        variables["impact_x"] = variable(np.asarray(impact_x), units="mm", long_name="impact point", role="condition")
    if weights is not None:
        variables["weight"] = variable(weights, units="1", long_name="weight", role="weight")
    return make_events(
        variables,
        simulator=simulator,
        simulator_version="1",
        seed=seed,
        settings=settings or {},
        seconds_per_event=0.0,
        first_event=first_event,
        particle="e+",
        geometry=CALOGAN.to_json(),
    )


class ToyGenerator:
    """A generator of toy showers, perfect but for what ``changes`` make of it."""

    def __init__(self, *, positions: bool = False, hold_out: tuple[Band, ...] = (), **changes: Any) -> None:
        self.name = "toy"
        self.path = Path("toy.safetensors")
        self.hold_out = hold_out
        self.trained_range = {"incident_energy": (1.0, 100.0)}
        if positions:
            self.trained_range["impact_x"] = (-20.0, 20.0)
        self._changes = changes

    def sample(self, n: int, *, seed: int | None = None, fixed_noise: bool = False, **conditions: Any) -> xr.Dataset:
        """Return events at these conditions."""
        energy = np.broadcast_to(np.asarray(conditions["incident_energy"], dtype=float), (n,))
        impact = conditions.get("impact_x")
        impact = None if impact is None else np.broadcast_to(np.asarray(impact, dtype=float), (n,)).copy()
        return toy_events(
            n,
            seed or 0,
            energy=energy,
            impact_x=impact,
            fixed_noise=fixed_noise,
            simulator="toy generator",
            **self._changes,
        )
