"""A generator of images and its critic with an auxiliary class: the networks of LAGAN (arXiv:1701.05927)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.image_observables import OBSERVABLES, ImageObservables
from simulacra.networks.layered_images import SLOPE, CriticStream, ImageStream
from simulacra.networks.minibatch_discrimination import MinibatchDiscrimination
from simulacra.representations.pixel_images import PixelImages

#: width of the sigmoid that lends its gradient to the number of pixels hit
SOFTNESS = 0.1
#: of the minibatch discrimination, as in the paper
KERNELS, DIMENSIONS = 20, 10
CLASSES = 2


class ImageGenerator(nn.Module):
    """Map noise and the class to an image: the module of a checkpoint and of an ONNX file.

    A dense layer, a convolution and two locally connected layers; a threshold makes the image sparse. The class
    multiplies the noise, as in the paper, and also enters directly.

    Parameters
    ----------
    size:
        number of pixels along an axis.
    latent:
        length of the noise that all pixels share; each position has a further number of its own.
    channels:
        see :class:`~simulacra.networks.layered_images.ImageStream`.
    power:
        see :class:`~simulacra.representations.pixel_images.PixelImages`.
    """

    def __init__(self, size: int, latent: int, channels: tuple[int, int, int], power: int) -> None:
        super().__init__()
        self.size, self.shared = size, latent
        self.images = PixelImages(size, power)
        self.modulation = nn.Linear(CLASSES, latent, bias=False)
        nn.init.normal_(self.modulation.weight, mean=1.0, std=0.3)
        self.stream = ImageStream((size, size), latent + CLASSES, channels)
        self.latent = latent + self.stream.positions
        self.total = nn.Sequential(nn.Linear(latent + CLASSES, 32), nn.LeakyReLU(SLOPE), nn.Linear(32, 1))

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and the class (N, 1) to images (N, n, n) [GeV]."""
        return self.images.inverse(self.sparse(self.before(noise, conditions)))

    def sparse(self, before: Tensor) -> Tensor:
        """Return the network's images (N, n, n), with every pixel below the smallest real content set to 0."""
        return before * (before >= self.images.floor())

    def before(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Return the network's images before small pixels are set to 0, (N, n, n)."""
        signal = conditions[:, :1]
        classes = torch.cat([1 - signal, signal], dim=1)
        shared, own = noise.split([self.shared, self.stream.positions], dim=1)
        h = torch.cat([shared * self.modulation(classes), classes], dim=1)
        image: Tensor = self.stream(h, own)
        return self.images.to_sum(image.squeeze(2).permute(2, 0, 1), self.total(h).squeeze(1))


class ImageOpponent(nn.Module):
    """The critic: locally connected layers, minibatch discrimination and observables; two answers.

    Parameters
    ----------
    size, pixel_size:
        number of pixels along an axis, and their distance.
    channels:
        of the convolution and the locally connected layers.
    features, hidden:
        lengths of the layers after them.
    told:
        whether "real" is answered for the class that was asked for.
    """

    def __init__(
        self,
        size: int,
        pixel_size: float,
        channels: tuple[int, int, int],
        features: int = 64,
        hidden: int = 96,
        *,
        told: bool = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.observables = ImageObservables(size, pixel_size)
        self.stream = CriticStream((size, size), channels)
        self.project = nn.Linear(self.stream.features, features)
        self.diversity = MinibatchDiscrimination(features, KERNELS, DIMENSIONS)
        self.body = nn.Sequential(nn.Linear(features + KERNELS + OBSERVABLES, hidden), nn.LeakyReLU(SLOPE))
        self.real, self.signal = nn.Linear(hidden, 1), nn.Linear(hidden, 1)
        self.told = nn.Linear(hidden, 1) if told else None

    def forward(self, images: PixelImages, seen: Mapping[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of "real", given the classes asked, and of "signal", both (N,)."""
        x = seen["image"]
        stream = self.stream(x.permute(1, 2, 0).unsqueeze(0))
        features = functional.leaky_relu(self.project(stream), SLOPE)
        observed = self.observe(images, seen).clamp(-10.0, 10.0)
        body = self.body(torch.cat([features, self.diversity(features), observed], dim=1))
        real = self.real(body).squeeze(1)
        if self.told is not None:
            # the projection of arXiv:1802.05637
            real = real + (2 * labels - 1) * self.told(body).squeeze(1)
        return real, self.signal(body).squeeze(1)

    def observe(self, images: PixelImages, seen: Mapping[str, Tensor]) -> Tensor:
        """Return the observables in units of their widths, (N, observables)."""
        found: Tensor = self.observables(images.inverse(seen["image"]), seen["hits"])
        return found


class ImageGame:
    """The networks of the family :class:`~simulacra.generators.auxiliary_class.AuxiliaryClass` for images.

    Batches hold ``image`` (N, n, n) [GeV] and ``conditions`` (N, 1), 1 for the signal.
    """

    def __init__(self, observable_matching: float) -> None:
        self.observable_matching = observable_matching

    def labels(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the class of each event, (N,)."""
        return batch["conditions"][:, 0]

    def generate(self, generator: nn.Module, noise: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return generated images of the classes of the batch."""
        before: Tensor = generator.before(noise, batch["conditions"])  # type: ignore[operator]
        # The number of hits has no gradient: it takes that of a sigmoid (straight-through, arXiv:1308.3432).
        floor: Tensor = generator.images.floor()  # type: ignore[operator]
        smooth = torch.sigmoid((before - floor) / SOFTNESS)
        image: Tensor = generator.sparse(before)  # type: ignore[operator]
        return {"image": image, "hits": (before >= floor).to(before.dtype) + smooth - smooth.detach()}

    def real(self, generator: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return real images."""
        image: Tensor = generator.images(batch["image"])  # type: ignore[operator]
        return {"image": image, "hits": (image > 0).to(image.dtype)}

    def answers(
        self,
        generator: nn.Module,
        critic: nn.Module,
        seen: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of "real" and of "signal", both (N,)."""
        real, signal = critic(generator.images, seen, self.labels(batch))
        return real, signal

    def auxiliary(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Hold mean and width of the observables of each class to those of the batch's real images."""
        if self.observable_matching == 0:
            return torch.zeros(())
        with torch.no_grad():
            real = critic.observe(generator.images, self.real(generator, batch))  # type: ignore[operator]
        fake = critic.observe(generator.images, seen)  # type: ignore[operator]
        # Clamped, for one image in a far tail must not decide the width of a batch.
        real, fake = real.clamp(-5.0, 5.0), fake.clamp(-5.0, 5.0)
        labels = self.labels(batch)
        loss = torch.zeros((), device=labels.device)
        for weight in (labels, 1 - labels):
            share = (weight / weight.sum().clamp(min=1))[:, None]
            means = [(share * one).sum(dim=0) for one in (real, fake)]
            widths = [
                torch.sqrt((share * (one - mean) ** 2).sum(dim=0) + 1e-6)
                for one, mean in zip((real, fake), means, strict=True)
            ]
            loss = loss + (means[1] - means[0]).abs().mean() + (widths[1] - widths[0]).abs().mean()
        return self.observable_matching * loss
