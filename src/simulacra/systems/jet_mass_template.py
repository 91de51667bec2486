"""QCD templates of the jet mass, p(mass | pT, eta) of a control region: arXiv:1903.02556.

Searches for many jets predict the summed mass of a signal region's jets: each mass is drawn given the jet's transverse
momentum and pseudorapidity, as learned where jets are plenty (:mod:`simulacra.workflows.jet_mass`). The paper trains a
GAN on points of a circle. Here the density is a normalising flow by maximum likelihood: it is of one dimension, so its
likelihood is exact, there is no opponent to balance, and the validation part tells when to stop. In an ensemble
(``simulacra train --members``) each member sees another bootstrap sample of the jets, so its spread contains the
statistical error of the training sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.conditions import Condition
from simulacra.event_weights import weights_of
from simulacra.events import EventsError, validate
from simulacra.kinds.description import columns_of, describe
from simulacra.observables.relative_jets import jet_variable
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

MAKES: Final = "events"
CONDITIONS: Final[Mapping[str, Condition]] = {
    "jet_pt": Condition("GeV", "transverse momentum of the jet", kind="empirical", positive=True),
    "jet_eta": Condition("1", "pseudorapidity of the jet", kind="empirical"),
}
CARRIES: Final = ()


class Settings(CheckedSettings):
    """Settings of a template of the jet mass.

    With ``bootstrap`` each training jet counts a number of times drawn from the Poisson distribution of mean 1, by the
    seed of the training: for ensembles, not for a single model.
    """

    kind: Literal["jet_mass_template"] = "jet_mass_template"
    bootstrap: bool = False
    transforms: Annotated[int, Field(ge=1, le=16)] = 1
    bins: Annotated[int, Field(ge=2, le=64)] = 16
    width: Annotated[int, Field(ge=1, le=1024)] = 32
    depth: Annotated[int, Field(ge=1, le=8)] = 2


class Trainer:
    """The flow in training: the family, its tensors and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the flow and fit the standardisation to ``events``, the training part."""
        import torch

        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        validate(events, conditions=tuple(CONDITIONS), features=("jet_mass",))
        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES)
        self.description["condition_ranges"] = _ranges(events)
        self._training = events["event"].values
        self._replica = int(torch.randint(2**31, ())) if settings.bootstrap else None
        module: Any = build(settings, self.description)
        fitted = self.tensors(events)
        module.fit(fitted["mass"], fitted["conditions"])
        self.family = MaximumLikelihood(module, self)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``mass`` (N,) and ``conditions`` (N, 2) in physical units, and ``weight`` (N,).

        Raises
        ------
        EventsError
            if a mass or a transverse momentum is not above 0, or the weights have no positive mean.
        """
        import torch

        for name in ("jet_mass", "jet_pt"):
            values = events[name].values
            if values.ndim != 1:
                raise EventsError(
                    f"'{name}' has the shape {values.shape}: a template is of single jets, one an event "
                    "(simulacra.single_jets)"
                )
            if (values <= 0).any():
                row = int(np.flatnonzero(values <= 0)[0])
                raise EventsError(
                    f"'{name}' is {values[row]:g} GeV in event {int(events['event'].values[row])}: a template needs "
                    "jets of a mass and a transverse momentum above 0; leave the others out"
                )
        weights = weights_of(events)
        if len(weights) and weights.mean() <= 0:
            raise EventsError(f"the mean weight of the jets is {weights.mean():g}: it must be above 0")
        weight = weights / weights.mean() if len(weights) else weights
        if self._replica is not None:
            weight = weight * _times(self._replica, events["event"].values, self._training)
        mass = torch.as_tensor(events["jet_mass"].values.astype(np.float32))
        columns = {"mass": mass, "weight": torch.as_tensor(weight.astype(np.float32))}
        return columns | {"conditions": columns_of(events, tuple(CONDITIONS))}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch: the density is the same at both signs of the pseudorapidity by construction."""
        return dict(batch)

    def log_likelihood(self, module: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted log-likelihood of each jet, (N,)."""
        found: Tensor = module.log_prob(batch["mass"], batch["conditions"]) * batch["weight"]
        return found

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> dict[str, float]:  # noqa: ARG002
        """Return the mean of -log p of validation jets: reports show distances of masses instead."""
        import torch

        with torch.inference_mode():
            found = self.log_likelihood(self.family.average, self.tensors(events))
        return {"score": -float(found.mean())}


def _ranges(events: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return the trained ranges, rounded outwards: the extremes of a sample are a little inside those of its jets."""
    pt, eta = events["jet_pt"].values, np.abs(events["jet_eta"].values)
    low, high = float(pt.min()), float(pt.max())
    unit_low, unit_high = (10.0 ** (np.floor(np.log10(value)) - 1) for value in (low, high))
    widest = float(np.ceil(10 * eta.max()) / 10)
    return {
        "jet_pt": (float(np.floor(low / unit_low) * unit_low), float(np.ceil(high / unit_high) * unit_high)),
        "jet_eta": (-widest, widest),
    }


def _times(replica: int, numbers: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return how often each jet counts in a bootstrap sample, (N,); jets outside the training part count once."""
    drawn = np.random.default_rng(replica).poisson(1.0, len(training)).astype(np.float64)
    order = np.argsort(training)
    place = np.minimum(np.searchsorted(training, numbers, sorter=order), len(training) - 1)
    there = training[order[place]] == numbers
    return np.where(there, drawn[order[place]], 1.0)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:  # noqa: ARG001
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> masses."""
    from simulacra.models.jet_mass_flow import JetMassFlow

    return JetMassFlow(transforms=settings.transforms, bins=settings.bins, width=settings.width, depth=settings.depth)


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, (N, 1): the mass [GeV]."""
    return {"jet_mass": jet_variable(np.ascontiguousarray(output[:, 0]), "jet_mass")}


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on jets of a few collisions that are simulated into the folder."""
    from simulacra.observables.multi_jets import single_jets
    from simulacra.simulators.pythia import simulate_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings
    from simulacra.store import write_events

    # without multiparton interactions, which take most of the time
    quick = {"process": "multi-jets", "values": {"PartonLevel:MPI": "off"}}
    collisions = simulate_collisions(PythiaSettings.model_validate(quick), seed=1, n_events=300)
    path = folder / "jets.zarr"
    write_events(single_jets(collisions), path)
    return {
        "name": "example-jet_mass_template",
        "data": {"path": str(path)},
        "system": {"kind": "jet_mass_template", "bootstrap": True, "width": 8},
        "training": {"steps": 100, "batch_size": 64, "validate_every": 50, "learning_rate": 0.01, "accelerator": "cpu"},
    }
