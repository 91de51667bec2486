"""A translation- and rotation-equivariant normalizing flow of fields: exact log-likelihoods and samples of any size."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.networks.radial_filters import (
    FURTHEST,
    MOST_FITTED,
    Boundary,
    along_axes,
    filtered,
    from_scores,
    of_quantiles,
    spline_basis,
    to_scores,
    wave_numbers,
    waves,
)
from simulacra.networks.unit_spline import UnitSpline


class EquivariantFieldFlow(nn.Module):
    """Map noise and conditions to fields: the module of a checkpoint and of an ONNX file (TRENF, arXiv:2202.05282).

    From fields to noise, each layer maps every pixel by the same monotonic spline and then filters the field by a
    kernel of the wave vector's length. The parameters of both are linear in what a small network makes of the
    conditions. The number of parameters does not depend on the number of pixels.

    Parameters
    ----------
    shape:
        of a field, (n1, ...), of 1 to 3 axes.
    conditions:
        number of conditions.
    layers, knots, pieces:
        number of layers, knots of the logarithm of a kernel, and pieces of a spline.
    hidden:
        width of the network of the conditions.
    boundary:
        "periodic", or "open" for fields that end at their edges.
    smallest:
        lowest k of the kernels' knots [rad / pixel]; that of the shape if None.

    Raises
    ------
    ValueError
        if the shape has no or more than three axes, or fewer than four pixels along one.
    """

    base: nn.Parameter
    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor
    basis: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        conditions: int,
        *,
        layers: int = 3,
        knots: int = 12,
        pieces: int = 12,
        hidden: int = 32,
        boundary: Boundary = "periodic",
        smallest: float | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= len(shape) <= 3 or min(shape) < 4:
            raise ValueError(f"fields have 1 to 3 axes of at least 4 pixels, not the shape {tuple(shape)}")
        self.boundary, self.layers, self.pieces, self.knots = boundary, layers, pieces, knots
        n = max(shape)
        self.smallest = smallest or (2 if boundary == "periodic" else 1) * math.pi / n
        self.largest = math.pi * math.sqrt(len(shape))
        width = knots + 1 + 3 * pieces + 1
        self.base = nn.Parameter(torch.zeros(layers, width))
        # The first spline has the range of the training fields' pixels; the others have that of scores.
        self.register_buffer("low", torch.full((layers,), -FURTHEST))
        self.register_buffer("high", torch.full((layers,), FURTHEST))
        self.register_buffer("centre", torch.zeros(conditions))
        self.register_buffer("scale", torch.ones(conditions))
        self.control: nn.Sequential | None = None
        if conditions:
            last = nn.Linear(hidden, layers * width)
            # nearly no dependence on the conditions at first
            nn.init.normal_(last.weight, std=1e-3)
            nn.init.zeros_(last.bias)
            self.control = nn.Sequential(
                nn.Linear(conditions, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
            )
        self.set_shape(shape)

    @property
    def latent(self) -> int:
        """Gaussian numbers per field: one for each pixel."""
        return math.prod(self.shape)

    def resized(self, shape: Sequence[int]) -> EquivariantFieldFlow:
        """Return the flow of fields of another shape, with the same number of axes.

        Its kernels are the same functions of the wave number: below the smallest one of the training fields they are
        constant, so larger fields have no more power there than those had.
        """
        if len(shape) != len(self.shape):
            raise ValueError(f"the fields have {len(self.shape)} axes; {tuple(shape)} has {len(shape)}")
        other = copy.deepcopy(self)
        other.set_shape(shape)
        return other

    def set_shape(self, shape: Sequence[int]) -> None:
        """Make this the flow of fields of another shape."""
        self.shape = tuple(int(n) for n in shape)
        for axis, n in enumerate(self.shape):
            rows = torch.as_tensor(waves(n, self.boundary)[0], dtype=torch.float32)
            self.register_buffer(f"waves_{axis}", rows, persistent=False)
        k = wave_numbers(self.shape, self.boundary).ravel()
        places = np.geomspace(self.smallest, self.largest, self.knots)
        self.register_buffer("basis", torch.as_tensor(spline_basis(k, places), dtype=torch.float32), persistent=False)

    @torch.no_grad()
    def fit(self, field: Tensor, conditions: Tensor) -> None:
        """Start from the distribution of single pixels and the power spectrum of fields (N, n1, ...).

        The first spline gives the pixels a normal distribution, the first kernel the waves a variance of 1. For a field
        that is a function of a Gaussian one, pixel by pixel, this is all.
        """
        if conditions.shape[1]:
            self.centre.copy_(conditions.mean(dim=0))
            self.scale.copy_(conditions.std(dim=0).clamp(min=1e-6))
        self.low[0], self.high[0], free = of_quantiles(field, self.pieces)
        self.base[0, self.knots + 1 :] = free.to(self.base)
        score, _ = self._mapped(field[: max(1, MOST_FITTED // self.latent)], self.base[None, 0], 0)
        power = along_axes(score, self._waves()).flatten(1).double().square().mean(dim=0)
        weight = self.basis.double()
        target = -0.5 * torch.log(power.clamp(min=1e-12))
        # The mean logarithm of the power of M waves is not that of its mean, but M is in the thousands.
        # A small grid has fewer wave numbers than the spline has knots: the solution of the smallest size.
        found = torch.linalg.lstsq(weight, target[:, None], rcond=1e-6, driver="gelsd").solution[:, 0]
        self.base[0, : self.knots + 1] = found.to(self.base)

    def log_prob(self, field: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-density of fields (N, n1, ...) given their conditions (N, C), (N,).

        Raises
        ------
        ValueError
            if the fields have another shape.
        """
        noise, log_volume = self.whitened(field, conditions)
        normal = -0.5 * (noise.square() + math.log(2 * math.pi))
        return normal.flatten(1).sum(dim=1) + log_volume

    def whitened(self, field: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise (N, n1, ...) that makes these fields, and the log-volume of the map, (N,)."""
        score, slope = self.scores(field, conditions)
        noise, log_volume, _ = self.whitened_scores(score, conditions)
        return noise, log_volume + slope.flatten(1).sum(dim=1)

    def scores(self, field: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of fields by the first spline, and the logarithms of its slope, (N, n1, ...) each.

        Raises
        ------
        ValueError
            if the fields have another shape.
        """
        if tuple(field.shape[1:]) != self.shape:
            raise ValueError(f"fields must be (N, {', '.join(map(str, self.shape))}), not {tuple(field.shape)}")
        score, slope = self._mapped(field, self._at(conditions)[:, 0], 0)
        return score, self._as_fields(slope)

    def of_scores(self, score: Tensor, conditions: Tensor) -> Tensor:
        """Return the fields whose scores by the first spline these are, (N, n1, ...)."""
        flat = from_scores(score.flatten(1), self._spline(self._at(conditions)[:, 0]), self.low[0], self.high[0])
        return self._as_fields(flat)

    def whitened_scores(self, score: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the flow does after its first spline.

        Returns
        -------
        tuple
            the noise (N, n1, ...); the log-volume of the map from scores to noise, (N,); and the logarithm of the
            kernel of the linear map next to it, (N, n1, ...): the product of the kernels and the splines' mean slopes.
        """
        every = self._at(conditions)
        kernel = self._log_kernel(every[:, 0])
        log_volume, linear = kernel.flatten(1).sum(dim=1), kernel
        score = self._filtered(score, kernel.exp())
        for layer in range(1, self.layers):
            score, slope = self._mapped(score, every[:, layer], layer)
            kernel = self._log_kernel(every[:, layer])
            log_volume = log_volume + slope.sum(dim=1) + kernel.flatten(1).sum(dim=1)
            linear = linear + kernel + slope.exp().mean(dim=1).log().reshape(-1, *(1 for _ in self.shape))
            score = self._filtered(score, kernel.exp())
        return score, log_volume, linear

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, n1 n2 ...) and conditions (N, C) to fields (N, n1, ...)."""
        field = self._as_fields(noise)
        every = self._at(conditions)
        for layer in reversed(range(self.layers)):
            parameters = every[:, layer]
            field = self._filtered(field, (-self._log_kernel(parameters)).exp())
            flat = from_scores(field.flatten(1), self._spline(parameters), self.low[layer], self.high[layer])
            field = self._as_fields(flat)
        return field

    def _at(self, conditions: Tensor) -> Tensor:
        """Return the parameters of all layers for each field, (N, layers, width)."""
        if self.control is None:
            return self.base.expand(conditions.shape[0], *self.base.shape)
        given = (conditions - self.centre) / self.scale
        changed: Tensor = self.base + self.control(given).unflatten(1, self.base.shape)
        return changed

    def _spline(self, parameters: Tensor) -> UnitSpline:
        return UnitSpline.of(parameters[:, None, self.knots + 1 :])

    def _mapped(self, field: Tensor, parameters: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        score, slope = to_scores(field.flatten(1), self._spline(parameters), self.low[layer], self.high[layer])
        return self._as_fields(score), slope

    def _log_kernel(self, parameters: Tensor) -> Tensor:
        """Return log T of each wave, (N, n1, ...)."""
        return self._as_fields(parameters[:, : self.knots + 1] @ self.basis.T)

    def _filtered(self, field: Tensor, kernel: Tensor) -> Tensor:
        return filtered(field, kernel, self._waves())

    def _as_fields(self, flat: Tensor) -> Tensor:
        return flat.reshape(-1, *self.shape)

    def _waves(self) -> list[Tensor]:
        return [getattr(self, f"waves_{axis}") for axis in range(len(self.shape))]
