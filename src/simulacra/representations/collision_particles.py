"""The visible particles of collisions as points, in a frame turned with the event, with sums that are imposed."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles

#: score of pT, score of the pseudorapidity, and the direction in the transverse plane, of the length sqrt(2)
FEATURES: Final = 4
LENGTH: Final = math.sqrt(2.0)
#: scores that no particle has, beyond which there are numbers that are not finite
FURTHEST: Final = 5.0
#: rounds in which the sums are imposed: each changes the other a little
ROUNDS: Final = 3
#: largest change of a sum of transverse momenta, and of the balance in a round
MOST: Final = 4.0
MOST_TURN: Final = 0.5
LEAST: Final = 1e-9
#: of few particles, whose elongation can hardly be changed: the least determinant by which is divided
LEAST_ROOM: Final = 0.02
#: share of the range of pseudorapidities that is left free at each end, where its score would be infinite
EDGE: Final = 1e-6


class CollisionParticles(nn.Module):
    """Map clouds (N, P, 3) of pT [GeV], eta and phi to points (N, P, 4), and back.

    Azimuths are relative to the vector sum of the transverse momenta. The score of pT is that among all particles, and
    that of eta would be normal for a flat distribution up to the detector's end. The inverse gives clouds of the
    requested multiplicity, summed pT in both halves of the detector, length of the vector sum, and elongation.
    """

    lowest: Tensor
    widest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.quantiles = ConditionalQuantiles(torch.zeros(1, dtype=torch.long), 2)
        self.register_buffer("lowest", torch.zeros(()))
        self.register_buffer("widest", torch.ones(()))

    def fit(self, cloud: Tensor, lowest: float, widest: float) -> None:
        """Fit to clouds (N, P, 3) of particles above ``lowest`` [GeV] within the pseudorapidity ``widest``."""
        self.lowest.fill_(lowest)
        self.widest.fill_(widest)
        above = cloud[..., 0][cloud[..., 0] > 0][:, None] - self.lowest
        coordinate = torch.arange(2.0).repeat_interleave(len(above))[:, None]
        self.quantiles.fit(torch.cat([above, above]).clamp(min=LEAST), coordinate)

    def forward(self, cloud: Tensor) -> Tensor:
        """Return points (N, P, 4) of clouds (N, P, 3); 0 of absent particles."""
        pt, eta, phi = cloud.unbind(dim=2)
        there = pt > 0
        points = torch.zeros(*pt.shape, FEATURES)
        above = (pt[there] - self.lowest).clamp(min=LEAST)[:, None]
        points[..., 0][there] = self.quantiles.scores(above, torch.zeros_like(above))[:, 0].clamp(-FURTHEST, FURTHEST)
        share = 0.5 * (1.0 + eta / self.widest).clamp(EDGE, 2.0 - EDGE)
        points[..., 1] = torch.special.ndtri(share)
        axis = torch.atan2((pt * torch.sin(phi)).sum(dim=1), (pt * torch.cos(phi)).sum(dim=1))
        turned = phi - axis[:, None]
        points[..., 2], points[..., 3] = LENGTH * torch.cos(turned), LENGTH * torch.sin(turned)
        return points * there[..., None]

    def inverse(self, points: Tensor, attributes: Tensor) -> Tensor:
        """Return clouds (N, P, 3) of points (N, P, 4) and attributes (N, 8); those beyond the multiplicity are 0."""
        place = torch.arange(points.shape[1], device=points.device)
        there = (place < attributes[:, :1]).to(points.dtype)
        scores = points[..., 0].clamp(-FURTHEST, FURTHEST).reshape(-1, 1)
        above = self.quantiles.inverse(scores, torch.zeros_like(scores)).reshape(there.shape)
        pt = (above + self.lowest) * there
        eta = (2.0 * torch.special.ndtr(points[..., 1].clamp(-FURTHEST, FURTHEST)) - 1.0) * self.widest
        # Where a half of the detector is empty, its particles are in the other half.
        empty = attributes[:, 1:3] <= 0
        eta = torch.where(empty[:, :1] & ~empty[:, 1:], -eta.abs(), eta)
        eta = torch.where(empty[:, 1:] & ~empty[:, :1], eta.abs(), eta)
        x, y = points[..., 2], points[..., 3]
        length = (x.square() + y.square()).sqrt().clamp(min=LEAST)
        x, y = x / length * pt, y / length * pt
        ahead = (eta > 0).to(pt.dtype)
        for _ in range(ROUNDS):
            x, y = self._elongated(x, y, attributes[:, 6:8])
            x, y = self._balanced(x, y, attributes[:, 3:4])
            x, y = self._scaled(x, y, there * ahead, attributes[:, 1:2])
            x, y = self._scaled(x, y, there * (1.0 - ahead), attributes[:, 2:3])
        # Clear of the axis for particles that are not there, whose direction is none.
        pt = (x.square() + y.square()).sqrt()
        phi = torch.atan2(y, torch.where(there > 0, x, 1.0))
        return torch.stack([pt * there, eta * there, phi * there], dim=2)

    @staticmethod
    def _elongated(x: Tensor, y: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Turn momenta so that the means of cos(2 phi) and sin(2 phi), weighted by pT, are ``wanted`` (N, 2).

        The angles are the smallest that do so to first order, a combination of sin(2 phi) and cos(2 phi) of each.
        """
        square = (x.square() + y.square()).clamp(min=LEAST**2)
        weight = square.sqrt()
        weight = weight / weight.sum(dim=1, keepdim=True)
        cos, sin = (x.square() - y.square()) / square, 2 * x * y / square
        both = torch.stack([(weight * cos).sum(dim=1), (weight * sin).sum(dim=1)], dim=1)
        lack = (wanted - both) / 2
        ss, cc, sc = ((weight * one).sum(dim=1) for one in (sin.square(), cos.square(), sin * cos))
        determinant = (ss * cc - sc.square()).clamp(min=LEAST_ROOM)
        along = (cc * lack[:, 0] + sc * lack[:, 1]) / determinant
        across = (sc * lack[:, 0] + ss * lack[:, 1]) / determinant
        along, across = (one.clamp(-MOST_TURN, MOST_TURN)[:, None] for one in (along, across))
        turn = across * cos - along * sin
        return x * torch.cos(turn) - y * torch.sin(turn), x * torch.sin(turn) + y * torch.cos(turn)

    @staticmethod
    def _balanced(x: Tensor, y: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Turn momenta a little towards the axis, so that their vector sum is ``wanted`` (N, 1) along it."""
        pt = (x.square() + y.square()).sqrt()
        total = pt.sum(dim=1, keepdim=True).clamp(min=LEAST)
        along = ((wanted - x.sum(dim=1, keepdim=True)) / total).clamp(-MOST_TURN, MOST_TURN)
        across = (-y.sum(dim=1, keepdim=True) / total).clamp(-MOST_TURN, MOST_TURN)
        return x + along * pt, y + across * pt

    def _scaled(self, x: Tensor, y: Tensor, chosen: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Scale the chosen transverse momenta above the lowest, so that their sum is ``wanted`` (N, 1)."""
        pt = (x.square() + y.square()).sqrt()
        above = (pt - self.lowest).clamp(min=0.0) * chosen
        found = above.sum(dim=1, keepdim=True)
        factor = ((wanted - self.lowest * chosen.sum(dim=1, keepdim=True)) / found.clamp(min=LEAST)).clamp(
            1 / MOST, MOST
        )
        ratio = (self.lowest + above * factor) / pt.clamp(min=LEAST)
        scale = torch.where(chosen > 0, ratio, 1.0)
        return x * scale, y * scale
