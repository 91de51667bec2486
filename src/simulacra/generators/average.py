"""The moving average of a module's weights, which is validated and shipped."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, step: int, decay: float) -> None:
    """Move ``average`` towards ``module`` after ``step``; in the first steps the decay is faster."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, now in zip(average.parameters(), module.parameters(), strict=True):
        mean.lerp_(now, 1.0 - decay)
    for kept, current in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(current)
