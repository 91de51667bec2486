"""Numbers of hits of a calorimeter's sections as normal scores, given the energies of the sections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform, score_of_logit


class SectionHits(nn.Module):
    """A map between numbers of hits (N, S) and scores (N, S), each nearly standard normal at its section's energy.

    A number n is spread over n to n + 1, because quantiles need a density. The score of a section without energy has no
    meaning and is drawn from the standard normal distribution.

    Parameters
    ----------
    most:
        number of cells of each section.
    knots:
        of each section's energy.
    """

    most: Tensor

    def __init__(self, most: Sequence[int], knots: int = 16) -> None:
        super().__init__()
        self.register_buffer("most", torch.tensor(list(most)), persistent=False)
        self.quantiles = ConditionalQuantiles(torch.arange(len(most)), knots)

    def fit(self, hits: Tensor, energies: Tensor, rng: torch.Generator | None) -> None:
        """Fit to numbers of hits and energies [MeV] of the sections, (N, S) each."""
        self.quantiles.fit(_spread(hits, rng), energies.log())

    def forward(self, hits: Tensor, energies: Tensor, rng: torch.Generator | None) -> Tensor:
        """Return the scores (N, S) of numbers of hits and energies [MeV] of the sections, (N, S) each."""
        uniform = open_uniform(energies, rng)
        scores: Tensor = self.quantiles(_spread(hits, rng), energies.log(), uniform)
        return torch.where(energies > 0, scores, score_of_logit(torch.logit(uniform)))

    def inverse(self, scores: Tensor, energies: Tensor) -> Tensor:
        """Return numbers of hits (N, S), at least 1, of scores and energies [MeV] of the sections, (N, S) each."""
        spread = self.quantiles.inverse(scores, energies.log())
        return torch.minimum(spread.floor().clamp(min=1).long(), self.most)


def _spread(hits: Tensor, rng: torch.Generator | None) -> Tensor:
    return torch.where(hits > 0, hits + open_uniform(hits, rng), 0.0)
