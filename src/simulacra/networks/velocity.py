"""The velocity of points from noise to data: that of a normal distribution plus a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HARMONICS = 4


class Velocity(nn.Module):
    """Residual perceptron for the velocity of x = cos(angle) noise + sin(angle) data, angle from 0 to pi/2.

    For normal data with independent components of ``variance`` V the velocity is known,

        v = cos sin (V - 1) / W x,   W = cos^2 + sin^2 V,

    and the remainder of data - noise has the variance V / W. The network gets x / sqrt(W), and its output, of order 1
    and nearly 0 before training, is multiplied by sqrt(V / W). Training therefore begins at the normal distribution
    with the right second moments.

    Parameters
    ----------
    size, context:
        number of components of a point, and of its context.
    width, blocks:
        of the perceptron.
    embedding:
        number of units that embed the context and the angle; they shift each block.
    """

    variance: Tensor
    harmonics: Tensor

    def __init__(self, size: int, context: int, width: int, blocks: int, embedding: int = 128) -> None:
        super().__init__()
        self.size = self.latent = size
        self.width = width
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("harmonics", 2.0 * torch.arange(1, HARMONICS + 1))
        self.embed = nn.Sequential(
            nn.Linear(context + 2 * HARMONICS, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.shift = nn.Linear(embedding, width * blocks)
        self.first = nn.Linear(size, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.last = nn.Linear(width, size)
        nn.init.orthogonal_(self.first.weight)
        # Not 0, behind which no gradient would pass.
        nn.init.normal_(self.last.weight, std=1e-5)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, size) of points (N, size) at angles (N, 1), given the context (N, context)."""
        cosine, sine = torch.cos(angle), torch.sin(angle)
        total = cosine.square() + sine.square() * self.variance
        phases = angle * self.harmonics
        embedded = self.embed(torch.cat([context, torch.sin(phases), torch.cos(phases)], dim=1))
        shifts = self.shift(embedded).split(self.width, dim=1)
        h = self.first(x * total.rsqrt())
        for norm, block, shift in zip(self.norms, self.blocks, shifts, strict=True):
            h = h + functional.silu(block(norm(h)) + shift)
        normal = cosine * sine * (self.variance - 1.0) / total * x
        velocity: Tensor = normal + (self.variance / total).sqrt() * self.last(h)
        return velocity

    def paired(self, noise: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002
        """Return the noise (N, size) that is paired with data of this context: unchanged."""
        return noise

    def precision(self, angle: Tensor) -> Tensor:
        """Return weights of squared errors that give each component equal importance, (N, size).

        They are limited for the narrowest components at small angles, which matter little.
        """
        total = torch.cos(angle).square() + torch.sin(angle).square() * self.variance
        return (total / self.variance).clamp(max=20.0)
