"""A classifier of events from a representation, a network and a head: the content of a reweighter's file.

The classifier's log-odds are log p(x|theta) / p(x|theta_0) with parameters, and log p_target(x) / p_source(x) without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.models.shower_classifier import ShowerNetwork
from simulacra.networks.deep_sets import ParticleFlowNetwork
from simulacra.networks.feature_network import FeatureNetwork
from simulacra.networks.ratio_head import RatioHead
from simulacra.representations.particle_clouds import FEATURES, Frame, ParticleClouds
from simulacra.representations.tables import StandardisedTable

EMBEDDING_BLOCK: Final = 2000


class CloudNetwork(nn.Module):
    """Particle clouds into a particle flow network (arXiv:1810.05165)."""

    variables = ("momentum", "energy", "identity", "present")

    def __init__(self, frame: Frame, particle_widths: Sequence[int], event_widths: Sequence[int], summary: int) -> None:
        super().__init__()
        self.clouds = ParticleClouds(frame)
        self.network = ParticleFlowNetwork(
            FEATURES,
            self.clouds.kinds,
            particle_widths=particle_widths,
            event_widths=event_widths,
            summary=summary,
        )
        self.summary = summary

    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the features' scales and the typical number of particles."""
        self.clouds.fit(events["momentum"], events["energy"], events["present"])
        self.network.set_typical_number(max(1.0, float(events["present"].sum(dim=1).float().mean())))

    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``features`` (N, P, F) half and ``kinds`` (N, P) uint8, with P as large as the sample needs."""
        present = events["present"]
        longest = int(torch.nonzero(present.any(dim=0)).max()) + 1 if bool(present.any()) else 1
        features, kinds = self.clouds(*(events[name][:, :longest] for name in self.variables))
        return {"features": features, "kinds": kinds}

    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S)."""
        summary: Tensor = self.network(represented["features"], represented["kinds"])
        return summary


class TableNetwork(nn.Module):
    """Columns of a table into a perceptron."""

    def __init__(self, variables: Sequence[str], columns: int, widths: Sequence[int], summary: int) -> None:
        super().__init__()
        self.variables = tuple(variables)
        self.table = StandardisedTable(columns)
        self.network = FeatureNetwork(columns, widths=widths, summary=summary)
        self.summary = summary

    def columns(self, events: Mapping[str, Tensor]) -> Tensor:
        """Return the variables side by side, (N, F)."""
        return torch.cat([events[name].float().reshape(len(events[name]), -1) for name in self.variables], dim=1)

    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the columns' means and widths."""
        self.table.fit(self.columns(events))

    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``features`` (N, F)."""
        return {"features": self.table(self.columns(events))}

    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S)."""
        summary: Tensor = self.network(represented["features"])
        return summary


#: what embeds events: a representation without trained parameters, and a network on its output
EventNetwork = CloudNetwork | TableNetwork | ShowerNetwork


class EventClassifier(nn.Module):
    """Events, and the simulator's parameters if there are any, to log-odds.

    Parameters
    ----------
    network:
        embeds the events.
    bounds:
        trained box of each parameter in its unit, in the order of the columns; empty for a plain classifier.
    reference:
        the parameters theta_0 of the source.
    head_widths:
        hidden widths of the head.
    """

    network: EventNetwork
    low: Tensor
    high: Tensor
    reference: Tensor

    def __init__(
        self,
        network: EventNetwork,
        bounds: Mapping[str, tuple[float, float]],
        reference: Mapping[str, float],
        head_widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.network = network
        self.parameter_names = tuple(bounds)
        self.head = RatioHead(network.summary, len(bounds), head_widths)
        self.register_buffer("low", torch.tensor([low for low, _ in bounds.values()], dtype=torch.float32))
        self.register_buffer("high", torch.tensor([high for _, high in bounds.values()], dtype=torch.float32))
        self.register_buffer("reference", torch.tensor([reference[name] for name in bounds], dtype=torch.float32))

    def forward(self, represented: Mapping[str, Tensor], theta: Tensor | None = None) -> Tensor:
        """Return log-odds (N,) of represented events at parameters (N, P) or (P,) in their units."""
        return self.log_odds(self.network(represented), theta)

    def log_odds(self, summary: Tensor, theta: Tensor | None = None) -> Tensor:
        """Return log-odds (...) of summaries (..., S) at parameters (..., P) or (P,) in their units."""
        if not self.parameter_names:
            odds: Tensor = self.head(summary)
            return odds
        if theta is None:
            raise ValueError(f"this classifier needs the parameters {list(self.parameter_names)}")
        scaled = self._scaled(theta).expand(*summary.shape[:-1], len(self.parameter_names))
        at_theta: Tensor = self.head(summary, scaled, self._scaled(self.reference))
        return at_theta

    def take_representation(self, other: EventClassifier) -> None:
        """Copy the fitted representation of another classifier, so that both see events in the same way."""
        fitted = dict(other.network.named_buffers())
        for name, buffer in self.network.named_buffers():
            buffer.copy_(fitted[name])

    def _scaled(self, theta: Tensor) -> Tensor:
        return 2.0 * (theta.to(self.low.dtype) - self.low) / (self.high - self.low) - 1.0

    @torch.no_grad()
    def embed(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return the summaries of represented events, (N, S), block by block."""
        n = len(next(iter(represented.values())))
        blocks = [
            self.network({name: tensor[start : start + EMBEDDING_BLOCK] for name, tensor in represented.items()})
            for start in range(0, n, EMBEDDING_BLOCK)
        ]
        return torch.cat(blocks) if blocks else torch.zeros(0, self.network.summary)
