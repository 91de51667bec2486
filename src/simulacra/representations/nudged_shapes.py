"""Bring sections to the requested shapes by the likeliest change of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry
from simulacra.representations.imposed_shapes import FEWEST_HITS, LEAST_RATIO, RIDGE, largest_of, places_of

#: rounds over the hottest cell and both directions, one after the other
ROUNDS: Final = 2
#: largest change of the logarithm of a cell's energy per step
MOST: Final = 1.0
TINY: Final = 1e-9
POWERS: Final = 5


class NudgedShapes(nn.Module):
    r"""Cells (N, cells) whose sections have nearly the requested centres, widths and hottest pair.

    The hottest cell is set from the second one and their ratio. For the centre c and the width s along a direction u,
    the energy :math:`w_i` of a cell, as a share of its section's, is multiplied by

    .. math::

        \exp\left[\sqrt{w_i} \left(a (u_i - c) + b ((u_i - c)^2 - s^2)\right)\right]

    with the a and b of a Newton step. This is the likeliest change if the relative fluctuations of a cell's energy fall
    like the fourth root of its energy: slower than those of a number of particles, because hot cells fluctuate
    together. A factor without the root, the one of least relative entropy, moves a shower by dividing or multiplying
    its furthest and softest cells, which classifiers see; energy goes from one cell of the core to the next instead.

    Energies of sections, empty cells and numbers of hits do not change.

    Parameters
    ----------
    geometry:
        the detector.
    """

    sums: Tensor
    exponents: Tensor
    scale: Tensor
    spread: Tensor

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        self.sizes = [section.n_cells for section in geometry.sections]
        members, scale, u = places_of(geometry)
        powers = [[members * (x**k)[:, None] for k in range(POWERS)] for x in u]
        sums = [torch.cat(each, dim=1) for each in powers]
        exponents = [torch.cat(each[:3], dim=1).t() for each in powers]
        # Matrices, for a product is one operation where sections one by one would be dozens.
        for name, tensors in (("scale", scale), ("sums", sums), ("exponents", exponents)):
            self.register_buffer(name, torch.stack(tuple(tensors)).contiguous(), persistent=False)
        self.register_buffer("spread", members.t().contiguous(), persistent=False)

    def forward(self, cells: Tensor, energies: Tensor, shapes: Sequence[Tensor]) -> Tensor:
        """Return cells (N, cells) [MeV], whose sections have ``energies`` (N, S) and nearly the requested shapes.

        ``shapes`` are numbers of hits, centre along eta and phi [mm], width along eta and phi [mm], and second over
        hottest cell, (N, S) each; those of sections with few hits are ignored.
        """
        hits, *moments, ratio = shapes
        chosen = hits >= FEWEST_HITS
        # No cell lies further out than 1.
        targets = [[(value / self.scale[i]).clamp(-1.0, 1.0) for value in moments[i::2]] for i in (0, 1)]
        ratio = ratio.clamp(LEAST_RATIO, 1.0)
        weights = self._normalised(cells)
        for _ in range(ROUNDS):
            weights = self._with_hottest(weights, ratio, chosen)
            for direction, (centre, width) in enumerate(targets):
                weights = self._moved(weights, direction, centre, width, chosen)
        return weights * torch.mm(energies, self.spread)

    def _with_hottest(self, weights: Tensor, ratio: Tensor, chosen: Tensor) -> Tensor:
        hottest = largest_of(weights, self.sizes)
        is_hottest = (weights >= torch.mm(hottest, self.spread)).to(weights.dtype)
        others = weights - weights * is_hottest
        second = largest_of(others, self.sizes)
        is_second = (others >= torch.mm(second, self.spread)).to(weights.dtype)
        tiny = torch.finfo(weights.dtype).tiny
        # Both move by half of the way.
        factor = torch.where(chosen & (second > 0), second / (hottest * ratio).clamp(min=tiny), 1.0).sqrt()
        up, down = (torch.mm(each - 1.0, self.spread) for each in (factor, 1.0 / factor.clamp(min=LEAST_RATIO)))
        return self._normalised(weights * (1.0 + is_hottest * up + is_second * (1.0 - is_hottest) * down))

    def _moved(self, weights: Tensor, direction: int, centre: Tensor, width: Tensor, chosen: Tensor) -> Tensor:
        root = weights.sqrt()
        count = len(self.sizes)
        # Moments of the weights, which are to change, and of what a change moves.
        _, one, two = torch.mm(weights, self.sums[direction][:, : 3 * count]).chunk(3, dim=1)
        v0, v1, v2, v3, v4 = torch.mm(weights * root, self.sums[direction]).chunk(POWERS, dim=1)
        square, wide = centre * centre, width * width
        # About the requested centre: of u - c, and of (u - c)^2 - s^2.
        first, second = one - centre, two - 2 * centre * one + square - wide
        c1 = v1 - centre * v0
        c2 = v2 - 2 * centre * v1 + square * v0
        c3 = v3 - 3 * centre * v2 + 3 * square * v1 - square * centre * v0
        c4 = v4 - 4 * centre * v3 + 6 * square * v2 - 4 * square * centre * v1 + square * square * v0
        moves, mixed = c2 * (1 + RIDGE) + TINY, c3 - wide * c1
        widens = (c4 - 2 * wide * c2 + wide * wide * v0) * (1 + RIDGE) + TINY
        unit = chosen.to(weights.dtype) / (moves * widens - mixed * mixed).clamp(min=TINY * TINY)
        a, b = (mixed * second - widens * first) * unit, (mixed * first - moves * second) * unit
        factors = torch.cat([b * (square - wide) - a * centre, a - 2 * b * centre, b], dim=1)
        change = root * torch.mm(factors, self.exponents[direction])
        return self._normalised(weights * change.clamp(-MOST, MOST).exp())

    def _normalised(self, weights: Tensor) -> Tensor:
        total = torch.mm(weights, self.spread.t()).clamp(min=torch.finfo(weights.dtype).tiny)
        return weights * torch.mm(1.0 / total, self.spread)
