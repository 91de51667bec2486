"""CaloGAN: showers in a calorimeter of a few longitudinal sections, given the incident particle.

Paganini, de Oliveira and Nachman, arXiv:1705.02355 (energy) and arXiv:1712.10321 (energy, impact position and angle).
It reproduces the shower-shape figures and the table of computing times of arXiv:1712.10321.

From the papers: one stream of locally connected layers per section, attention that adds the image of the section
before, sparsity by ReLU, conditions that multiply the noise, a critic with one stream per section, minibatch
discrimination, sparsities and layer energies. Different here, with the reasons in ``docs/calogan.md``: the images are
roots of cell shares and the total response is a separate number
(:class:`~simulacra.representations.shower_images.ShowerImages`), so the energy is held by construction; the gradient
penalty and the moving average (:mod:`simulacra.generators.adversarial`) make the training converge; the critic also
sees shower centres and widths; there are fewer channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds import showers
from simulacra.kinds.showers import CARRIES, CONDITIONS, ConditionNames, Showers, to_variables
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.adversarial import Adversarial
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
Channels = tuple[
    Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)], Annotated[int, Field(ge=1, le=256)]
]


class Settings(CheckedSettings):
    """Settings of a CaloGAN."""

    kind: Literal["calogan"] = "calogan"
    conditions: ConditionNames = ("incident_energy",)
    latent: Annotated[int, Field(ge=1, le=4096)] = 64
    channels: Channels = (8, 8, 4)
    critic_channels: Channels = (16, 8, 8)
    power: Annotated[int, Field(ge=1, le=8)] = 2
    gradient_penalty: Annotated[float, Field(ge=0)] = 1.0
    penalty_interval: Annotated[int, Field(ge=1)] = 8
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    observable_matching: Annotated[float, Field(ge=0)] = 0.1
    reflections: bool = True


class Trainer:
    """A CaloGAN in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representation to ``events``, the training part."""
        import torch

        from simulacra.generators.adversarial import Adversarial
        from simulacra.models.shower_gan import ShowerGame, ShowerOpponent

        self.settings = settings
        self.showers = Showers(events, settings.conditions)
        self.description = self.showers.description
        self.tensors = self.showers.tensors
        tensors = self.tensors(events)
        generator = build(settings, self.description)
        critic = ShowerOpponent(self.showers.geometry, len(settings.conditions), settings.critic_channels)
        with torch.no_grad():
            # The representation learns from showers and their mirror images, as the networks do.
            shower, conditions = tensors["shower"], tensors["conditions"]
            images: Any = generator.images
            images.fit(shower, conditions[:, 0])
            if settings.reflections and len(settings.conditions) == 1:
                images.scale.copy_(self.showers.all_mirror_images(images.scale[None])["shower"].mean(dim=0))
            image, score = images(shower, conditions[:, 0])
            critic.observables.fit((image > 0).float(), images.shares(image), score)
        self.family: Adversarial = Adversarial(
            generator,
            critic,
            ShowerGame(settings.observable_matching),
            latent=generator.latent,  # type: ignore[arg-type]
            gradient_penalty=settings.gradient_penalty,
            penalty_interval=settings.penalty_interval,
            average_decay=settings.average_decay,
        )

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each shower along phi and eta with probability 1/2; the detector is symmetric."""
        return self.showers.mirrored(batch, rng) if self.settings.reflections else dict(batch)

    def last_layer(self) -> dict[str, Tensor]:
        """Return the current weights of the layers for the images and the response, by the model's names."""
        network: Any = self.family.generator.network
        modules = {f"network.streams.{i}.image": stream.image for i, stream in enumerate(network.streams)}
        modules[f"network.response.{len(network.response) - 1}"] = network.response[-1]
        return {f"{place}.{name}": w for place, module in modules.items() for name, w in module.named_parameters()}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged generator by its shower shapes."""
        return self.showers.validate(self.family.average, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> cells [MeV]."""
    from simulacra.models.shower_gan import ShowerGenerator

    geometry = CalorimeterGeometry.from_json(description["geometry"])
    ranges = {name: tuple(bounds) for name, bounds in description["condition_ranges"].items()}
    return ShowerGenerator(geometry, ranges, settings.latent, settings.channels, settings.power)


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, with its linear layers merged."""
    from simulacra.models.folded_shower_generator import FoldedShowerGenerator

    return FoldedShowerGenerator(module).eval()  # type: ignore[arg-type]


def example(folder: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return a small experiment on shipped showers."""
    return showers.example(kind="calogan", channels=(2, 2, 2), critic_channels=(2, 2, 2), latent=8)
