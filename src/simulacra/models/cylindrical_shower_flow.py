"""Showers along the axis of a cylindrical calorimeter, from normal noise: energies and hits of sections, then cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from simulacra.generators.flow_matching import Solver, transport
from simulacra.geometry import CalorimeterGeometry, CylindricalSection, GeometryError
from simulacra.networks.ring_velocity import RingVelocity
from simulacra.networks.velocity import Velocity
from simulacra.representations.conditional_quantiles import open_uniform
from simulacra.representations.conditions import ParticleConditions
from simulacra.representations.cyclic_axes import CyclicAxes
from simulacra.representations.principal_axes import PrincipalAxes
from simulacra.representations.ring_shares import RingHurdle, RingShares
from simulacra.representations.section_energies import SectionEnergies
from simulacra.representations.section_hits import SectionHits

#: of the sections' network
SECTION_WIDTH: Final = 256
SECTION_BLOCKS: Final = 3
#: showers for the correlations of cells, and angles of each for the hurdle; more would not change them
MOST_CORRELATED: Final = 8000
MOST_ANGLES: Final = 4


class CylindricalShowerFlow(nn.Module):
    """Map noise and physical conditions to the cells of a shower along the axis of a cylindrical calorimeter.

    It is the module of a checkpoint and of an ONNX file, and the model of
    :class:`~simulacra.generators.flow_matching.FlowMatching` with the stages ``sections`` and ``cells``.

    Parameters
    ----------
    geometry:
        the detector; all its sections have the same bins in alpha and the same number of rings.
    condition_ranges:
        trained range of each condition, in its unit; ``incident_energy`` [GeV] is the only one.
    threshold:
        least energy of a cell that is not empty [MeV].
    width, blocks:
        of :class:`~simulacra.networks.ring_velocity.RingVelocity`.
    knots:
        of the quantiles (:class:`~simulacra.representations.conditional_quantiles.ConditionalQuantiles`).
    hurdle:
        width of the network that says how often a cell is hit, and with what energy, given the sections
        (:class:`~simulacra.representations.ring_shares.RingHurdle`).
    section_steps, cell_steps, solver:
        of the integration of velocities (:func:`~simulacra.generators.flow_matching.transport`).
    """

    def __init__(
        self,
        geometry: CalorimeterGeometry,
        condition_ranges: Mapping[str, tuple[float, float]],
        *,
        threshold: float,
        width: int,
        blocks: int,
        knots: int,
        hurdle: int,
        section_steps: int,
        cell_steps: int,
        solver: Solver,
    ) -> None:
        super().__init__()
        self.bins, self.rings = mesh_of(geometry)
        self.threshold = threshold
        self.size = sections = len(geometry.sections)
        self.conditions = ParticleConditions(condition_ranges)
        self.section_energies = SectionEnergies(sections, knots, bounded=True)
        self.section_hits = SectionHits([self.bins * self.rings] * sections, knots)
        self.section_axes = PrincipalAxes(2 * sections)
        self.shares = RingShares(self.bins, sections, self.rings, knots)
        n_known = 2 * sections + len(condition_ranges)
        self.hurdle = RingHurdle(sections * self.rings, n_known, hurdle)
        self.sections = Velocity(2 * sections, len(condition_ranges), SECTION_WIDTH, SECTION_BLOCKS)
        self.cells = RingVelocity(CyclicAxes(self.bins, *[self.rings] * sections), n_known, width, blocks)
        self.steps = {"sections": section_steps, "cells": cell_steps}
        self.solver = solver
        self.section_latent = self.sections.latent
        self.latent = self.section_latent + self.cells.latent

    def fit(self, shower: Tensor, conditions: Tensor, rng: torch.Generator) -> None:
        """Fit the representations to showers (N, cells) [MeV] and conditions (N, C) in physical units.

        Raises
        ------
        ValueError
            if no cell is above the threshold.
        """
        cells = self.above(shower)
        if not bool((cells > 0).any()):
            raise ValueError(
                f"no cell of these showers is above the threshold of {self.threshold:g} MeV; the highest has "
                f"{float(shower.max()):g} MeV: lower the setting threshold"
            )
        energies, hits = self.shares.energies(cells), self.shares.hits(cells)
        self.section_energies.fit(energies, conditions[:, 0])
        self.section_hits.fit(hits, energies, rng)
        points = self._sections(energies, hits, conditions, rng)
        self.section_axes.fit([points])
        self.sections.variance.copy_(self.section_axes.variance)
        self.shares.fit(cells)
        logits = self.shares.hit_logits(cells)
        known = torch.cat([self.conditions(conditions), points], dim=1)

        def draw(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            angles = torch.randperm(self.bins, generator=rng)[:MOST_ANGLES]
            return logits[rows[:, None], angles], self.shares.thresholds(energies[rows]), known[rows]

        self.hurdle.fit(draw, len(cells), rng)
        rows = torch.randperm(len(cells), generator=rng)[:MOST_CORRELATED]
        found, most = self.hurdle.censored(logits[rows], self.shares.thresholds(energies[rows]), known[rows])
        self.cells.axes.fit_censored(found, most, rng)

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map standard normal noise (N, latent) and conditions (N, C) to energies in the cells, (N, cells), [MeV]."""
        context = self.conditions(conditions)
        points = self.section_axes.inverse(self.transport("sections", noise[:, : self.section_latent], context))
        known = torch.cat([context, points], dim=1)
        components = self.transport("cells", noise[:, self.section_latent :], known)
        energies = self.section_energies.inverse(points[:, : self.size], conditions[:, 0])
        hits = self.section_hits.inverse(points[:, self.size :], energies)
        return self._cells(components, known, energies, hits)

    def above(self, shower: Tensor) -> Tensor:
        """Return what showers (N, cells) [MeV] hold above the threshold, (N, A, K), K rings of all sections."""
        cells = shower.reshape(-1, self.size, self.bins, self.rings).transpose(1, 2).flatten(2)
        return (cells - self.threshold).clamp(min=0.0)

    def in_order(self, cells: Tensor) -> Tensor:
        """Return cells (N, A, K) in the order of showers, (N, cells)."""
        return cells.reshape(-1, self.bins, self.size, self.rings).transpose(1, 2).flatten(1)

    def tensors(self, shower: Tensor, conditions: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """Return what batches hold, of showers (N, cells) [MeV] and conditions (N, C) in physical units.

        ``energies`` above threshold [MeV] and ``hits`` of the sections, (N, S) each; ``logits`` (N, A, K) of hits,
        minus infinity for empty cells; ``latent`` (N, A, K), scores with those of empty cells drawn given all others,
        by ``seeds`` (N,), whatever the other showers are; ``conditions``.
        """
        cells = self.above(shower)
        energies, hits = self.shares.energies(cells), self.shares.hits(cells)
        points = self._sections(energies, hits, conditions, None)
        known = torch.cat([self.conditions(conditions), points], dim=1)
        logits = self.shares.hit_logits(cells)
        found, most = self.hurdle.censored(logits, self.shares.thresholds(energies), known)
        return {
            "energies": energies,
            "hits": hits,
            "logits": logits,
            "latent": self.cells.axes.imputed(found, most, seeds),
            "conditions": conditions,
        }

    def there_and_back(self, shower: Tensor, conditions: Tensor) -> Tensor:
        """Return showers (N, cells) [MeV] from their own points: what they were if the networks were perfect."""
        seeds = torch.arange(len(shower))
        batch = self.tensors(shower, conditions, seeds)
        components, known = self.points("cells", batch, torch.Generator().manual_seed(0))
        return self._cells(components, known, batch["energies"], batch["hits"].long())

    def transport(self, stage: str, noise: Tensor, context: Tensor) -> Tensor:
        """Map noise to the points of a stage, (N, D), given the context (N, C)."""
        return transport(self.networks()[stage], noise, context, self.steps[stage], self.solver)

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks of the two stages."""
        return {"sections": self.sections, "cells": self.cells}

    def points(self, stage: str, batch: Mapping[str, Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return what a stage learns and its context, of a batch of :meth:`tensors`.

        Scores of what is empty are drawn again each time.
        """
        energies, conditions = batch["energies"], batch["conditions"]
        context = self.conditions(conditions)
        points = self._sections(energies, batch["hits"], conditions, rng)
        if stage == "sections":
            return self.section_axes(points), context
        known = torch.cat([context, points], dim=1)
        found, most = self.hurdle.censored(batch["logits"], self.shares.thresholds(energies), known)
        # A turned shower has its latent scores, turned; a further draw makes them new in each epoch.
        scores = self.cells.axes.refreshed(torch.where(torch.isinf(found), batch["latent"], found), found, most, rng)
        return self.cells.axes(scores).flatten(1), known

    def _cells(self, components: Tensor, known: Tensor, energies: Tensor, hits: Tensor) -> Tensor:
        """Return showers (N, cells) [MeV] from the points of the cells' network and the sections' energies and hits."""
        scores = self.cells.axes.inverse(components.reshape(-1, self.bins, self.size * self.rings))
        cells = self.shares.inverse(scores, energies, hits, self.hurdle, known)
        return self.in_order(cells + self.threshold * (cells > 0).to(cells.dtype))

    def _sections(self, energies: Tensor, hits: Tensor, conditions: Tensor, rng: torch.Generator | None) -> Tensor:
        """Return the scores of energies [MeV] and hits of the sections, (N, 2 S)."""
        fractions = self.section_energies(energies, conditions[:, 0], open_uniform(energies, rng))
        return torch.cat([fractions, self.section_hits(hits, energies, rng)], dim=1)


def mesh_of(geometry: CalorimeterGeometry) -> tuple[int, int]:
    """Return the number of bins in alpha, and of rings, of each section.

    Raises
    ------
    GeometryError
        if sections are not cylindrical or differ in these.
    """
    meshes = {
        (section.alpha_bins, len(section.r_edges) - 1) if isinstance(section, CylindricalSection) else None
        for section in geometry.sections
    }
    (found, *others) = meshes
    if found is None or others:
        raise GeometryError(
            f"the geometry '{geometry.name}' is no mesh of cylinders with equal bins and rings in each section: "
            "use the system showerflow"
        )
    return found
