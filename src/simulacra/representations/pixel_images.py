"""Images as inputs of a network: powers of the pixels in units of their usual content."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from simulacra.representations.shower_images import raised

#: of a pixel that no training image hits [GeV]
SMALLEST_SCALE = 1e-3


class PixelImages(nn.Module):
    """An invertible map between pixels [GeV] and a network's image: x_c = (pT_c / scale_c)^(1/power).

    ``scale_c`` is the mean of a pixel where it is above 0. An empty pixel is exactly 0, a hit one of order 1, in the
    core (100 GeV) and at the edge (10 MeV) alike. The inverse is never negative.
    """

    scale: Tensor

    def __init__(self, size: int, power: int = 2) -> None:
        super().__init__()
        self.power = power
        self.register_buffer("scale", torch.ones(size, size))

    def fit(self, images: Tensor) -> None:
        """Fit the scales to images (N, n, n) [GeV]."""
        hits = (images > 0).sum(dim=0)
        self.scale.copy_((images.double().sum(dim=0) / hits.clamp(min=1)).clamp(min=SMALLEST_SCALE))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, n, n) [GeV] to (N, n, n)."""
        return (images / self.scale) ** (1.0 / self.power)

    def inverse(self, x: Tensor) -> Tensor:
        """Map a network's images (N, n, n), not negative, to images [GeV]."""
        return self.scale * raised(x, self.power)
