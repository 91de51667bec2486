"""Showers as a classifier sees them: logarithms of cells, shower shapes and the incident conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.models.event_network import EventNetwork
from simulacra.networks.deep_sets import perceptron
from simulacra.representations.tables import StandardisedTable

#: MeV in a cell for each GeV of the incident particle at which the logarithm sets in
CELL_SCALE: Final = 1e-2
#: how fine small values are resolved, in parts of a variable's width
RESOLUTION: Final = 100.0
#: standard deviations beyond which a value says no more
FARTHEST: Final = 8.0


class ShowerNetwork(EventNetwork):
    """Showers into a perceptron.

    Each shape and condition goes in as it is and by its signed logarithm; cells by the logarithm of their energy over
    the incident one. All of it is standardised.

    Parameters
    ----------
    variables:
        of the events: shapes, conditions with ``incident_energy`` [GeV], and ``shower`` [MeV] if cells are to be seen.
    columns:
        the number of inputs, as :meth:`columns_of` counts them.
    widths, summary:
        hidden widths, and length of the output.
    dropout:
        share of the hidden units that are left out in training.
    """

    scale: Tensor

    def __init__(
        self, variables: Sequence[str], columns: int, widths: Sequence[int], summary: int, dropout: float
    ) -> None:
        super().__init__()
        if "incident_energy" not in variables:
            raise ValueError(f"a classifier of showers sees the incident energy; the variables are {list(variables)}")
        self.variables = tuple(variables)
        self._single = tuple(name for name in variables if name != "shower")
        self.register_buffer("scale", torch.ones(len(self._single)))
        self.table = StandardisedTable(columns)
        layers: list[nn.Module] = []
        for inputs, outputs in zip((columns, *widths), (*widths, summary), strict=True):
            layers += [perceptron([inputs, outputs], last_activation=True), nn.Dropout(dropout)]
        self.network = nn.Sequential(*layers)
        self.summary = summary

    @staticmethod
    def columns_of(variables: Sequence[str], cells: int) -> int:
        """Return the number of inputs that variables make, of a detector with so many cells."""
        return sum(cells if name == "shower" else 2 for name in variables)

    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the columns' scales, means and widths."""
        width = self._single_of(events).std(dim=0)
        self.scale.copy_(torch.where(width > 0, width, torch.ones_like(width)))
        self.table.fit(self._columns(events))

    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``features`` (N, F)."""
        return {"features": self.table(self._columns(events)).clamp(-FARTHEST, FARTHEST)}

    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S)."""
        summary: Tensor = self.network(represented["features"])
        return summary

    def _single_of(self, events: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([events[name].float() for name in self._single], dim=1)

    def _columns(self, events: Mapping[str, Tensor]) -> Tensor:
        single = self._single_of(events)
        columns = [single, torch.asinh(RESOLUTION * single / self.scale)]
        if "shower" in self.variables:
            threshold = CELL_SCALE * events["incident_energy"].float().clamp(min=1e-6)
            columns.append(torch.log1p(events["shower"].float() / threshold[:, None]))
        return torch.cat(columns, dim=1)
