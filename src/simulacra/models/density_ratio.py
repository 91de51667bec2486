"""The ratio of two densities at one proper motion: stars of a signal region over those that its side bands promise."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.generators.flow import Coupling, SplineFlow

#: how near the edge of the window a star counts as, in window widths: the logit is finite there
EDGE: Final = 1e-4
#: width of a logistic distribution in standard deviations of the flow's normal one
LOGISTIC_WIDTH: Final = 1.8


class DensityRatio(nn.Module):
    r"""Map inputs and the searched proper motion to :math:`\ln R`, (N,): the module of a checkpoint and an ONNX file.

    :math:`R = p_{in}(x | \mu) / p_{out}(x | \mu)`. Both are flows of the inputs given the proper motion; the first is
    trained on stars of the signal region, the second on stars of the side bands, and interpolates (ANODE,
    arXiv:2001.04990).

    Parameters
    ----------
    size:
        number of inputs.
    positions:
        number of the first inputs that are positions in a window: they are mapped through the logit of their place
        between the edges, so that no density leaks out of the window. Others are mapped through arcsinh, for proper
        motions have long tails.
    transforms, bins, width, coupling:
        of each :class:`~simulacra.generators.flow.SplineFlow`.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor
    motion: Tensor

    def __init__(
        self,
        size: int,
        positions: int,
        *,
        transforms: int = 3,
        bins: int = 6,
        width: int = 32,
        coupling: Coupling = "autoregressive",
    ) -> None:
        super().__init__()
        self.size = self.latent = size
        self.positions = positions
        for name, n, value in (
            ("low", positions, 0.0),
            ("high", positions, 1.0),
            ("centre", size - positions, 0.0),
            ("scale", size - positions, 1.0),
        ):
            self.register_buffer(name, torch.full((n,), value))
        self.register_buffer("motion", torch.tensor([0.0, 1.0]))
        self.inside, self.outside = (
            SplineFlow(size, 1, coupling=coupling, transforms=transforms, bins=bins, width=width) for _ in range(2)
        )

    @torch.no_grad()
    def fit(self, inputs: Tensor, motion: Tensor) -> None:
        """Set the window's edges, centres and widths from stars, (N, size), and their searched motion, (N, 1)."""
        place, other = inputs[:, : self.positions], inputs[:, self.positions :]
        if self.positions:
            self.low.copy_(place.min(dim=0).values)
            self.high.copy_(place.max(dim=0).values)
        quantiles = torch.tensor([0.16, 0.5, 0.84]).to(inputs)
        columns = [(motion, self.motion[:1], self.motion[1:])]
        if other.shape[1]:
            columns.append((other, self.centre, self.scale))
        for values, centre, scale in columns:
            below, middle, above = torch.quantile(values, quantiles, dim=0)
            centre.copy_(middle)
            scale.copy_(((above - below) / 2).clamp_min(1e-6))

    def points(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, size) to the flows' points (N, size)."""
        place = (inputs[:, : self.positions] - self.low) / (self.high - self.low)
        place = place.clamp(EDGE, 1 - EDGE)
        logit = (place.log() - (1 - place).log()) / LOGISTIC_WIDTH
        return torch.cat([logit, torch.asinh((inputs[:, self.positions :] - self.centre) / self.scale)], dim=1)

    def inputs(self, points: Tensor) -> Tensor:
        """Map points (N, size) back to inputs (N, size)."""
        place = torch.sigmoid(points[:, : self.positions] * LOGISTIC_WIDTH)
        place = self.low + (self.high - self.low) * place
        return torch.cat([place, self.centre + self.scale * torch.sinh(points[:, self.positions :])], dim=1)

    def context(self, motion: Tensor) -> Tensor:
        """Return the flows' context, (N, 1), of proper motions (N, 1)."""
        return torch.asinh((motion - self.motion[0]) / self.motion[1])

    def forward(self, inputs: Tensor, conditions: Tensor) -> Tensor:
        """Return ln R of stars, (N,), from their inputs (N, size) and searched proper motions (N, 1)."""
        points, context = self.points(inputs), self.context(conditions)
        return self.inside.log_prob(points, context) - self.outside.log_prob(points, context)

    def background(self, noise: Tensor, motion: Tensor) -> Tensor:
        """Map standard normal noise (N, size) to stars as the side bands promise them at proper motions (N, 1)."""
        return self.inputs(self.outside(noise, self.context(motion)))
