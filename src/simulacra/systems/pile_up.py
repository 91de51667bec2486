"""Minimum-bias collisions for pile-up, one by one, as clouds of visible particles (pGAN: arXiv:1912.02748).

The number of particles is generated, as are the sums of their transverse momenta in both halves of the detector, their
balance and their elongation; no azimuth is preferred by construction. The papers train a GAN. Here both stages, the
collision as a whole and its particles, learn by flow matching with equivariant pooling (:mod:`simulacra.systems.epic`),
which needs no balance of opponents. :func:`simulacra.pile_up` overlays collisions, N of the Poisson distribution of a
given mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.conditions import Condition
from simulacra.events import EventsError, validate
from simulacra.kinds.description import describe
from simulacra.kinds.distilled import student_of
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation
from simulacra.observables.collisions import observables_of
from simulacra.observables.visible_particles import VARIABLES, particle_variable
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.generators.points import PointFamily
    from simulacra.statistics.validation import Validation

MAKES: Final = "events"
CONDITIONS: Final[Mapping[str, Condition]] = {}
CARRIES: Final = ()
#: observables by which a checkpoint is chosen: not those that are reported (multiplicity, sums, density, missing pT)
CHOSEN_BY: Final = (
    "second_pt",
    "hard_multiplicity",
    "central_multiplicity",
    "mean_abs_eta",
    "toward_pt",
    "away_pt",
    "elongation",
)
#: number of collisions for the fit of the quantiles, and of the validation part that are judged
MOST_FITTED: Final = 10_000
MOST_VALIDATED: Final = 2_000


class Settings(CheckedSettings):
    """Settings of minimum-bias collisions.

    ``particles`` is the largest number of particles of a collision; softer ones are left out. With a ``teacher``, a run
    folder or a model file of this system, its steps are distilled into the fewer steps given here.
    """

    kind: Literal["pile_up"] = "pile_up"
    particles: Annotated[int, Field(ge=2, le=1000)] = 400
    teacher: str | None = None
    width: Annotated[int, Field(ge=1, le=1024)] = 32
    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    pooled: Annotated[int, Field(ge=1, le=1024)] = 32
    collision_steps: Annotated[int, Field(ge=1, le=1000)] = 8
    particle_steps: Annotated[int, Field(ge=1, le=1000)] = 4
    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """Both stages in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representations to ``events``, the training part."""
        validate(events, features=VARIABLES)
        self.settings = settings
        self.description = describe(events, CONDITIONS, (), CARRIES)
        self.validation = EventValidation((), _observed, weighted=False)
        alike = ("particles", "width", "blocks", "pooled")
        self.family: PointFamily = (
            student_of(settings, self.description, build, alike) if settings.teacher else self._untrained(events)
        )

    def _untrained(self, events: xr.Dataset) -> PointFamily:
        import torch

        from simulacra.generators.flow_matching import FlowMatching
        from simulacra.representations.collision_attributes import attributes_of

        model: Any = build(self.settings, self.description)
        cloud = torch.as_tensor(self._cloud(events.isel(event=slice(0, MOST_FITTED))))
        taken = cloud[..., 0] > 0
        lowest, widest = float(cloud[..., 0][taken].min()), float(cloud[..., 1].abs().max())
        model.attributes.fit(attributes_of(cloud), torch.Generator().manual_seed(0))
        model.representation.fit(cloud, lowest, widest)
        return FlowMatching(model, average_decay=self.settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``points`` (N, P, 4), ``attributes`` (N, 8) and ``conditions`` (N, 0)."""
        import torch

        from simulacra.representations.collision_attributes import attributes_of

        cloud = torch.as_tensor(self._cloud(events))
        with torch.no_grad():
            points = self.family.average.representation(cloud)
        return {"points": points, "attributes": attributes_of(cloud), "conditions": torch.zeros(len(cloud), 0)}

    def _cloud(self, events: xr.Dataset) -> np.ndarray:
        """Return pT [GeV], eta and phi of the hardest particles, (N, P, 3) float32, by falling pT; 0 of absent ones."""
        there = events["present"].values.astype(bool)
        pt, eta, phi = (np.where(there, events[name].values, 0) for name in VARIABLES)
        wrong = there & (pt <= 0)
        if wrong.any():
            row, place = np.argwhere(wrong)[0]
            raise EventsError(
                f"'particle_pt' is {pt[row, place]:g} GeV for particle {place} of event "
                f"{int(events['event'].values[row])}: a particle's transverse momentum must be above 0"
            )
        if not there.any():
            raise EventsError("these collisions have no particles: there is nothing to learn from")
        order = np.argsort(-pt, axis=1, kind="stable")[:, : self.settings.particles]
        cloud = np.stack([np.take_along_axis(one, order, axis=1) for one in (pt, eta, phi)], axis=2)
        beyond = self.settings.particles - cloud.shape[1]
        return np.pad(cloud, ((0, 0), (0, beyond), (0, 0))).astype(np.float32)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each collision along the beam and across its axis with probability 1/2."""
        import torch

        from simulacra.representations.collision_attributes import ACROSS, HALVES

        points, attributes = batch["points"].clone(), batch["attributes"].clone()
        along, across = (torch.rand(2, len(points), generator=rng) < 0.5).to(points.device)
        points[..., 1] *= torch.where(along, -1.0, 1.0)[:, None]
        points[..., 3] *= torch.where(across, -1.0, 1.0)[:, None]
        attributes[along] = attributes[along][:, HALVES]
        attributes[across, ACROSS] *= -1
        return dict(batch) | {"points": points, "attributes": attributes}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by observables of its collisions that reports do not show first."""
        import torch

        some = events.isel(event=slice(MOST_VALIDATED))
        made = sampled(self.family.average, torch.zeros(some.sizes["event"], 0), rng)
        return self.validation.check(some, xr.Dataset(to_variables(made, self.description)))


def _observed(events: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables by which a checkpoint is chosen, (N,) each, by name."""
    found = observables_of(*(events[name].values for name in (*VARIABLES, "present")))
    return {name: found[name] for name in CHOSEN_BY}


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:  # noqa: ARG001
    """Return the untrained module that a checkpoint fills: noise -> collisions."""
    from simulacra.models.pile_up_flow import PileUpFlow

    return PileUpFlow(
        settings.particles,
        width=settings.width,
        blocks=settings.blocks,
        pooled=settings.pooled,
        collision_steps=settings.collision_steps,
        particle_steps=settings.particle_steps,
        solver=settings.solver,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, (N, P, 3): pT [GeV], eta and phi, 0 of absent particles.

    Particles are sorted by falling pT.
    """
    order = np.argsort(-output[..., 0], axis=1, kind="stable")
    output = np.take_along_axis(output, order[..., None], axis=1)
    columns = {name: np.ascontiguousarray(output[..., i]) for i, name in enumerate(VARIABLES)}
    columns["present"] = columns["particle_pt"] > 0
    return {name: particle_variable(values, name) for name, values in columns.items()}


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on collisions that are simulated into the folder."""
    from simulacra.simulators.pythia import write_collisions
    from simulacra.simulators.pythia_settings import PythiaSettings

    path = folder / "collisions.zarr"
    settings = PythiaSettings.model_validate({"process": "pile-up", "visible": {"particles": 24, "min_pt": 1.0}})
    write_collisions(path, settings, seed=1, n_events=600, progress=False)
    small = {"particles": 24, "width": 8, "blocks": 1, "pooled": 4, "collision_steps": 1, "particle_steps": 1}
    return {
        "name": "example-pile_up",
        "data": {"path": str(path)},
        "system": {"kind": "pile_up", **small},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
