"""What a module makes in training, for its validation in systems of any kind of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

#: number of events per draw
AT_A_TIME: Final = 256


def sampled(model: nn.Module, conditions: Tensor, rng: torch.Generator) -> np.ndarray:
    """Return a model's output, (N, ...), at conditions (N, C), with noise from ``rng``."""
    import torch

    noise = torch.randn(len(conditions), int(model.latent), generator=rng)  # type: ignore[arg-type]
    device = next(model.parameters()).device
    pieces = []
    with torch.inference_mode():
        for z, c in zip(noise.split(AT_A_TIME), conditions.split(AT_A_TIME), strict=True):
            pieces.append(model(z.to(device), c.to(device)).cpu())
    return torch.cat(pieces).numpy()
