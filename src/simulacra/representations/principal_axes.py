"""Points in axes with uncorrelated components: a rotation, and the variance along each axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from simulacra.representations.latent_scores import fitted, imputed

LEAST_VARIANCE = 1e-3


#: largest number of components that are rotated together: 2048 x 2048 numbers are 17 MB of a model's file
MOST_TOGETHER = 2048
#: components per block if there are more
MOST_IN_BLOCK = 256


def blocks_of(sizes: Sequence[int]) -> list[int]:
    """Return how many neighbouring components are rotated together; ``sizes`` says which belong together."""
    if sum(sizes) <= MOST_TOGETHER:
        return [sum(sizes)]
    pieces = []
    for size in sizes:
        parts = -(-size // MOST_IN_BLOCK)
        pieces += [size * (k + 1) // parts - size * k // parts for k in range(parts)]
    return pieces


class PrincipalAxes(nn.Module):
    """A rotation of points (N, D) to the principal axes of their second moments about 0, by rising variance.

    Beyond ``MOST_TOGETHER`` components only those of a section are rotated together: D x D numbers would be larger than
    the networks (168 MB for the CaloChallenge's 6480 voxels). Correlations between sections are then learned.

    Parameters
    ----------
    sizes:
        number of components of each section.
    """

    axes: Tensor
    variance: Tensor

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.blocks = blocks_of(sizes)
        # The blocks one behind the other, row by row; a single one keeps its shape.
        eyes = [torch.eye(size) for size in self.blocks]
        self.register_buffer("axes", eyes[0] if len(eyes) == 1 else torch.cat([eye.flatten() for eye in eyes]))
        self.register_buffer("variance", torch.ones(sum(sizes)))

    def fit(self, points: Iterable[Tensor], axes: Tensor | None = None) -> None:
        """Fit to points, given in parts (N, D).

        With ``axes``, those of another fit, only the variances along them are fitted.
        """
        sums = [torch.zeros(size, size, dtype=torch.float64) for size in self.blocks]
        n = 0
        for part in points:
            n += len(part)
            for total, piece in zip(sums, part.split(self.blocks, dim=1), strict=True):
                double = piece.double()
                total.add_(double.t() @ double)
        if axes is None:
            each = [torch.linalg.eigh(total / n)[1] for total in sums]
            axes = torch.cat([one.flatten() for one in each]).reshape(self.axes.shape)
        self.axes.copy_(axes)
        pairs = zip(self._each(), sums, strict=True)
        variance = [((total / n) @ one.double() * one.double()).sum(dim=0) for one, total in pairs]
        self.variance.copy_(torch.cat(variance).clamp(min=LEAST_VARIANCE))

    def drawn(self, points: Tensor, thresholds: Tensor, rng: torch.Generator) -> Tensor:
        """Return points (N, D), those of minus infinity drawn below thresholds (N, D) as moments that are fitted say.

        See :func:`~simulacra.representations.latent_scores.fitted`.
        """
        parts = zip(points.split(self.blocks, dim=1), thresholds.split(self.blocks, dim=1), strict=True)
        return torch.cat([fitted(point, most, rng)[1] for point, most in parts], dim=1)

    def imputed(self, points: Tensor, thresholds: Tensor, seeds: Tensor) -> Tensor:
        """Return points (N, D), those of minus infinity drawn below thresholds (N, D) as the fitted axes say.

        See :func:`~simulacra.representations.latent_scores.imputed`.
        """
        variances = self.variance.split(self.blocks)
        moments = [(axes * variance) @ axes.t() for axes, variance in zip(self._each(), variances, strict=True)]
        parts = zip(points.split(self.blocks, dim=1), thresholds.split(self.blocks, dim=1), moments, strict=True)
        return torch.cat([imputed(*part, seeds) for part in parts], dim=1)

    def forward(self, points: Tensor) -> Tensor:
        """Return the components of points along the axes, (N, D)."""
        pieces = points.split(self.blocks, dim=1)
        return torch.cat([piece @ axes for piece, axes in zip(pieces, self._each(), strict=True)], dim=1)

    def inverse(self, components: Tensor) -> Tensor:
        """Return the points from their components, (N, D)."""
        pieces = components.split(self.blocks, dim=1)
        # Not a product with the transposed axes, of which an exported graph would hold a copy.
        each = zip(pieces, self._each(), strict=True)
        return torch.cat([nn.functional.linear(piece, axes) for piece, axes in each], dim=1)

    def _each(self) -> list[Tensor]:
        """Return the axes of each block, (size, size)."""
        if len(self.blocks) == 1:
            return [self.axes]
        parts = self.axes.split([size * size for size in self.blocks])
        return [part.reshape(size, size) for part, size in zip(parts, self.blocks, strict=True)]
