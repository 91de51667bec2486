"""The velocity of points on rings, with the rotations of the rings built in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.velocity import HARMONICS

#: bins to each side that a block of the network sees, beside the mean over all
REACH = 1


class RingVelocity(nn.Module):
    """Residual network for the velocity of x = cos(angle) noise + sin(angle) data, components of points on rings.

    As in :class:`~simulacra.networks.velocity.Velocity`, the velocity of a normal distribution with the components'
    variances V is known, and the network adds to it. It works at the angles of the ring, with the same weights at each,
    so a rotated point has the rotated velocity. It sees the point x and what a normal distribution would expect of the
    data, sin V / W x, W = cos^2 + sin^2 V, and mixes neighbouring angles by convolutions around the ring.

    Parameters
    ----------
    axes:
        the principal axes (:class:`~simulacra.representations.cyclic_axes.CyclicAxes`), which belong to the network.
    context:
        size of the context of a point.
    width, blocks:
        channels at each angle, and number of residual blocks.
    embedding:
        number of units that embed the context and the angle; they shift each block.
    """

    harmonics: Tensor

    def __init__(self, axes: Any, context: int, width: int, blocks: int, embedding: int = 128) -> None:
        super().__init__()
        self.axes = axes
        bins, size = int(axes.bins), int(axes.size)
        self.bins, self.width = bins, width
        self.size = self.latent = bins * size
        self.register_buffer("harmonics", 2.0 * torch.arange(1, HARMONICS + 1), persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(context + 2 * HARMONICS, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.shift = nn.Linear(embedding, width * (blocks + 1))
        self.first = nn.Linear(2 * size, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.mixes = nn.ModuleList(nn.Linear((2 * REACH + 1) * width, width) for _ in range(blocks))
        self.means = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.final = nn.LayerNorm(width)
        self.last = nn.Linear(width, size)
        # Not 0, behind which no gradient would pass.
        nn.init.normal_(self.last.weight, std=1e-5)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, angle: Tensor, context: Tensor) -> Tensor:
        """Return the velocity (N, A K) of components (N, A K) at angles (N, 1), given the context (N, context)."""
        cosine, sine = torch.cos(angle)[..., None], torch.sin(angle)[..., None]
        variance = self.axes.variances()
        total = cosine.square() + sine.square() * variance
        phases = angle * self.harmonics
        embedded = self.embed(torch.cat([context, torch.sin(phases), torch.cos(phases)], dim=1))
        first, *shifts = self.shift(embedded)[:, None].split(self.width, dim=2)
        components = x.reshape(-1, self.bins, self.axes.size)
        expected = self.axes.inverse(components * (sine * variance / total))
        h = self.first(torch.cat([self.axes.inverse(components), expected], dim=2)) + first
        for norm, mix, mean, shift in zip(self.norms, self.mixes, self.means, shifts, strict=True):
            seen = norm(h)
            mixed = mix(neighbours(seen)) + mean(seen.mean(dim=1, keepdim=True))
            h = h + functional.silu(mixed + shift)
        remainder = self.axes(self.last(self.final(h)))
        both = cosine * sine
        normal = (both * variance - both) / total * components
        velocity: Tensor = normal + (variance / total).sqrt() * remainder
        return velocity.flatten(1)

    def paired(self, noise: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002
        """Return the noise (N, A K) that is paired with data of this context: unchanged."""
        return noise

    def precision(self, angle: Tensor) -> Tensor:
        """Return weights of squared errors that give each component equal importance, (N, A K), limited to 20."""
        variance = self.axes.variances().flatten()
        total = torch.cos(angle).square() + torch.sin(angle).square() * variance
        weights: Tensor = (total / variance).clamp(max=20.0)
        return weights


def neighbours(x: Tensor) -> Tensor:
    """Return each angle's channels (N, A, C) beside those of the next angles, (N, A, (2 REACH + 1) C)."""
    bins = x.shape[1]
    if bins == 1:
        return x.repeat(1, 1, 2 * REACH + 1)
    around = torch.cat([x[:, bins - REACH :], x, x[:, :REACH]], dim=1)
    return torch.cat([around[:, k : k + bins] for k in range(2 * REACH + 1)], dim=2)
