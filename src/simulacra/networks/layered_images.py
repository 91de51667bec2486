"""Networks on a stack of images, one per longitudinal section: the generator and the critic of CaloGAN.

After Paganini, de Oliveira and Nachman, arXiv:1705.02355 and 1712.10321. The generator has one stream of locally
connected layers per section (LAGAN, arXiv:1701.05927), an attention map that adds the image of the section before, and
sparsity by ReLU. The critic has one stream per section, minibatch discrimination, and the shower's observables. With
one section these are LAGAN's networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.locally_connected import ChannelNorm, Convolution2d, LocallyConnected2d
from simulacra.networks.minibatch_discrimination import MinibatchDiscrimination

Size = tuple[int, int]
SLOPE = 0.2
THRESHOLD = 0.05  # in units of a cell's usual root share: 99.8 % of the hits of Geant4's showers lie above
SOFTNESS = 0.1
KERNELS, DIMENSIONS = 8, 4  # of minibatch discrimination


class ImageStream(nn.Module):
    """Turn a vector into one section's image, before the ReLU, (N, latent) -> (rows, columns, 1, N).

    The cells of all sections share the vector. Each position also receives its own noise number, because the far cells
    are hit nearly independently of each other.

    ``channels`` are those after the dense layer, the shared convolution and the first locally connected layer: the
    papers use (36, 16, 6).
    """

    def __init__(self, size: Size, latent: int, channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.size = size
        self.padded = (size[0] + 2, size[1] + 2)
        self.dense = nn.Linear(latent, self.padded[0] * self.padded[1] * channels[0])
        self.convolution = Convolution2d(channels[0], channels[1], (2, 2), padding=(0, 1, 0, 1))
        self.positions = self.padded[0] * self.padded[1]
        self.own_noise = nn.Parameter(0.3 * torch.randn(*self.padded, channels[1], 1))
        self.norm = ChannelNorm(channels[1])
        self.local = LocallyConnected2d(self.padded, channels[1], channels[2], (2, 2))
        self.image = LocallyConnected2d(self.local.output_size, channels[2], 1, (2, 2))
        # Most cells of most showers are empty, but a cell that starts far below the ReLU never learns.
        nn.init.constant_(self.image.bias, 0.1)  # type: ignore[arg-type]

    def forward(self, h: Tensor, own: Tensor) -> Tensor:
        """Map (N, latent) and the stream's own noise, (N, positions), to (rows, columns, 1, N)."""
        x = torch.addmm(self.dense.bias[:, None], self.dense.weight, h.t()).reshape(-1, *self.padded, h.shape[0])
        x = self.convolution(x) + self.own_noise * own.t().reshape(*self.padded, 1, h.shape[0])
        x = self.norm(functional.leaky_relu(x, SLOPE))
        y: Tensor = self.image(functional.leaky_relu(self.local(x), SLOPE))
        return y


class InpaintingAttention(nn.Module):
    """Mix a section's own image with that carried over from the section before, position by position.

    The two images pass through a locally connected 3 x 3 layer and a softmax over the two, which gives their weights at
    each position (arXiv:1705.02355, section 4.1).
    """

    carry: Tensor

    def __init__(self, size: Size, carry: Tensor) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("carry", carry.float())
        self.weights = LocallyConnected2d(size, 2, 2, (3, 3), padding=(1, 1, 1, 1))

    def forward(self, image: Tensor, before: Tensor) -> Tensor:
        """Mix ``image`` (rows, columns, 1, N) with the section before it, ``before`` (rows', columns', 1, N)."""
        carried = (self.carry @ before.reshape(self.carry.shape[1], -1)).reshape(image.shape)
        both = torch.cat([image, carried], dim=2)
        mixed: Tensor = (both * torch.softmax(self.weights(both), dim=2)).sum(dim=2, keepdim=True)
        return mixed


