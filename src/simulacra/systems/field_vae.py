"""Fields in two dimensions by a convolutional variational autoencoder, such as patches of dust: arXiv:2101.11181.

From the paper: strided convolutions to a code, transposed ones back, a normal distribution about the mean that they
make, each field standardised, fields turned and mirrored in training. Different here: mean and width of a field are
made too, with the code, by a flow that learned both; what the code does not tell has a standard deviation for each wave
number (``scatter = "waves"``) instead of one for each pixel ("pixels"), so that samples have the power that fields
have; the decoder begins as principal components.
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
#: draws of a code for each validation field
VALIDATION_DRAWS: Final = 2
AT_A_TIME: Final = 256


class Settings(CheckedSettings):
    """Settings of the autoencoder.

    ``code`` is the number of components of a code, ``width`` that of the filters of the first of ``levels``
    convolutions. ``turns`` says whether a field that is turned by 90 degrees or mirrored is as likely.
    """

    kind: Literal["field_vae"] = "field_vae"
    code: Annotated[int, Field(ge=2, le=1024)] = 48
    width: Annotated[int, Field(ge=1, le=1024)] = 24
    levels: Annotated[int, Field(ge=1, le=8)] = 3
    scatter: Literal["waves", "pixels"] = "waves"
    turns: bool = True
    code_weight: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """The autoencoder and the flow of its codes in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks, and fit their start to ``events``, the training part."""
        from simulacra.generators.variational import Variational

        self.fields, self.settings = Fields(events), settings
        self.description = self.fields.description
        model: Any = build(settings, self.description)
        model.fit(**self.tensors(events))
        self.family = Variational(
            model, average_decay=settings.average_decay, code_weight=settings.code_weight, prior="prior"
        )

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``field`` (N, n1, n2) and ``conditions`` (N, C)."""
        return self.fields.tensors(events)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, each field turned and mirrored at random if that is as likely."""
        return turned(batch, rng) if self.settings.turns else dict(batch)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge by minus the bound on log p of a field and its levels [nat per pixel], with the flow of the codes.

        ``reconstruction`` is log p of a standardised field given its code [nat per pixel], ``divergence`` how much a
        field tells of its code [nat per field], and ``active`` the number of components of the code that differ from
        field to field by more than 0.1. ``observables`` is the distance of the observables of fields, with its alarm.
        """
        from simulacra.statistics.validation import Validation

        found = bound(self.family.average, self.tensors(events), rng)
        seen = self.fields.validate(self.family.average, events, rng)
        return Validation(found | {"observables": seen.values["score"]}, alarm=seen.alarm)


def bound(model: nn.Module, tensors: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, float]:
    """Return the numbers of :meth:`Trainer.validate` that need no samples, of ``field`` and ``conditions``."""
    import math

    import torch

    module: Any = model
    device = next(module.parameters()).device
    total = {"reconstruction": 0.0, "divergence": 0.0}
    means = []
    with torch.no_grad():
        for field, conditions in zip(
            *(tensors[name].split(AT_A_TIME) for name in ("field", "conditions")), strict=True
        ):
            levels, standard = module.levels.split(field.to(device))
            context, points = module.levels.context(conditions.to(device)), standard.flatten(1)
            told = torch.cat([context, levels], dim=1)
            mean, log_width = module.autoencoder.encode(points, told)
            means.append(mean)
            for _ in range(VALIDATION_DRAWS):
                noise = torch.randn(mean.shape, generator=rng).to(mean)
                code = mean + log_width.exp() * noise
                own = (-0.5 * noise.square() - log_width - 0.5 * math.log(2 * math.pi)).sum(dim=1)
                among = module.prior.log_prob(torch.cat([levels, code], dim=1), context)
                total["divergence"] += float((own - among).double().sum())
                total["reconstruction"] += float(module.autoencoder.log_likelihood(points, code, told).double().sum())
    number, pixels = VALIDATION_DRAWS * len(tensors["field"]), points.shape[1]
    divergence, reconstruction = total["divergence"] / number, total["reconstruction"] / number / pixels
    return {
        "score": divergence / pixels - reconstruction,
        "reconstruction": reconstruction,
        "divergence": divergence,
        "active": float((torch.cat(means).std(dim=0, correction=0) > 0.1).sum()),
    }


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions) -> fields."""
    from simulacra.models.field_codes import CodedFields

    return CodedFields(
        plane_of(description, settings.levels),
        len(description["condition_ranges"]),
        code=settings.code,
        width=settings.width,
        levels=settings.levels,
        scatter=settings.scatter,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on lognormal fields that are simulated into the folder."""
    return {
        "name": "example-field_vae",
        "data": {"path": str(example_fields(folder))},
        "system": {"kind": "field_vae", "code": 6, "width": 4, "levels": 2},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
