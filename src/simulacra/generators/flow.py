"""Normalising flows: an invertible network with a density, of rational-quadratic splines.

Durkan et al., arXiv:1906.04032, by the package zuko. A coupling flow needs as many passes for sampling as for
evaluation. An autoregressive one is more expressive, but sampling needs as many passes as a point has components.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from simulacra.generators.points import PointFamily

Coupling = Literal["coupling", "autoregressive"]


class SplineFlow(nn.Module):
    """A flow of points (N, size) given a context (N, C), with a standard normal base distribution.

    Parameters
    ----------
    size, context:
        number of components of a point, and of its context.
    coupling:
        which components a component's spline depends on.
    transforms, bins:
        number of layers of splines, and of pieces of each spline.
    width, depth:
        of the networks that compute the splines.
    """

    def __init__(
        self,
        size: int,
        context: int,
        *,
        coupling: Coupling = "coupling",
        transforms: int = 4,
        bins: int = 8,
        width: int = 64,
        depth: int = 2,
    ) -> None:
        super().__init__()
        from zuko.flows import NSF

        if coupling == "coupling" and size < 2:
            raise ValueError("a coupling flow needs at least 2 components: use an autoregressive one")
        self.size = self.latent = size
        self.flow = NSF(
            size,
            context,
            bins=bins,
            transforms=transforms,
            passes=2 if coupling == "coupling" else None,
            hidden_features=[width] * depth,
        )

    def log_prob(self, points: Tensor, context: Tensor) -> Tensor:
        """Return log p(points | context), (N,), of points (N, size) and contexts (N, C)."""
        log_p: Tensor = self.flow(context).log_prob(points)
        return log_p

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Map standard normal noise (N, size) to points (N, size)."""
        points: Tensor = self.flow(context).transform.inv(noise)
        return points

    def inverse(self, points: Tensor, context: Tensor) -> Tensor:
        """Map points (N, size) to their noise (N, size)."""
        noise: Tensor = self.flow(context).transform(points)
        return noise


class NormalisingFlow(PointFamily):
    """Flows in training by maximum likelihood: ``network.log_prob(points, context)``."""

    def loss(
        self,
        stage: str,  # noqa: ARG002
        network: Any,
        points: Tensor,
        context: Tensor,
        rng: torch.Generator,  # noqa: ARG002
    ) -> Tensor:
        """Return the mean of -log p per component [nat]."""
        loss: Tensor = -network.log_prob(points, context).mean() / points.shape[1]
        return loss
