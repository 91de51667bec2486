"""A parton shower that is learned from final states only, by repeated splittings with shared weights.

Lai, Neill, Ploskon and Ringer, "Explainable machine learning of the underlying physics of high-energy particle
collisions", arXiv:2012.06582: a generator that is a shower, in which one network splits every parton, against a critic
that sees final-state momenta alone. What the network learned can be read: the shares z, the angles and transverse
momenta of splittings, and the exponent of the ordering variable E^a theta.

Different here, with the reasons in ``docs/parton_shower.md``: a shower stops and branches, so its partons have no
gradient. The generator learns by a boundary-seeking GAN (:mod:`simulacra.generators.boundary_seeking`) instead of the
critic's gradient. The critic is a deep set of the splittings that reclustering finds in the final state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.conditions import Condition
from simulacra.events import EventsError, validate
from simulacra.kinds.description import columns_of, describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation
from simulacra.observables.lund import COUPLED, decluster, light_cone
from simulacra.settings import CheckedSettings
from simulacra.simulators.parton_clouds import cloud_variables

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.boundary_seeking import BoundarySeeking
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
CONDITIONS: Final[Mapping[str, Condition]] = {"parton_energy": Condition("GeV", COUPLED, positive=True)}
CARRIES: Final = ()
CLOUD: Final = ("momentum", "energy", "identity", "charge", "present")
#: number of events of the validation part that are judged
MOST_VALIDATED: Final = 3000


class Settings(CheckedSettings):
    """Settings of a learned parton shower.

    ``places`` is the largest number of partons; ``cutoff`` [GeV] the lowest kT of a splitting and ``largest_angle``
    where the shower starts, both as in the sample. ``width`` and ``pieces`` are of the networks and of the splines of
    the splitting kernel, ``critic_width`` of the critic.
    """

    kind: Literal["parton_shower"] = "parton_shower"
    places: Annotated[int, Field(ge=2, le=512)] = 48
    cutoff: Annotated[float, Field(gt=0)] = 1.0
    largest_angle: Annotated[float, Field(gt=0, le=2)] = 0.4
    width: Annotated[int, Field(ge=1, le=1024)] = 24
    pieces: Annotated[int, Field(ge=2, le=64)] = 6
    critic_width: Annotated[int, Field(ge=1, le=1024)] = 64
    largest_weight: Annotated[float, Field(gt=1)] = 10.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99


class Trainer:
    """A parton shower in training: the family, its tensors and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks on ``events``, the training part.

        Raises
        ------
        simulacra.events.EventsError
            if the events are no clouds of partons, lack the condition, or have more partons than places.
        """
        from simulacra.generators.boundary_seeking import BoundarySeeking
        from simulacra.models.parton_shower import ShowerCritic, ShowerGame

        validate(events, conditions=tuple(CONDITIONS), features=CLOUD[:-1])
        self.settings = settings
        self.description = describe(events, CONDITIONS, tuple(CONDITIONS), CARRIES)
        self.validation = EventValidation(tuple(CONDITIONS), observed, weighted=False)
        generator = build(settings, self.description)
        critic = ShowerCritic(settings.critic_width)
        critic.network.set_typical_number(max(1.0, float(events["present"].sum(dim="particle").mean()) - 1))
        self.family: BoundarySeeking = BoundarySeeking(
            generator,
            critic,
            ShowerGame(settings.cutoff),
            largest_weight=settings.largest_weight,
            average_decay=settings.average_decay,
        )

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``splittings`` (N, S, 7) half, ``split`` (N, S) and ``conditions`` (N, 1) in physical units."""
        import torch

        from simulacra.models.parton_shower import splittings_of

        present = events["present"].values.astype(bool)
        if present.shape[0] and (most := int(present.sum(axis=1).max())) > self.settings.places:
            raise EventsError(
                f"an event has {most} partons, more than the {self.settings.places} places of the model: raise "
                "system.places"
            )
        found = decluster(*light_cone(events["momentum"].values, events["energy"].values, present), present)
        most = max(1, int(found.present.sum(axis=1).max(initial=0)))
        seen = splittings_of(found, self.settings.cutoff)[:, :most].astype(np.float16)
        return {
            "splittings": torch.as_tensor(seen),
            "split": torch.as_tensor(np.ascontiguousarray(found.present[:, :most])),
            "conditions": columns_of(events, tuple(CONDITIONS)),
        }

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch as it is: splittings know no azimuth."""
        return dict(batch)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged generator by numbers, shares and spreads of its partons, not by splittings."""
        some = events.isel(event=slice(MOST_VALIDATED))
        made = to_variables(sampled(self.family.average, columns_of(some, tuple(CONDITIONS)), rng), self.description)
        conditions = some[list(CONDITIONS)]
        return self.validation.check(some, conditions.assign(made))


def observed(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables by which a checkpoint is chosen, (N,) each, by name."""
    energy, momentum = events["energy"].values.astype(np.float64), events["momentum"].values.astype(np.float64)
    total = energy.sum(axis=1)
    share = energy / total[:, None]
    across = np.hypot(momentum[..., 1], momentum[..., 2])
    mass = np.sqrt(np.maximum(total**2 - (momentum.sum(axis=1) ** 2).sum(axis=1), 0.0))
    ordered = np.sort(share, axis=1)[:, ::-1]
    return {
        "multiplicity": events["present"].values.sum(axis=1).astype(np.float64),
        **{f"leading_share_{i + 1}": ordered[:, i] for i in range(min(3, ordered.shape[1]))},
        "dispersion": np.sqrt((share**2).sum(axis=1)),
        "girth": across.sum(axis=1) / total,
        "mass_fraction": mass / total,
    }


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:  # noqa: ARG001
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> partons [GeV]."""
    from simulacra.models.parton_shower import PartonShower

    return PartonShower(settings.places, settings.cutoff, settings.largest_angle, settings.width, settings.pieces)


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, px, py, pz and energy (N, P, 4), by falling energy."""
    return cloud_variables(output[..., :3], output[..., 3], output[..., 3] > 0)


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on showers of the toy that are made into the folder."""
    from simulacra.simulators.parton_shower import PartonShowerSettings, write_parton_showers

    path = folder / "showers.zarr"
    settings = PartonShowerSettings(parton_energy="log:20:60", max_partons=10)
    write_parton_showers(path, settings, seed=1, n_events=2000, progress=False)
    return {
        "name": "example-parton-shower",
        "data": {"path": str(path)},
        "system": {"kind": "parton_shower", "places": 10, "width": 4, "pieces": 2, "critic_width": 8},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
