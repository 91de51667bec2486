"""MPGAN: jets as clouds of particles by message passing, as a generative adversarial network: arXiv:2106.11535.

Kansal et al., Particle Cloud Generation with Message Passing Generative Adversarial Networks (JetNet's first model).
From the paper: two layers of message passing between all particles in generator and critic, masks for jets of fewer
particles, multiplicities from the training distribution, least squares.

Different here: one network for all classes, given class and transverse momentum; smaller networks, as two processor
cores cannot give it the paper's 2,000 epochs; particles as normal scores, to which the generator adds
(:class:`~simulacra.representations.jet_particles.JetParticles`); a critic that also sees the particles' momenta, and
the jet's mass, summed momentum and centre; a gradient penalty in place of dropout in the critic; the moving average of
the generator's weights; messages divided by the number of places; equal learning rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.kinds import jets
from simulacra.kinds.jets import CARRIES, CONDITIONS, Jets, to_variables
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.adversarial import Adversarial
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: number of jets for the fit of the quantiles; more would not change them
MOST_FITTED: Final = 50_000
Width = Annotated[int, Field(ge=1, le=1024)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=8)]


class Settings(CheckedSettings):
    """Settings of jets by message passing.

    ``particles`` is the largest number of particles of a jet; softer ones are left out. The cost grows with its square
    and with ``edge_widths``, the layers of the networks of pairs.
    """

    kind: Literal["mpgan"] = "mpgan"
    particles: Annotated[int, Field(ge=2, le=300)] = 30
    latent: Annotated[int, Field(ge=3, le=256)] = 8
    edge_widths: Widths = (48,)
    critic_edge_widths: Widths = (48,)
    node_width: Width = 128
    hidden: Width = 32
    gradient_penalty: Annotated[float, Field(ge=0)] = 0.1
    penalty_interval: Annotated[int, Field(ge=1)] = 8
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """Generator and critic in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representations to ``events``, the training part."""
        from simulacra.generators.adversarial import Adversarial
        from simulacra.models.jet_gan import JetGame, JetOpponent

        self.settings = settings
        self.jets = Jets(events, settings.particles)
        self.description = self.jets.description
        generator: Any = build(settings, self.description)
        critic = JetOpponent(
            len(JET_CLASS.choices),
            edge_widths=settings.critic_edge_widths,
            node_width=settings.node_width,
            hidden=settings.hidden,
        )
        fitted = self.jets.physical(events.isel(event=slice(0, MOST_FITTED)))
        generator.fit(**fitted)
        critic.fit(fitted["cloud"][..., :2], fitted["cloud"][..., 2])
        self.family: Adversarial = Adversarial(
            generator,
            critic,
            JetGame(),
            latent=generator.latent,
            gradient_penalty=settings.gradient_penalty,
            penalty_interval=settings.penalty_interval,
            average_decay=settings.average_decay,
            loss="least_squares",
        )

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``points`` (N, P, 3) about the jets' axes and ``conditions`` (N, 2) in physical units."""
        import torch

        from simulacra.representations.jet_attributes import ATTRIBUTES

        physical = self.jets.physical(events)
        conditions = physical["conditions"]
        about_the_axis = torch.zeros(len(conditions), ATTRIBUTES)
        with torch.no_grad():
            representation: Any = self.family.average.representation
            points = representation(physical["cloud"], about_the_axis, conditions[:, 0])
        return {"points": points, "conditions": conditions}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each jet in eta and in phi with probability 1/2: collisions of two protons do not change."""
        import torch

        points = batch["points"].clone()
        signs = (1.0 - 2.0 * (torch.rand(len(points), 1, 2, generator=rng) < 0.5)).to(points)
        points[..., 1:] *= signs
        return dict(batch) | {"points": points}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged generator by observables of its jets that reports do not show first."""
        return self.jets.validate(self.family.average, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> jets."""
    from simulacra.models.jet_gan import JetGenerator

    low, high = description["condition_ranges"]["jet_pt"]
    return JetGenerator(
        settings.particles,
        len(JET_CLASS.choices),
        (low, high),
        latent=settings.latent,
        edge_widths=settings.edge_widths,
        node_width=settings.node_width,
        hidden=settings.hidden,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on jets that are simulated into the folder."""
    small = {"latent": 3, "edge_widths": (4, 4), "critic_edge_widths": (4,), "node_width": 8, "hidden": 4}
    return jets.example(folder, kind="mpgan", **small)
