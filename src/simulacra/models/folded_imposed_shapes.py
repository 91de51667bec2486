"""Shapes imposed on showers in fewer operations, for generation and export."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.imposed_shapes import (
    FEWEST_HITS,
    LEAST_RATIO,
    MOST,
    RIDGE,
    ROUNDS,
    TINY,
    ImposedShapes,
    largest_of,
)

#: powers of u minus the requested centre that a tilt needs: those that are squared, and the start of their squares
POWERS: Final = (1, 2, 2, 4, 3)


class FoldedShapes(nn.Module):
    """:class:`~simulacra.representations.imposed_shapes.ImposedShapes` on weights of any sum.

    Weights are normalised once, at the end: one product gives their sums and moments. A tilt's exponent, with its
    constant, is also one product. The requested centres are the same in all rounds, so the map from moments about 0 to
    moments about the centres is computed once and applied in one product.
    """

    sums: Tensor
    exponents: Tensor
    scale: Tensor
    spread: Tensor
    binomials: Tensor

    def __init__(self, shapes: ImposedShapes) -> None:
        super().__init__()
        self.sizes = shapes.sizes
        members = shapes.members
        n = len(self.sizes)
        self.register_buffer("sums", torch.stack([torch.cat([members, powers], dim=1) for powers in shapes.powers]))
        # A tilt's linear factor is found with the other sign.
        rows = [torch.cat([-each[:n], each[n:], members.t()]) for each in shapes.places]
        self.register_buffer("exponents", torch.stack(rows))
        self.register_buffer("scale", shapes.scale.clone())
        self.register_buffer("spread", members.t().contiguous())
        # <(u - c)^p> is the sum over q of binomial(p, q) (-c)^(p - q) <u^q>: from the powers of c, (p q, power of c).
        binomials = torch.zeros(len(POWERS), 5, 5)
        for row, p in enumerate(POWERS):
            for q in range(p + 1):
                binomials[row, q, p - q] = math.comb(p, q) * (-1.0) ** (p - q)
        self.register_buffer("binomials", binomials.flatten(0, 1))

    def forward(self, weights: Tensor, energies: Tensor, shapes: Sequence[Tensor]) -> Tensor:
        """Return cells (N, cells) [MeV] from weights (N, cells), the energies of sections (N, S) and their shapes."""
        hits, *moments, ratio = shapes
        chosen = hits >= FEWEST_HITS
        unit = chosen.to(weights.dtype)[:, None]
        aims = [self._aim(*((value / self.scale[i]).clamp(-1.0, 1.0) for value in moments[i::2])) for i in (0, 1)]
        inverse_ratio = 1.0 / ratio.clamp(LEAST_RATIO, 1.0)
        for _ in range(ROUNDS):
            weights = self._with_hottest(weights, inverse_ratio, chosen)
            for direction, aim in enumerate(aims):
                weights = self._tilted(weights, direction, aim, unit)
        total = torch.mm(weights, self.spread.t()).clamp(min=torch.finfo(weights.dtype).tiny)
        return weights * torch.mm(energies / total, self.spread)

    def _with_hottest(self, weights: Tensor, inverse_ratio: Tensor, chosen: Tensor) -> Tensor:
        hottest = largest_of(weights, self.sizes)
        is_hottest = (weights >= torch.mm(hottest, self.spread)).to(weights.dtype)
        others = weights - weights * is_hottest
        second = largest_of(others, self.sizes)
        asked = torch.where(chosen & (second > 0), second * inverse_ratio, hottest)
        return others + torch.mm(asked, self.spread) * is_hottest

    def _aim(self, centre: Tensor, width: Tensor) -> tuple[Tensor, ...]:
        """Return the quantities that are the same in all rounds, from the requested centres and widths, (N, S).

        The centre, twice the centre, its square and that of the width, (N, 1, S) each, and the map of moments to the
        centre, (N, 5, 5, S).
        """
        centre, wide = centre[:, None], (width * width)[:, None]
        square = centre * centre
        powers = torch.cat([torch.ones_like(centre), centre, square, square * centre, square * square], dim=1)
        expansion = torch.matmul(self.binomials, powers).reshape(-1, len(POWERS), 5, len(self.sizes))
        return centre, 2.0 * centre, square, wide, expansion

    def _tilted(self, weights: Tensor, direction: int, aim: tuple[Tensor, ...], chosen: Tensor) -> Tensor:
        """Return the weights after :func:`~simulacra.representations.imposed_shapes.newton_step`."""
        centre, twice, square, wide, expansion = aim
        moments = torch.mm(weights, self.sums[direction]).reshape(-1, 1, 5, len(self.sizes))
        total = moments[:, :, 0].clamp(min=torch.finfo(weights.dtype).tiny)
        low, even, third = ((expansion * moments).sum(dim=2) / total).split([2, 2, 1], dim=1)
        first, second = low.split(1, dim=1)
        variance, spread = ((even - low * low) * (1 + RIDGE) + TINY).split(1, dim=1)
        skew = third - first * second
        wider = wide - second
        unit = chosen / (variance * spread - skew * skew).clamp(min=TINY * TINY)
        a, b = (spread * first + skew * wider) * unit, (variance * wider + skew * first) * unit
        factors = torch.cat([a + twice * b, b, a * (first + centre) + b * (square - second)], dim=1)
        exponent = torch.mm(factors.flatten(1), self.exponents[direction])
        return weights * exponent.clamp(-MOST, MOST).exp()
