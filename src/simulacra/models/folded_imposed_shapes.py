"""Shapes imposed on showers in fewer operations, for generation and export."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simulacra.representations.imposed_shapes import (
    FEWEST_HITS,
    LEAST_RATIO,
    MOST,
    ROUNDS,
    ImposedShapes,
    newton_step,
)


class FoldedShapes(nn.Module):
    """:class:`~simulacra.representations.imposed_shapes.ImposedShapes` on weights of any sum.

    Weights are normalised once, at the end: their sums are found with their moments, in one product. A tilt's exponent
    is one product as well, its constant included.
    """

    sums: Tensor
    exponents: Tensor
    scale: Tensor
    spread: Tensor

    def __init__(self, shapes: ImposedShapes) -> None:
        super().__init__()
        self.sizes = shapes.sizes
        members = shapes.members
        self.register_buffer("sums", torch.stack([torch.cat([members, powers], dim=1) for powers in shapes.powers]))
        self.register_buffer("exponents", torch.stack([torch.cat([each, members.t()]) for each in shapes.places]))
        self.register_buffer("scale", shapes.scale.clone())
        self.register_buffer("spread", members.t().contiguous())

    def forward(self, weights: Tensor, energies: Tensor, shapes: Sequence[Tensor]) -> Tensor:
        """Return cells (N, cells) [MeV] of weights (N, cells), the energies of sections (N, S) and their shapes."""
        hits, *moments, ratio = shapes
        chosen = (hits >= FEWEST_HITS).to(weights.dtype)
        targets = [[(value / self.scale[i]).clamp(-1.0, 1.0) for value in moments[i::2]] for i in (0, 1)]
        ratio = ratio.clamp(LEAST_RATIO, 1.0)
        for _ in range(ROUNDS):
            weights = self._with_hottest(weights, ratio, chosen)
            for direction, (centre, width) in enumerate(targets):
                weights = self._tilted(weights, direction, centre, width, chosen)
        total = torch.mm(weights, self.spread.t()).clamp(min=torch.finfo(weights.dtype).tiny)
        return weights * torch.mm(energies / total, self.spread)

    def _with_hottest(self, weights: Tensor, ratio: Tensor, chosen: Tensor) -> Tensor:
        hottest = self._largest(weights)
        others = weights * (weights < torch.mm(hottest, self.spread))
        second = self._largest(others)
        asked = torch.where((chosen > 0) & (second > 0), second / ratio, hottest)
        return others + torch.mm(asked, self.spread) * (others < weights)

    def _tilted(self, weights: Tensor, direction: int, centre: Tensor, width: Tensor, chosen: Tensor) -> Tensor:
        total, *moments = torch.mm(weights, self.sums[direction]).chunk(5, dim=1)
        total = total.clamp(min=torch.finfo(weights.dtype).tiny)
        factors = newton_step([moment / total for moment in moments], centre, width, chosen)
        exponent = torch.mm(torch.cat(factors, dim=1), self.exponents[direction])
        return weights * exponent.clamp(-MOST, MOST).exp()

    def _largest(self, weights: Tensor) -> Tensor:
        return torch.cat([part.amax(dim=1, keepdim=True) for part in weights.split(self.sizes, dim=1)], dim=1)
