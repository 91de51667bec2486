"""Toy: an anomaly score, minus the logarithm of a Gaussian density of two numbers given a third."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import make_events, variable
from simulacra.kinds.description import columns_of, describe
from simulacra.settings import CheckedSettings

MAKES: Final = "scores"
CONDITIONS: Final = {"proper_motion": Condition("mas/yr", "proper motion", kind="empirical")}
SCORE: Final = ("1", "minus the log density")


class Settings(CheckedSettings):
    """It has none."""

    kind: Literal["toy_score"] = "toy_score"


class Trainer:
    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.description = describe(events, CONDITIONS, tuple(CONDITIONS))
        self.module = build(settings, self.description)
        self.family = MaximumLikelihood(self.module, self)

    def tensors(self, events: xr.Dataset) -> dict[str, Any]:
        import torch

        return {
            "inputs": torch.as_tensor(to_inputs(events, self.description)),
            "conditions": columns_of(events, tuple(CONDITIONS)),
        }

    def augment(self, batch: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return dict(batch)

    def log_likelihood(self, module: Any, batch: Mapping[str, Any]) -> Any:
        return -module(batch["inputs"], batch["conditions"])

    def validate(self, events: xr.Dataset, rng: Any) -> dict[str, float]:
        return {"score": -float(self.log_likelihood(self.module, self.tensors(events)).detach().mean())}


def build(settings: Settings, description: Mapping[str, Any]) -> Any:
    import torch

    class Density(torch.nn.Module):
        latent = 2

        def __init__(self) -> None:
            super().__init__()
            self.slope = torch.nn.Parameter(torch.zeros(2))
            self.log_width = torch.nn.Parameter(torch.zeros(2))

        def forward(self, inputs: Any, conditions: Any) -> Any:
            pulls = (inputs - self.slope * conditions) / self.log_width.exp()
            return (0.5 * pulls**2 + self.log_width).sum(dim=1)

    return Density()


def fold(module: Any) -> Any:
    return module


def inputs(description: Mapping[str, Any]) -> dict[str, str]:
    return {"colour": "mag", "magnitude": "mag"}


def to_inputs(events: xr.Dataset, description: Mapping[str, Any]) -> np.ndarray:
    return np.stack([events["colour"].values, events["magnitude"].values], axis=1).astype(np.float32)


def stars(n: int, seed: int, *, shift: float = 0.0) -> xr.Dataset:
    """Return stars whose colour and magnitude follow their proper motion; candidates are shifted."""
    rng = np.random.default_rng(seed)
    motion = rng.normal(0, 2, n)
    columns = {"colour": 0.5 * motion + rng.normal(0, 0.3, n) + shift, "magnitude": motion + rng.normal(0, 0.5, n)}
    variables = {
        name: variable(values.astype("f4"), units="mag", long_name=name, role="feature")
        for name, values in columns.items()
    }
    one = CONDITIONS["proper_motion"]
    variables["proper_motion"] = variable(
        motion.astype("f4"), units=one.units, long_name=one.long_name, role="condition"
    )
    return make_events(
        variables, simulator="toy sky", simulator_version="1", seed=seed, settings={}, seconds_per_event=0.1
    )


def example(folder: Path) -> dict[str, Any]:
    from simulacra.store import write_events

    write_events(stars(800, 3), folder / "stars.zarr")
    return {
        "name": "toy-score",
        "data": {"path": str(folder / "stars.zarr")},
        "system": {"kind": "toy_score"},
        "training": {
            "steps": 200,
            "batch_size": 128,
            "learning_rate": 0.05,
            "validate_every": 100,
            "accelerator": "cpu",
        },
    }


def example_signal(folder: Path) -> Path:
    from simulacra.store import write_events

    write_events(stars(300, 4, shift=1.5), folder / "signal.zarr")
    return folder / "signal.zarr"
