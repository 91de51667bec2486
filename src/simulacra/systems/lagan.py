"""LAGAN: images of jets by a location-aware adversarial network, given signal or background.

De Oliveira, Paganini and Nachman, arXiv:1701.05927. From the paper: locally connected layers, for the centre of an
image is unlike its edge; a threshold that makes images sparse; a class that multiplies the noise; a critic that also
answers with the class; minibatch discrimination; flipped labels. Different here, with the reasons in
``docs/jet_images.md``: pixels are roots in units of their usual content instead of GeV over 100, and shares of a sum
that is made apart; each position has a noise number of its own; the critic is told the class that was asked for, learns
the class of real images alone, and sees eight observables; and the gradient penalty and the moving average
(:mod:`simulacra.generators.adversarial`) replace two steps of the generator for each of the critic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.kinds import images
from simulacra.kinds.images import CARRIES, CONDITIONS, Images, size_of, to_variables
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.auxiliary_class import AuxiliaryClass
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
Channels = tuple[
    Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)]
]


class Settings(CheckedSettings):
    """Settings of a LAGAN; the shares of flipped labels are those of the paper.

    ``critic_told_class`` is whether the critic answers "real" for the class that was asked for; in the paper it is not.
    """

    kind: Literal["lagan"] = "lagan"
    latent: Annotated[int, Field(ge=1, le=4096)] = 64
    channels: Channels = (12, 8, 6)
    critic_channels: Channels = (16, 8, 8)
    power: Annotated[int, Field(ge=1, le=8)] = 2
    critic_told_class: bool = True
    class_weight: Annotated[float, Field(ge=0)] = 0.1
    flipped_real: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    flipped_class: Annotated[float, Field(ge=0, lt=0.5)] = 0.09
    gradient_penalty: Annotated[float, Field(ge=0)] = 1.0
    penalty_interval: Annotated[int, Field(ge=1)] = 8
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    observable_matching: Annotated[float, Field(ge=0)] = 1.0


class Trainer:
    """A LAGAN in training: the family, its tensors and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representation to ``events``, the training part."""
        import torch

        from simulacra.generators.auxiliary_class import AuxiliaryClass
        from simulacra.models.image_gan import ImageGame, ImageOpponent

        self.settings = settings
        self.images = Images(events)
        self.description = self.images.description
        self.tensors = self.images.tensors
        generator: Any = build(settings, self.description)
        critic = ImageOpponent(
            self.images.size, self.images.pixel_size, settings.critic_channels, told=settings.critic_told_class
        )
        with torch.no_grad():
            physical = self.tensors(events)["image"]
            generator.images.fit(physical)
            critic.observables.fit(physical, (physical > 0).float())
        self.family: AuxiliaryClass = AuxiliaryClass(
            generator,
            critic,
            ImageGame(settings.observable_matching),
            latent=generator.latent,
            class_weight=settings.class_weight,
            flipped_real=settings.flipped_real,
            flipped_class=settings.flipped_class,
            gradient_penalty=settings.gradient_penalty,
            penalty_interval=settings.penalty_interval,
            average_decay=settings.average_decay,
        )

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch, with images around muons reflected at random."""
        return self.images.augment(batch, rng)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged generator by the shapes of its images, which reports do not show first."""
        return self.images.validate(self.family.average, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, class) -> images [GeV]."""
    from simulacra.models.image_gan import ImageGenerator

    return ImageGenerator(size_of(description), settings.latent, settings.channels, settings.power)


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on images that are simulated into the folder."""
    small = {"latent": 8, "channels": (2, 2, 2), "critic_channels": (2, 2, 2)}
    return images.example(folder, kind="lagan", **small)
