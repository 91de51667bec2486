"""Points in the axes in which their components are uncorrelated: a rotation, and the variance along each axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_VARIANCE = 1e-3


class PrincipalAxes(nn.Module):
    """A rotation of points (N, D) into the principal axes of their second moments about 0, by rising variance."""

    axes: Tensor
    variance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("axes", torch.eye(size))
        self.register_buffer("variance", torch.ones(size))

    def fit(self, points: Tensor) -> None:
        """Fit to points (N, D)."""
        points = points.double()
        variance, axes = torch.linalg.eigh(points.t() @ points / len(points))
        self.axes.copy_(axes)
        self.variance.copy_(variance.clamp(min=LEAST_VARIANCE))

    def forward(self, points: Tensor) -> Tensor:
        """Return the components of points along the axes, (N, D)."""
        return points @ self.axes

    def inverse(self, components: Tensor) -> Tensor:
        """Return the points of components, (N, D)."""
        return components @ self.axes.t()
