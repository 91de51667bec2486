"""Columns of a table as a classifier sees them: standardised, into a perceptron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from simulacra.models.event_network import EventNetwork
from simulacra.networks.feature_network import FeatureNetwork
from simulacra.representations.tables import StandardisedTable


class TableNetwork(EventNetwork):
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
