r"""What jets are as a whole, as normal scores per class: multiplicity, mass, direction, and sums over their particles.

A generator that learns particles one by one learns such sums last, although physicists look at them first. They are
therefore generated first, and the particles are generated given them.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform

#: multiplicity, mass over pT, pseudorapidity, and of the particles kept: summed pT, mass over pT, centre in eta and phi
ATTRIBUTES: Final = 7
#: widths of the pseudorapidity and of the centre, of whose exponentials the quantiles are taken, as they are signed
SCALES: Final = (1.0, 0.02, 0.02)
SIGNED: Final = (2, 5, 6)
LEAST: Final = 1e-12
#: share of a training sample's range by which attributes may lie beyond it
BEYOND: Final = 0.1


def relative_mass(eta: Tensor, phi: Tensor, pt: Tensor) -> Tensor:
    """Return the mass of massless particles, (N, P) each, in the unit of pt, (N,); pt is 0 of absent ones.

    It is m^2 = (E - px) (E + px) - py^2 - pz^2 about the jet's centre, where py and pz are small, with E - px from
    squares of small angles: this keeps the digits of the mass of a narrow jet.
    """
    share = pt / pt.sum(dim=1, keepdim=True).clamp(min=LEAST)
    eta, phi = (angle - (share * angle).sum(dim=1, keepdim=True) for angle in (eta, phi))
    less = 2 * pt * (torch.sinh(eta / 2).square() + torch.sin(phi / 2).square())
    along, beyond = (pt * torch.cos(phi)).sum(dim=1), less.sum(dim=1)
    square = beyond * (beyond + 2 * along)
    square = square - (pt * torch.sin(phi)).sum(dim=1).square() - (pt * torch.sinh(eta)).sum(dim=1).square()
    return square.clamp(min=0.0).sqrt()


def attributes_of(cloud: Tensor, jet: Tensor) -> Tensor:
    """Return the attributes of jets, (N, 7).

    Parameters
    ----------
    cloud:
        eta, phi and pT of each particle relative to the jet, (N, P, 3); all are 0 of absent ones.
    jet:
        multiplicity, mass over pT, pseudorapidity, (N, 3).
    """
    eta, phi, pt = cloud.unbind(dim=2)
    total = pt.sum(dim=1)
    centres = [(pt * x).sum(dim=1) / total.clamp(min=LEAST) for x in (eta, phi)]
    mass = relative_mass(eta, phi, pt)
    return torch.cat([jet, torch.stack([total, mass, *centres], dim=1)], dim=1)


class JetAttributes(nn.Module):
    """Attributes (N, 7) as nearly standard normal scores (N, 7) of the jets of their class.

    Parameters
    ----------
    particles:
        the largest multiplicity.
    classes:
        number of classes.
    """

    scales: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, particles: int, classes: int) -> None:
        super().__init__()
        self.particles = particles
        self.quantiles = ConditionalQuantiles(torch.zeros(ATTRIBUTES, dtype=torch.long), max(classes, 2))
        self.register_buffer("scales", torch.tensor(SCALES), persistent=False)
        self.register_buffer("lowest", torch.zeros(ATTRIBUTES))
        self.register_buffer("highest", torch.ones(ATTRIBUTES))

    def fit(self, attributes: Tensor, jet_class: Tensor, rng: torch.Generator) -> None:
        """Fit to attributes (N, 7) of jets of the classes (N,)."""
        beyond = BEYOND * (attributes.amax(dim=0) - attributes.amin(dim=0))
        self.lowest.copy_(attributes.amin(dim=0) - beyond)
        self.highest.copy_(attributes.amax(dim=0) + beyond)
        self.quantiles.fit(self._positive(attributes, rng), jet_class[:, None])

    def forward(self, attributes: Tensor, jet_class: Tensor, rng: torch.Generator) -> Tensor:
        """Return the scores (N, 7) of attributes (N, 7); multiplicities are spread over their unit."""
        positive = self._positive(attributes, rng)
        found: Tensor = self.quantiles(positive, jet_class[:, None], open_uniform(positive, rng))
        return found

    def inverse(self, scores: Tensor, jet_class: Tensor) -> Tensor:
        """Return the attributes (N, 7) of scores (N, 7): multiplicities are whole, from 1 to the number of places."""
        found = self.quantiles.inverse(scores, jet_class[:, None])
        number = found[:, :1].floor().clamp(1, self.particles)
        signed = found[:, SIGNED].clamp(LEAST, 1 / LEAST).log() * self.scales
        made = torch.cat([number, found[:, 1:2], signed[:, :1], found[:, 3:5], signed[:, 1:]], dim=1)
        # No further than a little beyond the training sample: what comes of a score of 30 would not be finite.
        return torch.cat([number, made.clamp(self.lowest, self.highest)[:, 1:]], dim=1)

    def _positive(self, attributes: Tensor, rng: torch.Generator) -> Tensor:
        found = attributes.clone()
        found[:, 0] += open_uniform(attributes[:, 0], rng)
        found[:, SIGNED] = (attributes[:, SIGNED] / self.scales).exp()
        return found
