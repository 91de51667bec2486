"""What a collision is as a whole, as normal scores: multiplicity, sums of transverse momenta, and their directions.

A network that learns particles one by one learns their sums last, and pile-up is little else than such sums. They are
therefore generated first, and imposed on the particles (:mod:`~simulacra.representations.collision_particles`).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform

#: multiplicity, summed pT at positive and at negative pseudorapidity, length of the vector sum, largest pT; the mean
#: |eta| weighted by pT; and the pT-weighted means of cos(2 phi) and sin(2 phi), phi from the vector sum
ATTRIBUTES: Final = 8
#: those that are signed, whose exponentials in this unit have quantiles
SIGNED: Final = (6, 7)
UNIT: Final = 0.3
#: what a mirror along the beam exchanges, and what one across the vector sum turns around
HALVES: Final = [0, 2, 1, 3, 4, 5, 6, 7]
ACROSS: Final = 7
LEAST: Final = 1e-9
#: share of the training sample's largest values by which attributes may lie beyond them
BEYOND: Final = 0.1


def attributes_of(cloud: Tensor) -> Tensor:
    """Return the attributes (N, 8), in GeV where they are momenta, of clouds of pT, eta and phi, (N, P, 3)."""
    pt, eta, phi = cloud.unbind(dim=2)
    number = (pt > 0).sum(dim=1).to(cloud.dtype)
    forward = (pt * (eta > 0)).sum(dim=1)
    x, y = (pt * torch.cos(phi)).sum(dim=1), (pt * torch.sin(phi)).sum(dim=1)
    backward = (pt * (eta <= 0)).sum(dim=1)
    turned = 2 * (phi - torch.atan2(y, x)[:, None])
    total = pt.sum(dim=1).clamp(min=LEAST)
    means = [(pt * one).sum(dim=1) / total for one in (eta.abs(), torch.cos(turned), torch.sin(turned))]
    return torch.stack([number, forward, backward, torch.hypot(x, y), pt.amax(dim=1), *means], dim=1)


class CollisionAttributes(nn.Module):
    """Attributes (N, 8) as nearly standard normal scores (N, 8), and back; true zeros stay zeros.

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
        """Fit to attributes (N, 8) and to their mirror images, so that these get the same quantiles."""
        both = torch.cat([attributes, attributes[:, HALVES]])
        # Mirrored across, too.
        across = both.clone()
        across[:, ACROSS] *= -1
        both = torch.cat([both, across])
        self.highest.copy_(both.amax(dim=0) * (1 + BEYOND))
        both = self._spread(both, rng)
        # The quantiles depend on a coordinate. Here nothing does: they are those of two values of one that are alike.
        coordinate = torch.arange(2.0).repeat_interleave(len(both))[:, None]
        self.quantiles.fit(torch.cat([both, both]), coordinate)

    def forward(self, attributes: Tensor, rng: torch.Generator) -> Tensor:
        """Return the scores (N, 8) of attributes (N, 8)."""
        spread = self._spread(attributes, rng)
        found: Tensor = self.quantiles(spread, torch.zeros_like(spread[:, :1]), open_uniform(spread, rng))
        return found

    def inverse(self, scores: Tensor) -> Tensor:
        """Return the attributes (N, 8) of scores (N, 8): multiplicities are whole; all are 0 where one is 0."""
        found = self.quantiles.inverse(scores, torch.zeros_like(scores[:, :1]))
        signed = (found[:, SIGNED[0] :].clamp(min=LEAST).log() * UNIT).clamp(-1.0, 1.0)
        found = torch.minimum(found[:, : SIGNED[0]], self.highest[: SIGNED[0]])
        # Multiplicities were spread over the unit below them.
        number = torch.ceil(found[:, :1]).clamp(max=float(self.particles))
        return torch.cat([number, found[:, 1:], signed], dim=1) * (number > 0)

    def _spread(self, attributes: Tensor, rng: torch.Generator) -> Tensor:
        found = attributes.clone()
        there = found[:, 0] > 0
        found[:, 0] = torch.where(there, found[:, 0] - open_uniform(found[:, 0], rng), 0.0)
        found[:, SIGNED] = torch.where(there[:, None], (attributes[:, SIGNED] / UNIT).exp(), 0.0)
        return found
