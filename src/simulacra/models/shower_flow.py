"""Showers in two stages, each from normal noise: energies and shapes of the sections, then the cells given these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import torch
from torch import Tensor, nn

from simulacra.generators.flow import SplineFlow
from simulacra.generators.flow_matching import Solver, transport
from simulacra.generators.variational import Autoencoder
from simulacra.geometry import CalorimeterGeometry
from simulacra.networks.velocity import Velocity
from simulacra.representations.cell_shares import LEAST_EXCESS, CellShares
from simulacra.representations.conditional_hurdle import ConditionalHurdle
from simulacra.representations.conditional_moments import ConditionalMoments
from simulacra.representations.conditional_quantiles import open_uniform
from simulacra.representations.conditions import POLAR, ParticleConditions
from simulacra.representations.imposed_shapes import ImposedShapes
from simulacra.representations.nudged_shapes import NudgedShapes
from simulacra.representations.principal_axes import PrincipalAxes
from simulacra.representations.section_energies import SectionEnergies
from simulacra.representations.section_shapes import SectionShapes
from simulacra.representations.shower_axis import IMPACT, MOVING, ShowerAxis

Family = Literal["flow_matching", "flow", "autoencoder"]

#: of the sections' network
SECTION_WIDTH: Final = 192
SECTION_BLOCKS: Final = 3
#: largest number of components for an autoregressive spline flow; beyond, sampling them one by one takes too long
MOST_AUTOREGRESSIVE: Final = 8
MOST_CODES: Final = 64
#: showers whose scores are in memory at once while the axes are fitted
FITTED_AT_ONCE: Final = 256
#: a score that no other exceeds
ANY: Final = 9.0
#: showers for the correlations of cells; more would not change them
MOST_LATENT: Final = 20_000


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
    follow_axis:
        whether cells and centres are learned in a frame that follows the shower's axis
        (:class:`~simulacra.representations.shower_axis.ShowerAxis`), if conditions move it and cells are cartesian.
    annihilation:
        of :class:`~simulacra.representations.section_energies.SectionEnergies`.
    moments:
        width of the networks that are fitted first: the mean and width of the sections' scores given the conditions
        (:class:`~simulacra.representations.conditional_moments.ConditionalMoments`), and how often a cell is hit, and
        with what energy, given all that is known (:class:`~simulacra.representations.conditional_hurdle.
        ConditionalHurdle`); 0 for none.
    nudged:
        whether cells come to their sections' shapes by the likeliest change
        (:class:`~simulacra.representations.nudged_shapes.NudgedShapes`), or by that of least relative entropy
        (:class:`~simulacra.representations.imposed_shapes.ImposedShapes`); also, whether energies are bounded.
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
        follow_axis: bool = False,
        annihilation: float | None = None,
        moments: int = 0,
        nudged: bool = False,
    ) -> None:
        super().__init__()
        if next(iter(condition_ranges)) != "incident_energy":
            raise ValueError(f"the first condition must be 'incident_energy'; they are {list(condition_ranges)}")
        n_sections, n_conditions = len(geometry.sections), len(condition_ranges)
        self.conditions = ParticleConditions(condition_ranges)
        follow_axis = follow_axis and geometry.kind == "cartesian" and any(name in condition_ranges for name in MOVING)
        self.axis = _axis(geometry, condition_ranges, padded=moments > 0) if follow_axis else None
        n_context = n_conditions + (2 * n_sections if self.axis else 0)
        self.section_energies = SectionEnergies(n_sections, knots, annihilation, bounded=nudged)
        self.section_shapes = SectionShapes(geometry, knots, self.axis.reach if self.axis else 0.0)
        self.cell_shares = CellShares([section.n_cells for section in geometry.sections], knots)
        self.imposed_shapes = NudgedShapes(geometry) if nudged else ImposedShapes(geometry)
        sizes = self.axis.padded_sizes if self.axis else [section.n_cells for section in geometry.sections]
        self.axes = PrincipalAxes(*sizes)
        self.n_sections = n_sections
        n_points = n_sections + self.section_shapes.size
        n_known = n_context + n_points
        self.section_moments = ConditionalMoments(n_points, n_context, moments) if moments else None
        self.cell_hurdle = ConditionalHurdle(geometry.n_cells, n_known, moments) if moments else None
        self.sections = _network(family, n_points, n_context, SECTION_WIDTH, SECTION_BLOCKS)
        self.cells = _network(family, sum(sizes), n_known, width, blocks)
        self.steps = {"sections": section_steps, "cells": cell_steps}
        self.solver = solver
        self.section_latent = int(self.sections.latent)  # type: ignore[arg-type]
        self.latent = self.section_latent + int(self.cells.latent)  # type: ignore[arg-type]

    def fit(self, shower: Tensor, conditions: Tensor, rng: torch.Generator, axes: Tensor | None = None) -> None:
        """Fit the representations to showers (N, cells) [MeV] and conditions (N, C) in physical units.

        ``axes`` are principal axes to keep, those of a model that is adapted.
        """
        energies = self.cell_shares.energies(shower)
        self.section_energies.fit(energies, conditions[:, 0])
        if self.axis:
            self.axis.fit(self.section_shapes.centres(shower, energies), energies, conditions)
        self.section_shapes.fit(shower, energies, rng, self._middles(conditions))
        cells = self.in_frame(shower, conditions)
        self.cell_shares.fit(cells)
        scores, context = self._cell_scores(cells), self.context(conditions)

        def sections(rows: Tensor) -> tuple[Tensor, Tensor]:
            return self._sections(shower[rows], energies[rows], conditions[rows], rng), context[rows]

        def hits(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            known = torch.cat([context[rows], sections(rows)[0]], dim=1)
            return scores[rows], self.cell_shares.thresholds(energies[rows]), known

        if self.section_moments is not None:
            self.section_moments.fit(sections, len(shower), rng)
        if self.cell_hurdle is None:
            thresholds = self.cell_shares.thresholds(energies)
            parts = zip(scores.split(FITTED_AT_ONCE), thresholds.split(FITTED_AT_ONCE), strict=True)
            self.axes.fit((self._dequantised(*part, rng) for part in parts), axes)
        else:
            self.cell_hurdle.fit(hits, len(shower), rng)
            rows = torch.randperm(len(shower), generator=rng)[:MOST_LATENT]
            pieces = (self.cell_hurdle.censored(*hits(part)) for part in rows.split(FITTED_AT_ONCE))
            found, most = (torch.cat(each) for each in zip(*pieces, strict=True))
            self.axes.fit([self.axes.drawn(*self._unknown(found, most, conditions[rows]), rng)], axes)
        if isinstance(self.cells, Velocity):
            self.cells.variance.copy_(self.axes.variance)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        context = self.context(conditions)
        sections = self.transport("sections", noise[:, : self.section_latent], context)
        if self.section_moments is not None:
            sections = self.section_moments.inverse(sections, context)
        known = torch.cat([context, sections], dim=1)
        # The axes' variances are those of the points; noise has its own, 1, in any axes.
        places = self.axes.inverse(self.transport("cells", noise[:, self.section_latent :], known) * self._scale())
        scores = self._in_cells(places, conditions)
        energies = self.section_energies.inverse(sections[:, : self.n_sections], conditions[:, 0])
        shapes = self.section_shapes.inverse(sections[:, self.n_sections :], energies, self._middles(conditions))
        found = self._cells(scores, energies, shapes[0], known)
        if self.axis:
            found = self.axis.inverse(found, conditions)
        cells: Tensor = self.imposed_shapes(found, energies, shapes)
        return cells

    def context(self, conditions: Tensor) -> Tensor:
        """Return what both networks know of an event, (N, C), from conditions in physical units."""
        known: Tensor = self.conditions(conditions)
        return known if self.axis is None else torch.cat([known, self.axis.offsets(conditions)], dim=1)

    def in_frame(self, shower: Tensor, conditions: Tensor) -> Tensor:
        """Return showers (N, cells) [MeV] as their cells are learned: in the frame that follows the axis, if any."""
        return shower if self.axis is None else self.axis.follow(shower, conditions)

    def _middles(self, conditions: Tensor) -> Tensor | None:
        """Return the middles of the frames of the sections, (N, 2, S) [mm], if there are any."""
        return None if self.axis is None else self.axis.middles(conditions)

    def scores(self, shower: Tensor, conditions: Tensor) -> Tensor:
        """Return what batches hold as ``scores`` (N, cells), of showers (N, cells) [MeV]."""
        return self._cell_scores(self.in_frame(shower, conditions))

    def latent_scores(self, batch: Mapping[str, Tensor], seeds: Tensor) -> Tensor:
        """Return what batches hold as ``latent``: scores in the padded frame, those of empty cells given all others.

        ``seeds`` (N,) decide the random numbers of each shower, whatever the others are.
        """
        hurdle = self.cell_hurdle
        if hurdle is None:
            raise ValueError("empty cells have no latent scores without a hurdle")
        energies, conditions = batch["energies"], batch["conditions"]
        sections = self._sections(batch["shower"], energies, conditions, None)
        known = torch.cat([self.context(conditions), sections], dim=1)
        found, most = hurdle.censored(batch["scores"], self.cell_shares.thresholds(energies), known)
        return self.axes.imputed(*self._unknown(found, most, conditions), seeds)

    def _unknown(self, scores: Tensor, most: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and largest scores of empty cells, (N, cells), in the padded frame; beyond cells any may be."""
        if self.axis is None:
            return scores, most
        whole = self.axis.frame(conditions)[0]
        nothing = scores.new_zeros(len(scores), sum(self.axis.padded_sizes))
        return self.axis.spread(scores, whole, nothing - torch.inf), self.axis.spread(most, whole, nothing + ANY)

    def _in_cells(self, scores: Tensor, conditions: Tensor) -> Tensor:
        """Return scores (N, cells) of the frame from those of the padded one."""
        return scores if self.axis is None else self.axis.gathered(scores, self.axis.frame(conditions)[0])

    def _cell_scores(self, cells: Tensor) -> Tensor:
        """Return the scores of cells (N, cells) [MeV], or their logits among hits; minus infinity for empty cells."""
        return self.cell_shares.scores(cells) if self.cell_hurdle is None else self.cell_shares.hit_logits(cells)

    def _cells(self, scores: Tensor, energies: Tensor, hits: Tensor, known: Tensor) -> Tensor:
        """Return cells (N, cells) [MeV] in the frame from scores (N, cells), given energies and hits (N, S)."""
        shares = self.cell_shares
        if self.cell_hurdle is None:
            return shares.inverse(scores, energies, hits)
        empty, mean, width = self.cell_hurdle(known, shares.thresholds(energies))
        excess = shares.lit(self.cell_hurdle.excess(scores, empty), hits)
        inner = self.cell_hurdle.logits(excess.where(excess > 0, LEAST_EXCESS), empty, mean, width)
        values = shares.quantiles.values_of_logits(inner, energies.log())
        return shares.filled(torch.where(excess >= 0, values, 0.0), energies)

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

        Batches hold ``shower`` (N, cells) [MeV], ``energies`` (N, S) [MeV], ``scores`` (N, cells), those of
        :meth:`scores`, and ``conditions`` (N, C) in physical units. Empty cells and sections get new random scores
        below their thresholds each time.
        """
        energies, conditions = batch["energies"], batch["conditions"]
        context = self.context(conditions)
        sections = self._sections(batch["shower"], energies, conditions, rng)
        if stage == "sections":
            return _relative(self.section_moments, sections, context), context
        known = torch.cat([context, sections], dim=1)
        thresholds = self.cell_shares.thresholds(energies)
        if self.cell_hurdle is None:
            scores = self._dequantised(batch["scores"], thresholds, rng)
        else:
            found, most = self.cell_hurdle.censored(batch["scores"], thresholds, known)
            latent = self._in_cells(batch["latent"], conditions)
            scores = torch.where(torch.isfinite(found), found, torch.minimum(latent, most))
            if self.axis is not None:
                scores = self.axis.spread(scores, self.axis.frame(conditions)[0], batch["latent"])
        return self.axes(scores) / self._scale(), known

    def _sections(self, shower: Tensor, energies: Tensor, conditions: Tensor, rng: torch.Generator | None) -> Tensor:
        """Return the scores of energies and shapes of the sections, (N, 7 S)."""
        middles = self._middles(conditions)
        fractions = self.section_energies(energies, conditions[:, 0], open_uniform(energies, rng))
        return torch.cat([fractions, self.section_shapes(shower, energies, rng, middles)], dim=1)

    def _dequantised(self, scores: Tensor, thresholds: Tensor, rng: torch.Generator) -> Tensor:
        """Return scores (N, cells) with random ones below the thresholds (N, cells) for empty cells."""
        return self.cell_shares.quantiles.dequantise(scores, thresholds, open_uniform(scores, rng))

    def _scale(self) -> Tensor | float:
        """Return the unit of each component; only velocities know the variances, other networks need unit width."""
        return 1.0 if isinstance(self.cells, Velocity) else self.axes.variance.sqrt()


def _relative(moments: ConditionalMoments | None, points: Tensor, context: Tensor) -> Tensor:
    found: Tensor = points if moments is None else moments(points, context)
    return found


def _axis(geometry: CalorimeterGeometry, ranges: Mapping[str, tuple[float, float]], *, padded: bool) -> ShowerAxis:
    furthest = max((abs(bound) for name in IMPACT for bound in ranges.get(name, ())), default=0.0)
    steepest = math.tan(ranges[POLAR][1]) if POLAR in ranges else 0.0
    return ShowerAxis(geometry, tuple(ranges), furthest, steepest, padded=padded)


def _network(family: Family, size: int, context: int, width: int, blocks: int) -> nn.Module:
    if family == "flow_matching":
        return Velocity(size, context, width, blocks, min(width, 128))
    if family == "autoencoder":
        return Autoencoder(size, context, code=min(size, MOST_CODES), width=width)
    coupling: Literal["coupling", "autoregressive"] = "autoregressive" if size <= MOST_AUTOREGRESSIVE else "coupling"
    return SplineFlow(size, context, coupling=coupling, transforms=blocks, width=width)
