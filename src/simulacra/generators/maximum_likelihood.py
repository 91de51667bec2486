"""Maximum likelihood: a module with a log-likelihood of events is the only player."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from simulacra.generators.average import follow


class EventLikelihood(Protocol):
    """What the family needs from the system."""

    def log_likelihood(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of each event of a batch, (N,)."""


class MaximumLikelihood(nn.Module):
    """One player, whose loss is the mean negative log-likelihood over a batch.

    Parameters
    ----------
    module:
        what is trained.
    likelihood:
        the log-likelihood of events.
    average_decay:
        decay of the moving average of the weights. Few parameters need none: with 0, ``average`` is the module itself.
    """

    def __init__(self, module: nn.Module, likelihood: EventLikelihood, *, average_decay: float = 0.0) -> None:
        super().__init__()
        self.module, self.average, self.likelihood = module, module, likelihood
        self.average_decay = average_decay
        if average_decay:
            self.average = copy.deepcopy(module).requires_grad_(False).eval()

    def players(self) -> dict[str, nn.Module]:
        """Return the module to optimise."""
        return {"likelihood": self.module}

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
        return -self.likelihood.log_likelihood(self.module, batch).mean(), {}

    def after_step(self, step: int) -> None:
        """Update the moving average."""
        if self.average is not self.module:
            follow(self.average, self.module, step, self.average_decay)
