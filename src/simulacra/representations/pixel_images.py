"""Images as inputs of a network: powers of the pixels in units of their usual content."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.representations.shower_images import raised

#: of a pixel that no training image hits [GeV]
SMALLEST_SCALE = 1e-3


class PixelImages(nn.Module):
    """An invertible map between pixels [GeV] and a network's image: x_c = (pT_c / scale_c)^(1/power).

    ``scale_c`` is the mean of a pixel where it is above 0. An empty pixel is exactly 0, a hit one of order 1, in the
    core (100 GeV) and at the edge (10 MeV) alike. The inverse is never negative. The smallest content above 0 is at
    x_c = ``floor_c``: nothing real lies between 0 and this.
    """

    scale: Tensor
    smallest: Tensor
    logarithm: Tensor

    def __init__(self, size: int, power: int = 2) -> None:
        super().__init__()
        self.power = power
        self.register_buffer("scale", torch.ones(size, size))
        self.register_buffer("smallest", torch.zeros(()))
        self.register_buffer("logarithm", torch.tensor([0.0, 1.0]))

    def fit(self, images: Tensor) -> None:
        """Fit the scales, the smallest content and the spread of sums to images (N, n, n) [GeV]."""
        hits = (images > 0).sum(dim=0)
        self.scale.copy_((images.double().sum(dim=0) / hits.clamp(min=1)).clamp(min=SMALLEST_SCALE))
        self.smallest.copy_(images[images > 0].min())
        logarithms = images.double().sum(dim=(1, 2)).log()
        self.logarithm.copy_(torch.stack([logarithms.mean(), logarithms.std().clamp(min=1e-6)]))

    def floor(self) -> Tensor:
        """Return a network's value of the smallest content above 0, for each pixel, (n, n)."""
        return (self.smallest / self.scale) ** (1.0 / self.power)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, n, n) [GeV] to (N, n, n)."""
        return (images / self.scale) ** (1.0 / self.power)

    def inverse(self, x: Tensor) -> Tensor:
        """Map a network's images (N, n, n), not negative, to images [GeV]."""
        return self.scale * raised(x, self.power)

    def to_sum(self, x: Tensor, score: Tensor) -> Tensor:
        """Scale a network's images (N, n, n), so that the logarithms of their sums have ``score`` (N,).

        A score is of mean 0 and width 1 in the training sample.
        """
        total = torch.exp(self.logarithm[0] + self.logarithm[1] * score)
        found = self.inverse(functional.relu(x)).sum(dim=(1, 2)).clamp(min=1e-3)
        return x * ((total / found) ** (1.0 / self.power))[:, None, None]
