"""Toy: light curves with gaps and errors at uneven times, given the period, as it is distributed in the sample."""

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

MAKES: Final = "events"
CONDITIONS: Final = {"period": Condition("d", "period of the star", kind="empirical", positive=True)}
CARRIES: Final = ("survey",)
LONGEST: Final = 12
SPAN: Final = 20.0
"""Of the survey [d]."""


class Settings(CheckedSettings):
    """It has none."""

    kind: Literal["toy_series"] = "toy_series"


class Trainer:
    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES)
        self.module = build(settings, self.description)
        self.family = MaximumLikelihood(self.module, self)

    def tensors(self, events: xr.Dataset) -> dict[str, Any]:
        import torch

        columns = {name: events[name].values for name in ("time", "magnitude", "magnitude_error", "observed")}
        return {name: torch.as_tensor(values) for name, values in columns.items()} | {
            "conditions": columns_of(events, tuple(CONDITIONS))
        }

    def augment(self, batch: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return dict(batch)

    def log_likelihood(self, module: Any, batch: Mapping[str, Any]) -> Any:
        import torch

        curve = module.curve(batch["time"], batch["conditions"])
        error = torch.where(batch["observed"], batch["magnitude_error"], 1.0)
        return (torch.distributions.Normal(curve, error).log_prob(batch["magnitude"]) * batch["observed"]).sum(dim=1)

    def validate(self, events: xr.Dataset, rng: Any) -> dict[str, float]:
        return {"score": -float(self.log_likelihood(self.module, self.tensors(events)).detach().mean())}


def build(settings: Settings, description: Mapping[str, Any]) -> Any:
    import torch

    class Curve(torch.nn.Module):
        # For each place in the series: its time, whether it is observed, its error, its noise.
        latent = 4 * LONGEST

        def __init__(self) -> None:
            super().__init__()
            self.amplitude = torch.nn.Parameter(torch.tensor(0.1))
            self.mean = torch.nn.Parameter(torch.tensor(0.0))

        def curve(self, time: Any, conditions: Any) -> Any:
            return self.mean + self.amplitude * torch.sin(2 * torch.pi * time / conditions)

        def forward(self, noise: Any, conditions: Any) -> Any:
            time, seen, error, values = noise.reshape(noise.shape[0], 4, LONGEST).unbind(dim=1)
            # Some are always observed, or a series could be empty.
            observed = (seen > -0.5) | (torch.arange(LONGEST, device=noise.device) < 4)
            time = torch.sort(SPAN * torch.special.ndtr(time), dim=1).values
            error = 0.05 + 0.02 * torch.special.ndtr(error)
            columns = (time, self.curve(time, conditions) + error * values, error, torch.ones_like(time))
            return torch.stack([torch.where(observed, column, 0.0) for column in columns], dim=2)

    return Curve()


def fold(module: Any) -> Any:
    return module


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
    time, magnitude, error, observed = np.moveaxis(output, 2, 0)
    along = "observation"
    return {
        "time": variable(time, along, units="d", long_name="time", role="coordinate"),
        "magnitude": variable(magnitude, along, units="mag", long_name="magnitude", role="feature"),
        "magnitude_error": variable(
            error, along, units="mag", long_name="its error", role="uncertainty", of="magnitude"
        ),
        "observed": variable(observed > 0.5, along, units="1", long_name="whether it was observed", role="mask"),
    }


def example(folder: Path) -> dict[str, Any]:
    import torch

    from simulacra.store import write_events

    rng = np.random.default_rng(5)
    period = rng.gamma(4.0, 1.0, 600).astype(np.float32) + 1.0
    star = build(Settings(), {})
    with torch.no_grad():
        star.amplitude.fill_(0.4)
        noise = torch.as_tensor(rng.standard_normal((600, star.latent)).astype(np.float32))
        output = star(noise, torch.as_tensor(period)[:, None]).numpy()
    one = CONDITIONS["period"]
    variables = to_variables(output, {})
    variables["period"] = variable(period, units=one.units, long_name=one.long_name, role="condition")
    events = make_events(
        variables,
        simulator="toy stars",
        simulator_version="1",
        seed=5,
        settings={},
        seconds_per_event=0.1,
        survey="OGLE",
    )
    write_events(events, folder / "curves.zarr")
    return {
        "name": "toy-series",
        "data": {"path": str(folder / "curves.zarr")},
        "system": {"kind": "toy_series"},
        "training": {
            "steps": 100,
            "batch_size": 64,
            "learning_rate": 0.02,
            "validate_every": 50,
            "accelerator": "cpu",
        },
    }
