"""The results of an exported file for impossible conditions: NaN in every cell of the row; other rows do not change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

#: the value of ``impossible_conditions`` in an exported file's metadata
ANSWER: Final = "NaN"


class Refusing(nn.Module):
    """A generator's module that returns NaN for impossible conditions.

    A row is NaN throughout if its noise or its conditions are not finite, if a condition that must be above 0 is not,
    or if the network's result is not finite. The network gets possible conditions and noise instead and never sees
    impossible ones.

    Parameters
    ----------
    module:
        (noise (N, latent), conditions (N, C)) -> output (N, ...).
    possible:
        possible conditions, (C,).
    above_zero:
        positions of the conditions that must be above 0, such as energies.
    """

    possible: Tensor

    def __init__(self, module: nn.Module, possible: Tensor, above_zero: Sequence[int] = ()) -> None:
        super().__init__()
        self.module, self.latent = module, module.latent
        self.above_zero = tuple(above_zero)
        self.register_buffer("possible", possible)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions (N, C) to the module's output, or to NaN."""
        asked = _finite(noise)
        if conditions.shape[1]:
            asked = asked & _finite(conditions)
            for column in self.above_zero:
                asked = asked & (conditions[:, column] > 0)
            conditions = torch.where(asked[:, None], conditions, self.possible)
        output: Tensor = self.module(torch.where(asked[:, None], noise, 0.0), conditions)
        rows = output.flatten(1) if output.dim() > 1 else output[:, None]
        right = (asked & _finite(rows)).reshape(-1, *[1] * (output.dim() - 1))
        return torch.where(right, output, torch.nan)


def _finite(rows: Tensor) -> Tensor:
    """Return whether the numbers of a row (N, D), and their sum, are finite, (N,)."""
    return rows.sum(dim=1).abs() <= torch.finfo(rows.dtype).max
