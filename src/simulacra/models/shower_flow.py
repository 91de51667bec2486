"""Showers in two stages: the energies of the sections, then the cells given these, each carried from normal noise."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from simulacra.generators.flow_matching import Solver, transport
from simulacra.geometry import CalorimeterGeometry
from simulacra.networks.velocity import Velocity
from simulacra.representations.cell_shares import CellShares
from simulacra.representations.conditions import ParticleConditions
from simulacra.representations.principal_axes import PrincipalAxes
from simulacra.representations.section_energies import SectionEnergies

LEAST_UNIFORM = 1e-6
SECTION_WIDTH, SECTION_BLOCKS = 64, 2


class ShowerFlow(nn.Module):
    """Noise and physical conditions to the cells of a shower: the module that a checkpoint and an ONNX file hold.

    It is also the model of :class:`~simulacra.generators.flow_matching.FlowMatching`, of the stages ``sections`` and
    ``cells``.

    Parameters
    ----------
    geometry:
        the detector.
    condition_ranges:
        trained range of each condition, in its unit, in the order of the columns; ``incident_energy`` [GeV] first.
    width, blocks:
        of the cells' network (:class:`~simulacra.networks.velocity.Velocity`).
    knots:
        of the quantiles (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`).
    section_steps, cell_steps, solver:
        how the velocities are followed (:func:`~simulacra.generators.flow_matching.transport`).
    """

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        condition_ranges: Mapping[str, tuple[float, float]],
        *,
        width: int,
        blocks: int,
        knots: int,
        section_steps: int,
        cell_steps: int,
        solver: Solver,
    ) -> None:
        super().__init__()
        if next(iter(condition_ranges)) != "incident_energy":
            raise ValueError(f"the first condition must be 'incident_energy'; they are {list(condition_ranges)}")
        n_sections, n_conditions = len(geometry.sections), len(condition_ranges)
        self.conditions = ParticleConditions(condition_ranges)
        self.section_energies = SectionEnergies(n_sections, knots)
        self.cell_shares = CellShares([section.n_cells for section in geometry.sections], knots)
        self.axes = PrincipalAxes(geometry.n_cells)
        self.section_velocity = Velocity(n_sections, n_conditions, SECTION_WIDTH, SECTION_BLOCKS, SECTION_WIDTH)
        self.cell_velocity = Velocity(geometry.n_cells, n_conditions + n_sections, width, blocks)
        self.section_steps, self.cell_steps, self.solver = section_steps, cell_steps, solver
        self.n_sections = n_sections
        self.latent = n_sections + geometry.n_cells

    def fit(self, shower: Tensor, conditions: Tensor, rng: torch.Generator) -> None:
        """Fit the representations to showers (N, cells) [MeV] and conditions (N, C) in physical units."""
        self.section_energies.fit(self.cell_shares.energies(shower), conditions[:, 0])
        self.cell_shares.fit(shower)
        self.axes.fit(self.cell_shares(shower, _uniform(shower, rng)))
        self.cell_velocity.variance.copy_(self.axes.variance)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        context = self.conditions(conditions)
        start, further = noise[:, : self.n_sections], noise[:, self.n_sections :]
        sections = transport(self.section_velocity, start, context, self.section_steps, self.solver)
        context = torch.cat([context, sections], dim=1)
        # The axes' variances are those of the points; noise has its own, 1, in any axes.
        components = transport(self.cell_velocity, further, context, self.cell_steps, self.solver)
        energies = self.section_energies.inverse(sections, conditions[:, 0])
        cells: Tensor = self.cell_shares.inverse(self.axes.inverse(components), energies)
        return cells

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks of the two stages."""
        return {"sections": self.section_velocity, "cells": self.cell_velocity}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what a stage learns and its context.

        Batches hold ``energies`` (N, S) [MeV], ``scores`` (N, cells) with minus infinity for empty cells,
        ``thresholds`` (N, cells) and ``conditions`` (N, C) in physical units. Empty cells and sections get other scores
        below their thresholds each time.
        """
        energies, conditions = batch["energies"], batch["conditions"]
        context = self.conditions(conditions)
        sections = self.section_energies(energies, conditions[:, 0], _uniform(energies, rng))
        if stage == "sections":
            return sections, context
        scores = batch["scores"]
        dequantised = self.cell_shares.quantiles.dequantise(scores, batch["thresholds"], _uniform(scores, rng))
        return self.axes(dequantised), torch.cat([context, sections], dim=1)


def _uniform(like: Tensor, rng: torch.Generator) -> Tensor:
    """Return numbers in (0, 1): at neither end, where a score would be infinite."""
    return torch.rand(like.shape, generator=rng).clamp(LEAST_UNIFORM, 1.0 - LEAST_UNIFORM).to(like)
