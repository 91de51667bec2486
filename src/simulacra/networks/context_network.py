"""Convolutions that see fields and conditions, and say how far to move and stretch each pixel of another field."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.radial_filters import Boundary

#: pixels along each axis that the linear part sees
WINDOW: Final = 5
#: linear filters whose sum depends on the conditions
FILTERS: Final = 3
#: standard deviation of weights that begin as nearly no change
SMALL: Final = 1e-3


class ContextNetwork(nn.Module):
    """Return the shift and the logarithm of the scale of each pixel, from fields on the same grid and conditions.

    The shift is the sum of a linear filter, which the conditions change, and of a small network of three convolutions.
    Of a Gaussian field the linear part is already the answer.

    Parameters
    ----------
    channels:
        number of fields that are seen.
    width:
        of the network.
    embedding:
        numbers by which the conditions are given, 0 for none.
    boundary:
        "periodic", or "open": beyond the edge the outermost pixel is repeated.
    """

    def __init__(self, channels: int, width: int, embedding: int, boundary: Boundary) -> None:
        super().__init__()
        self.mode = "circular" if boundary == "periodic" else "replicate"
        filters = FILTERS if embedding else 1
        self.linear = nn.Conv2d(channels, filters, WINDOW, bias=False)
        self.first = nn.Conv2d(channels, width, 3)
        self.second = nn.Conv2d(width, width, 3)
        self.last = nn.Conv2d(width, 2, 3)
        self.given: nn.Linear | None = None
        if embedding:
            self.given = nn.Linear(embedding, filters + 2 * width + 1)
            nn.init.normal_(self.given.weight, std=10 * SMALL)
            nn.init.zeros_(self.given.bias)
        for layer in (self.linear, self.last):
            nn.init.normal_(layer.weight, std=SMALL)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def fit(self, seen: Tensor, wanted: Tensor, rows: int) -> None:
        """Start the linear filter as the regression of ``wanted`` (N, n, m) on ``seen`` (N, channels, n, m).

        ``rows`` is the number of pixels that are used, about.
        """
        windows = functional.unfold(self._padded(seen, WINDOW // 2), WINDOW).movedim(1, -1).flatten(0, 1)
        target = wanted.flatten()
        step = max(1, len(target) // rows)
        windows, target = windows[::step].double(), target[::step].double()
        square = windows.T @ windows / len(target)
        square += 1e-4 * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
        found = torch.linalg.solve(square, windows.T @ target / len(target))
        self.linear.weight[0] = found.reshape(self.linear.weight[0].shape).to(self.linear.weight)

    def straight(self, seen: Tensor) -> Tensor:
        """Return the shift by the linear filter alone, as it is without conditions, (N, n, m)."""
        found: Tensor = self.linear(self._padded(seen, WINDOW // 2))
        return found[:, 0]

    def forward(self, seen: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map fields (N, channels, n, m) and embedded conditions to shifts and log-scales, (N, n, m) each."""
        linear = self.linear(self._padded(seen, WINDOW // 2))
        hidden = self.first(self._padded(seen, 1))
        straight, stretch = linear[:, 0], torch.zeros_like(linear[:, 0])
        if self.given is not None:
            filters, width = linear.shape[1], hidden.shape[1]
            weights, gain, offset, log_scale = self.given(embedding)[..., None, None].split(
                [filters, width, width, 1], dim=1
            )
            straight = straight + (linear * weights).sum(dim=1)
            hidden = hidden * (1 + gain) + offset
            stretch = log_scale[:, 0]
        hidden = functional.silu(self.second(self._padded(functional.silu(hidden), 1)))
        shift, scale = self.last(self._padded(hidden, 1)).unbind(dim=1)
        return straight + shift, scale + stretch

    def _padded(self, x: Tensor, margin: int) -> Tensor:
        return functional.pad(x, (margin,) * 4, mode=self.mode)