class LayeredImageGenerator(nn.Module):
    """Map noise and conditions to the images of all sections, sparse by ReLU.

    The conditions multiply the noise through a learned linear map, like the energy in the papers, and also enter
    directly. A small separate network gives one number per shower, the score of its total response.

    Parameters
    ----------
    sizes:
        (rows, columns) of each section.
    carries:
        the matrices, (cells of section i + 1, cells of section i), that map an image to the next section's cells.
    n_conditions:
        length of the condition vector.
    latent:
        length of the noise that all sections share. The noise vector begins with it, followed by one number per
        position of each section (:attr:`latent` numbers in all).
    channels:
        see :class:`ImageStream`.
    """

    def __init__(
        self,
        sizes: Sequence[Size],
        carries: Sequence[Tensor],
        n_conditions: int,
        latent: int,
        channels: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.shared = latent
        self.modulation = nn.Linear(n_conditions, latent)
        nn.init.normal_(self.modulation.weight, std=0.3)
        nn.init.ones_(self.modulation.bias)
        self.streams = nn.ModuleList(ImageStream(size, latent + n_conditions, channels) for size in sizes)
        self.noise_sizes = [latent, *(stream.positions for stream in self.streams)]
        self.latent = sum(self.noise_sizes)  # type: ignore[arg-type]
        self.attention = nn.ModuleList(
            InpaintingAttention(size, carry) for size, carry in zip(sizes[1:], carries, strict=True)
        )
        self.response = nn.Sequential(
            nn.Linear(latent + n_conditions, 32),
            nn.LeakyReLU(SLOPE),
            nn.Linear(32, 32),
            nn.LeakyReLU(SLOPE),
            nn.Linear(32, 1),
        )

    def forward(self, noise: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return images before the ReLU's threshold, images and response scores from (N, latent) and (N, conditions).

        The first is the input of :func:`soft_hits`, (N, cells); images are 0 or above :data:`THRESHOLD`, (N, cells);
        scores are (N,).
        """
        shared, *own = noise.split(self.noise_sizes, dim=1)
        h = torch.cat([shared * self.modulation(conditions), conditions], dim=1)
        images: list[Tensor] = []
        for i, stream in enumerate(self.streams):
            image = stream(h, own[i])
            if i:
                image = self.attention[i - 1](image, functional.relu(images[-1]))
            images.append(image)
        before = torch.cat([image.reshape(-1, noise.shape[0]) for image in images], dim=0).t()
        return before, sparse(before), self.response(h).squeeze(1)


def sparse(before: Tensor) -> Tensor:
    """Return the image with every cell at or below the threshold set to 0."""
    return before * (before > THRESHOLD)


def soft_hits(before: Tensor) -> Tensor:
    """Return 1 where a cell is hit and 0 elsewhere, with the gradient of a sigmoid (straight-through).

    The count of hits has no gradient, so in the papers the critic sees the sparsity but the generator learns nothing
    from it (the estimator is from arXiv:1308.3432).
    """
    smooth = torch.sigmoid((before - THRESHOLD) / SOFTNESS)
    return (before > THRESHOLD).to(before.dtype) + smooth - smooth.detach()


class CriticStream(nn.Module):
    """Map one section's image to a feature vector, (1, rows, columns, N) -> (N, features)."""

    def __init__(self, size: Size, channels: tuple[int, int, int]) -> None:
        super().__init__()
        self.convolution = Convolution2d(1, channels[0], (2, 2), padding=(0, 1, 0, 1))
        self.local1 = LocallyConnected2d(size, channels[0], channels[1], (3, 3), (1, 2), (1, 1, 1, 1))
        size = self.local1.output_size
        self.local2 = LocallyConnected2d(size, channels[1], channels[2], (2, 2), (1, 1), (1, 1, 1, 1))
        size = self.local2.output_size
        self.local3 = LocallyConnected2d(size, channels[2], channels[2], (2, 2), (1, 2), (1, 1, 1, 1))
        rows, columns = self.local3.output_size
        self.features = rows * columns * channels[2]

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, rows, columns, N) to (N, features)."""
        x = self.convolution(x)
        for layer in (self.local1, self.local2, self.local3):
            x = layer(functional.leaky_relu(x, SLOPE))
        return functional.leaky_relu(x, SLOPE).flatten(0, 2).t()


class LayeredImageCritic(nn.Module):
    """Real or generated, from the images, the observables and the conditions: (N, cells), (N, O), (N, C) -> (N,).

    The observables (layer energies, response, sparsity, widths) are computed outside from the same images, and the
    gradient flows through them to the generator.
    """

    def __init__(
        self,
        sizes: Sequence[Size],
        n_observables: int,
        n_conditions: int,
        channels: tuple[int, int, int],
        stream_features: int = 32,
        hidden: int = 96,
    ) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.streams = nn.ModuleList(CriticStream(size, channels) for size in sizes)
        self.project = nn.ModuleList(nn.Linear(stream.features, stream_features) for stream in self.streams)  # type: ignore[arg-type]
        self.image_diversity = MinibatchDiscrimination(stream_features * len(sizes), KERNELS, DIMENSIONS)
        self.observable_diversity = MinibatchDiscrimination(n_observables, KERNELS, DIMENSIONS)
        inputs = len(sizes) * stream_features + n_observables + 2 * KERNELS + n_conditions
        self.verdict = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, 1),
        )

    def forward(self, images: Tensor, observables: Tensor, conditions: Tensor) -> Tensor:
        """Return the logit of "real", (N,)."""
        n = images.shape[0]
        sections = images.t().split([rows * columns for rows, columns in self.sizes])
        seen = torch.cat(
            [
                functional.leaky_relu(project(stream(section.reshape(1, *size, n))), SLOPE)
                for project, stream, section, size in zip(self.project, self.streams, sections, self.sizes, strict=True)
            ],
            dim=1,
        )
        diversity = [self.image_diversity(seen), self.observable_diversity(observables)]
        logit: Tensor = self.verdict(torch.cat([seen, observables, *diversity, conditions], dim=1)).squeeze(1)
        return logit
