r"""What jets are as a whole, as normal scores per class: multiplicity, mass, direction, and sums over their particles.

A generator that learns particles one by one learns such sums last, although physicists look at them first. They are
therefore generated first, and the particles are generated given them.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform
from simulacra.representations.count_scores import CountScores

#: multiplicity, mass over pT, pseudorapidity; of the particles kept: summed pT, mass over pT, centre in eta and phi; of
#: the second and third prong: their shares of pT, and where they are beside the first, in eta and phi; and the triangle
ATTRIBUTES: Final = 14
#: those that are signed, and their widths, in whose unit the quantiles of exponentials are taken
SIGNED: Final = {2: 1.0, 5: 0.02, 6: 0.02, 9: 0.1, 10: 0.1, 11: 0.1, 12: 0.1}
#: those that change their sign in a mirror
ALONG_ETA: Final = (2, 5, 9, 11)
ALONG_PHI: Final = (6, 10, 12)
#: a jet is divided into this many prongs, in so many rounds
PRONGS: Final = 3
DIVISIONS: Final = 8
LEAST: Final = 1e-12
#: jets whose pairs of particles are in memory at a time
SLICE: Final = 2048
#: share of a training sample's range by which attributes may lie beyond it
BEYOND: Final = 0.1


def relative_mass(eta: Tensor, phi: Tensor, pt: Tensor) -> Tensor:
    """Return the mass of massless particles, (N, P) each, in the unit of pt, (N,); pt is 0 of absent ones."""
    return relative_mass_squared(eta, phi, pt).sqrt()


def relative_mass_squared(eta: Tensor, phi: Tensor, pt: Tensor) -> Tensor:
    """Return the square of :func:`relative_mass`, whose gradient is finite also where it is 0.

    It is m^2 = (E - px) (E + px) - py^2 - pz^2 about the jet's centre, where py and pz are small, with E - px from
    squares of small angles: this keeps the digits of the mass of a narrow jet.
    """
    share = pt / pt.sum(dim=1, keepdim=True).clamp(min=LEAST)
    eta, phi = (angle - (share * angle).sum(dim=1, keepdim=True) for angle in (eta, phi))
    less = 2 * pt * (torch.sinh(eta / 2).square() + torch.sin(phi / 2).square())
    along, beyond = (pt * torch.cos(phi)).sum(dim=1), less.sum(dim=1)
    square = beyond * (beyond + 2 * along)
    square = square - (pt * torch.sin(phi)).sum(dim=1).square() - (pt * torch.sinh(eta)).sum(dim=1).square()
    return square.clamp(min=0.0)


def attributes_of(cloud: Tensor, jet: Tensor) -> Tensor:
    """Return the attributes of jets, (N, 14).

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
    shares, axes = prongs(cloud)
    beside = (axes[:, 1:] - axes[:, :1]).flatten(1)
    sums = torch.stack([total, mass, *centres], dim=1)
    return torch.cat([jet, sums, shares[:, 1:], beside, triangle(cloud)[:, None]], dim=1)


def triangle(cloud: Tensor) -> Tensor:
    """Return the energy flow polynomial of a triangle (arXiv:1712.07124) of clouds (N, P, 3), (N,).

    It is the sum over all triples of particles of pT times pT times pT times the three distances between them, which
    is large where a jet has three hard prongs or more.
    """
    found = []
    for some in cloud.split(SLICE):
        weight = some[..., 2].sqrt()
        # Not by the product of matrices, which loses the digits of small distances.
        distance = torch.cdist(some[..., :2], some[..., :2], compute_mode="donot_use_mm_for_euclid_dist")
        pairs = weight[:, :, None] * distance * weight[:, None]
        found.append((torch.bmm(pairs, pairs) * pairs).sum(dim=(1, 2)))
    return torch.cat(found) if found else cloud.new_zeros(0)


