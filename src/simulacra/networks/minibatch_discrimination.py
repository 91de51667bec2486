"""Minibatch discrimination: shows a critic how similar the events of a batch are, against mode collapse."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDiscrimination(nn.Module):
    """Return how close each event is to the others of its batch (Salimans et al., arXiv:1606.03498, section 3.2).

    Features (N, F) pass through a learned map to (N, kernels, dimensions); the output (N, kernels) is the mean over the
    other events of exp(-L1 distance). Unlike the paper's sum, the mean does not change with the size of the batch.
    """

    def __init__(self, features: int, kernels: int = 10, dimensions: int = 10) -> None:
        super().__init__()
        self.kernels, self.dimensions = kernels, dimensions
        self.project = nn.Linear(features, kernels * dimensions, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, F) to (N, kernels)."""
        m = self.project(features).reshape(-1, self.kernels, self.dimensions)
        distance = (m[:, None] - m[None, :]).abs().sum(dim=3)
        n = features.shape[0]
        # An event's distance to itself is 0, which adds exactly 1 to its sum.
        closeness: Tensor = (torch.exp(-distance).sum(dim=1) - 1.0) / max(n - 1, 1)
        return closeness
