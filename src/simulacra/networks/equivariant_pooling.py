"""The velocity of a cloud of particles: the same for any order of them, at a cost that grows with their number.

Equivariant point cloud (EPiC) layers of Buhmann, Kasieczka and Thaler, arXiv:2301.08128: particles see each other only
through their mean and their sum, from which a global vector is updated, which each particle then sees.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.velocity import HARMONICS


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
    """

    harmonics: Tensor
    place: Tensor

    def __init__(self, particles: int, features: int, context: int, width: int, blocks: int, pooled: int = 32) -> None:
        super().__init__()
        self.particles, self.features = particles, features
        self.size = self.latent = particles * features
        self.register_buffer("harmonics", 2.0 * torch.arange(1, HARMONICS + 1))
        self.register_buffer("place", (torch.arange(particles) + 0.5) / particles, persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(context + 2 * HARMONICS, 2 * width), nn.SiLU(), nn.Linear(2 * width, pooled), nn.SiLU()
        )
        self.first = nn.Linear(features, width)
        self.first_shift = nn.Linear(pooled, width)
        self.pools = nn.ModuleList(nn.Linear(2 * width + pooled, pooled) for _ in range(blocks))
        self.shifts = nn.ModuleList(nn.Linear(pooled, width) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.last = nn.Linear(width, features)
        # Not 0, behind which no gradient would pass.
        nn.init.normal_(self.last.weight, std=1e-5)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, P features) of clouds (N, P features) at angles (N, 1); 0 of absent particles."""
        phases = angle * self.harmonics
        pooled = self.embed(torch.cat([context, torch.sin(phases), torch.cos(phases)], dim=1))
        share = context[:, -1:]
        there = (self.place < share).to(x.dtype)[:, None]
        per_particle = 1.0 / (share * self.particles).clamp(min=1.0)
        h = functional.silu(
            self.first(x.unflatten(1, (self.particles, self.features))) + self.first_shift(pooled)[:, None]
        )
        for pool, shift, norm, block in zip(self.pools, self.shifts, self.norms, self.blocks, strict=True):
            total = torch.bmm(there, h).squeeze(1)
            pooled = pooled + functional.silu(
                pool(torch.cat([total * per_particle, total / self.particles, pooled], dim=1))
            )
            h = h + functional.silu(block(norm(h)) + shift(pooled)[:, None])
        velocity: Tensor = (self.last(h) * there.transpose(1, 2)).flatten(1)
        return velocity

    def precision(self, angle: Tensor) -> Tensor:
        """Return weights of squared errors, (N, 1): 1."""
        return torch.ones_like(angle)

    def paired(self, noise: Tensor, context: Tensor) -> Tensor:
        """Return noise whose particles fall in their first feature, as those of the data do; absent ones are 0.

        Nothing is lost, for the order of particles has no meaning, and the ways from noise to data are shorter.
        """
        cloud = noise.unflatten(1, (self.particles, self.features))
        there = self.place < context[:, -1:]
        order = torch.where(there, cloud[..., 0], -torch.inf).argsort(dim=1, descending=True)
        found: Tensor = cloud.gather(1, order[..., None].expand_as(cloud)) * there[..., None]
        return found.flatten(1)
