"""A sparse autoregressive model of images, in two scales: exact log-likelihoods, and draws pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.networks.sparse_autoregression import FixedWeights, SparseAutoregression, spiral

#: how far beyond the largest pixel of the training images a pixel may be, and how far below the smallest
ABOVE: Final = 2.0
BELOW: Final = 0.99


class SparseImages(nn.Module):
    """Map noise and class to images: the module of a checkpoint and of an ONNX file.

    The pixels follow a spiral from the centre. A network draws those of each window in turn, given all pixels before.
    A pixel is above 0 or not, and then its logarithm has a mixture of logistic distributions.

    Parameters
    ----------
    size:
        number of pixels along an axis, odd.
    windows:
        numbers of pixels along an axis of the windows, odd and rising; the last is ``size``.
    classes:
        number of classes.
    width, depth, reach, value_reach, value_width, components:
        of each network (:class:`~simulacra.networks.sparse_autoregression.SparseAutoregression`).

    Raises
    ------
    ValueError
        if the windows are not odd, not rising, or larger than the image.
    """

    order: Tensor
    back: Tensor
    centre: Tensor
    spread: Tensor
    total: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        size: int,
        windows: Sequence[int],
        classes: int,
        *,
        width: int,
        depth: int,
        reach: int,
        value_reach: int,
        value_width: int,
        components: int,
    ) -> None:
        super().__init__()
        ends = [*windows, size]
        if any(end % 2 == 0 for end in ends) or sorted(set(ends)) != ends:
            raise ValueError(
                f"the windows {list(windows)} in an image of {size} pixels along an axis must be odd, rising, and "
                "smaller than the image, which must be odd too"
            )
        self.size, self.classes = size, classes
        places = spiral(size)
        self.register_buffer("order", places[:, 0] * size + places[:, 1], persistent=False)
        self.register_buffer("back", torch.argsort(self.order), persistent=False)
        self.scales = nn.ModuleList(
            SparseAutoregression(
                places[: end * end],
                start * start,
                classes,
                width=width,
                depth=depth,
                reach=reach,
                value_reach=value_reach,
                value_width=value_width,
                components=components,
            )
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        )
        # Of the logarithms of pixels: mean and standard deviation, and the edges of their scores; the mean image's sum.
        for name, value in (("centre", 0.0), ("spread", 1.0), ("total", 1.0), ("low", -3.0), ("high", 3.0)):
            self.register_buffer(name, torch.tensor(value))

    @property
    def latent(self) -> int:
        """Gaussian numbers per image: three for each pixel."""
        return 3 * self.size * self.size

    @torch.no_grad()
    def fit(self, image: Tensor) -> None:
        """Fit the range of pixels above 0, and how often each is, to images (N, n, n) [GeV]."""
        pixels = self._ordered(image)
        logarithm = torch.log(pixels[pixels > 0].double())
        self.centre.copy_(logarithm.mean())
        self.spread.copy_(logarithm.std().clamp(min=1e-3))
        self.total.copy_(pixels.double().sum(dim=1).mean())
        self.low.copy_((logarithm.min() + torch.log(torch.tensor(BELOW)) - self.centre) / self.spread)
        self.high.copy_((logarithm.max() + torch.log(torch.tensor(ABOVE)) - self.centre) / self.spread)
        for scale in self._scales():
            scale.fit(pixels[:, : scale.entries] > 0)

    def log_prob(self, image: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-likelihood of each image (N, n, n) [GeV] given its class (N, 1), (N,).

        It is a probability of which pixels are above 0, and a density [1/GeV] in each of these. It is minus infinity
        for a pixel above 0 that is outside the model's range.

        Raises
        ------
        ValueError
            as :meth:`log_prob_of_pixels`.
        """
        return self.log_prob_of_pixels(image, conditions).sum(dim=(1, 2))

    def log_prob_of_pixels(self, image: Tensor, conditions: Tensor) -> Tensor:
        """Return the log-likelihood of each pixel given those before it in the spiral, (N, n, n).

        Raises
        ------
        ValueError
            if images or classes have another shape, a pixel is negative or not finite, or a class does not exist.
        """
        if image.dim() != 3 or image.shape[1:] != (self.size, self.size):
            raise ValueError(f"images must be (N, {self.size}, {self.size}), not {tuple(image.shape)}")
        if not bool((torch.isfinite(image) & (image >= 0)).all()):
            raise ValueError("a pixel is negative or not finite: pixels are transverse momenta [GeV], 0 for none")
        if conditions.shape != (len(image), 1):
            raise ValueError(f"classes must be ({len(image)}, 1), not {tuple(conditions.shape)}")
        image = image.to(self.centre.dtype)
        kind = conditions[:, 0].to(torch.int64)
        if not bool(((kind >= 0) & (kind < self.classes) & (kind == conditions[:, 0])).all()):
            raise ValueError(f"a class is not one of 0 to {self.classes - 1}")
        pixels = self._ordered(image)
        features = self.features_of(pixels)
        terms = []
        for scale in self._scales():
            gate, density = scale.log_probability(features[:, : scale.entries], kind, self.low, self.high)
            terms.append(gate + density)
        score = features[..., 1]
        there = pixels > 0
        # From a density of scores to one of pixels.
        jacobian = torch.where(there, -torch.log(torch.where(there, pixels, 1.0)) - torch.log(self.spread), 0.0)
        outside = there & ((score < self.low) | (score > self.high))
        each = torch.where(outside, -torch.inf, torch.cat(terms, dim=1) + jacobian)
        return self._as_images(each)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, 3 n n) and classes (N, 1) to images (N, n, n) [GeV]."""
        kind = conditions[:, 0].to(torch.int64)
        numbers = noise.unflatten(1, (3, -1))
        pixels, scores = numbers.new_zeros(noise.shape[0], 0), numbers.new_zeros(noise.shape[0], 0)
        for scale in self._scales():
            pixels, scores = scale.draw(
                pixels,
                torch.stack([(pixels > 0).to(pixels), scores, pixels / self.total], dim=2),
                kind,
                numbers[:, :, scale.start : scale.entries],
                self.low,
                self.high,
                self._pixel_of,
            )
        return self._as_images(pixels)

    def _pixel_of(self, score: Tensor) -> tuple[Tensor, Tensor]:
        """Return pixels [GeV], and as features, of scores."""
        pixel = torch.exp(self.centre + self.spread * score)
        return pixel, pixel / self.total

    def _as_images(self, pixels: Tensor) -> Tensor:
        return pixels[:, self.back].reshape(-1, self.size, self.size)

    def _ordered(self, image: Tensor) -> Tensor:
        return image.flatten(1)[:, self.order]

    def features_of(self, pixels: Tensor) -> Tensor:
        """Return whether a pixel is above 0, its score and its share, (N, n n, 3); 0 for the others."""
        there = pixels > 0
        score = (torch.log(torch.where(there, pixels, 1.0)) - self.centre) / self.spread
        return torch.stack([there.to(pixels), torch.where(there, score, 0.0), pixels / self.total], dim=2)

    def _scales(self) -> list[SparseAutoregression]:
        return list(self.scales)  # type: ignore[arg-type]


def with_fixed_weights(module: SparseImages) -> SparseImages:
    """Turn the weights by distance of a trained model into one matrix for each network, computed once."""
    for scale in module.scales:
        if not isinstance(scale.direct, FixedWeights):
            scale.direct = FixedWeights(*scale.direct())  # type: ignore[operator]
    return module.eval()
