"""Distributions on the unit interval whose cumulative function is a rational-quadratic spline (arXiv:1906.04032).

Gregory and Delbourgo, IMA J. Numer. Anal. 2 (1982) 123: a monotonic spline whose inverse is the root of a quadratic
equation, so density, cumulative function and quantiles all have closed forms.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: lowest width and height of a piece, and lowest slope at a knot
LEAST: Final = 1e-3


class UnitSpline(NamedTuple):
    """Distributions on [0, 1]: knots and slopes, (..., pieces + 1) each.

    Attributes
    ----------
    places, heights, slopes:
        positions of the knots, the cumulative function there, and its slope: the density.
    """

    places: Tensor
    heights: Tensor
    slopes: Tensor

    @classmethod
    def of(cls, parameters: Tensor) -> UnitSpline:
        """Return the distributions of free parameters (..., 3 pieces + 1); zeros are the uniform distribution."""
        pieces = (parameters.shape[-1] - 1) // 3
        widths, heights, slopes = parameters.split([pieces, pieces, pieces + 1], dim=-1)
        # softplus of this is 1
        unit = 0.5413248546129181
        return cls(_knots(widths), _knots(heights), LEAST + (1 - LEAST) * functional.softplus(slopes + unit))

    def log_density(self, x: Tensor) -> Tensor:
        """Return the logarithm of the density at x, (...)."""
        left, width, _, height, first, second = self._piece(x, self.places)
        steep = height / width
        place = ((x - left) / width).clamp(0.0, 1.0)
        other = 1 - place
        below = steep + (first + second - 2 * steep) * place * other
        above = second * place**2 + 2 * steep * place * other + first * other**2
        return 2 * torch.log(steep) + torch.log(above) - 2 * torch.log(below)

    def cumulative(self, x: Tensor) -> Tensor:
        """Return the probability of a value below x, (...)."""
        left, width, low, height, first, second = self._piece(x, self.places)
        steep = height / width
        place = ((x - left) / width).clamp(0.0, 1.0)
        other = 1 - place
        below = steep + (first + second - 2 * steep) * place * other
        return low + height * (steep * place**2 + first * place * other) / below

    def quantile(self, probability: Tensor) -> Tensor:
        """Return the values below which these probabilities lie, (...)."""
        left, width, low, height, first, second = self._piece(probability, self.heights)
        steep = height / width
        above = (probability - low).clamp(min=0.0)
        bend = above * (first + second - 2 * steep)
        a = height * (steep - first) + bend
        b = height * first - bend
        c = -steep * above
        root = 2 * c / (-b - torch.sqrt((b**2 - 4 * a * c).clamp(min=0.0)))
        return left + root.clamp(0.0, 1.0) * width

    def _piece(self, value: Tensor, knots: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return left end, width, lower end, height and both slopes of the piece of each value."""
        # one where the piece begins: every knot but the last is at or below the value, and the next one above it
        begins = (value[..., None] >= knots[..., 1:-1]).to(value.dtype)
        one = torch.ones_like(value)[..., None]
        chosen = torch.cat([one, begins], dim=-1) - torch.cat([begins, torch.zeros_like(one)], dim=-1)

        ends = (self.places[..., :-1], self.places[..., 1:], self.heights[..., :-1], self.heights[..., 1:])
        every = (*ends, self.slopes[..., :-1], self.slopes[..., 1:])
        if self.places.dim() > 2 and self.places.shape[-2] == 1:
            # One distribution for many values is a product of matrices, which takes a third of the time.
            found = (chosen @ torch.stack(every, dim=-1).squeeze(-3)).unbind(dim=-1)
        else:
            found = tuple((values * chosen).sum(dim=-1) for values in every)
        left, right, low, high, first, second = found
        return left, right - left, low, high - low, first, second


def _knots(free: Tensor) -> Tensor:
    """Return the ends of pieces whose sizes are positive and sum to 1, (..., pieces + 1)."""
    pieces = free.shape[-1]
    sizes = LEAST + (1 - LEAST * pieces) * torch.softmax(free, dim=-1)
    inner = torch.cumsum(sizes[..., :-1], dim=-1)
    return torch.cat([torch.zeros_like(inner[..., :1]), inner, torch.ones_like(inner[..., :1])], dim=-1)
