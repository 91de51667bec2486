"""Columns of a table as inputs of a network: centred, and of width 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StandardisedTable(nn.Module):
    """Map features in their units to features of mean 0 and width 1 in the fitted sample."""

    mean: Tensor
    width: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("width", torch.ones(features))

    def fit(self, features: Tensor) -> None:
        """Compute means and widths from a sample, (N, F)."""
        self.mean.copy_(features.mean(dim=0))
        width = features.std(dim=0)
        self.width.copy_(torch.where(width > 0, width, torch.ones_like(width)))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, F) to (N, F)."""
        return (features - self.mean) / self.width
