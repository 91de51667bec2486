"""A normalizing flow of fields by scales: exact log-likelihoods, and the part of each scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.models.detail_flow import DetailFlow
from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
from simulacra.networks.context_network import SMALL
from simulacra.networks.haar_wavelets import composed, decomposed
from simulacra.networks.radial_filters import Boundary, from_scores, of_quantiles, to_scores
from simulacra.networks.unit_spline import UnitSpline

#: fields whose pixels are mapped at once when the flow is fitted
AT_A_TIME: Final = 64
#: fewest pixels along an axis of the coarsest field
FEWEST: Final = 4


class MultiscaleFieldFlow(nn.Module):
    r"""Map noise and conditions to fields, from coarse to fine: the module of a checkpoint and of an ONNX file.

    The pixels of a field are mapped by one monotonic spline, given the conditions. Haar wavelets split the result y
    into coarser fields and details, so that (arXiv:2306.04689)

    .. math:: p(x) = \prod_i y'(x_i) \; p(y_J) \prod_{j=1}^{J} p(d_j | y_j)

    with the field :math:`y_j` after j steps and the details :math:`d_j` that step j took off. The coarsest field has an
    equivariant flow, the details conditional ones.

    Parameters
    ----------
    shape:
        of a field, (n, m).
    conditions:
        number of conditions.
    scales:
        number J of steps.
    width:
        of the networks of the details.
    layers, knots:
        of the coarsest field's flow.
    pieces:
        of the splines.
    hidden:
        width of the network of the conditions.
    boundary:
        "periodic" or "open".

    Raises
    ------
    ValueError
        if the shape has not two axes, or an axis is not a multiple of 2^J or has fewer than 4 2^J pixels.
    """

    base: nn.Parameter
    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        conditions: int,
        *,
        scales: int = 2,
        width: int = 16,
        layers: int = 2,
        knots: int = 12,
        pieces: int = 12,
        hidden: int = 32,
        boundary: Boundary = "periodic",
    ) -> None:
        super().__init__()
        step = 2**scales
        if len(shape) != 2:
            raise ValueError(f"Haar wavelets are of fields with two axes, not of the shape {tuple(shape)}")
        if any(n % step or n < FEWEST * step for n in shape):
            raise ValueError(
                f"{scales} scales need axes of a multiple of {step} pixels, {FEWEST * step} at least, not the shape "
                f"{tuple(shape)}: set fewer scales, or cut the fields"
            )
        self.shape, self.steps = tuple(int(n) for n in shape), scales
        self.shapes = [tuple(n // 2**j for n in self.shape) for j in range(1, scales + 1)]
        self.base = nn.Parameter(torch.zeros(3 * pieces + 1))
        self.pieces = pieces
        self.register_buffer("low", torch.tensor(-1.0))
        self.register_buffer("high", torch.tensor(1.0))
        self.register_buffer("centre", torch.zeros(conditions))
        self.register_buffer("scale", torch.ones(conditions))
        self.embed: nn.Sequential | None = None
        if conditions:
            self.embed = nn.Sequential(nn.Linear(conditions, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
            self.given = nn.Linear(hidden, len(self.base))
            nn.init.normal_(self.given.weight, std=SMALL)
            nn.init.zeros_(self.given.bias)
        self.coarsest = EquivariantFieldFlow(
            self.shapes[-1], conditions, layers=layers, knots=knots, pieces=pieces, hidden=hidden, boundary=boundary
        )
        embedding = hidden if conditions else 0
        self.details = nn.ModuleList(
            DetailFlow(one, width=width, embedding=embedding, boundary=boundary) for one in self.shapes
        )

    @property
    def latent(self) -> int:
        """Gaussian numbers per field: one for each pixel."""
        return math.prod(self.shape)

    @property
    def parts(self) -> list[str]:
        """What :meth:`log_prob_by_scale` returns, in words, from coarse to fine."""
        sizes = [f"{2**j} x {2**j} pixels" for j in range(self.steps, 0, -1)]
        return ["map of pixels", f"means of {sizes[0]}", *(f"details of {size}" for size in sizes)]

    @torch.no_grad()
    def fit(self, field: Tensor, conditions: Tensor) -> None:
        """Start from the single pixels of fields (N, n, m), and the regressions and power spectra of their scales."""
        if conditions.shape[1]:
            self.centre.copy_(conditions.mean(dim=0))
            self.scale.copy_(conditions.std(dim=0).clamp(min=1e-6))
        low, high, free = of_quantiles(field, self.pieces)
        self.low.copy_(low)
        self.high.copy_(high)
        self.base.copy_(free)
        spline = UnitSpline.of(self.base[None, None])
        y = torch.cat([to_scores(one.flatten(1), spline, self.low, self.high)[0] for one in field.split(AT_A_TIME)])
        y = y.reshape(field.shape)
        for flow in self.details:
            y, details = decomposed(y)
            flow.fit(y, details)  # type: ignore[operator]
        self.coarsest.fit(y, conditions)

    def log_prob(self, field: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-density of fields (N, n, m) given their conditions (N, C), (N,).

        Raises
        ------
        ValueError
            if the fields have another shape.
        """
        return self.log_prob_by_scale(field, conditions).sum(dim=1)

    def log_prob_by_scale(self, field: Tensor, conditions: Tensor) -> Tensor:
        """Return the parts of the log-density whose sum is :meth:`log_prob`, (N, J + 2), as :attr:`parts` names them.

        A systematic error that changes one scale shows in the part of this scale, and in those finer ones that are
        conditional on it.
        """
        noise, volumes = self._by_scale(field, conditions)
        normal = [-0.5 * (one.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1) for one in noise]
        return torch.stack([volumes[0], *(n + v for n, v in zip(normal, volumes[1:], strict=True))], dim=1)

    def whitened(self, field: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise (N, n m) that makes these fields, and the log-volume of the map, (N,)."""
        noise, volumes = self._by_scale(field, conditions)
        return torch.cat([one.flatten(1) for one in noise], dim=1), torch.stack(volumes).sum(dim=0)

    def _by_scale(self, field: Tensor, conditions: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the noise of each scale, from coarse to fine, and the log-volumes of the pixels' map and of these."""
        if tuple(field.shape[1:]) != self.shape:
            raise ValueError(f"fields must be (N, {', '.join(map(str, self.shape))}), not {tuple(field.shape)}")
        embedding, spline = self._at(conditions)
        score, slope = to_scores(field.flatten(1), spline, self.low, self.high)
        y = score.reshape(field.shape)
        noise, volumes = [], []
        for flow in self.details:
            y, details = decomposed(y)
            found, volume = flow.whitened(details, y, embedding)  # type: ignore[operator]
            noise.append(found)
            volumes.append(volume)
        found, volume = self.coarsest.whitened(y, conditions)
        return [found, *reversed(noise)], [slope.sum(dim=1), volume, *reversed(volumes)]

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, n m) and conditions (N, C) to fields (N, n, m)."""
        embedding, spline = self._at(conditions)
        sizes = [math.prod(one) for one in self.shapes]
        first, *others = noise.split([sizes[-1], *(3 * size for size in reversed(sizes))], dim=1)
        y = self.coarsest(first, conditions)
        for flow, shape, one in zip(reversed(self.details), reversed(self.shapes), others, strict=True):
            y = composed(y, flow(one.reshape(-1, 3, *shape), y, embedding))
        return from_scores(y.flatten(1), spline, self.low, self.high).reshape(-1, *self.shape)

    def _at(self, conditions: Tensor) -> tuple[Tensor | None, UnitSpline]:
        """Return the embedded conditions and the spline of the pixels."""
        if self.embed is None:
            return None, UnitSpline.of(self.base[None, None])
        embedding = self.embed((conditions - self.centre) / self.scale)
        return embedding, UnitSpline.of((self.base + self.given(embedding))[:, None])
