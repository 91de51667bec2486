"""The cells of a cylindrical calorimeter as normal scores that are the same at each angle, given section energies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.representations.cell_shares import LEAST_EXCESS, shift
from simulacra.representations.conditional_hurdle import ConditionalHurdle
from simulacra.representations.conditional_quantiles import ConditionalQuantiles


class RingHurdle(ConditionalHurdle):
    """A :class:`~simulacra.representations.conditional_hurdle.ConditionalHurdle` that is the same at each angle.

    Logits are (N, A, K), thresholds (N, K); what it returns of them is (N, 1, K).
    """

    def forward(self, context: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return g0, m and w, (N, 1, K) each, given the context (N, C) and the thresholds (N, K)."""
        empty, mean, width = super().forward(context, thresholds)
        return empty[:, None], mean[:, None], width[:, None]


class RingShares(nn.Module):
    """A map between cells (N, A, K) [MeV], A angles and K = S R rings of S sections, and the logits of hits.

    As in :class:`~simulacra.representations.cell_shares.CellShares` a cell's share of its section is mapped by its
    quantiles at the logarithm of the section's energy. A ring has the same quantiles at each of its angles.

    Parameters
    ----------
    bins, sections, rings:
        A, S and R: the numbers of angles, of sections, and of rings of a section.
    knots:
        of each section's energy.
    """

    def __init__(self, bins: int, sections: int, rings: int, knots: int = 16) -> None:
        super().__init__()
        self.bins, self.sections, self.rings = bins, sections, rings
        self.quantiles = ConditionalQuantiles(torch.arange(sections).repeat_interleave(rings), knots)

    def energies(self, cells: Tensor) -> Tensor:
        """Return the sums of the sections' cells, (N, S) [MeV]."""
        return cells.reshape(-1, self.bins, self.sections, self.rings).sum(dim=(1, 3))

    def hits(self, cells: Tensor) -> Tensor:
        """Return the numbers of the sections' cells above 0, (N, S)."""
        return self.energies((cells > 0).to(cells.dtype)).round()

    def fit(self, cells: Tensor) -> None:
        """Fit to cells (N, A, K) [MeV]."""
        energies = self.energies(cells)
        self.quantiles.fit(self._shares(cells, energies).flatten(0, 1), self._repeated(energies.log()))

    def hit_logits(self, cells: Tensor) -> Tensor:
        """Return the logits (N, A, K) of cells [MeV] among hits of their ring, minus infinity for empty cells."""
        energies = self.energies(cells)
        shares = self._shares(cells, energies).flatten(0, 1)
        return self.quantiles.hit_logits(shares, self._repeated(energies.log())).reshape(cells.shape)

    def thresholds(self, energies: Tensor) -> Tensor:
        """Return the logit of the probability of a ring's cell to be empty, (N, K), given section energies (N, S)."""
        return self.quantiles.thresholds(energies.log())

    def inverse(self, scores: Tensor, energies: Tensor, hits: Tensor, hurdle: RingHurdle, known: Tensor) -> Tensor:
        """Return cells (N, A, K) [MeV] of scores (N, A, K), with the sections' energies [MeV] and hits, (N, S) each.

        ``known`` is the context of the hurdle. The hits are the cells whose scores exceed their thresholds by most.
        """
        empty, mean, width = hurdle(known, self.thresholds(energies))
        excess = self._lit(hurdle.excess(scores, empty), hits)
        inner = hurdle.logits(excess.where(excess > 0, LEAST_EXCESS), empty, mean, width)
        values = self.quantiles.values_of_logits(inner.flatten(0, 1), self._repeated(energies.log()))
        shares = torch.where(excess >= 0, values.reshape(excess.shape), 0.0)
        tiny = torch.finfo(shares.dtype).tiny
        return shares * (energies / self.energies(shares).clamp(min=tiny))[:, None, self.quantiles.groups]

    def _lit(self, excess: Tensor, hits: Tensor) -> Tensor:
        """Return the excess over thresholds that are shifted for these numbers of hits (N, S)."""
        whole = excess.reshape(-1, self.bins, self.sections, self.rings).transpose(1, 2)
        moved = shift(whole.reshape(-1, self.bins * self.rings), hits.reshape(-1, 1))
        return excess - moved.reshape(-1, self.sections)[:, None, self.quantiles.groups]

    def _shares(self, cells: Tensor, energies: Tensor) -> Tensor:
        return cells / energies.clamp(min=torch.finfo(cells.dtype).tiny)[:, None, self.quantiles.groups]

    def _repeated(self, coordinates: Tensor) -> Tensor:
        return coordinates.repeat_interleave(self.bins, dim=0)
