"""The particles of jets as points: their transverse momenta as normal scores, and angles about the jet's centre."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles
from simulacra.representations.jet_attributes import LEAST, relative_mass

#: an angle below which angles are linear in the points, and beyond which their logarithms are
ANGLE: Final = 0.02
#: points per asinh(angle / ANGLE), which makes their standard deviation about 1
UNIT: Final = 0.65
FEATURES: Final = 3
#: points that no particle has, beyond which there are numbers that are not finite
FURTHEST: Final = 5.0
FURTHEST_ANGLE: Final = 4.3
#: steps in which the angles are scaled to give the mass, to which they are nearly proportional
ROUNDS: Final = 3
#: largest change of the angles per step
MOST: Final = 4.0


def points_of_angles(angles: Tensor) -> Tensor:
    """Return the points of angles to the jet's centre."""
    return torch.asinh(angles / ANGLE) * UNIT


class JetParticles(nn.Module):
    """Map clouds (N, P, 3) of eta, phi and pT relative to the jet to points (N, P, 3), and back.

    Points are the score of pT among the particles of the class, and asinh of the angles to the centre. The inverse
    gives jets whose particles have the requested summed pT, centre, and mass.

    Parameters
    ----------
    classes:
        number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.quantiles = ConditionalQuantiles(torch.zeros(1, dtype=torch.long), max(classes, 2))

    def fit(self, cloud: Tensor, jet_class: Tensor) -> None:
        """Fit to clouds (N, P, 3) of the classes (N,)."""
        there = cloud[..., 2] > 0
        self.quantiles.fit(cloud[..., 2][there][:, None], jet_class[:, None].expand_as(there)[there][:, None])

    def forward(self, cloud: Tensor, attributes: Tensor, jet_class: Tensor) -> Tensor:
        """Return points (N, P, 3) of clouds and their attributes (N, 14); 0 of absent particles."""
        there = cloud[..., 2] > 0
        points = torch.zeros_like(cloud)
        kind = jet_class[:, None].expand_as(there)[there][:, None]
        points[..., 0][there] = self.quantiles.scores(cloud[..., 2][there][:, None], kind)[:, 0]
        angles = points_of_angles(cloud[..., :2] - attributes[:, None, 5:7])
        points[..., 1:] = torch.where(there[..., None], angles, 0.0)
        return points

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
        scores = points[..., 0].clamp(-FURTHEST, FURTHEST)
        pt = self.quantiles.inverse(scores.reshape(-1, 1), kind.reshape(-1, 1)).reshape(scores.shape)
        angles = torch.sinh(points[..., 1:].clamp(-FURTHEST_ANGLE, FURTHEST_ANGLE) / UNIT) * ANGLE
        return angles, pt.clamp(min=LEAST) * there


def by_falling_pt(angles: Tensor, pt: Tensor) -> Tensor:
    """Return clouds (N, P, 3) of angles (N, P, 2) and pT (N, P), sorted by pT; those of no pT are 0."""
    pt, order = pt.sort(dim=1, descending=True)
    angles = angles.gather(1, order[..., None].expand(-1, -1, 2)) * (pt > 0)[..., None]
    return torch.cat([angles, pt[..., None]], dim=2)
