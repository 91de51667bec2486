"""Shapes of sections imposed on their cells: the hottest cell first, then the least change that gives the moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry

#: of the hottest cell and both directions, one after the other; a third changes nothing that judges see
ROUNDS: Final = 2
#: a cell's energy changes by at most this factor's logarithm at a time
MOST: Final = 2.0
#: hits with which a section has moments to choose: below, they follow from where the hits are
FEWEST_HITS: Final = 5
LEAST_RATIO: Final = 1e-3
#: share of a second moment that is added to a variance, so that a direction without width is left as it is, and not
#: moved by what rounding leaves of the width
RIDGE: Final = 1e-2
TINY: Final = 1e-7


class ImposedShapes(nn.Module):
    r"""Cells (N, cells) whose sections have the centres, the widths and the hottest pair that are asked for.

    The hottest cell is set by the second one and their ratio. Of all weights that give a section the centre and the
    width asked for along one direction u, those nearest to the given ones, in relative entropy, are
    :math:`\exp(a u + b u^2)`: a Newton step in (a, b), with the moments of u to the fourth, comes near, and a second
    round, after the other direction and the hottest cell, nearer. Energies of sections, empty cells and numbers of hits
    stay what they are.

    Parameters
    ----------
    geometry:
        the detector.
    """

    powers: Tensor
    members: Tensor
    scale: Tensor
    mean: Tensor
    places: Tensor

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        self.sizes = [section.n_cells for section in geometry.sections]
        n = len(self.sizes)
        section = torch.repeat_interleave(torch.arange(n), torch.tensor(self.sizes))
        members = nn.functional.one_hot(section, n).to(torch.float32)
        scales, means, places, powers = [], [], [], []
        for centres in (geometry.cell_x, geometry.cell_y):
            u = torch.tensor(centres, dtype=torch.float32)
            scale = torch.stack([part.abs().amax() for part in u.split(self.sizes)]).clamp(min=TINY)
            u = u / scale[section]
            # From the mean of its cells: where u has only two values its square does not vary, and shall not seem to.
            mean = torch.stack([part.square().mean() for part in u.split(self.sizes)])
            v = u.square() - mean[section]
            scales.append(scale)
            means.append(mean)
            places.append(torch.cat([members * u[:, None], members * v[:, None]], dim=1).t())
            powers.append(torch.cat([members * moment[:, None] for moment in (u, v, u * v, v * v)], dim=1))
        # Matrices, for a product is one operation where sections one by one would be dozens.
        for name, tensor in (("scale", scales), ("mean", means), ("places", places), ("powers", powers)):
            self.register_buffer(name, torch.stack(tensor), persistent=False)
        self.register_buffer("members", members, persistent=False)

    def forward(self, cells: Tensor, energies: Tensor, shapes: Sequence[Tensor]) -> Tensor:
        """Return cells (N, cells) [MeV], whose sections have ``energies`` (N, S), with the shapes asked for.

        ``shapes`` are numbers of hits, centre along eta and phi [mm], width along eta and phi [mm], and second over
        hottest cell, (N, S) each, of which those of sections with few hits are passed over.
        """
        hits, *moments, ratio = shapes
        chosen = (hits >= FEWEST_HITS).to(cells.dtype)
        scaled = [[value / self.scale[i] for value in moments[i::2]] for i in (0, 1)]
        targets = [(centre, width.square() + centre.square()) for centre, width in scaled]
        tiny = torch.finfo(cells.dtype).tiny
        weights = cells / self._spread(energies.clamp(min=tiny))
        ratio = ratio.clamp(LEAST_RATIO, 1.0)
        for _ in range(ROUNDS):
            weights = self._with_hottest(weights, ratio, chosen)
            for direction, (centre, square) in enumerate(targets):
                weights = self._tilted(weights, direction, centre, square, chosen)
        return weights * self._spread(energies)

    def _with_hottest(self, weights: Tensor, ratio: Tensor, chosen: Tensor) -> Tensor:
        hottest = self._largest(weights)
        is_hottest = weights >= self._spread(hottest)
        second = self._largest(torch.where(is_hottest, 0.0, weights))
        asked = torch.where((chosen > 0) & (second > 0), second / ratio, hottest)
        return self._normalised(torch.where(is_hottest, self._spread(asked), weights))

    def _tilted(self, weights: Tensor, direction: int, centre: Tensor, square: Tensor, chosen: Tensor) -> Tensor:
        one, two, three, four = (weights @ self.powers[direction]).chunk(4, dim=1)
        # Of u and of v, its square less the mean of the cells' squares.
        square_mean = two + self.mean[direction]
        variance = square_mean - one.square() + RIDGE * square_mean + TINY
        spread = four - two.square() + RIDGE * four + TINY
        skew = three - one * two
        off, wide = centre - one, square - square_mean
        unit = chosen / (variance * spread - skew.square()).clamp(min=TINY * TINY)
        a, b = (spread * off - skew * wide) * unit, (variance * wide - skew * off) * unit
        exponent = torch.cat([a, b], dim=1) @ self.places[direction] - self._spread(a * one + b * two)
        return self._normalised(weights * exponent.clamp(-MOST, MOST).exp())

    def _normalised(self, weights: Tensor) -> Tensor:
        tiny = torch.finfo(weights.dtype).tiny
        return weights / self._spread((weights @ self.members).clamp(min=tiny))

    def _largest(self, weights: Tensor) -> Tensor:
        """Return the largest weight of each section, (N, S)."""
        return torch.cat([part.amax(dim=1, keepdim=True) for part in weights.split(self.sizes, dim=1)], dim=1)

    def _spread(self, values: Tensor) -> Tensor:
        """Return the values of sections (N, S) at their cells, (N, cells)."""
        return values @ self.members.t()
