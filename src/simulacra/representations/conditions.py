"""Conditions as inputs of a network: of order 1 over the trained range."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

ENERGY, POLAR, AZIMUTHAL = "incident_energy", "polar_angle", "azimuthal_angle"


class ParticleConditions(nn.Module):
    """Map the conditions of an incident particle to columns of order 1.

    The logarithms of energies, and positions, are mapped linearly to [-1, 1] over the trained range. A polar and an
    azimuthal angle become the slopes tan(polar) cos(azimuthal) and tan(polar) sin(azimuthal), divided by the largest
    slope. These have no jump at an azimuth of 2 pi and are defined at a polar angle of 0.

    Parameters
    ----------
    ranges:
        (low, high) of each condition in its physical unit, in the order of the columns.
    """

    low: Tensor
    high: Tensor

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        super().__init__()
        self.names = tuple(ranges)
        if (POLAR in ranges) != (AZIMUTHAL in ranges):
            raise ValueError(f"'{POLAR}' and '{AZIMUTHAL}' must be given together; the conditions are {list(ranges)}")
        low, high = [], []
        for name, (a, b) in ranges.items():
            if not a < b:
                raise ValueError(f"condition '{name}' does not vary ({a:g} to {b:g}): leave it out of the conditions")
            if name == ENERGY and a <= 0:
                raise ValueError(f"condition '{name}' must be above 0, not {a:g}")
            low.append(math.log(a) if name == ENERGY else a)
            high.append(math.log(b) if name == ENERGY else b)
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.largest_slope = math.tan(ranges[POLAR][1]) if POLAR in ranges else 1.0

    def forward(self, conditions: Tensor) -> Tensor:
        """Map (N, conditions) in physical units to (N, conditions) of order 1."""
        columns = []
        for i, name in enumerate(self.names):
            x = conditions[:, i]
            if name in (POLAR, AZIMUTHAL):
                polar = conditions[:, self.names.index(POLAR)]
                azimuthal = conditions[:, self.names.index(AZIMUTHAL)]
                direction = torch.cos(azimuthal) if name == POLAR else torch.sin(azimuthal)
                columns.append(torch.tan(polar) * direction / self.largest_slope)
                continue
            x = torch.log(x) if name == ENERGY else x
            columns.append(2.0 * (x - self.low[i]) / (self.high[i] - self.low[i]) - 1.0)
        return torch.stack(columns, dim=1)
