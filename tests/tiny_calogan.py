"""Showers of a toy detector, the settings of a tiny CaloGAN and runs of it.

Run as a script it trains one: ``tiny_calogan.py RUN STEPS SECONDS_A_STEP``.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import make_events, take_part, variable
from simulacra.geometry import CalorimeterGeometry

GEOMETRY_TOML = """
name = "toy"
description = "three sections of 2 x 8, 4 x 4 and 4 x 2 (phi x eta) cells"
kind = "cartesian"
lateral_size = 480.0

[absorber]
material = "G4_Pb"
thickness = 2.0

[active]
material = "G4_lAr"
thickness = 4.0
"""
SECTIONS = ((2, 8), (4, 4), (4, 2))
SYSTEM = {
    "kind": "calogan",
    "conditions": ["incident_energy"],
    "latent": 5,
    "channels": [3, 3, 2],
    "critic_channels": [3, 2, 2],
    "penalty_interval": 3,
}
FIVE = ["incident_energy", "impact_x", "impact_y", "polar_angle", "azimuthal_angle"]


def toy_geometry() -> CalorimeterGeometry:
    import tomllib

    sections = [
        {"name": f"section_{i}", "layers": i + 1, "phi_cells": phi, "eta_cells": eta}
        for i, (phi, eta) in enumerate(SECTIONS)
    ]
    return CalorimeterGeometry.model_validate({**tomllib.loads(GEOMETRY_TOML), "sections": sections})


def toy_showers(
    n: int = 240, seed: int = 3, *, five_conditions: bool = False, geometry: CalorimeterGeometry | None = None
) -> xr.Dataset:
    """Sparse images around the centre, whose sum is close to 80 % of the incident energy."""
    geometry = geometry or toy_geometry()
    rng = np.random.default_rng(seed)
    energy = np.exp(rng.uniform(np.log(1.0), np.log(100.0), n))
    profile = np.exp(-np.hypot(geometry.cell_x, geometry.cell_y) / 80)
    cells = rng.gamma(0.5, profile, (n, geometry.n_cells))
    cells[rng.random(cells.shape) > 0.3 + 0.6 * profile] = 0
    cells[:, geometry.cell_index(1, 1, 1)] += 0.5
    cells *= (1000 * energy * rng.normal(0.8, 0.02, n) / cells.sum(axis=1))[:, None]
    variables = {
        "shower": variable(cells.astype("f4"), "cell", units="MeV", long_name="energy", role="feature"),
        "incident_energy": variable(energy.astype("f4"), units="GeV", long_name="incident energy", role="condition"),
    }
    if five_conditions:
        for name, units, low, high in (
            ("impact_x", "mm", -50, 50),
            ("impact_y", "mm", -50, 50),
            ("polar_angle", "rad", 0, 0.35),
            ("azimuthal_angle", "rad", 0, 2 * np.pi),
        ):
            values = rng.uniform(low, high, n).astype("f4")
            variables[name] = variable(values, units=units, long_name=name, role="condition")
    return make_events(
        variables,
        simulator="toy",
        simulator_version="1",
        seed=seed,
        settings={},
        seconds_per_event=0.25,
        particle="e+",
        geometry=geometry.to_json(),
    )


def toy_experiment(**training: Any) -> Any:
    """A short experiment; ``training`` changes its training settings."""
    from simulacra.training.settings import Experiment

    settings = {
        "steps": 12,
        "batch_size": 16,
        "validate_every": 4,
        "checkpoint_every": 2,
        "threads": 1,
        "accelerator": "cpu",
    }
    data = {"name": "toy", "seed": 4, "data": {"path": "toy"}, "system": SYSTEM, "training": settings | training}
    return Experiment.model_validate(data)


def toy_trainer(experiment: Any, events: xr.Dataset) -> Any:
    from simulacra.systems import system
    from simulacra.training.run import prepare

    module = system(experiment.system["kind"])
    settings = module.Settings.model_validate(experiment.system)
    return prepare(experiment, lambda: module.Trainer(settings, take_part(events, "train")))


def toy_train(run: Path, experiment: Any, *, events: xr.Dataset | None = None, trainer: Any = None) -> Any:
    """Train as ``simulacra train`` does, without files of events."""
    from simulacra.training.loop import train

    events = toy_showers() if events is None else events
    trainer = trainer or toy_trainer(experiment, events)
    return train(experiment, trainer, take_part(events, "train"), take_part(events, "validation"), run, progress=False)


def slowly(trainer: Any, seconds: float) -> Any:
    """Let each player's turn take a while, so that a test can stop the run in its middle."""
    augment = trainer.augment

    def slow(batch: Any, rng: Any) -> Any:
        time.sleep(seconds / 2)
        return augment(batch, rng)

    trainer.augment = slow
    return trainer


if __name__ == "__main__":
    run, steps, seconds = sys.argv[1:]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    asked = toy_experiment(steps=int(steps))
    toy_train(Path(run), asked, trainer=slowly(toy_trainer(asked, toy_showers()), float(seconds)))
