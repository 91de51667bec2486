"""What a collision is as a whole, as normal scores: multiplicity, transverse momenta in both halves, their balance.

A network that learns particles one by one learns their sums last, and pile-up is little else than such sums. They are
therefore generated first, and imposed on the particles (:mod:`~simulacra.representations.collision_particles`).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform

#: multiplicity, summed pT at positive and at negative pseudorapidity, length of the vector sum, largest pT
ATTRIBUTES: Final = 5
#: share of the training sample's largest values by which attributes may lie beyond them
BEYOND: Final = 0.1


def attributes_of(cloud: Tensor) -> Tensor:
    """Return the attributes (N, 5), in GeV where they are momenta, of clouds of pT, eta and phi, (N, P, 3)."""
    pt, eta, phi = cloud.unbind(dim=2)
    number = (pt > 0).sum(dim=1).to(cloud.dtype)
    forward = (pt * (eta > 0)).sum(dim=1)
    x, y = (pt * torch.cos(phi)).sum(dim=1), (pt * torch.sin(phi)).sum(dim=1)
    backward = (pt * (eta <= 0)).sum(dim=1)
    return torch.stack([number, forward, backward, torch.hypot(x, y), pt.amax(dim=1)], dim=1)


class CollisionAttributes(nn.Module):
    """Attributes (N, 5) as nearly standard normal scores (N, 5), and back; true zeros stay zeros.

    Parameters
    ----------
    particles:
        the largest multiplicity.
    """

    highest: Tensor

    def __init__(self, particles: int) -> None:
        super().__init__()
        self.particles = particles
        self.quantiles = ConditionalQuantiles(torch.zeros(ATTRIBUTES, dtype=torch.long), 2)
        self.register_buffer("highest", torch.ones(ATTRIBUTES))

    def fit(self, attributes: Tensor, rng: torch.Generator) -> None:
        """Fit to attributes (N, 5); both halves of the detector get the same quantiles."""
        mirrored = attributes[:, [0, 2, 1, 3, 4]]
        both = torch.cat([attributes, mirrored])
        self.highest.copy_(both.amax(dim=0) * (1 + BEYOND))
        both = self._spread(both, rng)
        # The quantiles depend on a coordinate. Here nothing does: they are those of two values of one that are alike.
        coordinate = torch.arange(2.0).repeat_interleave(len(both))[:, None]
        self.quantiles.fit(torch.cat([both, both]), coordinate)

    def forward(self, attributes: Tensor, rng: torch.Generator) -> Tensor:
        """Return the scores (N, 5) of attributes (N, 5)."""
        spread = self._spread(attributes, rng)
        found: Tensor = self.quantiles(spread, torch.zeros_like(spread[:, :1]), open_uniform(spread, rng))
        return found

    def inverse(self, scores: Tensor) -> Tensor:
        """Return the attributes (N, 5) of scores (N, 5): multiplicities are whole; all are 0 where one is 0."""
        found = self.quantiles.inverse(scores, torch.zeros_like(scores[:, :1]))
        found = torch.minimum(found, self.highest)
        # Multiplicities were spread over the unit below them.
        number = torch.ceil(found[:, :1]).clamp(max=float(self.particles))
        return torch.cat([number, found[:, 1:]], dim=1) * (number > 0)

    def _spread(self, attributes: Tensor, rng: torch.Generator) -> Tensor:
        found = attributes.clone()
        found[:, 0] = torch.where(found[:, 0] > 0, found[:, 0] - open_uniform(found[:, 0], rng), 0.0)
        return found
