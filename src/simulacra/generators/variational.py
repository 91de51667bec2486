"""Variational autoencoders: a code that is nearly standard normal, and a decoder from codes to points.

Kingma and Welling, arXiv:1312.6114, conditional as in Sohn, Lee and Yan (NeurIPS 2015), with one learned variance per
component of a point (Rybkin, Daniilidis and Levine, arXiv:2006.13202). A sample includes the noise of this variance,
because events would be too smooth without it. Where codes are not normal at given conditions, a flow can learn their
density after the autoencoder (Dai and Wipf, arXiv:1903.05789), in a stage of its own.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from simulacra.generators.points import PointFamily
from simulacra.networks.deep_sets import perceptron


class Autoencoder(nn.Module):
    """Encoder and decoder of points (N, size) given a context (N, C).

    Parameters
    ----------
    size, context:
        number of components of a point, and of its context.
    code:
        number of components of a code.
    width:
        of both perceptrons, which have two hidden layers each.
    """

    def __init__(self, size: int, context: int, *, code: int, width: int = 256) -> None:
        super().__init__()
        self.size, self.code = size, code
        self.latent = code + size
        self.encoder = perceptron((size + context, width, width, 2 * code))
        self.decoder = perceptron((code + context, width, width, size))
        self.log_width = nn.Parameter(torch.zeros(size))

    def encode(self, points: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log width of each component of the code, (N, code) each."""
        mean, log_width = self.encoder(torch.cat([points, context], dim=1)).chunk(2, dim=1)
        return mean, log_width.clamp(-10.0, 10.0)

    def decode(self, code: Tensor, context: Tensor) -> Tensor:
        """Return the mean of the points of codes, (N, size)."""
        mean: Tensor = self.decoder(torch.cat([code, context], dim=1))
        return mean

    def log_likelihood(self, points: Tensor, code: Tensor, context: Tensor) -> Tensor:
        """Return log p(points | code), (N,)."""
        pull = (points - self.decode(code, context)) / self.log_width.exp()
        return -(0.5 * pull.square() + self.log_width + 0.5 * math.log(2 * math.pi)).sum(dim=1)

    def forward(self, noise: Tensor, context: Tensor) -> Tensor:
        """Map standard normal noise (N, code + size) to points (N, size)."""
        code, further = noise[:, : self.code], noise[:, self.code :]
        return self.decode(code, context) + self.log_width.exp() * further


class Variational(PointFamily):
    """Autoencoders in training by the lower bound on their likelihood.

    A network has ``encode`` and ``log_likelihood`` as :class:`Autoencoder`.

    Parameters
    ----------
    code_weight:
        of the code's divergence from the normal distribution; 1 for the bound itself.
    prior:
        name of the stage whose network is a density of codes (``log_prob``), which are its points; "" if there is none.
    """

    def __init__(self, model: Any, *, average_decay: float = 0.999, code_weight: float = 1.0, prior: str = "") -> None:
        super().__init__(model, average_decay=average_decay)
        self.code_weight, self.prior = code_weight, prior

    def loss(
        self,
        stage: str,
        network: Any,
        points: Tensor,
        context: Tensor,
        rng: torch.Generator,
    ) -> Tensor:
        """Return minus the bound on log p per component [nat], with one drawn code per point; or of the codes."""
        if stage == self.prior:
            surprise: Tensor = -network.log_prob(points, context).mean() / points.shape[1]
            return surprise
        mean, log_width = network.encode(points, context)
        noise = torch.randn(mean.shape, generator=rng).to(mean)
        reconstruction = -network.log_likelihood(points, mean + log_width.exp() * noise, context)
        divergence = (0.5 * (mean.square() + (2 * log_width).exp() - 1) - log_width).sum(dim=1)
        loss: Tensor = (reconstruction + self.code_weight * divergence).mean() / points.shape[1]
        return loss
