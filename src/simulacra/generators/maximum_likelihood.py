"""Maximum likelihood: a module with a log-likelihood of events is the only player."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn


class EventLikelihood(Protocol):
    """What the family needs from the system."""

    def log_likelihood(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of each event of a batch, (N,)."""


class MaximumLikelihood(nn.Module):
    """One player, whose loss is the mean negative log-likelihood over a batch.

    A moving average is not needed for a few parameters: ``average`` is the module itself.
    """

    def __init__(self, module: nn.Module, likelihood: EventLikelihood) -> None:
        super().__init__()
        self.average, self.likelihood = module, likelihood

    def players(self) -> dict[str, nn.Module]:
        """Return the module to optimise."""
        return {"likelihood": self.average}

    def forward(
        self,
        player: str,
        batch: Mapping[str, Tensor],
        step: int,  # noqa: ARG002
        rng: torch.Generator,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss on a batch, and no further scalars to log."""
        if player not in self.players():
            raise ValueError(f"there is no player {player!r}; the only one is 'likelihood'")
        return -self.likelihood.log_likelihood(self.average, batch).mean(), {}

    def after_step(self, step: int) -> None:
        """Do nothing."""