def prongs(cloud: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shares of pT (N, 3), falling, and the axes (N, 3, 2) in eta and phi, of the three prongs of jets.

    The axes minimise 3-subjettiness with beta = 2 (arXiv:1011.2268): each particle belongs to its nearest axis, the
    centre of its particles. They begin at particles that are hard and far from each other. A jet of fewer particles
    has prongs without a share, where its first is.
    """
    angles, pt = cloud[..., :2], cloud[..., 2]
    every = torch.arange(len(cloud), device=cloud.device)
    axes = angles[every, pt.argmax(dim=1)][:, None]
    while axes.shape[1] < PRONGS:
        distance = torch.cdist(angles, axes).square().amin(dim=2)
        axes = torch.cat([axes, angles[every, (pt * distance).argmax(dim=1)][:, None]], dim=1)
    for _ in range(DIVISIONS):
        member = nn.functional.one_hot(torch.cdist(angles, axes).argmin(dim=2), PRONGS) * pt[..., None]
        held = member.sum(dim=1)
        centres = torch.einsum("npk,npa->nka", member, angles) / held.clamp(min=LEAST)[..., None]
        axes = torch.where(held[..., None] > 0, centres, axes)
    shares, order = (held / held.sum(dim=1, keepdim=True).clamp(min=LEAST)).sort(dim=1, descending=True)
    axes = axes.gather(1, order[..., None].expand(-1, -1, 2))
    return shares, torch.where(shares[..., None] > 0, axes, axes[:, :1])


def axes_of(attributes: Tensor) -> Tensor:
    """Return the axes (N, 3, 2) of the prongs relative to the centre, from attributes (N, 14)."""
    beside = attributes[:, 9:13].unflatten(1, (PRONGS - 1, 2))
    first = -(attributes[:, 7:9, None] * beside).sum(dim=1, keepdim=True)
    return torch.cat([first, first + beside], dim=1)


def context_of(conditions: Tensor, classes: int, pt_range: tuple[float, float]) -> Tensor:
    """Return class and pT [GeV] of jets (N, 2), of so many classes, as columns of order 1, (N, classes + 1)."""
    kind = functional.one_hot(conditions[:, 0].round().long(), classes).to(conditions.dtype)
    low, high = pt_range
    pt = 2.0 * (conditions[:, 1:] - low) / max(high - low, 1e-6) - 1.0
    return torch.cat([kind, pt], dim=1)


class JetAttributes(nn.Module):
    """Attributes (N, 14) as nearly standard normal scores (N, 14) of the jets of their class.

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
        self.multiplicity = CountScores(particles, max(classes, 2))
        self.quantiles = ConditionalQuantiles(torch.zeros(ATTRIBUTES - 1, dtype=torch.long), max(classes, 2))
        self.register_buffer("scales", torch.tensor(list(SIGNED.values())), persistent=False)
        self.register_buffer("lowest", torch.zeros(ATTRIBUTES))
        self.register_buffer("highest", torch.ones(ATTRIBUTES))

    def fit(self, attributes: Tensor, jet_class: Tensor) -> None:
        """Fit to attributes (N, 14) of jets of the classes (N,)."""
        beyond = BEYOND * (attributes.amax(dim=0) - attributes.amin(dim=0))
        self.lowest.copy_(attributes.amin(dim=0) - beyond)
        self.highest.copy_(attributes.amax(dim=0) + beyond)
        self.multiplicity.fit(attributes[:, 0], jet_class)
        self.quantiles.fit(self._positive(attributes), jet_class[:, None])

    def forward(self, attributes: Tensor, jet_class: Tensor, rng: torch.Generator) -> Tensor:
        """Return the scores (N, 14) of attributes (N, 14); those of multiplicities and zeros are drawn."""
        number = self.multiplicity(attributes[:, 0], jet_class, open_uniform(attributes[:, 0], rng))
        positive = self._positive(attributes)
        rest = self.quantiles(positive, jet_class[:, None], open_uniform(positive, rng))
        return torch.cat([number[:, None], rest], dim=1)

    def inverse(self, scores: Tensor, jet_class: Tensor) -> Tensor:
        """Return the attributes (N, 14) of scores (N, 14): multiplicities are whole, from 1 to the number of places."""
        number = self.multiplicity.inverse(scores[:, 0], jet_class)[:, None]
        found = torch.cat([number, self.quantiles.inverse(scores[:, 1:], jet_class[:, None])], dim=1)
        made = found.clone()
        made[:, list(SIGNED)] = found[:, list(SIGNED)].clamp(LEAST, 1 / LEAST).log() * self.scales
        # No further than a little beyond the training sample: what comes of a score of 30 would not be finite.
        return torch.cat([number, made.clamp(self.lowest, self.highest)[:, 1:]], dim=1)

    def _positive(self, attributes: Tensor) -> Tensor:
        """Return all attributes but the multiplicity, the signed ones as exponentials, (N, 13)."""
        found = attributes.clone()
        found[:, list(SIGNED)] = (attributes[:, list(SIGNED)] / self.scales).exp()
        return found[:, 1:]
