"""Toys whose likelihood ratio is known exactly, as a fit sees learned ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from simulacra.fits.embedded import EmbeddedEvents, embedded


@dataclass(frozen=True)
class Exact:
    """A log ratio given by a formula of (z, theta)."""

    formula: Callable[[Tensor, Tensor], Tensor]
    bounds: Mapping[str, tuple[float, float]]
    reference: Mapping[str, float]
    calls: list[int] = field(default_factory=list)

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.bounds)

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        self.calls.append(len(z))
        return self.formula(z, theta)


def gaussian(low: float = -2.0, high: float = 2.0, scale: float = 1.0, shift: float = 0.0) -> Exact:
    """x ~ N(theta, 1) against N(0, 1): r = theta x - theta^2 / 2; wrong where scaled, or shifted in theta."""

    def formula(z: Tensor, theta: Tensor) -> Tensor:
        mu = scale * theta[0] + shift
        return z[:, 0] * mu - mu**2 / 2

    return Exact(formula, {"mean": (low, high)}, {"mean": 0.0})


def correlated_gaussian(covariance: np.ndarray, low: float = -1.0, high: float = 1.0) -> Exact:
    """x ~ N(theta, C) against N(0, C) in as many dimensions as C has: r = theta C^-1 x - theta C^-1 theta / 2."""
    inverse = torch.tensor(np.linalg.inv(covariance))

    def formula(z: Tensor, theta: Tensor) -> Tensor:
        pull = inverse.to(z.dtype) @ theta
        return z @ pull - theta @ pull / 2

    names = ("first", "second", "third")[: len(covariance)]
    return Exact(formula, dict.fromkeys(names, (low, high)), dict.fromkeys(names, 0.0))


def gamma() -> Exact:
    """x ~ Gamma(shape, rate) against Gamma(2, 1): an exponential family, with the shape as a nuisance of the rate."""

    def log_density(x: Tensor, shape: Tensor, rate: Tensor) -> Tensor:
        return shape * torch.log(rate) - torch.lgamma(shape) + (shape - 1) * torch.log(x) - rate * x

    def formula(z: Tensor, theta: Tensor) -> Tensor:
        reference = torch.tensor([2.0, 1.0], dtype=z.dtype)
        return log_density(z[:, 0], theta[1], theta[0]) - log_density(z[:, 0], reference[0], reference[1])

    return Exact(formula, {"rate": (0.5, 2.0), "shape": (1.0, 4.0)}, {"rate": 1.0, "shape": 2.0})


def sample(x: np.ndarray, weights: np.ndarray | None = None, label: str = "data") -> EmbeddedEvents:
    """Events whose embedding is x itself, (N,) or (N, L)."""
    table = torch.tensor(np.atleast_2d(x.T).T, dtype=torch.float64)
    return embedded(table, weights, label=label)
