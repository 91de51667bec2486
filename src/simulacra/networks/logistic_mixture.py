"""Mixtures of logistic distributions on an interval, as in PixelCNN++ (arXiv:1701.05517): exact density and draws.

Each component is truncated to the interval and normalised there, so that no draw is outside and no probability is lost.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

#: numbers of a component: weight, mean, width
NUMBERS: Final = 3
#: smallest width of a component
NARROWEST: Final = 0.01
#: distance of quantiles from 0 and 1, the resolution of single precision
RESOLUTION: Final = 6e-8


def components(raw: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logarithms of the weights, means and widths, (..., C) each, of a network's output (..., 3 C).

    The means lie between ``low`` and ``high``.
    """
    weight, mean, width = raw.unflatten(-1, (NUMBERS, -1)).unbind(-2)
    return (
        functional.log_softmax(weight, dim=-1),
        low + (high - low) * torch.sigmoid(mean),
        NARROWEST + functional.softplus(width),
    )


def log_density(x: Tensor, raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the logarithm of the mixture's density, (...), at x (...) from ``low`` to ``high``."""
    weight, mean, width = components(raw, low, high)
    z, bottom, top = ((edge - mean) / width for edge in (x[..., None], low, high))
    # The probability between the edges: s(top) - s(bottom) = s(top) s(-bottom) (1 - exp(bottom - top)).
    inside = functional.logsigmoid(top) + functional.logsigmoid(-bottom) + torch.log(-torch.expm1(bottom - top))
    density = functional.logsigmoid(z) + functional.logsigmoid(-z) - torch.log(width)
    return torch.logsumexp(weight + density - inside, dim=-1)


def draw(chosen: Tensor, quantile: Tensor, raw: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return draws (...) of the mixture from uniform numbers (...): one chooses the component, one is its quantile."""
    weight, mean, width = components(raw, low, high)
    below = torch.cumsum(torch.exp(weight), dim=-1) < chosen[..., None]
    one = below.to(torch.int64).sum(dim=-1, keepdim=True).clamp(max=below.shape[-1] - 1)
    m, s = (numbers.gather(-1, one).squeeze(-1) for numbers in (mean, width))
    bottom, top = torch.sigmoid((low - m) / s), torch.sigmoid((high - m) / s)
    y = (bottom + quantile * (top - bottom)).clamp(RESOLUTION, 1 - RESOLUTION)
    x = m + s * (torch.log(y) - torch.log1p(-y))
    return torch.minimum(torch.maximum(x, low), high)
