"""A classifier of events from a representation, a network and a head: the content of a reweighter's file.

The classifier's log-odds are log p(x|theta) / p(x|theta_0) with parameters, and log p_target(x) / p_source(x) without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from simulacra.models.event_network import EventNetwork
from simulacra.networks.ratio_head import RatioHead


class EventClassifier(nn.Module):
    """Events, and the simulator's parameters if there are any, to log-odds.

    Parameters
    ----------
    network:
        embeds the events.
    bounds:
        trained box of each parameter in its unit, in the order of the columns; empty for a plain classifier.
    reference:
        the parameters theta_0 of the source.
    head_widths:
        hidden widths of the head.
    """

    low: Tensor
    high: Tensor
    reference: Tensor

    def __init__(
        self,
        network: EventNetwork,
        bounds: Mapping[str, tuple[float, float]],
        reference: Mapping[str, float],
        head_widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.network = network
        self.parameter_names = tuple(bounds)
        self.head = RatioHead(network.summary, len(bounds), head_widths)
        self.register_buffer("low", torch.tensor([low for low, _ in bounds.values()], dtype=torch.float32))
        self.register_buffer("high", torch.tensor([high for _, high in bounds.values()], dtype=torch.float32))
        self.register_buffer("reference", torch.tensor([reference[name] for name in bounds], dtype=torch.float32))

    def forward(self, represented: Mapping[str, Tensor], theta: Tensor | None = None) -> Tensor:
        """Return log-odds (N,) of represented events at parameters (N, P) or (P,) in their units."""
        return self.log_odds(self.network(represented), theta)

    def log_odds(self, summary: Tensor, theta: Tensor | None = None) -> Tensor:
        """Return log-odds (...) of summaries (..., S) at parameters (..., P) or (P,) in their units."""
        if not self.parameter_names:
            odds: Tensor = self.head(summary)
            return odds
        if theta is None:
            raise ValueError(f"this classifier needs the parameters {list(self.parameter_names)}")
        scaled = self._scaled(theta).expand(*summary.shape[:-1], len(self.parameter_names))
        at_theta: Tensor = self.head(summary, scaled, self._scaled(self.reference))
        return at_theta

    def take_representation(self, other: EventClassifier) -> None:
        """Copy the fitted representation of another classifier, so that both see events in the same way."""
        fitted = dict(other.network.named_buffers())
        for name, buffer in self.network.named_buffers():
            buffer.copy_(fitted[name])

    def _scaled(self, theta: Tensor) -> Tensor:
        return 2.0 * (theta.to(self.low.dtype) - self.low) / (self.high - self.low) - 1.0

    @torch.no_grad()
    def embed(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return the summaries of represented events, (N, S), block by block."""
        n, block = len(next(iter(represented.values()))), self.network.block
        blocks = [
            self.network({name: tensor[start : start + block] for name, tensor in represented.items()})
            for start in range(0, n, block)
        ]
        return torch.cat(blocks) if blocks else torch.zeros(0, self.network.summary)
