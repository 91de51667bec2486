"""Fields in two dimensions by flow matching with a U-Net, beside the autoencoder of fields: arXiv:2210.02747.

Mean and width of a field are carried from noise first, then the standardised field given these. From the paper: the
velocity on a path from noise to data is learned by least squares. Different here: the path is the trigonometric one of
arXiv:2209.15571, and the field's waves are in units of their standard deviation, so that a Gaussian field needs no
velocity and a few steps are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.kinds.fields import CARRIES, CONDITIONS, Fields, example_fields, plane_of, to_variables, turned
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: times that the U-Net halves both axes
HALVINGS: Final = 2
#: draws of noise and angle for each validation field
VALIDATION_DRAWS: Final = 2
AT_A_TIME: Final = 256


class Settings(CheckedSettings):
    """Settings of the flow.

    ``width`` is the number of filters at half of the resolution, ``blocks`` that of the residual blocks at a quarter,
    ``steps`` that of the solver. ``turns`` says whether a field that is turned by 90 degrees or mirrored is as likely.
    """

    kind: Literal["field_flow"] = "field_flow"
    width: Annotated[int, Field(ge=1, le=1024)] = 48
    blocks: Annotated[int, Field(ge=1, le=16)] = 2
    steps: Annotated[int, Field(ge=1, le=1000)] = 6
    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    turns: bool = True
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """The two velocities in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks, and fit their start to ``events``, the training part."""
        from simulacra.generators.flow_matching import FlowMatching

        self.fields, self.settings = Fields(events), settings
        self.description = self.fields.description
        model: Any = build(settings, self.description)
        model.fit(**self.tensors(events))
        self.family = FlowMatching(model, average_decay=settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``field`` (N, n1, n2) and ``conditions`` (N, C)."""
        return self.fields.tensors(events)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, each field turned and mirrored at random if that is as likely."""
        return turned(batch, rng) if self.settings.turns else dict(batch)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by what it minimises, the squared error of the velocity of standardised fields.

        ``levels`` is the same of mean and width. Those of a few regions of the sky are not those of the rest, so that
        they would choose by chance, as would ``observables``, the distance of the observables of fields.
        """
        import torch

        from simulacra.statistics.validation import Validation

        tensors = self.tensors(events)
        device = next(self.family.average.parameters()).device
        batches = [
            dict(zip(tensors, pieces, strict=True))
            for pieces in zip(*(one.to(device).split(AT_A_TIME) for one in tensors.values()), strict=True)
        ]
        sizes = torch.tensor([float(len(batch["field"])) for batch in batches])
        losses: dict[str, float] = {}
        for _ in range(VALIDATION_DRAWS):
            for name, found in self.family.validation_losses(batches, rng).items():
                mean = float((found.double() * sizes).sum() / sizes.sum()) / VALIDATION_DRAWS
                losses[name] = losses.get(name, 0.0) + mean
        seen = self.fields.validate(self.family.average, events, rng)
        values = {"score": losses["velocity"], "levels": losses["levels"], "observables": seen.values["score"]}
        return Validation(values, alarm=seen.alarm)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions) -> fields."""
    from simulacra.models.flowing_fields import FlowingFields

    return FlowingFields(
        plane_of(description, HALVINGS),
        len(description["condition_ranges"]),
        width=settings.width,
        blocks=settings.blocks,
        steps=settings.steps,
        solver=settings.solver,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on lognormal fields that are simulated into the folder."""
    return {
        "name": "example-field_flow",
        "data": {"path": str(example_fields(folder))},
        "system": {"kind": "field_flow", "width": 6, "blocks": 1, "steps": 2},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
