"""A perceptron for tables: maps an event's features to its summary."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from simulacra.networks.deep_sets import perceptron


class FeatureNetwork(nn.Module):
    """Map an event's features (N, F), of order 1, to a summary (N, S).

    Parameters
    ----------
    features:
        number of features.
    widths:
        hidden widths.
    summary:
        length of the output.
    """

    def __init__(self, features: int, *, widths: Sequence[int] = (64, 64), summary: int = 32) -> None:
        super().__init__()
        self.summary = summary
        self.network = perceptron([features, *widths, summary], last_activation=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, F) to (N, S)."""
        summary: Tensor = self.network(features)
        return summary
