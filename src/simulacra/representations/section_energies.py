"""Energies of a calorimeter's sections as normal scores: visible over incident energy, fractions of what is left."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from simulacra.representations.conditional_quantiles import ConditionalQuantiles

#: share of the energy below which a leak is the rounding of single precision, and not a particle that left
LEAST_LEAK: Final = 2e-6
#: largest number of a generated shower over the largest of the fit
BEYOND: Final = 1.25


class SectionEnergies(nn.Module):
    """An invertible map between section energies (N, S) [MeV] and scores (N, S), given the incident energy.

    As in CaloFlow (Krause and Shih, arXiv:2106.05285) and CaloINN (arXiv:2312.09290) the first number is the ratio of
    visible to incident energy. Each further one is the fraction that a section has of the energy left by the sections
    before it. Sections are ordered by rising mean energy, so the last one, which has the rest, is never empty when
    others are not. Each number becomes a normal score by its quantiles at the incident energy
    (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`); a fraction of exactly 0 stays 0.

    The sum of the sections is the response times the incident energy for any scores.

    A calorimeter that measures all that is deposited in it contains some showers entirely (0.9 % of CaloGAN's photons).
    This is a point mass that quantiles of the response would smear. With ``annihilation``, the energy that the particle
    sets free beyond its kinetic energy [MeV] (1.022 for a positron, else 0), the first number is therefore the share
    that leaks, which is exactly 0 for a contained shower.

    With ``bounded``, no number exceeds the largest of the fit by more than a quarter: the quantiles' extrapolation
    would leave one shower in ten thousand without any energy.
    """

    most: Tensor

    order: Tensor

    def __init__(
        self, sections: int, knots: int = 16, annihilation: float | None = None, *, bounded: bool = False
    ) -> None:
        super().__init__()
        self.annihilation, self.bounded = annihilation, bounded
        self.register_buffer("most", torch.full((sections,), torch.inf), persistent=bounded)
        self.register_buffer("order", torch.arange(sections))
        self.quantiles = ConditionalQuantiles(torch.zeros(sections, dtype=torch.long), knots)

    def fit(self, energies: Tensor, incident_energy: Tensor) -> None:
        """Fit to energies (N, S) [MeV] of incident energy (N,) [GeV]; a shower may have no energy."""
        total = energies.double().sum(dim=1).clamp(min=torch.finfo(torch.double).tiny)
        self.order.copy_((energies.double() / total[:, None]).mean(dim=0).argsort())
        fractions = self._fractions(energies, incident_energy)
        if self.bounded:
            self.most.copy_(BEYOND * fractions.amax(dim=0))
        self.quantiles.fit(fractions, _coordinate(incident_energy))

    def forward(self, energies: Tensor, incident_energy: Tensor, uniform: Tensor) -> Tensor:
        """Map energies (N, S) [MeV] and incident energies (N,) [GeV] to scores (N, S); ``uniform`` places zeros."""
        fractions = self._fractions(energies, incident_energy)
        scores: Tensor = self.quantiles(fractions, _coordinate(incident_energy), uniform)
        return scores

    def inverse(self, scores: Tensor, incident_energy: Tensor) -> Tensor:
        """Map scores (N, S) and incident energies (N,) [GeV] to energies (N, S) [MeV]."""
        fractions = self.quantiles.inverse(scores, _coordinate(incident_energy))
        if self.bounded:
            fractions = fractions.minimum(self.most)
        return energies_of(fractions, incident_energy[:, None], self.annihilation)[:, self.order.argsort()]

    def _fractions(self, energies: Tensor, incident_energy: Tensor) -> Tensor:
        taken = energies[:, self.order]
        # Of what is left, from the last: a sum of positive numbers, where a difference would lose their last digits.
        left = taken.flip(1).cumsum(dim=1).flip(1)
        first = left[:, :1] / (1000.0 * incident_energy[:, None])
        if self.annihilation is not None:
            released = 1000.0 * incident_energy[:, None].double() + self.annihilation
            leak = 1.0 - energies.double().sum(dim=1, keepdim=True) / released
            first = torch.where(leak > LEAST_LEAK, leak, 0.0).to(first)
        tiny = torch.finfo(energies.dtype).tiny
        return torch.cat([first, taken[:, :-1] / left[:, :-1].clamp(min=tiny)], dim=1)


def energies_of(fractions: Tensor, incident_energy: Tensor, annihilation: float | None = None) -> Tensor:
    """Return energies (N, S) [MeV], in the internal order, from fractions (N, S) and incident energies (N, 1) [GeV]."""
    first, *further = fractions.split(1, dim=1)
    if annihilation is None:
        left = 1000.0 * incident_energy * first
    else:
        left = (1000.0 * incident_energy + annihilation) * (1.0 - first.clamp(max=1.0))
    pieces = []
    for fraction in further:
        pieces.append(left * fraction.clamp(max=1.0))
        left = left - pieces[-1]
    return torch.cat([*pieces, left], dim=1)


def _coordinate(incident_energy: Tensor) -> Tensor:
    return incident_energy.log()[:, None]
