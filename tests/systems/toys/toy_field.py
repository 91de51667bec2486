"""Toy: fields of 8 x 8 pixels without conditions, each pixel a Gaussian of its own mean and width.

It carries the frame of its coordinates, and its pixels have positions. arXiv: none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.kinds.description import columns_of, describe
from simulacra.settings import CheckedSettings

MAKES: Final = "events"
CONDITIONS: Final[dict[str, Any]] = {}
CARRIES: Final = ("frame",)
SIDE: Final = 8


class Settings(CheckedSettings):
    """It has none."""

    kind: Literal["toy_field"] = "toy_field"


class Trainer:
    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.description = describe(events, CONDITIONS, (), CARRIES)
        self.module = build(settings, self.description)
        self.family = MaximumLikelihood(self.module, self)

    def tensors(self, events: xr.Dataset) -> dict[str, Any]:
        import torch

        return {"field": torch.as_tensor(events["field"].values), "conditions": columns_of(events, ())}

    def augment(self, batch: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return dict(batch)

    def log_likelihood(self, module: Any, batch: Mapping[str, Any]) -> Any:
        import torch

        normal = torch.distributions.Normal(module.mean, module.log_width.exp())
        return normal.log_prob(batch["field"]).sum(dim=(1, 2))

    def validate(self, events: xr.Dataset, rng: Any) -> dict[str, float]:
        return {"score": -float(self.log_likelihood(self.module, self.tensors(events)).detach().mean())}


def build(settings: Settings, description: Mapping[str, Any]) -> Any:
    import torch

    class Field(torch.nn.Module):
        latent = SIDE * SIDE

        def __init__(self) -> None:
            super().__init__()
            self.mean = torch.nn.Parameter(torch.zeros(SIDE, SIDE))
            self.log_width = torch.nn.Parameter(torch.zeros(SIDE, SIDE))

        def forward(self, noise: Any, conditions: Any) -> Any:
            return self.mean + self.log_width.exp() * noise.reshape(noise.shape[0], SIDE, SIDE)

    return Field()


def fold(module: Any) -> Any:
    return module


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
    places = np.arange(SIDE) + 0.5
    return {
        "field": variable(output, "x", "y", units="K", long_name="a field", role="feature", signed=True),
        "x": xr.Variable("x", places, {"units": "deg", "long_name": "position along x"}),
        "y": xr.Variable("y", places, {"units": "deg", "long_name": "position along y"}),
    }


def example(folder: Path) -> dict[str, Any]:
    from simulacra.store import write_events

    rng = np.random.default_rng(1)
    events = make_events(
        to_variables(rng.normal(0.3, 0.5, (600, SIDE, SIDE)).astype(np.float32), {}),
        simulator="toy sky",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.1,
        frame="galactic",
    )
    write_events(events, folder / "fields.zarr")
    return {
        "name": "toy-field",
        "data": {"path": str(folder / "fields.zarr")},
        "system": {"kind": "toy_field"},
        "training": {
            "steps": 60,
            "batch_size": 64,
            "learning_rate": 0.05,
            "validate_every": 30,
            "optimizer": "adamw",
            "weight_decay": 1e-4,
            "gradient_clipping": 100.0,
            "accelerator": "cpu",
        },
    }
