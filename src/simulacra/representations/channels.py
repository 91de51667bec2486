r"""Channels of arrays as a network sees them: centred, of width 1, and heavy tails on a logarithmic scale.

A channel :math:`x` of median :math:`m` and scale :math:`s` (half of the central 68 %, or of sparse channels the median
distance of what is not :math:`m`) becomes :math:`(x - m)/s`, or :math:`\mathrm{arsinh}((x - m)/s)` if it has heavy
tails: a logarithm on either side that is linear in the middle. Either is then centred and divided by its standard
deviation. A channel has heavy tails where the central 99.8 % are more than five times as wide as the central 68 % (3.1
times for a Gaussian, 4.2 for an exponential distribution).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

Scale = Literal["auto", "linear", "asinh"]

HEAVY: Final = 5.0
#: values of a channel that quantiles are taken of
MOST_VALUES: Final = 500_000
#: beyond which a standardised value says no more, and half precision ends
FARTHEST: Final = 1000.0


class StandardisedChannels(nn.Module):
    """Map channels in their units to channels of order 1.

    Parameters
    ----------
    channels:
        their number.
    scale:
        "linear", "asinh", or "auto": the latter where the sample has heavy tails.
    """

    middle: Tensor
    spread: Tensor
    tailed: Tensor
    mean: Tensor
    width: Tensor

    def __init__(self, channels: int, scale: Scale = "auto") -> None:
        super().__init__()
        self.scale = scale
        for name, value in (("middle", 0.0), ("spread", 1.0), ("mean", 0.0), ("width", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))
        self.register_buffer("tailed", torch.zeros(channels, dtype=torch.bool))

    @torch.no_grad()
    def fit(self, values: Tensor, present: Tensor | None = None) -> None:
        """Take medians, scales, means and widths from a sample.

        Parameters
        ----------
        values:
            (N, C, ...).
        present:
            which of them are there, (N, C, ...); all of them if None.
        """
        for k in range(values.shape[1]):
            channel = values[:, k].reshape(-1)
            if present is not None:
                channel = channel[present[:, k].reshape(-1)]
            if not len(channel):
                continue
            # Evenly spaced, so that no random numbers are needed.
            channel = channel[:: 1 + len(channel) // MOST_VALUES].double()
            ends = np.quantile(channel.numpy(), [0.001, 0.16, 0.5, 0.84, 0.999])
            central = (ends[3] - ends[1]) / 2
            distance = (channel - ends[2]).abs()
            other = distance[distance > 0]
            self.middle[k] = float(ends[2])
            self.spread[k] = float(central or (other.median() if len(other) else 1.0))
            heavy = bool(ends[4] - ends[0] > 2 * HEAVY * central)
            self.tailed[k] = heavy if self.scale == "auto" else self.scale == "asinh"
            self.mean[k], self.width[k] = 0.0, 1.0
            scaled = self._scaled(channel[:, None].float(), slice(k, k + 1)).double()
            width = float(scaled.std(unbiased=False))
            self.mean[k], self.width[k] = float(scaled.mean()), width if width > 0 else 1.0

    def forward(self, values: Tensor) -> Tensor:
        """Map (N, C, ...) to (N, C, ...)."""
        shape = (-1,) + (1,) * (values.dim() - 2)
        scaled = self._scaled(values.float(), slice(None))
        standardised = (scaled - self.mean.reshape(shape)) / self.width.reshape(shape)
        return standardised.clamp(-FARTHEST, FARTHEST)

    def _scaled(self, values: Tensor, channels: slice) -> Tensor:
        shape = (-1,) + (1,) * (values.dim() - 2)
        middle, spread, tailed = (b[channels].reshape(shape) for b in (self.middle, self.spread, self.tailed))
        scaled = (values - middle) / spread
        return torch.where(tailed, torch.asinh(scaled), scaled)
