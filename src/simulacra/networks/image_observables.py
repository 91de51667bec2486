"""Observables of images for a critic: sums over the pixels through which the gradient flows to the generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: number of observables
OBSERVABLES = 8


class ImageObservables(nn.Module):
    """Sum, mass, share of pixels hit, centre and width along both axes, and dispersion, in units of their widths.

    Pixels are massless particles in their centres, as in :mod:`simulacra.observables.jet_images`.

    Parameters
    ----------
    size:
        number of pixels along an axis.
    pixel_size:
        distance of their centres.
    """

    places: Tensor
    centre: Tensor
    width: Tensor

    def __init__(self, size: int, pixel_size: float) -> None:
        super().__init__()
        self.register_buffer("places", (torch.arange(size) - (size - 1) / 2) * pixel_size, persistent=False)
        self.register_buffer("centre", torch.zeros(OBSERVABLES))
        self.register_buffer("width", torch.ones(OBSERVABLES))

    def fit(self, images: Tensor, hits: Tensor) -> None:
        """Fit mean and width to images and hits, (N, n, n) both."""
        found = self._raw(images, hits)
        self.centre.copy_(found.mean(dim=0))
        self.width.copy_(found.std(dim=0).clamp(min=1e-6))

    def forward(self, images: Tensor, hits: Tensor) -> Tensor:
        """Map images [GeV] and hits, 1 or 0, (N, n, n) both, to (N, 8), of mean 0 and width 1 in training."""
        return (self._raw(images, hits) - self.centre) / self.width

    def _raw(self, images: Tensor, hits: Tensor) -> Tensor:
        x = self.places
        rows, columns = images.sum(dim=2), images.sum(dim=1)
        total = rows.sum(dim=1).clamp(min=1e-3)
        px, py = rows @ torch.cos(x), rows @ torch.sin(x)
        pz, energy = columns @ torch.sinh(x), columns @ torch.cosh(x)
        # The root has no gradient at 0, which an image of one pixel would reach.
        mass = torch.sqrt((energy**2 - pz**2 - px**2 - py**2).clamp(min=1.0))
        row, column = rows @ x / total, columns @ x / total
        row_width = torch.sqrt((rows @ x**2 / total - row**2).clamp(min=1e-4))
        column_width = torch.sqrt((columns @ x**2 / total - column**2).clamp(min=1e-4))
        dispersion = torch.sqrt((images**2).sum(dim=(1, 2)) + 1e-3) / total
        hit = hits.mean(dim=(1, 2))
        return torch.stack([total, mass, hit, row, column, row_width, column_width, dispersion], dim=1)
