"""Particles that send each other messages: a generator and a critic of clouds that are the same for any order of them.

The networks of MPGAN, Kansal et al., arXiv:2106.11535. In a layer, each particle i gets from each present particle j
(itself too) the message f_e(h_i, h_j) of the edge network, and becomes f_n(h_i, sum of its messages).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: slope of LeakyReLU below 0
SLOPE = 0.2


class MessagePassing(nn.Module):
    """One layer of message passing between all pairs of particles.

    Parameters
    ----------
    features, made:
        number of features of a particle before and after the layer.
    context:
        length of an event's context, which the node network sees.
    edge_widths:
        of the layers of the edge network, one or more; the last is the length of a message.
    node_width:
        of the two hidden layers of the node network.
    """

    def __init__(self, features: int, made: int, context: int, edge_widths: Sequence[int], node_width: int) -> None:
        super().__init__()
        # The first layer of the edge network is linear in both particles: W (h_i, h_j) = A h_i + B h_j. It therefore
        # costs two maps of P particles instead of one of P^2 pairs. Only sums and later layers are computed per pair.
        self.receiver = nn.Linear(features, edge_widths[0])
        self.sender = nn.Linear(features, edge_widths[0], bias=False)
        self.edges = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(edge_widths))
        self.first = nn.Linear(features + edge_widths[-1], node_width)
        self.shift = nn.Linear(context, node_width, bias=False)
        self.second = nn.Linear(node_width, node_width)
        self.last = nn.Linear(node_width, made)

    def forward(self, h: Tensor, there: Tensor, context: Tensor) -> Tensor:
        """Map particles (N, P, features), of which ``there`` (N, P) are present, to particles (N, P, made)."""
        h = torch.cat([h, self.messages(h, there)], dim=2)
        h = functional.leaky_relu(self.first(h) + self.shift(context)[:, None], SLOPE)
        made: Tensor = self.last(functional.leaky_relu(self.second(h), SLOPE))
        return made

    def messages(self, h: Tensor, there: Tensor) -> Tensor:
        """Return the sum of the messages from present particles to each, over P, (N, P, edge_widths[-1])."""
        particles = h.shape[1]
        pairs = functional.leaky_relu(self.receiver(h)[:, :, None] + self.sender(h)[:, None], SLOPE)
        for edge in self.edges:
            pairs = functional.leaky_relu(edge(pairs), SLOPE)
        # As a matrix product, which reads the pairs once. Over P, as sums of P messages would be large at the start.
        weights = (there / particles)[:, None, None].expand(-1, particles, -1, -1)
        return torch.matmul(weights, pairs).squeeze(2)


class CloudGenerator(nn.Module):
    """Map noise of particles to clouds, by message passing; absent particles are 0.

    The network learns what is added to the first numbers of the noise, so that it begins with normal scores.

    Parameters
    ----------
    latent, features:
        number of a particle's noise numbers (at least that of its features), and of its features.
    context, edge_widths, node_width:
        see :class:`MessagePassing`.
    hidden:
        number of a particle's features between layers.
    layers:
        number of layers.
    """

    def __init__(
        self,
        latent: int,
        features: int,
        context: int,
        edge_widths: Sequence[int],
        node_width: int,
        *,
        hidden: int,
        layers: int = 2,
    ) -> None:
        super().__init__()
        if latent < features:
            raise ValueError(f"a particle of {features} features needs at least as many noise numbers, not {latent}")
        self.features = features
        sizes = [latent + 1] + [hidden] * (layers - 1) + [features]
        self.layers = nn.ModuleList(
            MessagePassing(before, after, context, edge_widths, node_width) for before, after in pairwise(sizes)
        )

    def forward(self, noise: Tensor, there: Tensor, context: Tensor) -> Tensor:
        """Map noise (N, P, latent), the mask ``there`` (N, P) and context (N, C) to clouds (N, P, features)."""
        h = torch.cat([noise, there[..., None]], dim=2)
        for i, layer in enumerate(self.layers):
            h = layer(functional.leaky_relu(h, SLOPE) if i else h, there, context)
        return (noise[..., : self.features] + h) * there[..., None]


class CloudCritic(nn.Module):
    """Map clouds to one number an event, by message passing and the mean of present particles.

    Parameters
    ----------
    features:
        number of a particle's features.
    observables:
        number of an event's observables, which the last layers see.
    context, edge_widths, node_width:
        see :class:`MessagePassing`.
    hidden, layers:
        see :class:`CloudGenerator`.
    """

    def __init__(
        self,
        features: int,
        observables: int,
        context: int,
        edge_widths: Sequence[int],
        node_width: int,
        *,
        hidden: int,
        layers: int = 2,
    ) -> None:
        super().__init__()
        sizes = [features + 1] + [hidden] * layers
        self.layers = nn.ModuleList(
            MessagePassing(before, after, context, edge_widths, node_width) for before, after in pairwise(sizes)
        )
        self.head = nn.Sequential(
            nn.Linear(hidden + 1 + observables + context, node_width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(node_width, node_width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(node_width, 1),
        )

    def forward(self, cloud: Tensor, there: Tensor, observables: Tensor, context: Tensor) -> Tensor:
        """Return the logit of clouds (N, P, features), masks (N, P), observables (N, O) and contexts (N, C), (N,)."""
        h = torch.cat([cloud, there[..., None]], dim=2)
        for layer in self.layers:
            h = functional.leaky_relu(layer(h, there, context), SLOPE)
        number = there.sum(dim=1, keepdim=True)
        mean = torch.bmm((there / number.clamp(min=1.0))[:, None], h).squeeze(1)
        share = number / there.shape[1]
        logit: Tensor = self.head(torch.cat([mean, share, observables, context], dim=1)).squeeze(1)
        return logit
