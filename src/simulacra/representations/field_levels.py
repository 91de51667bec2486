"""Fields as two numbers, their mean and the logarithm of their width, and a standardised field beside these.

Patches of one sky differ in brightness and contrast by more than anything else. Beside these two numbers, in units of
their spread over the training fields, what is left has mean 0 and standard deviation 1 in each patch.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

#: of a field
LEVELS: Final = 2
#: a field is at least so wide, in units of the narrowest of single precision that makes sense
NARROWEST: Final = 1e-6
#: beyond this many standard deviations of the training sample a condition says no more
FARTHEST: Final = 10.0


class FieldLevels(nn.Module):
    """Map fields to levels and standardised fields, and back; and conditions to what networks are told of them.

    Parameters
    ----------
    conditions:
        number of conditions.
    """

    centre: Tensor
    scale: Tensor
    condition_centre: Tensor
    condition_scale: Tensor

    def __init__(self, conditions: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(LEVELS))
        self.register_buffer("scale", torch.ones(LEVELS))
        self.register_buffer("condition_centre", torch.zeros(conditions))
        self.register_buffer("condition_scale", torch.ones(conditions))

    @torch.no_grad()
    def fit(self, field: Tensor, conditions: Tensor) -> None:
        """Fit the standardisations to the training fields (N, n1, n2) and their conditions (N, C)."""
        mean, log_width = _moments(field)
        levels = torch.stack([mean, log_width], dim=1)
        self.centre.copy_(levels.mean(dim=0))
        self.scale.copy_(levels.std(dim=0).clamp(min=1e-3))
        if conditions.shape[1]:
            self.condition_centre.copy_(conditions.mean(dim=0))
            self.condition_scale.copy_(conditions.std(dim=0).clamp(min=1e-6))

    def context(self, conditions: Tensor) -> Tensor:
        """Return what networks are told of conditions (N, C), (N, C)."""
        found: Tensor = ((conditions - self.condition_centre) / self.condition_scale).clamp(-FARTHEST, FARTHEST)
        return found

    def split(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels (N, 2) and standardised fields (N, n1, n2) of fields (N, n1, n2)."""
        mean, log_width = _moments(field)
        levels = (torch.stack([mean, log_width], dim=1) - self.centre) / self.scale
        return levels, (field - mean[:, None, None]) / log_width.exp()[:, None, None]

    def moments(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and width (N,) of levels (N, 2)."""
        mean, log_width = (levels * self.scale + self.centre).unbind(dim=1)
        return mean, log_width.exp()

    def join(self, levels: Tensor, standard: Tensor) -> Tensor:
        """Return the fields (N, n1, n2) of levels (N, 2) and standardised fields (N, n1, n2)."""
        mean, width = self.moments(levels)
        return mean[:, None, None] + width[:, None, None] * standard


def _moments(field: Tensor) -> tuple[Tensor, Tensor]:
    flat = field.flatten(1)
    return flat.mean(dim=1), flat.std(dim=1, correction=0).clamp(min=NARROWEST).log()
