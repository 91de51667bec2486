"""The common part of families that learn from events only, without an opponent."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from simulacra.generators.average import follow


class PointModel(Protocol):
    """What such a family needs from a model: a module that connects its networks to a representation of events."""

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks to train by name, in the order of their turns: one per stage."""

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what the network of a stage learns, (N, D), and its context, (N, C)."""


class PointFamily(nn.Module, ABC):
    """A model in training on points given a context, with one loss per stage.

    Parameters
    ----------
    model:
        a module that is a :class:`PointModel`.
    average_decay:
        decay of the moving average of its weights.
    """

    def __init__(self, model: Any, *, average_decay: float = 0.999) -> None:
        super().__init__()
        self.model: Any = model
        self.average: Any = copy.deepcopy(model).requires_grad_(False).eval()
        self.average_decay = average_decay

    def players(self) -> dict[str, nn.Module]:
        """Return the networks to optimise, in the order of their turns."""
        networks: dict[str, nn.Module] = self.model.networks()
        return networks

    def forward(
        self,
        player: str,
        batch: Mapping[str, Tensor],
        step: int,  # noqa: ARG002 - the loop tells every family
        rng: torch.Generator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of the stage ``player`` on a batch, and scalars to log."""
        with torch.no_grad():
            points, context = self.model.points(player, batch, rng)
        return self.loss(player, self.players()[player], points, context, rng), {}

    @torch.no_grad()
    def validation_losses(self, batches: Sequence[Mapping[str, Tensor]], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the averaged model's loss of each stage on each batch, (batches,), by name."""
        networks = self.average.networks()
        found: dict[str, list[Tensor]] = {stage: [] for stage in networks}
        for batch in batches:
            for stage, network in networks.items():
                points, context = self.average.points(stage, batch, rng)
                found[stage].append(self.loss(stage, network, points, context, rng))
        return {stage: torch.stack(losses).cpu() for stage, losses in found.items()}

    @abstractmethod
    def loss(self, stage: str, network: Any, points: Tensor, context: Tensor, rng: torch.Generator) -> Tensor:
        """Return the loss of a stage's network on points (N, D) given the context (N, C), a scalar."""

    def after_step(self, step: int) -> None:
        """Update the moving average."""
        follow(self.average, self.model, step, self.average_decay)
