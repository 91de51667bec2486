"""Showers in two stages, each from normal noise: energies and shapes of the sections, then the cells given these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import torch
from torch import Tensor, nn

from simulacra.generators.flow import SplineFlow
from simulacra.generators.flow_matching import Solver, transport
from simulacra.generators.variational import Autoencoder
from simulacra.geometry import CalorimeterGeometry
from simulacra.networks.velocity import Velocity
from simulacra.representations.cell_shares import CellShares
from simulacra.representations.conditional_quantiles import open_uniform
from simulacra.representations.conditions import ParticleConditions
from simulacra.representations.imposed_shapes import ImposedShapes
from simulacra.representations.principal_axes import PrincipalAxes
from simulacra.representations.section_energies import SectionEnergies
from simulacra.representations.section_shapes import SectionShapes

Family = Literal["flow_matching", "flow", "autoencoder"]

#: of the sections' network
SECTION_WIDTH: Final = 192
SECTION_BLOCKS: Final = 3
#: largest number of components for an autoregressive spline flow; beyond, sampling them one by one takes too long
MOST_AUTOREGRESSIVE: Final = 8
MOST_CODES: Final = 64
#: showers whose scores are in memory at once while the axes are fitted
FITTED_AT_ONCE: Final = 256


class ShowerFlow(nn.Module):
    """Map noise and physical conditions to the cells of a shower: the module of a checkpoint and of an ONNX file.

    It is also the model of the families that learn points (:class:`~simulacra.generators.points.PointFamily`), with the
    stages ``sections`` and ``cells``.

    Parameters
    ----------
    geometry:
        the detector.
    condition_ranges:
        trained range of each condition, in its unit, in the order of the columns; ``incident_energy`` [GeV] first.
    family:
        the networks that generate the points.
    width, blocks:
        of the cells' network: of a velocity, or the width and the transforms of a spline flow; an autoencoder uses only
        the width.
    knots:
        of the quantiles (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`).
    section_steps, cell_steps, solver:
        of the integration of velocities (:func:`~simulacra.generators.flow_matching.transport`).
    """

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        condition_ranges: Mapping[str, tuple[float, float]],
        *,
        family: Family = "flow_matching",
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
        self.section_shapes = SectionShapes(geometry, knots)
        self.cell_shares = CellShares([section.n_cells for section in geometry.sections], knots)
        self.imposed_shapes = ImposedShapes(geometry)
        self.axes = PrincipalAxes(*(section.n_cells for section in geometry.sections))
        self.n_sections = n_sections
        n_points = n_sections + self.section_shapes.size
        self.sections = _network(family, n_points, n_conditions, SECTION_WIDTH, SECTION_BLOCKS)
        self.cells = _network(family, geometry.n_cells, n_conditions + n_points, width, blocks)
        self.steps = {"sections": section_steps, "cells": cell_steps}
        self.solver = solver
        self.section_latent = int(self.sections.latent)  # type: ignore[arg-type]
        self.latent = self.section_latent + int(self.cells.latent)  # type: ignore[arg-type]

    def fit(self, shower: Tensor, conditions: Tensor, rng: torch.Generator) -> None:
        """Fit the representations to showers (N, cells) [MeV] and conditions (N, C) in physical units."""
        energies = self.cell_shares.energies(shower)
        self.section_energies.fit(energies, conditions[:, 0])
        self.section_shapes.fit(shower, energies, rng)
        self.cell_shares.fit(shower)
        self.axes.fit(self.cell_shares(part, open_uniform(part, rng)) for part in shower.split(FITTED_AT_ONCE))
        if isinstance(self.cells, Velocity):
            self.cells.variance.copy_(self.axes.variance)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        context = self.conditions(conditions)
        sections = self.transport("sections", noise[:, : self.section_latent], context)
        # The axes' variances are those of the points; noise has its own, 1, in any axes.
        components = self.transport("cells", noise[:, self.section_latent :], torch.cat([context, sections], dim=1))
        energies = self.section_energies.inverse(sections[:, : self.n_sections], conditions[:, 0])
        shapes = self.section_shapes.inverse(sections[:, self.n_sections :], energies)
        scores = self.axes.inverse(components * self._scale())
        cells: Tensor = self.imposed_shapes(self.cell_shares.inverse(scores, energies, shapes[0]), energies, shapes)
        return cells

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise to the points of a stage, (N, D), given the context (N, C)."""
        network = self.networks()[stage]
        if isinstance(network, Velocity):
            return transport(network, noise, context, self.steps[stage], self.solver)
        points: Tensor = network(noise, context)
        return points

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks of the two stages."""
        return {"sections": self.sections, "cells": self.cells}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what a stage learns and its context.

        Batches hold ``shower`` (N, cells) [MeV], ``energies`` (N, S) [MeV], ``scores`` (N, cells) with minus infinity
        for empty cells, and ``conditions`` (N, C) in physical units. Empty cells and sections get new random scores
        below their thresholds each time.
        """
        energies, conditions = batch["energies"], batch["conditions"]
        context = self.conditions(conditions)
        fractions = self.section_energies(energies, conditions[:, 0], open_uniform(energies, rng))
        sections = torch.cat([fractions, self.section_shapes(batch["shower"], energies, rng)], dim=1)
        if stage == "sections":
            return sections, context
        scores = batch["scores"]
        thresholds = self.cell_shares.thresholds(energies)
        dequantised = self.cell_shares.quantiles.dequantise(scores, thresholds, open_uniform(scores, rng))
        return self.axes(dequantised) / self._scale(), torch.cat([context, sections], dim=1)

    def _scale(self) -> Tensor | float:
        """Return the unit of each component; only velocities know the variances, other networks need unit width."""
        return 1.0 if isinstance(self.cells, Velocity) else self.axes.variance.sqrt()


def _network(family: Family, size: int, context: int, width: int, blocks: int) -> nn.Module:
    if family == "flow_matching":
        return Velocity(size, context, width, blocks, min(width, 128))
    if family == "autoencoder":
        return Autoencoder(size, context, code=min(size, MOST_CODES), width=width)
    coupling: Literal["coupling", "autoregressive"] = "autoregressive" if size <= MOST_AUTOREGRESSIVE else "coupling"
    return SplineFlow(size, context, coupling=coupling, transforms=blocks, width=width)
