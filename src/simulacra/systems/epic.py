"""Jets as clouds of particles by equivariant pooling (EPiC), as flow matching: arXiv:2301.08128 and arXiv:2310.00049.

Two stages: what a jet is as a whole (multiplicity, mass, direction, prongs, sums over its particles), given its class
and pT, then its particles given these. Both learn by flow matching from normal scores. The particles' network sees them
as a set; its cost grows with their number. The sums of the first stage are imposed on the particles.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.kinds import jets
from simulacra.kinds.distilled import student_of
from simulacra.kinds.jets import CARRIES, CONDITIONS, Jets, to_variables
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.points import PointFamily
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: number of jets for the fit of the quantiles; more would not change them
MOST_FITTED: Final = 50_000


class Settings(CheckedSettings):
    """Settings of jets by equivariant pooling.

    ``particles`` is the largest number of particles of a jet; softer ones are left out. With a ``teacher``, a run
    folder or a model file of this system, its steps are distilled into the fewer steps given here. ``teacher_steps``
    are those that it takes in each stage while it teaches; if not given, as many as it was trained to take.
    """

    kind: Literal["epic"] = "epic"
    particles: Annotated[int, Field(ge=2, le=1000)] = 30
    teacher: str | None = None
    teacher_steps: Annotated[int | None, Field(ge=1, le=1000)] = None
    width: Annotated[int, Field(ge=1, le=1024)] = 80
    blocks: Annotated[int, Field(ge=1, le=64)] = 5
    pooled: Annotated[int, Field(ge=1, le=1024)] = 48
    jet_steps: Annotated[int, Field(ge=1, le=1000)] = 8
    particle_steps: Annotated[int, Field(ge=1, le=1000)] = 8
    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """Both stages in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representations to ``events``, the training part."""
        self.settings = settings
        self.jets = Jets(events, settings.particles)
        self.description = self.jets.description
        alike = ("particles", "width", "blocks", "pooled")
        steps = settings.teacher_steps
        taught_with = {"jet_steps": steps, "particle_steps": steps} if steps else {}
        self.family: PointFamily = (
            student_of(settings, self.description, build, alike, taught_with)
            if settings.teacher
            else self._untrained(events)
        )

    def _untrained(self, events: xr.Dataset) -> PointFamily:

        from simulacra.generators.flow_matching import FlowMatching

        model: Any = build(self.settings, self.description)
        fitted = self.jets.tensors(events.isel(event=slice(0, MOST_FITTED)))
        model.fit(**fitted)
        return FlowMatching(model, average_decay=self.settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``points`` (N, P, 3), ``attributes`` (N, 14) and ``conditions`` (N, 2) in physical units."""
        import torch

        physical = self.jets.tensors(events)
        with torch.no_grad():
            cloud = physical.pop("cloud")
            points = self.family.average.representation(cloud, physical["attributes"], physical["conditions"][:, 0])
        return {"points": points, **physical}

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each jet in eta and in phi with probability 1/2: collisions of two protons do not change."""
        import torch

        from simulacra.representations.jet_attributes import ALONG_ETA, ALONG_PHI

        points, attributes = batch["points"].clone(), batch["attributes"].clone()
        eta, phi = (1.0 - 2.0 * (torch.rand(2, len(points), generator=rng) < 0.5)).to(points)
        points[..., 1] *= eta[:, None]
        points[..., 2] *= phi[:, None]
        attributes[:, ALONG_ETA] *= eta[:, None]
        attributes[:, ALONG_PHI] *= phi[:, None]
        return dict(batch) | {"points": points, "attributes": attributes}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by observables of its jets that reports do not show first."""
        return self.jets.validate(self.family.average, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> jets."""
    from simulacra.models.jet_flow import JetFlow

    low, high = description["condition_ranges"]["jet_pt"]
    return JetFlow(
        settings.particles,
        len(JET_CLASS.choices),
        (low, high),
        width=settings.width,
        blocks=settings.blocks,
        pooled=settings.pooled,
        jet_steps=settings.jet_steps,
        particle_steps=settings.particle_steps,
        solver=settings.solver,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on jets that are simulated into the folder."""
    small = {"width": 8, "blocks": 1, "pooled": 4, "jet_steps": 1, "particle_steps": 1}
    return jets.example(folder, kind="epic", **small)
