"""Conditional flow matching: learn the velocity from noise to data, then follow it in a few steps.

Lipman et al., arXiv:2210.02747; Albergo and Vanden-Eijnden, arXiv:2209.15571, whose trigonometric path is used here: x
= cos(angle) noise + sin(angle) data. It keeps the variance. For standard normal data the velocity is therefore 0, and
for nearly normal data a few steps are enough.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import torch
from torch import Tensor

from simulacra.generators.points import PointFamily

Solver = Literal["euler", "midpoint", "heun"]
QUARTER: Final = 0.5 * math.pi


class FlowMatching(PointFamily):
    """Velocity networks in training: ``network(x, angle, context)`` with ``network.precision(angle)``.

    ``network.paired(noise, context)`` orders noise, where the order of a point's numbers has no meaning.
    """

    def loss(
        self,
        stage: str,  # noqa: ARG002
        network: Any,
        points: Tensor,
        context: Tensor,
        rng: torch.Generator,
    ) -> Tensor:
        """Return the squared error of the velocity at random angles, each component weighted by its precision."""
        noise = network.paired(torch.randn(points.shape, generator=rng).to(points), context)
        angle = QUARTER * torch.rand(len(points), 1, generator=rng).to(points)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        found = network(cosine * noise + sine * points, angle, context)
        error = (found - (cosine * points - sine * noise)).square()
        loss: Tensor = (error * network.precision(angle)).mean()
        return loss


def transport(network: Any, noise: Tensor, context: Tensor, steps: int, solver: Solver = "midpoint") -> Tensor:
    """Map noise (N, D) to points (N, D), given the context (N, C), in equal steps.

    Euler's method evaluates the network once per step, the midpoint rule and Heun's method twice.
    """
    x, size = noise, QUARTER / steps
    for i in range(steps):
        # Of the network's shape, for an exported graph takes any number of events.
        start = torch.full_like(x[:, :1], i * size)
        velocity = network(x, start, context)
        if solver == "midpoint":
            velocity = network(x + 0.5 * size * velocity, start + 0.5 * size, context)
        elif solver == "heun":
            velocity = 0.5 * (velocity + network(x + size * velocity, start + size, context))
        x = x + size * velocity
    return x
