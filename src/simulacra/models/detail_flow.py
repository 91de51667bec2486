"""A conditional flow of the details of a field, given the field at half the resolution and conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from simulacra.networks.context_network import SMALL, ContextNetwork
from simulacra.networks.radial_filters import FURTHEST, Boundary, along_axes, filtered, from_scores, to_scores, waves
from simulacra.networks.unit_spline import UnitSpline

#: knots of a filter along each axis
KNOTS: Final = 6
#: pieces of the last spline
PIECES: Final = 8
#: number of details: differences along the first axis, along the second, and along both
DETAILS: Final = 3
#: pixels to which the first filters are fitted
MOST_FITTED: Final = 200_000


class OneDetailFlow(nn.Module):
    """Map one detail, given the coarser field and the details before it, to noise and back.

    From details to noise: each pixel is shifted and scaled by what a network makes of the context; each wave is
    multiplied by T(k1, k2); the pixels of each colour of a chessboard are shifted and scaled, given the other colour
    and the context; and every pixel is mapped by one monotonic spline. For a Gaussian field the first two are all.
    """

    basis: Tensor
    black: Tensor

    def __init__(self, shape: Sequence[int], context: int, *, width: int, embedding: int, boundary: Boundary) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.network = ContextNetwork(context, width, embedding, boundary)
        self.couplings = nn.ModuleList(ContextNetwork(context + 1, width, embedding, boundary) for _ in range(2))
        self.kernel = nn.Parameter(torch.zeros(KNOTS**2))
        self.spline = nn.Parameter(torch.zeros(3 * PIECES + 1))
        self.given: nn.Linear | None = None
        if embedding:
            self.given = nn.Linear(embedding, KNOTS**2 + 3 * PIECES + 1)
            nn.init.normal_(self.given.weight, std=SMALL)
            nn.init.zeros_(self.given.bias)
        axes = []
        for axis, n in enumerate(self.shape):
            rows, k = waves(n, boundary)
            self.register_buffer(f"waves_{axis}", torch.as_tensor(rows, dtype=torch.float32), persistent=False)
            axes.append(CubicSpline(np.linspace(0, np.pi, KNOTS), np.eye(KNOTS), bc_type="natural")(k))
        self.register_buffer("basis", torch.as_tensor(np.kron(*axes), dtype=torch.float32), persistent=False)
        colour = torch.as_tensor(np.indices(self.shape).sum(axis=0) % 2, dtype=torch.float32)
        self.register_buffer("black", colour, persistent=False)

    @torch.no_grad()
    def fit(self, detail: Tensor, context: Tensor) -> None:
        """Start from the regression of details (N, n, m) on their context, and the power that this leaves."""
        self.network.fit(context, detail, MOST_FITTED)
        left = detail - self.network.straight(context)
        power = along_axes(left, self._waves()).flatten(1).double().square().mean(dim=0)
        target = -0.5 * torch.log(power.clamp(min=1e-12))
        # A small grid has fewer wave numbers than the spline has knots: the solution of the smallest size.
        found = torch.linalg.lstsq(self.basis.double(), target[:, None], rcond=1e-6, driver="gelsd").solution
        self.kernel.copy_(found[:, 0])

    def whitened(self, detail: Tensor, context: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the noise (N, n, m) that makes this detail, and the log-volume of the map, (N,)."""
        kernel, spline = self._at(embedding)
        shift, scale = self._bounded(self.network, context, embedding)
        x = (detail - shift) * (-scale).exp()
        volume = kernel.flatten(1).sum(dim=1) - scale.flatten(1).sum(dim=1)
        x = filtered(x, kernel.exp(), self._waves())
        for place in range(2):
            shift, scale = self._coupled(place, x, context, embedding)
            x = (x - shift) * (-scale).exp()
            volume = volume - scale.flatten(1).sum(dim=1)
        score, slope = to_scores(x.flatten(1), spline, *self._ends(x))
        return score.reshape(-1, *self.shape), volume + slope.sum(dim=1)

    def forward(self, noise: Tensor, context: Tensor, embedding: Tensor | None) -> Tensor:
        """Map noise (N, n, m) to details: the inverse of :meth:`whitened`."""
        kernel, spline = self._at(embedding)
        x = from_scores(noise.flatten(1), spline, *self._ends(noise)).reshape(-1, *self.shape)
        for place in (1, 0):
            shift, scale = self._coupled(place, x, context, embedding)
            x = x * scale.exp() + shift
        x = filtered(x, (-kernel).exp(), self._waves())
        shift, scale = self._bounded(self.network, context, embedding)
        return x * scale.exp() + shift

    def _coupled(self, place: int, x: Tensor, context: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return shift and log-scale of the pixels of one colour, given those of the other."""
        moved = self.black if place else 1 - self.black
        seen = torch.cat([context, (x * (1 - moved))[:, None]], dim=1)
        shift, scale = self._bounded(self.couplings[place], seen, embedding)
        return shift * moved, scale * moved

    def _bounded(self, network: nn.Module, seen: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        shift, scale = network(seen, embedding)
        return shift, 2 * torch.tanh(scale / 2)

    def _at(self, embedding: Tensor | None) -> tuple[Tensor, UnitSpline]:
        """Return log T of each wave, (N, n, m), and the last spline; one for all fields if there are no conditions."""
        free = torch.cat([self.kernel, self.spline])[None]
        if self.given is not None:
            free = free + self.given(embedding)
        kernel, spline = free.split([KNOTS**2, 3 * PIECES + 1], dim=1)
        return (kernel @ self.basis.T).reshape(-1, *self.shape), UnitSpline.of(spline[:, None])

    def _ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.new_tensor(-FURTHEST), x.new_tensor(FURTHEST)

    def _waves(self) -> list[Tensor]:
        return [getattr(self, f"waves_{axis}") for axis in range(2)]


class DetailFlow(nn.Module):
    """Map the three details of a field, given the field at half the resolution, to noise and back.

    Parameters
    ----------
    shape:
        of the coarser field, (n, m).
    width:
        of the networks.
    embedding:
        numbers by which the conditions are given, 0 for none.
    boundary:
        "periodic" or "open".
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, shape: Sequence[int], *, width: int, embedding: int, boundary: Boundary) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.flows = nn.ModuleList(
            OneDetailFlow(shape, 1 + before, width=width, embedding=embedding, boundary=boundary)
            for before in range(DETAILS)
        )
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("scale", torch.ones(1 + DETAILS))

    @torch.no_grad()
    def fit(self, low: Tensor, details: Tensor) -> None:
        """Start from coarser fields (N, n, m) and their details (N, 3, n, m)."""
        some = max(1, MOST_FITTED // math.prod(self.shape))
        low, details = low[:some], details[:some]
        self.centre.copy_(low.mean())
        self.scale[0] = low.std()
        self.scale[1:] = details.movedim(1, 0).flatten(1).std(dim=1)
        x, seen = details / self._widths(), self._standard(low)
        for place, flow in enumerate(self.flows):
            flow.fit(x[:, place], seen)  # type: ignore[operator]
            seen = torch.cat([seen, x[:, place : place + 1]], dim=1)

    def whitened(self, details: Tensor, low: Tensor, embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the noise (N, 3, n, m) that makes these details, and the log-volume of the map, (N,)."""
        x, seen = details / self._widths(), self._standard(low)
        volume = -math.prod(self.shape) * self.scale[1:].log().sum()
        found = []
        for place, flow in enumerate(self.flows):
            noise, more = flow.whitened(x[:, place], seen, embedding)  # type: ignore[operator]
            found.append(noise)
            volume = volume + more
            seen = torch.cat([seen, x[:, place : place + 1]], dim=1)
        return torch.stack(found, dim=1), volume

    def forward(self, noise: Tensor, low: Tensor, embedding: Tensor | None) -> Tensor:
        """Map noise (N, 3, n, m) to details given the coarser fields (N, n, m)."""
        seen = self._standard(low)
        for place, flow in enumerate(self.flows):
            seen = torch.cat([seen, flow(noise[:, place], seen, embedding)[:, None]], dim=1)
        return seen[:, 1:] * self._widths()

    def _standard(self, low: Tensor) -> Tensor:
        return ((low - self.centre) / self.scale[0])[:, None]

    def _widths(self) -> Tensor:
        return self.scale[1:, None, None]
