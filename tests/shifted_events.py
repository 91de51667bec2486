"""Generators of fields, clouds and tables whose mean is off, so that their weights are known exactly; no networks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.reweighting.refinement import refiner_settings
from simulacra.reweighting.settings import ReweighterSettings

Shifted = Literal["field", "cloud", "table"]

SIDE, MOST = 6, 8
#: means of the truth: of each cell, of each particle's exponential momentum, of the table's first column
TRUE_MEAN = {"field": 0.1, "cloud": 1.25, "table": 0.5}
GENERATED_MEAN = {"field": 0.0, "cloud": 1.0, "table": 0.0}


class ShiftedEvents:
    """Events of one kind, each with a noise of its own; clouds have as many particles as their condition says."""

    def __init__(self, kind: Shifted, *, true: bool = False) -> None:
        self.kind, self.name = kind, f"{'true' if true else 'shifted'}-{kind}"
        self.mean = (TRUE_MEAN if true else GENERATED_MEAN)[kind]
        self.weights_sha256 = hashlib.sha256(self.name.encode()).hexdigest()
        self.trained_range: dict[str, tuple[float, float]] = {"number": (2.0, 8.0)} if kind == "cloud" else {}

    def sample(self, n: int, *, seed: int, first_event: int = 0, exact: bool = False, **conditions: Any) -> xr.Dataset:
        columns = self.columns_of(n, seed, first_event, conditions)
        output = self.candidates(np.arange(first_event, first_event + n), -1, seed, columns)
        return self.to_events(
            output, columns, conditions, settings={}, seed=seed, first_event=first_event, seconds_per_event=1e-4
        )

    def columns_of(self, n: int, seed: int, first: int, conditions: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.broadcast_to(np.asarray(conditions[name], "f4"), n).copy() for name in self.trained_range}

    def candidates(self, index: np.ndarray, attempt: int, seed: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        size = {"field": SIDE * SIDE, "cloud": MOST, "table": 2}[self.kind]
        noise = np.random.default_rng([seed, attempt + 1]).standard_normal((int(index.max()) + 1, size))[index]
        if self.kind == "cloud":
            uniform = np.random.default_rng([seed, attempt + 1]).random((int(index.max()) + 1, size))[index]
            there = np.arange(MOST) < columns["number"][:, None]
            return np.where(there, -self.mean * np.log1p(-uniform), 0).astype(np.float32)
        if self.kind == "table":
            noise[:, 0] += self.mean
            return noise.astype(np.float32)
        return (noise + self.mean).astype(np.float32)

    def to_events(
        self, output: np.ndarray, columns: Mapping[str, np.ndarray], conditions: Mapping[str, Any], **attributes: Any
    ) -> xr.Dataset:
        about: dict[str, Any] = {"units": "1", "long_name": "a number", "role": "feature"}
        if self.kind == "field":
            variables = {"field": variable(output.reshape(-1, SIDE, SIDE), "x", "y", **about)}
        elif self.kind == "table":
            variables = {"first": variable(output[:, 0], **about), "second": variable(output[:, 1], **about)}
        else:
            there = np.arange(MOST) < columns["number"][:, None]
            variables = {
                "pt": variable(output, "particle", **about),
                "present": variable(there, "particle", units="1", long_name="there", role="mask"),
                "number": variable(columns["number"], units="1", long_name="number", role="condition"),
            }
        return make_events(variables, simulator=self.name, simulator_version="1", **attributes)

    def asked_ranges(
        self, conditions: Mapping[str, Any], columns: Mapping[str, np.ndarray]
    ) -> dict[str, tuple[float, float]]:
        return {name: (float(values.min()), float(values.max())) for name, values in columns.items()}

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        pass


def true_events(kind: Shifted, n: int, *, seed: int = 1) -> xr.Dataset:
    """Return events of the truth."""
    return ShiftedEvents(kind, true=True).sample(n, seed=seed, **conditions_of(kind, n, seed))


def conditions_of(kind: Shifted, n: int, seed: int) -> dict[str, np.ndarray]:
    """Return conditions of events, (n,) each."""
    return {"number": np.random.default_rng(seed).integers(2, MOST + 1, n)} if kind == "cloud" else {}


def exact_log_weights(kind: Shifted, events: xr.Dataset) -> np.ndarray:
    """Return the logarithm of the ratio of the densities, truth over generated, of generated events, (N,)."""
    true, made = TRUE_MEAN[kind], GENERATED_MEAN[kind]
    if kind == "cloud":
        total = events["pt"].values.sum(axis=1, dtype=np.float64)
        return np.asarray(total * (1 / made - 1 / true) - events["number"].values * np.log(true / made))
    values = events["field"].values if kind == "field" else events["first"].values
    each = 0.5 * ((values.astype(np.float64) - made) ** 2 - (values.astype(np.float64) - true) ** 2)
    return np.asarray(each.reshape(len(each), -1).sum(axis=1))


def quick_refiner(events: xr.Dataset, conditions: tuple[str, ...], *, steps: int = 150) -> ReweighterSettings:
    """Return settings of a refiner that sees all of such events, small and quick."""
    settings = refiner_settings(None, events, conditions)
    small: dict[str, Any] = {"particle_widths": (16, 16), "widths": (8, 8), "event_widths": (16,)}
    fields = type(settings.network).model_fields
    network = settings.network.model_copy(update={name: value for name, value in small.items() if name in fields})
    training = {"steps": steps, "batch_size": 256, "learning_rate": 1e-2, "validate_every": 50, "threads": 1}
    return settings.model_copy(
        update={
            "network": network,
            "members": 1,
            "average_decay": 0.98,
            "training": settings.training.model_copy(update=training),
        }
    )
