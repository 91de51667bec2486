"""Adversarial training of a generator that makes decisions: a boundary-seeking GAN.

Hjelm et al., arXiv:1702.08431. A generator that stops, branches or counts has no gradient from the critic. It has the
probability of what it drew, though. The critic's logit estimates the log ratio of real to generated events, and the
generator's probability of each drawn event rises or falls with this weight: the gradient of the likelihood of real
events, by importance weights. The moving average of the generator's weights is validated and shipped.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.generators.average import follow


class DecisionNetworks(Protocol):
    """What the family needs from its networks."""

    def draw(
        self, generator: nn.Module, batch: Mapping[str, Tensor], rng: torch.Generator
    ) -> tuple[dict[str, Tensor], Any]:
        """Return the critic's input for generated events at the conditions of ``batch``, and what was decided."""

    def log_probability(self, generator: nn.Module, decided: Any) -> Tensor:
        """Return the log-probability of what was decided, (N,)."""

    def real(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the critic's input for real events."""

    def criticise(
        self, generator: nn.Module, critic: nn.Module, seen: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the logit of "real", (N,)."""


class BoundarySeeking(nn.Module):
    """The two players and their losses.

    Parameters
    ----------
    generator, critic:
        the networks.
    networks:
        connects them (see :class:`DecisionNetworks`).
    largest_weight:
        at which weights of events are clipped.
    average_decay:
        decay of the moving average of the generator's weights.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        networks: DecisionNetworks,
        *,
        largest_weight: float = 10.0,
        average_decay: float = 0.999,
    ) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.networks = networks
        self.largest_weight, self.average_decay = largest_weight, average_decay
        self._drawn: tuple[int, dict[str, Tensor], Any] | None = None

    def players(self) -> dict[str, nn.Module]:
        """Return the modules to optimise, in the order of their turns."""
        return {"critic": self.critic, "generator": self.generator}

    def forward(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of ``player`` on a batch, and scalars to log."""
        seen, decided = self._drawn_at(player, batch, step, rng)
        logit = self.networks.criticise(self.generator, self.critic, seen, batch)
        if player == "critic":
            real = self.networks.criticise(self.generator, self.critic, self.networks.real(batch), batch)
            accuracy = 0.5 * ((real > 0).float().mean() + (logit < 0).float().mean())
            return functional.softplus(-real).mean() + functional.softplus(logit).mean(), {"accuracy": accuracy}
        weight = torch.exp(logit.detach()).clamp(max=self.largest_weight)
        weight = weight / weight.mean()
        # The mean weight, 1, is the baseline: its gradient is 0 on average, and its subtraction removes noise.
        loss = -((weight - 1.0) * self.networks.log_probability(self.generator, decided)).mean()
        return loss, {"effective_share": 1.0 / (weight**2).mean()}

    def _drawn_at(
        self, player: str, batch: Mapping[str, Tensor], step: int, rng: torch.Generator
    ) -> tuple[dict[str, Tensor], Any]:
        """Return generated events: in the generator's turn those of the critic's, for it has not changed since."""
        held, self._drawn = self._drawn, None
        n = next(iter(batch.values())).shape[0]
        if player == "generator" and held is not None and held[0] == step and len(next(iter(held[1].values()))) == n:
            return held[1], held[2]
        with torch.no_grad():
            seen, decided = self.networks.draw(self.generator, batch, rng)
        if player == "critic":
            self._drawn = step, seen, decided
        return seen, decided

    def after_step(self, step: int) -> None:
        """Update the moving average."""
        follow(self.average, self.generator, step, self.average_decay)
