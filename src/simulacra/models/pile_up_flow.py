"""Minimum-bias collisions in two stages from normal noise: what they are as a whole, then their particles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.generators.flow_matching import Solver, transport
from simulacra.networks.equivariant_pooling import GroupedCloudVelocity
from simulacra.networks.velocity import Velocity
from simulacra.representations.collision_attributes import ATTRIBUTES, CollisionAttributes
from simulacra.representations.collision_particles import FEATURES, CollisionParticles

#: of the network of the attributes
WIDTH: Final = 64
BLOCKS: Final = 3
#: weighted means of a layer of the particles' network
GROUPS: Final = 2


class PileUpFlow(nn.Module):
    """Map noise to collisions: the module of a checkpoint and of an ONNX file.

    It is also the model of the families that learn points (:class:`~simulacra.generators.points.PointFamily`), with the
    stages ``collisions`` and ``particles``. The last number of the noise turns the whole collision about the beam, so
    that no azimuth is preferred.

    Parameters
    ----------
    particles:
        number of places for particles, P.
    width, blocks, pooled:
        of the particles' network (:class:`~simulacra.networks.equivariant_pooling.CloudVelocity`).
    collision_steps, particle_steps, solver:
        of the integration of velocities (:func:`~simulacra.generators.flow_matching.transport`).
    """

    def __init__(
        self,
        particles: int,
        *,
        width: int,
        blocks: int,
        pooled: int,
        collision_steps: int,
        particle_steps: int,
        solver: Solver,
    ) -> None:
        super().__init__()
        self.places = particles
        self.attributes = CollisionAttributes(particles)
        self.representation = CollisionParticles()
        self.collisions = Velocity(ATTRIBUTES, 0, WIDTH, BLOCKS)
        self.particles = GroupedCloudVelocity(particles, FEATURES, ATTRIBUTES + 1, width, blocks, pooled, GROUPS)
        self.steps = {"collisions": collision_steps, "particles": particle_steps}
        self.solver = solver
        self.latent = ATTRIBUTES + self.particles.latent + 1

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:  # noqa: ARG002 - collisions have none
        """Map noise (N, latent) to collisions (N, P, 3): pT [GeV], eta and phi of each particle, 0 of absent ones.

        They are in no order: that of particles with the same pT would depend on the last bits.
        """
        scores = self.transport("collisions", noise[:, :ATTRIBUTES], noise[:, :0])
        wrong = (scores.isnan().any(dim=1) | noise.isnan().any(dim=1))[:, None]
        scores = scores.masked_fill(wrong, 0.0)
        attributes = self.attributes.inverse(scores)
        points = self.transport("particles", noise[:, ATTRIBUTES:-1], self.context(scores, attributes))
        # What is NaN has no place among quantiles, and becomes NaN again at the end.
        wrong = wrong | points.isnan().any(dim=1, keepdim=True)
        points = points.masked_fill(wrong, 0.0).unflatten(1, (self.places, FEATURES))
        pt, eta, phi = self.representation.inverse(points, attributes).unbind(dim=2)
        turn = 2 * math.pi * torch.special.ndtr(noise[:, -1:].masked_fill(wrong, 0.0))
        phi = phi + turn
        phi = torch.where(phi > math.pi, phi - 2 * math.pi, phi)
        there = pt > 0
        eta, phi = (torch.where(there, one, 0.0) for one in (eta, phi))
        return torch.stack([pt, eta, phi], dim=2).masked_fill(wrong[..., None], torch.nan)

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise to the points of a stage, (N, D), given the context (N, C)."""
        return transport(self.networks()[stage], noise, context, self.steps[stage], self.solver)

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks of the two stages."""
        return {"collisions": self.collisions, "particles": self.particles}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what a stage learns and its context, of ``points`` (N, P, 4) and ``attributes`` (N, 8)."""
        attributes = batch["attributes"]
        scores = self.attributes(attributes, rng)
        if stage == "collisions":
            return scores, scores[:, :0]
        return batch["points"].flatten(1), self.context(scores, attributes)

    def context(self, scores: Tensor, attributes: Tensor) -> Tensor:
        """Return the context of the particles: the scores of the attributes, and the share of places that are taken."""
        return torch.cat([scores, attributes[:, :1] / self.places], dim=1)
