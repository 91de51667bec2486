"""The particles of jets as points that are nearly normal in each class: their momenta, and their angles to the centre.

Jets end sharply where the clustering does: beyond its radius there are few particles. The distance of a particle to the
jet's centre is therefore a score by its quantiles. A network that is a little wrong then still makes none beyond, which
would count much in energy flow polynomials.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.class_quantiles import ClassQuantiles
from simulacra.representations.jet_attributes import LEAST, relative_mass

FEATURES: Final = 3
#: scores between which momenta and distances have nodes, their spacing
FURTHEST_MOMENTUM: Final = 4.5
FURTHEST_DISTANCE: Final = 5.0
SPACING: Final = 0.125
#: jets whose points are computed at once, which compares each number with all nodes
SLICE: Final = 2048
#: squared distance, of points, below which their direction is not asked for
LEAST_SQUARE: Final = 1e-12
#: steps in which the angles are scaled to give the mass, to which they are nearly proportional
ROUNDS: Final = 3
#: largest change of the angles per step
MOST: Final = 4.0


class JetParticles(nn.Module):
    """Map clouds (N, P, 3) of eta, phi and pT relative to the jet to points (N, P, 3), and back.

    The first number of a point is the normal score of the logarithm of pT among the particles of the class. The others
    are the direction from the jet's centre times a score of the distance, by a Rayleigh distribution: as for two normal
    numbers. The inverse gives jets whose particles have the requested summed pT, centre, and mass.

    Parameters
    ----------
    classes:
        number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        nodes = torch.arange(-FURTHEST_MOMENTUM, FURTHEST_MOMENTUM + SPACING / 2, SPACING, dtype=torch.float64)
        normal = torch.special.ndtr(nodes)
        # The lowest and the highest of the sample, whatever its size.
        normal[0], normal[-1] = 0.0, 1.0
        self.momenta = ClassQuantiles(normal, -FURTHEST_MOMENTUM, SPACING, max(classes, 2))
        nodes = torch.arange(0.0, FURTHEST_DISTANCE + SPACING / 2, SPACING, dtype=torch.float64)
        rayleigh = -torch.expm1(-0.5 * nodes.square())
        rayleigh[-1] = 1.0
        self.distances = ClassQuantiles(rayleigh, 0.0, SPACING, max(classes, 2))

    def fit(self, cloud: Tensor, attributes: Tensor, jet_class: Tensor) -> None:
        """Fit to clouds (N, P, 3) and attributes (N, 14) of the classes (N,)."""
        there = cloud[..., 2] > 0
        kind = jet_class[:, None].expand_as(there)[there]
        self.momenta.fit(cloud[..., 2][there].log(), kind)
        self.distances.fit((cloud[..., :2] - attributes[:, None, 5:7])[there].norm(dim=1), kind)
        # Distances begin at 0, where directions end.
        self.distances.values[:, 0] = 0.0

    def forward(self, cloud: Tensor, attributes: Tensor, jet_class: Tensor) -> Tensor:
        """Return points (N, P, 3) of clouds and their attributes (N, 14); 0 of absent particles."""
        columns = (one.split(SLICE) for one in (cloud, attributes, jet_class))
        pieces = [self._points(*some) for some in zip(*columns, strict=True)]
        return torch.cat(pieces) if pieces else torch.zeros_like(cloud)

    def _points(self, cloud: Tensor, attributes: Tensor, jet_class: Tensor) -> Tensor:
        there = cloud[..., 2] > 0
        points = torch.zeros_like(cloud)
        kind = jet_class[:, None].expand_as(there)
        points[..., 0][there] = self.momenta(cloud[..., 2][there].log(), kind[there])
        angles = self.points_of_angles(cloud[..., :2] - attributes[:, None, 5:7], jet_class)
        points[..., 1:] = torch.where(there[..., None], angles, 0.0)
        return points

    def points_of_angles(self, angles: Tensor, jet_class: Tensor) -> Tensor:
        """Return the points (N, K, 2) of angles (N, K, 2) to the centre of jets of the classes (N,)."""
        distance = angles.square().sum(dim=2).clamp(min=LEAST_SQUARE).sqrt()
        kind = jet_class[:, None].expand_as(distance)
        score: Tensor = self.distances(distance.flatten(), kind.flatten()).reshape(distance.shape)
        return angles * (score / distance)[..., None]

    def inverse(self, points: Tensor, attributes: Tensor, jet_class: Tensor) -> Tensor:
        """Return clouds (N, P, 3), by falling pT, of points (N, P, 3); those beyond the multiplicity are absent."""
        place = torch.arange(points.shape[1], device=points.device)
        angles, pt = self.particles(points, (place < attributes[:, :1]).to(points.dtype), jet_class)
        share = pt / pt.sum(dim=1, keepdim=True)
        pt = share * attributes[:, 3:4]
        angles = angles - (share[..., None] * angles).sum(dim=1, keepdim=True)
        centre = attributes[:, None, 5:7]
        for _ in range(ROUNDS):
            eta, phi = (angles + centre).unbind(dim=2)
            found = relative_mass(eta, phi, pt)
            # A jet of one particle has no mass, whatever its angles are.
            factor = torch.where(found > 0, attributes[:, 4] / found.clamp(min=LEAST), 1.0)
            angles = angles * factor.clamp(1 / MOST, MOST)[:, None, None]
        return by_falling_pt(angles + centre, pt)

    def particles(self, points: Tensor, there: Tensor, jet_class: Tensor) -> tuple[Tensor, Tensor]:
        """Return angles (N, P, 2) and pT (N, P) of points (N, P, 3); nothing is imposed.

        The pT of absent particles, where ``there`` (N, P) is 0 and not 1, is 0.
        """
        kind = jet_class[:, None].expand(points.shape[:2])
        pt = self.momenta.inverse(points[..., 0], kind).exp()
        distance = points[..., 1:].square().sum(dim=2).clamp(min=LEAST_SQUARE).sqrt()
        angles = points[..., 1:] * (self.distances.inverse(distance, kind) / distance)[..., None]
        return angles, pt * there


def by_falling_pt(angles: Tensor, pt: Tensor) -> Tensor:
    """Return clouds (N, P, 3) of angles (N, P, 2) and pT (N, P), sorted by pT; those of no pT are 0."""
    pt, order = pt.sort(dim=1, descending=True)
    angles = angles.gather(1, order[..., None].expand(-1, -1, 2)) * (pt > 0)[..., None]
    return torch.cat([angles, pt[..., None]], dim=2)
