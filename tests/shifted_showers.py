"""A generator of showers whose response is Gaussian, so that its weights against another mean are known exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.reweighting.settings import ReweighterSettings, ShowersSettings
from simulacra.training.settings import TrainingSettings
from tiny_calogan import toy_geometry

WIDTH = 0.03
TRUE_MEAN, GENERATED_MEAN = 0.82, 0.80
GEOMETRY = toy_geometry()
PROFILE = np.exp(-np.hypot(GEOMETRY.cell_x, GEOMETRY.cell_y) / 80)
PROFILE /= PROFILE.sum()


def exact_weights(events: xr.Dataset, true_mean: float = TRUE_MEAN) -> np.ndarray:
    """Return the ratio of the densities, truth over generated, of showers of the generator, (N,)."""
    response = events["shower"].values.sum(axis=1, dtype=np.float64) / (1000 * events["incident_energy"].values)
    return np.asarray(np.exp(((response - GENERATED_MEAN) ** 2 - (response - true_mean) ** 2) / (2 * WIDTH**2)))


class ShiftedShowers:
    """Showers of one profile whose total energy over the incident one is Gaussian; each event has its own noise."""

    def __init__(self, mean: float = GENERATED_MEAN, name: str = "shifted") -> None:
        self.mean, self.name = mean, name
        self.weights_sha256 = hashlib.sha256(f"{name} {mean}".encode()).hexdigest()
        self.trained_range = {"incident_energy": (1.0, 100.0)}

    def sample(self, n: int, *, seed: int, first_event: int = 0, exact: bool = False, **conditions: Any) -> xr.Dataset:
        columns = self.columns_of(n, seed, first_event, conditions)
        output = self._cells(np.arange(first_event, first_event + n), -1, seed, columns)
        settings: dict[str, Any] = {}
        return self.to_events(
            output, columns, conditions, settings=settings, seed=seed, first_event=first_event, seconds_per_event=1e-4
        )

    def columns_of(self, n: int, seed: int, first: int, conditions: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {"incident_energy": np.broadcast_to(np.asarray(conditions["incident_energy"], "f4"), n).copy()}

    def candidates(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._cells(index, attempt, seed, columns)

    def _cells(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        # The first numbers of a stream do not depend on how many follow.
        noise = np.random.default_rng([seed, attempt + 1]).standard_normal(int(index.max()) + 1)[index]
        total = 1000 * columns["incident_energy"] * (self.mean + WIDTH * noise)
        return np.asarray(total[:, None] * PROFILE, dtype=np.float32)

    def variables_of(self, output: np.ndarray) -> dict[str, xr.Variable]:
        return {"shower": variable(output, "cell", units="MeV", long_name="energy", role="feature")}

    def to_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Any], **attributes: Any
    ) -> xr.Dataset:
        variables = self.variables_of(output)
        for name, values in columns.items():
            variables[name] = variable(values, units="GeV", long_name=name, role="condition")
        return make_events(
            variables,
            simulator=self.name,
            simulator_version="1",
            particle="e+",
            geometry=GEOMETRY.to_json(),
            **attributes,
        )

    def asked_ranges(
        self, conditions: Mapping[str, Any], columns: Mapping[str, np.ndarray]
    ) -> dict[str, tuple[float, float]]:
        return {name: (float(values.min()), float(values.max())) for name, values in columns.items()}

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        pass


def true_showers(n: int, *, seed: int = 1, mean: float = TRUE_MEAN) -> xr.Dataset:
    """Return showers of the truth, at energies from 1 to 100 GeV."""
    energy = np.exp(np.random.default_rng(seed).uniform(0, np.log(100), n))
    return ShiftedShowers(mean, "truth").sample(n, seed=seed, incident_energy=energy)


def small_refiner(
    *variables: str, steps: int = 300, calibration: Literal["none", "temperature"] = "temperature", members: int = 1
) -> ReweighterSettings:
    """Return settings of a small refiner that sees these shapes and the incident energy."""
    return ReweighterSettings(
        network=ShowersSettings(
            variables=(*(variables or ("energy_response",)), "incident_energy"),
            widths=(16,),
            summary=8,
            head_widths=(8,),
        ),
        average_decay=0.98,
        training=TrainingSettings(
            steps=steps,
            batch_size=512,
            learning_rate=1e-2,
            betas=(0.9, 0.999),
            final_learning_rate=0.01,
            validate_every=steps // 3,
            checkpoint_every=steps,
            threads=1,
            accelerator="cpu",
        ),
        calibration=calibration,
        members=members,
    )
