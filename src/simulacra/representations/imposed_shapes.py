"""Impose the shapes of sections on their cells: first the hottest cell, then the smallest change for the moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.geometry import CalorimeterGeometry

#: rounds over the hottest cell and both directions, one after the other
ROUNDS: Final = 3
#: largest change of the logarithm of a cell's energy per step
MOST: Final = 2.0
#: smallest number of hits for free moments; with fewer, the positions of the hits determine them
FEWEST_HITS: Final = 5
LEAST_RATIO: Final = 1e-3
#: share by which a variance is increased, so that two equivalent directions are not separated
RIDGE: Final = 0.03
TINY: Final = 1e-7


def newton_step(
    powers: Sequence[Tensor], centre: Tensor, width: Tensor, chosen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return the factors of u and u^2, and the constant, of the exponent for the requested centre and width.

    ``powers`` are :math:`\langle u^k \rangle` for k from 1 to 4, (N, S) each. The step is taken in u - centre and its
    square, which are less correlated than u and u^2 in a section with hits on one side.
    """
    one, two, three, four = powers
    square = centre * centre
    first = one - centre
    second = two - 2 * centre * one + square
    third = three - 3 * centre * two + 3 * square * one - square * centre
    fourth = four - 4 * centre * three + 6 * square * two - 4 * square * centre * one + square * square
    variance = (second - first * first) * (1 + RIDGE) + TINY
    spread = (fourth - second * second) * (1 + RIDGE) + TINY
    skew = third - first * second
    wide = width * width - second
    unit = chosen / (variance * spread - skew * skew).clamp(min=TINY * TINY)
    a, b = -(spread * first + skew * wide) * unit, (variance * wide + skew * first) * unit
    return a - 2 * b * centre, b, b * (square - second) - a * one


def places_of(geometry: CalorimeterGeometry) -> tuple[Tensor, Tensor, Tensor]:
    """Return which section each cell belongs to, how far each section reaches, and where its cells are.

    The first is (cells, S), of 0 and 1; the reach along eta and phi (2, S) [mm]; the places of the cells along eta and
    phi in this reach, (2, cells), from -1 to 1.
    """
    section = torch.from_numpy(geometry.section_of_cell.copy())
    members = nn.functional.one_hot(section, len(geometry.sections)).to(torch.float32)
    places = torch.tensor(np.stack([geometry.cell_x, geometry.cell_y]), dtype=torch.float32)
    parts = places.split([one.n_cells for one in geometry.sections], dim=1)
    reach = torch.stack([part.abs().amax(dim=1) for part in parts], dim=1).clamp(min=TINY)
    return members, reach, places / reach[:, section]


def largest_of(weights: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the largest of the weights (N, cells) of each section, (N, S)."""
    return torch.cat([part.amax(dim=1, keepdim=True) for part in weights.split(list(sizes), dim=1)], dim=1)


class ImposedShapes(nn.Module):
    r"""Cells (N, cells) whose sections have the requested centres, widths and hottest pair.

    The hottest cell is set from the second one and their ratio. Among all weights with the requested centre and width
    along one direction u, those closest to the given ones in relative entropy have the factor
    :math:`\exp(a u + b u^2)`. A Newton step in (a, b), with the moments of u up to the fourth, is a good approximation;
    a second round, after the other direction and the hottest cell, improves it. Energies of sections, empty cells and
    numbers of hits do not change.

    Parameters
    ----------
    geometry:
        the detector.
    """

    powers: Tensor
    members: Tensor
    scale: Tensor
    places: Tensor

    def __init__(self, geometry: CalorimeterGeometry) -> None:
        super().__init__()
        self.sizes = [section.n_cells for section in geometry.sections]
        members, scale, u = places_of(geometry)
        powers = [torch.cat([members * (x**k)[:, None] for k in range(1, 5)], dim=1) for x in u]
        places = [power[:, : 2 * len(self.sizes)].t() for power in powers]
        # Matrices, for a product is one operation where sections one by one would be dozens.
        for name, tensor in (("scale", scale), ("places", places), ("powers", powers)):
            self.register_buffer(name, torch.stack(tuple(tensor)), persistent=False)
        self.register_buffer("members", members, persistent=False)

    def forward(self, cells: Tensor, energies: Tensor, shapes: Sequence[Tensor]) -> Tensor:
        """Return cells (N, cells) [MeV], whose sections have ``energies`` (N, S) and the requested shapes.

        ``shapes`` are numbers of hits, centre along eta and phi [mm], width along eta and phi [mm], and second over
        hottest cell, (N, S) each; those of sections with few hits are ignored.
        """
        hits, *moments, ratio = shapes
        chosen = (hits >= FEWEST_HITS).to(cells.dtype)
        # No cell lies further out than 1.
        targets = [[(value / self.scale[i]).clamp(-1.0, 1.0) for value in moments[i::2]] for i in (0, 1)]
        tiny = torch.finfo(cells.dtype).tiny
        weights = cells / self._spread(energies.clamp(min=tiny))
        ratio = ratio.clamp(LEAST_RATIO, 1.0)
        for _ in range(ROUNDS):
            weights = self._with_hottest(weights, ratio, chosen)
            for direction, (centre, width) in enumerate(targets):
                weights = self._tilted(weights, direction, centre, width, chosen)
        return weights * self._spread(energies)

    def _with_hottest(self, weights: Tensor, ratio: Tensor, chosen: Tensor) -> Tensor:
        hottest = largest_of(weights, self.sizes)
        is_hottest = weights >= self._spread(hottest)
        second = largest_of(torch.where(is_hottest, 0.0, weights), self.sizes)
        asked = torch.where((chosen > 0) & (second > 0), second / ratio, hottest)
        return self._normalised(torch.where(is_hottest, self._spread(asked), weights))

    def _tilted(self, weights: Tensor, direction: int, centre: Tensor, width: Tensor, chosen: Tensor) -> Tensor:
        powers = (weights @ self.powers[direction]).chunk(4, dim=1)
        first, second, constant = newton_step(powers, centre, width, chosen)
        exponent = torch.cat([first, second], dim=1) @ self.places[direction] + self._spread(constant)
        return self._normalised(weights * exponent.clamp(-MOST, MOST).exp())

    def _normalised(self, weights: Tensor) -> Tensor:
        tiny = torch.finfo(weights.dtype).tiny
        return weights / self._spread((weights @ self.members).clamp(min=tiny))

    def _spread(self, values: Tensor) -> Tensor:
        """Return the values of sections (N, S) at their cells, (N, cells)."""
        return values @ self.members.t()
