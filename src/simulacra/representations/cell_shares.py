"""Cells of a shower as normal scores, given the energies of its sections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles

LEAST_EXCESS = 1e-3
#: largest number of cells that a shift of the thresholds lights or darkens in a section: five times their usual spread
MOST_MOVED = 31


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
        differs from the number of hits, all thresholds of the section are shifted until it agrees, for a difference of
        at most ``MOST_MOVED``.
        """
        excess = self.lit(self.quantiles.excess(scores, energies.log()), hits)
        values = self.quantiles.values(excess.where(excess > 0, LEAST_EXCESS), energies.log())
        return self.filled(torch.where(excess >= 0, values, 0.0), energies)

    def lit(self, excess: Tensor, hits: Tensor) -> Tensor:
        """Return the excess of cells (N, cells) over shifted thresholds: as many are at least 0 as hits (N, S)."""
        parts = excess.split(self.sizes, dim=1)
        return torch.cat([part - shift(part, hits[:, i : i + 1]) for i, part in enumerate(parts)], dim=1)

    def filled(self, shares: Tensor, energies: Tensor) -> Tensor:
        """Return shares (N, cells) scaled to the energies of their sections (N, S) [MeV]."""
        tiny = torch.finfo(shares.dtype).tiny
        return shares * (energies / self.energies(shares).clamp(min=tiny))[:, self.quantiles.groups]

    def hit_logits(self, shower: Tensor) -> Tensor:
        """Return the logits of cells (N, cells) [MeV] among hits of their sections' energy, minus infinity if empty."""
        energies = self.energies(shower)
        return self.quantiles.hit_logits(self._shares(shower, energies), energies.log())

    def _shares(self, shower: Tensor, energies: Tensor) -> Tensor:
        return shower / energies.clamp(min=torch.finfo(shower.dtype).tiny)[:, self.quantiles.groups]


def shift(excess: Tensor, hits: Tensor) -> Tensor:
    """Return by how much to raise a section's thresholds for this number of hits, (N, 1).

    Of the excess of its cells (N, cells), only those next to 0 on the side that changes are sorted, which takes a third
    of the time of sorting all.
    """
    size = excess.shape[1]
    lit = excess > 0
    missing = (hits - lit.sum(dim=1, keepdim=True)).clamp(-MOST_MOVED, MOST_MOVED)
    more = missing > 0
    distance = torch.where(lit ^ more, excess.abs(), torch.inf)
    nearest = distance.topk(min(size, MOST_MOVED + 1), dim=1, largest=False).values
    number = missing.abs()
    last = nearest.gather(1, (number - 1).clamp(min=0))
    following = nearest.gather(1, number.clamp(max=nearest.shape[1] - 1))
    # Where all cells are to be hits, none follows.
    following = torch.where((hits < size) & torch.isfinite(following), following, last + 2 * LEAST_EXCESS)
    moved = 0.5 * (last + following)
    return torch.where(number > 0, torch.where(more, -moved, moved), 0.0)
