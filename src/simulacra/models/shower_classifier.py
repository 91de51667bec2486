"""Inputs of a classifier of showers: logarithms of cells, shower shapes and the incident conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.models.event_network import EventNetwork
from simulacra.networks.deep_sets import perceptron
from simulacra.representations.tables import StandardisedTable

#: MeV in a cell per GeV of the incident particle above which the scale is logarithmic
CELL_SCALE: Final = 1e-2
#: resolution of small values, as a fraction of a variable's width
RESOLUTION: Final = 100.0
#: values are clipped at this number of standard deviations
FARTHEST: Final = 8.0


class ShowerNetwork(EventNetwork):
    """Showers into a perceptron.

    Each shape and condition enters linearly and as its signed logarithm, each cell as the logarithm of its energy over
    the incident energy. All inputs are standardised.

    Parameters
    ----------
    variables:
        of the events: shapes, conditions with ``incident_energy`` [GeV], and ``shower`` [MeV] to include cells.
    columns:
        the number of inputs, from :meth:`columns_of`.
    widths, summary:
        hidden widths, and length of the output.
    dropout:
        share of the hidden units that are dropped in training.
    """

    scale: Tensor

    def __init__(
        self, variables: Sequence[str], columns: int, widths: Sequence[int], summary: int, dropout: float
    ) -> None:
        super().__init__()
        if "incident_energy" not in variables:
            raise ValueError(f"a classifier of showers needs the incident energy; the variables are {list(variables)}")
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
        """Return the number of inputs for these variables and this number of cells."""
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
