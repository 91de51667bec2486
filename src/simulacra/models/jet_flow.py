"""Jets in two stages, each from normal noise: what they are as a whole, then their particles given this."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from simulacra.generators.flow_matching import Solver, transport
from simulacra.networks.equivariant_pooling import CloudVelocity
from simulacra.networks.velocity import Velocity
from simulacra.representations.jet_attributes import ATTRIBUTES, PRONGS, JetAttributes, axes_of, context_of
from simulacra.representations.jet_particles import FEATURES, JetParticles

#: of the network of the jets
JET_WIDTH = 128
JET_BLOCKS = 4
#: jets are given their masses in this unit [GeV], in which an output's numbers are of one order
MASS_UNIT = 1000.0
#: how much more hard particles count in training
EMPHASIS = 0.5


class JetFlow(nn.Module):
    """Map noise and conditions to jets: the module of a checkpoint and of an ONNX file.

    It is also the model of the families that learn points (:class:`~simulacra.generators.points.PointFamily`), with the
    stages ``jets`` and ``particles``.

    Parameters
    ----------
    particles:
        number of places for particles, P.
    classes:
        number of classes.
    pt_range:
        trained range of the jets' transverse momentum [GeV].
    width, blocks, pooled:
        of the particles' network (:class:`~simulacra.networks.equivariant_pooling.CloudVelocity`).
    jet_steps, particle_steps, solver:
        of the integration of velocities (:func:`~simulacra.generators.flow_matching.transport`).
    """

    def __init__(
        self,
        particles: int,
        classes: int,
        pt_range: tuple[float, float],
        *,
        width: int,
        blocks: int,
        pooled: int,
        jet_steps: int,
        particle_steps: int,
        solver: Solver,
    ) -> None:
        super().__init__()
        self.classes, self.particles_per_jet = classes, particles
        self.low, self.high = pt_range
        self.attributes = JetAttributes(particles, classes)
        self.representation = JetParticles(classes)
        context = classes + 1
        self.jets = Velocity(ATTRIBUTES - 1, context + 2, JET_WIDTH, JET_BLOCKS)
        within = context + ATTRIBUTES + 2 * PRONGS + 1
        self.particles = CloudVelocity(particles, FEATURES, within, width, blocks, pooled, emphasis=EMPHASIS)
        self.steps = {"jets": jet_steps, "particles": particle_steps}
        self.solver = solver
        self.latent = ATTRIBUTES + self.particles.latent

    def fit(self, cloud: Tensor, attributes: Tensor, conditions: Tensor) -> None:
        """Fit the representations to clouds (N, P, 3), attributes (N, 14) and conditions (N, 2)."""
        jet_class = conditions[:, 0]
        if len(jet_class.unique()) == 1:
            # The quantiles depend on the class: of one class, they are those of two that are alike.
            cloud, attributes = (torch.cat([one, one]) for one in (cloud, attributes))
            jet_class = torch.cat([jet_class, jet_class + 1])
        self.attributes.fit(attributes, jet_class)
        self.representation.fit(cloud, attributes, jet_class)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions (N, 2), class and pT [GeV], to jets (N, 3 P + 2).

        The columns are eta, phi and pT of each particle relative to the jet, by falling pT, all 0 of absent ones; the
        jet's pseudorapidity, and its mass [TeV].
        """
        context = self.context(conditions)
        # The score of the multiplicity is normal noise, which makes its distribution exact.
        first = noise[:, :1]
        number = self.attributes.multiplicity.inverse(first[:, 0], conditions[:, 0])
        rest = self.transport("jets", noise[:, 1:ATTRIBUTES], self.context_of_rest(context, first, number))
        scores = torch.cat([first, rest], dim=1)
        wrong = scores.isnan().any(dim=1, keepdim=True)
        scores = scores.masked_fill(wrong, 0.0)
        attributes = self.attributes.inverse(scores, conditions[:, 0])
        within = self.context_within(context, conditions[:, 0], scores, attributes)
        points = self.transport("particles", noise[:, ATTRIBUTES:], within)
        # What is NaN has no place among quantiles, and becomes NaN again at the end.
        wrong = wrong | points.isnan().any(dim=1, keepdim=True)
        points = points.masked_fill(wrong, 0.0).unflatten(1, (self.particles_per_jet, FEATURES))
        cloud = self.representation.inverse(points, attributes, conditions[:, 0])
        mass = attributes[:, 1:2] * conditions[:, 1:2] / MASS_UNIT
        return torch.cat([cloud.transpose(1, 2).flatten(1), attributes[:, 2:3], mass], dim=1).masked_fill(
            wrong, torch.nan
        )

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise to the points of a stage, (N, D), given the context (N, C)."""
        return transport(self.networks()[stage], noise, context, self.steps[stage], self.solver)

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks of the two stages."""
        return {"jets": self.jets, "particles": self.particles}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what a stage learns and its context.

        Batches hold ``points`` (N, P, 3), ``attributes`` (N, 14) and ``conditions`` (N, 2) in physical units.
        """
        conditions, attributes = batch["conditions"], batch["attributes"]
        context = self.context(conditions)
        scores = self.attributes(attributes, conditions[:, 0], rng)
        if stage == "jets":
            return scores[:, 1:], self.context_of_rest(context, scores[:, :1], attributes[:, 0])
        return batch["points"].flatten(1), self.context_within(context, conditions[:, 0], scores, attributes)

    def context(self, conditions: Tensor) -> Tensor:
        """Return the conditions (N, 2) as columns of order 1, (N, classes + 1)."""
        return context_of(conditions, self.classes, (self.low, self.high))

    def context_of_rest(self, context: Tensor, score: Tensor, number: Tensor) -> Tensor:
        """Return the context of all but the multiplicity: that of the jet, its score, and the empty places."""
        empty = torch.log1p((self.particles_per_jet - number).clamp(min=0.0))
        return torch.cat([context, score, empty[:, None]], dim=1)

    def context_within(self, context: Tensor, jet_class: Tensor, scores: Tensor, attributes: Tensor) -> Tensor:
        """Return the context of the particles: that of the jet, its scores, its axes, and the share of taken places."""
        axes = self.representation.points_of_angles(axes_of(attributes), jet_class).flatten(1)
        return torch.cat([context, scores, axes, attributes[:, :1] / self.particles_per_jet], dim=1)
