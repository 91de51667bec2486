"""The jets of the stages on clouds: simulated afresh, or generated, and their division into samples of each class."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from simulacra.observables.relative_jets import JET_CLASS
from simulacra.simulators.pythia import write_collisions
from simulacra.simulators.pythia_settings import PythiaSettings
from simulacra.store import open_events
from simulacra.trained import TrainedGenerator

Rows = dict[str, np.ndarray]

#: trainings used 4101
SEED: Final = 4102
PARTICLES: Final = 30
#: jets of a class in each of two samples that are compared, and how often twice as many are divided at random
PER_CLASS, DIVISIONS = 10_000, 4
#: by which more jets are generated, whose classes are drawn, so that there are enough of each
SURPLUS: Final = 1.1


def simulated(folder: Path, scale: float) -> xr.Dataset:
    """Return jets of Pythia, equally many of each class; a killed simulation continues."""
    path = folder / "jets.zarr"
    if not path.exists():
        settings = PythiaSettings.model_validate({"process": "jets", "leading_jet": {"particles": PARTICLES}})
        write_collisions(path, settings, seed=SEED, n_events=2 * per_class(scale) * len(JET_CLASS.choices))
    return open_events(path).load()


def generated(model: TrainedGenerator, scale: float, seed: int = 1) -> xr.Dataset:
    """Return jets of a model, whose classes and transverse momenta are drawn as in its training sample."""
    return model.sample(int(2 * SURPLUS * per_class(scale) * len(JET_CLASS.choices)) + 100, seed=seed)


def per_class(scale: float) -> int:
    """Return the number of jets of a class in a sample."""
    return max(60, round(PER_CLASS * scale))


def divided(jet_class: np.ndarray, scale: float, seed: int = 1) -> list[tuple[Rows, Rows]]:
    """Return random divisions of as many jets as needed into two samples: the rows of each class and of "all" classes.

    Raises
    ------
    ValueError
        if a class has too few jets.
    """
    n, rng = per_class(scale), np.random.default_rng(seed)
    found = []
    for _ in range(DIVISIONS):
        halves: tuple[Rows, Rows] = ({}, {})
        for place, name in enumerate(JET_CLASS.choices):
            rows = np.flatnonzero(jet_class == place)[: 2 * n]
            if len(rows) < 2 * n:
                raise ValueError(f"there are {len(rows)} jets of the class {name}, fewer than {2 * n}")
            drawn = rng.permutation(rows)
            halves[0][name], halves[1][name] = drawn[:n], drawn[n:]
        for half in halves:
            half["all"] = np.concatenate([half[name] for name in JET_CLASS.choices])
        found.append(halves)
    return found
