"""Clouds of particles as a classifier sees them: a particle flow network (arXiv:1810.05165)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from simulacra.models.event_network import EventNetwork
from simulacra.networks.deep_sets import ParticleFlowNetwork
from simulacra.representations.channels import StandardisedChannels
from simulacra.representations.particle_clouds import FEATURES, Frame, ParticleClouds

#: of clouds whose particles are known by momentum and identity
MOMENTA: Final = ("momentum", "energy", "identity", "present")
PRESENT: Final = "present"


class CloudNetwork(EventNetwork):
    """Particle clouds into a particle flow network.

    Parameters
    ----------
    frame:
        of momenta: see :class:`~simulacra.representations.particle_clouds.ParticleClouds`.
    particle_widths, event_widths, summary:
        of :class:`~simulacra.networks.deep_sets.ParticleFlowNetwork`.
    features:
        names of other features of particles, (N, P, ...), that are seen in place of momenta and identities.
    columns:
        how many numbers per particle these are.
    numbers:
        names of variables of one number per event, inputs in addition to the particles.
    """

    def __init__(
        self,
        frame: Frame,
        particle_widths: Sequence[int],
        event_widths: Sequence[int],
        summary: int,
        *,
        features: Sequence[str] = (),
        columns: int = 0,
        numbers: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._features, self._numbers = tuple(features), tuple(numbers)
        self.variables = (*((*features, PRESENT) if features else MOMENTA), *numbers)
        self.clouds = StandardisedChannels(columns) if features else ParticleClouds(frame)
        self.network = ParticleFlowNetwork(
            columns if features else FEATURES,
            2 if isinstance(self.clouds, StandardisedChannels) else self.clouds.kinds,
            particle_widths=particle_widths,
            event_widths=event_widths,
            summary=summary,
            numbers=len(numbers),
        )
        if numbers:
            self.numbers = StandardisedChannels(len(numbers))
        self.summary = summary

    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the features' scales and the typical number of particles."""
        present = events[PRESENT]
        if isinstance(self.clouds, StandardisedChannels):
            columns = self._columns(events)
            self.clouds.fit(columns, present[:, None].expand(columns.shape))
        else:
            self.clouds.fit(events["momentum"], events["energy"], present)
        if self._numbers:
            self.numbers.fit(self._per_event(events))
        self.network.set_typical_number(max(1.0, float(present.sum(dim=1).float().mean())))

    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``features`` (N, P, F) half, ``kinds`` (N, P) uint8 and, if it sees any, ``numbers`` (N, K).

        P is as long as the sample needs, unless nothing is to be packed.
        """
        present = events[PRESENT]
        longest = present.shape[1]
        if self.packed:
            longest = int(torch.nonzero(present.any(dim=0)).max()) + 1 if bool(present.any()) else 1
        if isinstance(self.clouds, StandardisedChannels):
            there = present[:, :longest]
            columns = self.clouds(self._columns(events)[:, :, :longest]).masked_fill(~there[:, None], 0.0)
            features, kinds = columns.transpose(1, 2).half().contiguous(), there.to(torch.uint8)
        else:
            features, kinds = self.clouds(*(events[name][:, :longest] for name in MOMENTA))
        found = {"features": features, "kinds": kinds}
        if self._numbers:
            found["numbers"] = self.numbers(self._per_event(events))
        return found

    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S)."""
        summary: Tensor = self.network(
            represented["features"], represented["kinds"], represented.get("numbers"), packed=self.packed
        )
        return summary

    def _columns(self, events: Mapping[str, Tensor]) -> Tensor:
        """Return the particles' features as channels, (N, F, P)."""
        n, particles = events[PRESENT].shape
        columns = [events[name].float().reshape(n, particles, -1) for name in self._features]
        return torch.cat(columns, dim=2).transpose(1, 2)

    def _per_event(self, events: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([events[name].float() for name in self._numbers], dim=1)
