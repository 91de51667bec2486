"""Samples whose observables follow an energy, for the judges that look at conditions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulacra.judges.samples import Sample

Response = Callable[[np.ndarray, np.ndarray], np.ndarray]


def conditioned(
    n: int,
    seed: int,
    *,
    energies: Response | None = None,
    wrong: Response | None = None,
    label: str = "Geant4",
    weights: np.ndarray | None = None,
) -> Sample:
    """Return n events with energies from 1 to 100 GeV and the observables total, width and noise.

    ``energies`` turns the energies into those that the observables follow, ``wrong`` the width into another one.
    """
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1, 100, n)
    followed = energy if energies is None else energies(energy, rng.uniform(1, 100, n))
    width = 3 + 0.02 * followed + rng.normal(0, 1, n)
    return Sample(
        label=label,
        kind="tables",
        cells=None,
        cloud=None,
        conditions={"incident_energy": energy, "impact_x": rng.uniform(-2, 2, n), "angle": np.zeros(n)},
        observables={
            "total": followed * (1 + 0.1 * rng.normal(0, 1, n)),
            "width": width if wrong is None else wrong(width, energy),
            "noise": rng.exponential(1, n),
        },
        weights=np.ones(n) if weights is None else weights,
        units={"incident_energy": "GeV", "impact_x": "mm", "angle": "1", "total": "GeV", "width": "mm", "noise": "1"},
        long_names={
            "incident_energy": "incident energy",
            "impact_x": "impact point",
            "angle": "angle",
            "total": "total energy",
            "width": "layer width",
            "noise": "noise",
        },
        provenance={},
    )
