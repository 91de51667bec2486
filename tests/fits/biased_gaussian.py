"""Gaussians in mean and log width whose log ratio has learned a bent box: where it must be asked is known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from simulacra.fits.embedded import EmbeddedEvents, embedded
from simulacra.fits.map_fitting import Drawn

BOX: Mapping[str, tuple[float, float]] = {"mean": (-1.0, 1.0), "width": (-0.3, 0.3)}


@dataclass(frozen=True)
class BentGaussian:
    """Log density ratio of N(m, exp(w)) to N(0, 1), which takes theta for theta + bend(theta).

    Attributes
    ----------
    bend:
        size of the bias.
    """

    bend: float = 1.0
    parameters: tuple[str, ...] = tuple(BOX)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(BOX))
    reference: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(BOX, 0.0))

    def truth_of(self, asked: Tensor) -> Tensor:
        """Return the parameters, (..., 2), that the ratio at ``asked`` is really of."""
        m, w = asked[..., 0], asked[..., 1]
        return torch.stack([m + self.bend * (0.1 * m**2 + 0.2 * w), w + self.bend * 0.05 * m], dim=-1)

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        really = self.truth_of(theta)
        m, w = really[..., 0], really[..., 1]
        return -0.5 * ((z[:, 0] - m) * torch.exp(-w)) ** 2 - w + 0.5 * z[:, 0] ** 2


def drawn(n: int, rng: np.random.Generator) -> Drawn:
    """Return events at parameters drawn uniformly over the box."""
    theta = np.stack([rng.uniform(low, high, n) for low, high in BOX.values()], axis=1)
    return Drawn(at(theta[:, 0], theta[:, 1], rng, label="drawn"), theta)


def at(
    mean: np.ndarray | float,
    width: np.ndarray | float,
    rng: np.random.Generator,
    n: int | None = None,
    label: str = "data",
) -> EmbeddedEvents:
    """Return events of N(mean, exp(width)), embedded as x itself."""
    x = rng.normal(mean, np.exp(width), n)
    return embedded(torch.from_numpy(x[:, None]), label=label)
