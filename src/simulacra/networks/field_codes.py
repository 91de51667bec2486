r"""A variational autoencoder of square or oblong fields: convolutions to a code and back, and what is left of a field.

The mean of a field given its code is that of principal components plus what transposed convolutions add. About it, a
field is Gaussian: its waves (cosines, which do not join one edge to the opposite one) are independent, with a standard
deviation that is a function of the wave number times a number that the decoder tells. A constant function is one
standard deviation for every pixel, as in arXiv:2101.11181: then what the code does not tell is white, and samples are
too smooth and too rough at once. A function of the wave number gives what is left the power that it has.
"""

from __future__ import annotations

import itertools
import math
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.deep_sets import perceptron
from simulacra.networks.radial_filters import along_axes, spline_basis, wave_numbers, waves

Scatter = Literal["waves", "pixels"]

#: knots of the standard deviation as a function of the wave number
KNOTS: Final = 10
#: hidden width of what tells the decoder's amplitude
TOLD: Final = 32


def halved(side: int) -> int:
    """Return the pixels of an axis of which every other one is kept.

    >>> halved(12), halved(5)
    (6, 3)
    """
    return (side + 1) // 2


def down(values: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Apply a convolution of kernel 4 and step 2 to arrays (N, C, n, m), (N, D, halved(n), halved(m))."""
    odd = [0, values.shape[3] % 2, 0, values.shape[2] % 2]
    found: Tensor = convolution(functional.pad(values, odd) if any(odd) else values)
    return found


def up(values: Tensor, convolution: nn.ConvTranspose2d, shape: tuple[int, int]) -> Tensor:
    """Apply a transposed convolution of kernel 4 and step 2, and leave out what is beyond the shape."""
    found: Tensor = convolution(values)
    return found[:, :, : shape[0], : shape[1]]


class FieldAutoencoder(nn.Module):
    """Encoder and decoder of standardised fields (N, D), n1 n2 = D pixels row by row, given a context (N, C).

    Parameters
    ----------
    shape:
        of a field, (n1, n2).
    context:
        number of components of the context.
    code:
        number of components of a code.
    width:
        filters of the first convolution; the next ones have twice, then three times as many.
    levels:
        convolutions, each of which halves both axes.
    scatter:
        whether what is left has a standard deviation for each wave number, or one for all pixels.
    """

    basis: Tensor
    varies: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(
        self, shape: tuple[int, int], context: int, *, code: int, width: int, levels: int, scatter: Scatter
    ) -> None:
        super().__init__()
        self.shape, self.code, self.size = shape, code, math.prod(shape)
        self.sizes = [shape]
        for _ in range(levels):
            self.sizes.append((halved(self.sizes[-1][0]), halved(self.sizes[-1][1])))
        widths = [1, *(width * (i + 1) for i in range(levels))]
        coarse = widths[-1] * math.prod(self.sizes[-1])
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in itertools.pairwise(widths))
        self.to_code = nn.Linear(coarse + context, 2 * code)
        self.principal = nn.Linear(self.size, code, bias=False)
        self.from_code = nn.Linear(code + context, coarse)
        ups = [*reversed(widths[1:]), max(8, width // 2)]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in itertools.pairwise(ups))
        self.last = nn.Conv2d(ups[-1], 1, 3, padding=1)
        self.linear = nn.Linear(code, self.size)
        self.log_amplitude = perceptron((code + context, TOLD, 1))
        # At first principal components alone, whose fields are as wide as others.
        for layer in (self.to_code, self.last, self.log_amplitude[-1]):
            nn.init.normal_(layer.weight, std=1e-3)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        k = wave_numbers(shape, "open").ravel()
        basis = np.ones((len(k), 1))
        if scatter == "waves":
            # Without the column of k = 0: the mean of a standardised field is 0.
            basis = spline_basis(k, np.geomspace(math.pi / max(shape), math.pi * math.sqrt(2), KNOTS))[:, :-1]
        basis[k == 0] = 0
        self.register_buffer("varies", torch.as_tensor(k > 0, dtype=torch.float32), persistent=False)
        self.register_buffer("basis", torch.as_tensor(basis, dtype=torch.float32), persistent=False)
        for name, n in zip(("rows", "columns"), shape, strict=True):
            matrix = torch.as_tensor(waves(n, "open")[0], dtype=torch.float32)
            self.register_buffer(name, matrix, persistent=False)
        self.log_scatter = nn.Parameter(torch.zeros(basis.shape[1]))

    @torch.no_grad()
    def fit(self, points: Tensor) -> None:
        """Start from the principal components of standardised fields (N, D), and from what these leave over."""
        _, singular, components = torch.linalg.svd(points.double() - points.double().mean(dim=0), full_matrices=False)
        number = min(self.code, len(singular))
        spread = (singular[:number] / math.sqrt(len(points))).clamp(min=1e-6)
        self.principal.weight.zero_()
        self.linear.weight.zero_()
        self.principal.weight[:number] = components[:number] / spread[:, None]
        self.linear.weight[:, :number] = components[:number].T * spread
        self.linear.bias.copy_(points.mean(dim=0))
        left = points - self.linear(self.principal(points - self.linear.bias))
        power = self.to_waves(left).square().mean(dim=0).clamp(min=1e-6)
        wanted = 0.5 * power.log()[1:, None]
        # The wave of k = 0 is the mean, which is 0 in each field.
        self.log_scatter.copy_(torch.linalg.lstsq(self.basis[1:], wanted, driver="gelsd").solution[:, 0])

    def to_waves(self, points: Tensor) -> Tensor:
        """Return the amplitudes of the waves of fields, (N, D) of (N, D)."""
        return along_axes(points.unflatten(1, self.shape), (self.rows, self.columns)).flatten(1)

    def from_waves(self, amplitudes: Tensor) -> Tensor:
        """Return the fields of amplitudes of waves, (N, D) of (N, D)."""
        return along_axes(amplitudes.unflatten(1, self.shape), (self.rows.T, self.columns.T)).flatten(1)

    def encode(self, points: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log width of each component of the code, (N, code) each."""
        hidden = points.unflatten(1, self.shape)[:, None]
        for convolution in self.downs:
            hidden = functional.silu(down(hidden, convolution))  # type: ignore[arg-type]
        mean, log_width = self.to_code(torch.cat([hidden.flatten(1), context], dim=1)).chunk(2, dim=1)
        return mean + self.principal(points - self.linear.bias), log_width.clamp(-7.0, 3.0) - 1.0

    def decode(self, code: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of fields (N, D) and the amplitude (N,) of what is left, of codes (N, code)."""
        told = torch.cat([code, context], dim=1)
        hidden = functional.silu(self.from_code(told)).unflatten(1, (-1, *self.sizes[-1]))
        for convolution, shape in zip(self.ups, reversed(self.sizes[:-1]), strict=True):
            hidden = functional.silu(up(hidden, convolution, shape))  # type: ignore[arg-type]
        mean = self.linear(code) + self.last(hidden).flatten(1)
        mean = mean - mean.mean(dim=1, keepdim=True)
        return mean, self.log_amplitude(told)[:, 0].clamp(-3.0, 3.0).exp()

    def scatter(self) -> Tensor:
        """Return the standard deviation of each wave of what is left, (D,), at amplitude 1; 0 of the mean."""
        return (self.basis @ self.log_scatter).exp() * self.varies

    def log_likelihood(self, points: Tensor, code: Tensor, context: Tensor) -> Tensor:
        """Return log p(points | code), (N,), of all waves but the mean."""
        mean, amplitude = self.decode(code, context)
        width = amplitude[:, None] * self.scatter()[1:]
        pull = self.to_waves(points - mean)[:, 1:] / width
        return -(0.5 * pull.square() + width.log() + 0.5 * math.log(2 * math.pi)).sum(dim=1)
