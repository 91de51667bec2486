"""The velocity of a cloud of particles: the same for any order of them, at a cost that grows with their number.

Equivariant point cloud (EPiC) layers of Buhmann, Kasieczka and Thaler, arXiv:2301.08128: particles see each other only
through their mean and their sum, from which a global vector is updated, which each particle then sees. Beside these are
a few weighted means, whose weights a layer learns (as attention from induced points, arXiv:1810.00825): a particle also
sees that of its own group, such as the prong of a W boson that it belongs to. The cost stays linear.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.velocity import HARMONICS

#: absent particles have weights of exp(-FAR), which is 0 without a NaN where all are absent
FAR = 1e4
#: sets of clouds of like multiplicity, each as wide as its fullest
SETS: Final = 8


class CloudVelocity(nn.Module):
    """Velocity of x = cos(angle) noise + sin(angle) data, angle from 0 to pi/2, of clouds of up to P particles.

    Parameters
    ----------
    particles, features:
        number of places P for particles, and of features of a particle.
    context:
        length of an event's context, whose last number is the share of places that are taken.
    width, blocks:
        of the layers.
    pooled:
        length of the global vector.
    groups:
        number of weighted means of a layer.
    emphasis:
        in training, squared errors count by the place of a particle to the power of minus this. A jet's mass and prongs
        depend mostly on its hardest particles, which come first.
    """

    harmonics: Tensor
    place: Tensor
    weights: Tensor

    def __init__(
        self,
        particles: int,
        features: int,
        context: int,
        width: int,
        blocks: int,
        pooled: int = 32,
        groups: int = 4,
        emphasis: float = 0.0,
    ) -> None:
        super().__init__()
        self.particles, self.features, self.groups = particles, features, groups
        self.size = self.latent = particles * features
        self.register_buffer("harmonics", 2.0 * torch.arange(1, HARMONICS + 1))
        self.register_buffer("place", (torch.arange(particles) + 0.5) / particles, persistent=False)
        weights = torch.arange(1.0, particles + 1) ** -emphasis
        weights = (weights / weights.mean()).repeat_interleave(features)
        self.register_buffer("weights", weights[None], persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(context + 2 * HARMONICS, 2 * width), nn.SiLU(), nn.Linear(2 * width, pooled), nn.SiLU()
        )
        self.first = nn.Linear(features, width)
        self.first_shift = nn.Linear(pooled + context, width)
        self.pools = nn.ModuleList(nn.Linear((2 + groups) * width + pooled, pooled) for _ in range(blocks))
        # Of each particle: how much it counts in each group's mean, and how much of each group it sees.
        self.groupings = nn.ModuleList(nn.Linear(width, 2 * groups) for _ in range(blocks))
        self.seen = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(blocks))
        self.onwards = nn.ModuleList(nn.Linear(pooled, width) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.last = nn.Linear(width, features)
        # Not 0, behind which no gradient would pass.
        nn.init.normal_(self.last.weight, std=1e-5)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, P features) of clouds (N, P features) at angles (N, 1); 0 of absent particles.

        Clouds may have fewer places than P, if all that are taken are among them.
        """
        phases = angle * self.harmonics
        pooled = self.embed(torch.cat([context, torch.sin(phases), torch.cos(phases)], dim=1))
        share = context[:, -1:]
        cloud = x.unflatten(1, (-1, self.features))
        there = (self.place[: cloud.shape[1]] < share).to(x.dtype)[:, None]
        per_particle = 1.0 / (share * self.particles).clamp(min=1.0)
        # The context itself too: the layer then compares a particle with the axes of the jet.
        shift = self.first_shift(torch.cat([pooled, context], dim=1))
        # What is the same for all particles of a cloud, biases too, is added once for each cloud.
        h = functional.silu(functional.linear(cloud, self.first.weight) + (shift + self.first.bias)[:, None])
        absent = (1.0 - there) * FAR
        layers = (self.pools, self.onwards, self.norms, self.blocks, self.groupings, self.seen)
        for pool, onward, norm, block, grouping, seen in zip(*layers, strict=True):
            normed = norm(h)
            counts, sees = grouping(normed).split(self.groups, dim=2)
            means = torch.bmm((counts.transpose(1, 2) - absent).softmax(dim=2), h)
            total = torch.bmm(there, h).squeeze(1)
            every = torch.cat([total * per_particle, total / self.particles, means.flatten(1), pooled], dim=1)
            pooled = pooled + functional.silu(pool(every))
            # A particle's shares of the groups add to 1: the bias of the block may as well come by the groups.
            own = torch.bmm(sees.softmax(dim=2), seen(means) + (onward(pooled) + block.bias)[:, None])
            h = h + functional.silu(functional.linear(normed, block.weight) + own)
        velocity: Tensor = (self.last(h) * there.transpose(1, 2)).flatten(1)
        return velocity

    def precision(self, angle: Tensor) -> Tensor:
        """Return weights of squared errors, (N, P features), of mean 1."""
        return self.weights.expand(len(angle), -1)

    def paired(self, noise: Tensor, context: Tensor) -> Tensor:
        """Return noise whose particles fall in their first feature, as those of the data do; absent ones are 0.

        Nothing is lost, for the order of particles has no meaning, and the ways from noise to data are shorter.
        """
        cloud = noise.unflatten(1, (self.particles, self.features))
        there = self.place < context[:, -1:]
        order = torch.where(there, cloud[..., 0], -torch.inf).argsort(dim=1, descending=True)
        found: Tensor = cloud.gather(1, order[..., None].expand_as(cloud)) * there[..., None]
        return found.flatten(1)


class GroupedCloudVelocity(CloudVelocity):
    """The same velocity, computed for sets of clouds of like multiplicity: no work for most of the empty places.

    An exported graph computes all places.
    """

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, P features), as :class:`CloudVelocity`."""
        if torch.compiler.is_exporting() or len(x) < SETS:
            return super().forward(x, angle, context)
        order = torch.argsort(context[:, -1])
        velocity = torch.zeros_like(x)
        for rows in order.chunk(SETS):
            most = max(1, math.ceil(float(context[rows[-1], -1]) * self.particles - 0.25))
            width = min(most, self.particles) * self.features
            velocity[rows, :width] = super().forward(x[rows, :width], angle[rows], context[rows])
        return velocity
