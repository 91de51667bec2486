"""Fields by flow matching: levels, then the standardised field given these, each carried from noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.generators.flow_matching import Solver, transport
from simulacra.networks.field_velocity import FieldVelocity
from simulacra.networks.velocity import Velocity
from simulacra.representations.field_levels import LEVELS, FieldLevels

#: of the network of the levels, and its steps
LEVEL_WIDTH: Final = 48
LEVEL_BLOCKS: Final = 2
LEVEL_STEPS: Final = 6


class FlowingFields(nn.Module):
    """Map noise and conditions to fields: the module of a checkpoint and of an ONNX file.

    Parameters
    ----------
    shape:
        of a field, (n1, n2).
    conditions:
        number of conditions.
    width, blocks:
        of :class:`~simulacra.networks.field_velocity.FieldVelocity`.
    steps, solver:
        of the standardised field's :func:`~simulacra.generators.flow_matching.transport`.
    """

    def __init__(
        self, shape: tuple[int, int], conditions: int, *, width: int, blocks: int, steps: int, solver: Solver
    ) -> None:
        super().__init__()
        self.shape, self.steps, self.solver = shape, steps, solver
        self.levels = FieldLevels(conditions)
        self.of_levels = Velocity(LEVELS, conditions, LEVEL_WIDTH, LEVEL_BLOCKS, LEVEL_WIDTH)
        self.velocity = FieldVelocity(shape, conditions + LEVELS, width=width, blocks=blocks)
        self.latent = LEVELS + self.velocity.size

    @torch.no_grad()
    def fit(self, field: Tensor, conditions: Tensor) -> None:
        """Fit the standardisation and the power of waves to the training fields (N, n1, n2)."""
        self.levels.fit(field, conditions)
        self.velocity.fit(self.levels.split(field)[1].flatten(1))

    def networks(self) -> dict[str, nn.Module]:
        """Return the velocity of fields and that of levels."""
        return {"velocity": self.velocity, "levels": self.of_levels}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return the waves of standardised fields (N, D), or levels (N, 2), and the context of either."""
        levels, standard = self.levels.split(batch["field"])
        context = self.levels.context(batch["conditions"])
        if stage == "levels":
            return levels, context
        return self.velocity.to_waves(standard.flatten(1)), torch.cat([context, levels], dim=1)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map noise (N, latent) and conditions (N, C) in physical units to fields (N, n1, n2)."""
        context = self.levels.context(conditions)
        levels = transport(self.of_levels, noise[:, :LEVELS], context, LEVEL_STEPS, self.solver)
        told = torch.cat([context, levels], dim=1)
        waves = transport(self.velocity, noise[:, LEVELS:], told, self.steps, self.solver)
        standard = self.velocity.from_waves(waves).unflatten(1, self.shape)
        # In the sample each field has mean 0 and width 1 beside its levels.
        return self.levels.join(levels, self.levels.split(standard)[1])
