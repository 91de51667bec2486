"""Particle clouds for tests: any that a test writes down, and a few hundred real hadronic decays of the Z by Pythia."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simulacra.events import make_events, variable

#: px, py, pz, E, PDG code, charge
Particle = tuple[float, float, float, float, int, int]


def clouds_of(events: Sequence[Sequence[Particle]], *, width: int | None = None, **more: xr.Variable) -> xr.Dataset:
    """Return events as they are stored: sorted by falling energy, padded with zeros to ``width`` particles."""
    n = len(events)
    width = width or max(1, *(len(event) for event in events))
    table = np.zeros((n, width, 6))
    present = np.zeros((n, width), dtype=bool)
    for row, particles in enumerate(events):
        ordered = sorted(particles, key=lambda particle: -particle[3])
        table[row, : len(ordered)] = np.reshape(ordered, (-1, 6))
        present[row, : len(ordered)] = True
    return clouds(table[..., :3], table[..., 3], table[..., 4], table[..., 5], present, **more)


def clouds(
    momentum: np.ndarray,
    energy: np.ndarray,
    identity: np.ndarray,
    charge: np.ndarray,
    present: np.ndarray,
    *,
    first_event: int = 0,
    seed: int = 5,
    **more: xr.Variable,
) -> xr.Dataset:
    """Return the dataset of arrays (N, P, 3) and (N, P)."""

    def feature(values: np.ndarray, *dimensions: str, units: str, long_name: str, **attributes: Any) -> xr.Variable:
        return variable(values, *dimensions, units=units, long_name=long_name, role="feature", **attributes)

    variables = {
        "momentum": feature(
            momentum.astype("f4"), "particle", "component", units="GeV", long_name="px, py, pz", signed=True
        ),
        "energy": feature(energy.astype("f4"), "particle", units="GeV", long_name="energy"),
        "identity": feature(identity.astype("i4"), "particle", units="1", long_name="PDG code"),
        "charge": feature(charge.astype("i1"), "particle", units="1", long_name="charge"),
        "present": variable(present, "particle", units="1", long_name="whether there is a particle", role="mask"),
        "weight": variable(np.ones(len(energy)), units="1", long_name="weight", role="weight"),
        **more,
    }
    return make_events(
        variables,
        simulator="toy",
        simulator_version="1",
        seed=seed,
        settings={"made": "for a test"},
        seconds_per_event=0.0,
        first_event=first_event,
    )


@lru_cache(maxsize=1)
def z_decays(n: int = 300) -> tuple[xr.Dataset, np.ndarray]:
    """Return hadronic decays of the Z at rest and their thrust by Pythia's own class, which leaves neutrinos out."""
    pythia8mc = pytest.importorskip("pythia8mc", reason="pythia8mc is not installed: pip install 'simulacra[jets]'")
    pythia = pythia8mc.Pythia("", False)
    for line in (
        "Print:quiet = on",
        "Beams:idA = 11",
        "Beams:idB = -11",
        "Beams:eCM = 91.2",
        "WeakSingleBoson:ffbar2gmZ = on",
        "PDF:lepton = off",
        "23:onMode = off",
        "23:onIfAny = 1 2 3 4 5",
        "Random:setSeed = on",
        "Random:seed = 11",
    ):
        assert pythia.readString(line)
    assert pythia.init()
    analysis = pythia8mc.Thrust()
    events, thrust = [], []
    while len(events) < n:
        if pythia.next():
            analysis.analyze(pythia.event)
            thrust.append(analysis.thrust())
            final = [p for p in pythia.event if p.isFinal()]
            events.append([(p.px(), p.py(), p.pz(), p.e(), p.id(), round(p.charge())) for p in final])
    return clouds_of(events, width=128), np.array(thrust)
