"""Cells of a shower as normal scores, given the energies of its sections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles

LEAST_EXCESS = 1e-3


class CellShares(nn.Module):
    """An invertible map between cells (N, cells) [MeV] and scores (N, cells), given section energies (N, S) [MeV].

    A cell's share of its section becomes a normal score by its quantiles at the logarithm of the section's energy
    (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`); an empty cell stays exactly 0. The
    inverse normalises the shares, so each section's cells sum to its energy for any scores, and the number of hit cells
    is as requested.

    Parameters
    ----------
    sizes:
        number of cells of each section; the cells are ordered by section.
    knots:
        of each section's energy.
    """

    section: Tensor

    def __init__(self, sizes: Sequence[int], knots: int = 16) -> None:
        super().__init__()
        self.sizes = list(sizes)
        section = torch.repeat_interleave(torch.arange(len(self.sizes)), torch.tensor(self.sizes))
        self.quantiles = ConditionalQuantiles(section, knots)

    def energies(self, shower: Tensor) -> Tensor:
        """Return the energies of the sections, (N, S) [MeV]."""
        return torch.stack([piece.sum(dim=1) for piece in shower.split(self.sizes, dim=1)], dim=1)

    def fit(self, shower: Tensor) -> None:
        """Fit to showers (N, cells) [MeV]."""
        # Summed in double precision and rounded, so that a mirror image has its original's energy to the last bit.
        energies = self.energies(shower.double()).to(shower.dtype)
        self.quantiles.fit(self._shares(shower, energies), energies.log())

    def scores(self, shower: Tensor) -> Tensor:
        """Return the scores of cells (N, cells) [MeV], minus infinity for empty cells."""
        energies = self.energies(shower)
        return self.quantiles.scores(self._shares(shower, energies), energies.log())

    def thresholds(self, energies: Tensor) -> Tensor:
        """Return the logit of each cell's probability to be empty, (N, cells)."""
        return self.quantiles.thresholds(energies.log())

    def forward(self, shower: Tensor, uniform: Tensor) -> Tensor:
        """Map cells (N, cells) [MeV] to scores (N, cells); ``uniform`` (N, cells) in (0, 1) places the empty cells."""
        return self.quantiles.dequantise(self.scores(shower), self.thresholds(self.energies(shower)), uniform)

    def inverse(self, scores: Tensor, energies: Tensor, hits: Tensor) -> Tensor:
        """Map scores (N, cells), section energies (N, S) [MeV] and numbers of hits (N, S) to cells (N, cells) [MeV].

        The hits are the cells whose scores exceed their thresholds by most. If the number of cells above threshold
        differs from the number of hits, all thresholds of the section are shifted until it agrees.
        """
        coordinates = energies.log()
        pieces = []
        for i, part in enumerate(self.quantiles.excess(scores, coordinates).split(self.sizes, dim=1)):
            falling = part.sort(dim=1, descending=True).values
            falling = torch.cat([falling, falling[:, -1:] - 2 * LEAST_EXCESS], dim=1)
            last, next_one = falling.gather(1, hits[:, i : i + 1] - 1), falling.gather(1, hits[:, i : i + 1])
            moved = torch.where((last > 0) & (next_one <= 0), 0.0, 0.5 * (last + next_one))
            pieces.append(part - moved)
        excess = torch.cat(pieces, dim=1)
        hit = excess >= 0
        share = torch.where(hit, self.quantiles.values(excess.where(excess > 0, LEAST_EXCESS), coordinates), 0.0)
        tiny = torch.finfo(scores.dtype).tiny
        scaled = (energies / self.energies(share).clamp(min=tiny))[:, self.quantiles.groups]
        return share * scaled

    def _shares(self, shower: Tensor, energies: Tensor) -> Tensor:
        return shower / energies.clamp(min=torch.finfo(shower.dtype).tiny)[:, self.quantiles.groups]
