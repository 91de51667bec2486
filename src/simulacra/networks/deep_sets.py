r"""Deep sets: a summary of an event that does not depend on the order of its particles.

Zaheer et al., arXiv:1703.06114; for particles Komiske, Metodiev and Thaler, arXiv:1810.05165, the particle flow network

.. math:: z = F\left(\sum_i \Phi(p_i)\right)

with a network :math:`\Phi` of each particle's momentum and identity and a network :math:`F` of their sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def perceptron(widths: Sequence[int], *, last_activation: bool = False) -> nn.Sequential:
    """Return linear layers of these widths, input first, with SiLU between them (and after the last one if asked)."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers.append(nn.Linear(inputs, outputs))
        if last_activation or i < len(widths) - 2:
            layers.append(nn.SiLU())
    return nn.Sequential(*layers)


class ParticleFlowNetwork(nn.Module):
    r"""Map a cloud of particles to a summary of fixed length.

    Absent particles take no time: only present ones pass through :math:`\Phi`.

    Parameters
    ----------
    features:
        numbers per particle.
    species:
        kinds of particle; 0 means "absent".
    particle_widths:
        hidden widths of :math:`\Phi`; the last is the length of the sum.
    event_widths:
        hidden widths of :math:`F`.
    summary:
        length of the output.
    typical_number:
        number of particles of a typical event; sums are divided by it, to be of order 1.
    numbers:
        further numbers per event, inputs of :math:`F` in addition to the sum.
    """

    typical_number: Tensor

    def __init__(
        self,
        features: int,
        species: int,
        *,
        particle_widths: Sequence[int] = (64, 64, 64),
        event_widths: Sequence[int] = (64,),
        summary: int = 32,
        typical_number: float = 1.0,
        numbers: int = 0,
    ) -> None:
        super().__init__()
        self.summary = summary
        # The first layer of a one-hot identity is a table of its columns.
        self.identity = nn.Embedding(species, particle_widths[0])
        self.momentum = nn.Linear(features, particle_widths[0])
        self.particle = nn.Sequential(
            nn.SiLU(),
            perceptron([*particle_widths], last_activation=True) if len(particle_widths) > 1 else nn.Identity(),
        )
        self.event = perceptron([particle_widths[-1] + numbers, *event_widths, summary])
        self.register_buffer("typical_number", torch.tensor(float(typical_number)))

    def set_typical_number(self, number: float) -> None:
        """Set the number of particles by which sums are divided."""
        self.typical_number.fill_(number)

    def forward(
        self, features: Tensor, species: Tensor, numbers: Tensor | None = None, *, packed: bool = True
    ) -> Tensor:
        """Map features (N, P, F), species (N, P), 0 where absent, and numbers (N, K) to summaries (N, summary).

        Unless ``packed``, absent particles pass the network too and are left out of the sum: that costs their time, but
        a summary's last bits do not depend on how many particles the other events have.
        """
        if packed:
            events, places = torch.nonzero(species, as_tuple=True)
            particles = self._particles(features[events, places], species[events, places])
            sums = particles.new_zeros(species.shape[0], particles.shape[1]).index_add(0, events, particles)
        else:
            sums = (self._particles(features, species) * (species > 0)[..., None]).sum(dim=1)
        sums = sums / self.typical_number
        summary: Tensor = self.event(sums if numbers is None else torch.cat([sums, numbers], dim=1))
        return summary

    def _particles(self, features: Tensor, species: Tensor) -> Tensor:
        hidden = self.momentum(features.to(self.momentum.weight.dtype)) + self.identity(species.long())
        found: Tensor = self.particle(hidden)
        return found
