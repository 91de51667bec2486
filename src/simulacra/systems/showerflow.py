"""Precise showers: the energies of a calorimeter's sections by flow matching, then its cells given these.

Two stages as in CaloFlow (arXiv:2106.05285) and CaloDREAM (arXiv:2405.09629). Both learn normal scores: each cell's
share of its section, and each section's share of the energy, are mapped by their quantiles at the given energy
(:mod:`simulacra.representations.conditional_quantiles`), including empty cells, and rotated to the principal axes of
these scores. Every marginal distribution and the second moments are therefore right before a network learns anything;
flow matching (:mod:`simulacra.generators.flow_matching`) learns the rest, and two steps map noise to a shower.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds import showers
from simulacra.kinds.distilled import begun_as, student_of
from simulacra.kinds.showers import CARRIES, CONDITIONS, ConditionNames, Showers, to_variables
from simulacra.kinds.validated_losses import ValidatedLosses
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.points import PointFamily
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: number of showers for the fit of the quantiles; more would not change them
MOST_FITTED: Final = 25_000
#: and of cells in these showers: this many showers of 6480 cells would fill the memory several times
MOST_CELLS_FITTED: Final = 40_000_000
#: what the description says of the representation; a student has its teacher's
REPRESENTATION: Final = ("follows_axis", "moments", "nudged", "annihilation")
#: what an adapted model takes from another: its networks, and its principal axes, in which its networks work
LEARNED: Final = ("sections.", "cells.", "section_moments.", "cell_hurdle.", "axes.axes")


class Settings(CheckedSettings):
    """Settings of precise showers.

    ``family`` is that of the networks (:class:`~simulacra.models.shower_flow.ShowerFlow`); with a ``teacher``, a run
    folder or a model file of flow matching, its steps are distilled into the fewer steps given here, also into smaller
    networks. With ``adapted_from``, a run folder or a model file of another particle or detector, the networks begin as
    that model's, where they have the same size, so that few showers are enough. With ``follow_axis``, showers that
    enter elsewhere or at an angle are learned in a frame of cells that follows their axis
    (:class:`~simulacra.representations.shower_axis.ShowerAxis`). ``moments`` is the width of the networks that are
    fitted first to what the conditions say of sections
    (:class:`~simulacra.representations.conditional_moments.ConditionalMoments`) and of cells
    (:class:`~simulacra.representations.conditional_hurdle.ConditionalHurdle`); 0 for none.
    """

    kind: Literal["showerflow"] = "showerflow"
    conditions: ConditionNames = ("incident_energy",)
    family: Literal["flow_matching", "flow", "autoencoder"] = "flow_matching"
    teacher: str | None = None
    adapted_from: str | None = None
    width: Annotated[int, Field(ge=1, le=8192)] = 512
    blocks: Annotated[int, Field(ge=1, le=64)] = 3
    knots: Annotated[int, Field(ge=2, le=256)] = 16
    section_steps: Annotated[int, Field(ge=1, le=1000)] = 4
    cell_steps: Annotated[int, Field(ge=1, le=1000)] = 2
    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    reflections: bool = True
    follow_axis: bool = True
    moments: Annotated[int, Field(ge=0, le=8192)] = 128


class Trainer:
    """Both stages in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representations to ``events``, the training part."""
        self.settings = settings
        self.showers = Showers(events, settings.conditions)
        self.description = self.showers.description
        alike = ("family", "conditions", "knots")
        self.family: PointFamily = (
            student_of(settings, self.description, build, alike, representation=REPRESENTATION)
            if settings.teacher
            else self._untrained(events)
        )
        if (axis := self.family.average.axis) is not None:
            self.showers.other_shapes["latent"] = axis.padded_shapes
        self._losses = ValidatedLosses(self.family, self.tensors)

    def _untrained(self, events: xr.Dataset) -> PointFamily:
        import torch

        from simulacra.generators.flow import NormalisingFlow
        from simulacra.generators.flow_matching import FlowMatching
        from simulacra.generators.variational import Variational

        most = min(MOST_FITTED, MOST_CELLS_FITTED // self.showers.geometry.n_cells)
        first = events.isel(event=slice(0, most))
        self.description["follows_axis"] = self.settings.follow_axis
        self.description["moments"] = self.settings.moments
        self.description["nudged"] = True
        self.description["annihilation"] = self.showers.annihilation(first)
        model: Any = build(self.settings, self.description)
        fitted = self.showers.tensors(first)
        if self.settings.reflections:
            # The representations learn from showers and their mirror images, as the networks do.
            fitted = self.showers.all_mirror_images(**fitted)
        axes = None
        if self.settings.adapted_from:
            begun = begun_as(model, self.settings.adapted_from, LEARNED)
            axes = begun.get("axes.axes")
        model.fit(fitted["shower"], fitted["conditions"], torch.Generator().manual_seed(0), axes)
        families = {"flow_matching": FlowMatching, "flow": NormalisingFlow, "autoencoder": Variational}
        return families[self.settings.family](model, average_decay=self.settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``shower`` [MeV] and ``scores`` (N, cells), ``energies`` (N, S) [MeV], ``conditions``.

        Scores are computed once, because they do not change: a mirrored cell has the quantiles of its mirror image.
        """
        import torch

        physical = self.showers.tensors(events)
        model = self.family.average
        with torch.no_grad():
            tensors = {
                **physical,
                "scores": model.scores(**physical),
                "energies": model.cell_shares.energies(physical["shower"]),
            }
            if model.cell_hurdle is not None:
                seeds = torch.as_tensor(events["event"].values.astype(np.int64))
                tensors["latent"] = model.latent_scores(tensors, seeds)
        return tensors

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each shower along phi and eta with probability 1/2: the detector cannot tell the difference."""
        return self.showers.mirrored(batch, rng) if self.settings.reflections else dict(batch)

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by its losses; the shower shapes, which are also given, are less sensitive.

        ``score`` is the mean loss of the stages on events that no stage is trained on.
        """
        return self._losses.added_to(self.showers.validate(self.family.average, events, rng), events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> cells [MeV]."""
    from simulacra.models.shower_flow import ShowerFlow

    return ShowerFlow(
        CalorimeterGeometry.from_json(description["geometry"]),
        {name: tuple(bounds) for name, bounds in description["condition_ranges"].items()},
        family=settings.family,
        width=settings.width,
        blocks=settings.blocks,
        knots=settings.knots,
        section_steps=settings.section_steps,
        cell_steps=settings.cell_steps,
        solver=settings.solver,
        # Model files from before these were there have none of them.
        follow_axis=bool(description.get("follows_axis")),
        annihilation=description.get("annihilation"),
        moments=int(description.get("moments") or 0),
        nudged=bool(description.get("nudged")),
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, in fewer operations."""
    from simulacra.models.folded_shower_flow import FoldedShowerFlow

    return FoldedShowerFlow(module.eval()).eval()  # type: ignore[arg-type]


def example(folder: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return a small experiment, on showers that the package ships."""
    return showers.example(kind="showerflow", width=16, blocks=1, knots=4, section_steps=1, cell_steps=1)
