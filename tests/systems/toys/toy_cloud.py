"""Toy: clouds of as many particles as the model draws, given the kind of jet and how many collisions lie over it."""

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
CONDITIONS: Final = {
    "jet_class": Condition("1", "what the jet comes from", kind="choice", choices=("gluon", "light quark", "top")),
    "collisions": Condition("1", "number of collisions", kind="integer", positive=True),
}
CARRIES: Final = ("experiment",)
MOST: Final = 8


class Settings(CheckedSettings):
    """It has none."""

    kind: Literal["toy_cloud"] = "toy_cloud"


class Trainer:
    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES)
        self.module = build(settings, self.description)
        self.family = MaximumLikelihood(self.module, self)

    def tensors(self, events: xr.Dataset) -> dict[str, Any]:
        import torch

        return {
            "log_pt": torch.as_tensor(np.log(np.maximum(events["pt"].values, 1e-3))),
            "present": torch.as_tensor(events["present"].values),
            "conditions": columns_of(events, tuple(CONDITIONS)),
        }

    def augment(self, batch: Mapping[str, Any], rng: Any) -> dict[str, Any]:
        return dict(batch)

    def log_likelihood(self, module: Any, batch: Mapping[str, Any]) -> Any:
        import torch

        kind, present = batch["conditions"][:, 0].long(), batch["present"]
        many = torch.log_softmax(module.multiplicity, dim=1)[kind, present.sum(dim=1) - 1]
        pt = torch.distributions.Normal(module.mean[kind][:, None], 0.5).log_prob(batch["log_pt"])
        return many + (pt * present).sum(dim=1)

    def validate(self, events: xr.Dataset, rng: Any) -> dict[str, float]:
        return {"score": -float(self.log_likelihood(self.module, self.tensors(events)).detach().mean())}


def build(settings: Settings, description: Mapping[str, Any]) -> Any:
    import torch

    class Cloud(torch.nn.Module):
        # One number decides how many particles there are.
        latent = 1 + MOST

        def __init__(self) -> None:
            super().__init__()
            kinds = len(CONDITIONS["jet_class"].choices)
            self.multiplicity = torch.nn.Parameter(torch.zeros(kinds, MOST))
            self.mean = torch.nn.Parameter(torch.zeros(kinds))

        def forward(self, noise: Any, conditions: Any) -> Any:
            kind = torch.nn.functional.one_hot(conditions[:, 0].round().long(), self.mean.shape[0]).to(noise.dtype)
            below = torch.cumsum(torch.softmax(kind @ self.multiplicity, dim=1), dim=1)
            many = 1 + (torch.special.ndtr(noise[:, :1]) > below[:, :-1]).sum(dim=1, keepdim=True)
            pt = torch.exp((kind @ self.mean)[:, None] + 0.5 * noise[:, 1:])
            present = torch.arange(MOST, device=noise.device)[None, :] < many
            return torch.where(present, torch.sort(pt * present, dim=1, descending=True).values, 0.0)

    return Cloud()


def fold(module: Any) -> Any:
    return module


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:
    return {
        "pt": variable(output, "particle", units="GeV", long_name="transverse momentum", role="feature"),
        "present": variable(output > 0, "particle", units="1", long_name="whether there is a particle", role="mask"),
    }


def example(folder: Path) -> dict[str, Any]:
    from simulacra.store import write_events

    rng = np.random.default_rng(2)
    n = 600
    kind, many = rng.integers(3, size=n), rng.integers(1, MOST + 1, n)
    pt = np.where(np.arange(MOST) < many[:, None], rng.lognormal(0.3 * kind[:, None], 0.5, (n, MOST)), 0)
    variables = to_variables(-np.sort(-pt, axis=1).astype(np.float32), {})
    for name, values in (("jet_class", kind), ("collisions", rng.poisson(20, n) + 1)):
        one = CONDITIONS[name]
        variables[name] = variable(
            values.astype(np.int32), units=one.units, long_name=one.long_name, role="condition", **one.attributes
        )
    events = make_events(
        variables,
        simulator="toy jets",
        simulator_version="1",
        seed=2,
        settings={},
        seconds_per_event=0.1,
        experiment="X",
    )
    write_events(events, folder / "jets.zarr")
    return {
        "name": "toy-cloud",
        "data": {"path": str(folder / "jets.zarr")},
        "system": {"kind": "toy_cloud"},
        "training": {
            "steps": 60,
            "batch_size": 64,
            "learning_rate": 0.05,
            "validate_every": 30,
            "optimizer": "sgd",
            "accelerator": "cpu",
        },
    }
