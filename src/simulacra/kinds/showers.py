"""The common part of systems of showers: conditions, attributes, mirror images, validation by shower shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.conditions import Condition
from simulacra.events import validate, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds.description import columns_of, describe
from simulacra.kinds.sampled import sampled
from simulacra.kinds.validation import EventValidation
from simulacra.observables.showers import shower_shapes_of
from simulacra.statistics.validation import Validation

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ConditionName = Literal["incident_energy", "impact_x", "impact_y", "polar_angle", "azimuthal_angle"]
ConditionNames = Annotated[tuple[ConditionName, ...], Field(min_length=1)]

CONDITIONS: Final[Mapping[str, Condition]] = {
    "incident_energy": Condition("GeV", "energy of the incident particle", positive=True),
    "impact_x": Condition("mm", "impact point along x (eta) on the front face"),
    "impact_y": Condition("mm", "impact point along y (phi) on the front face"),
    "polar_angle": Condition("rad", "angle between the incident particle and the calorimeter's axis"),
    "azimuthal_angle": Condition("rad", "azimuth of the incident particle"),
}
#: energy that a particle sets free when it annihilates [MeV]: twice the electron's mass
ANNIHILATION: Final = {"e+": 1.0219979}
#: relative error of a sum of cells in single precision
ROUNDING: Final = 1e-6
#: attributes of the training sample that generated showers also have
CARRIES: Final = ("geometry", "particle")


def to_variables(output: np.ndarray, description: Mapping[str, Any]) -> dict[str, xr.Variable]:  # noqa: ARG001
    """Return the event variables of a module's output, (N, cells) [MeV]."""
    return {
        "shower": variable(
            output,
            "cell",
            units="MeV",
            long_name="energy deposited in the cell, absorber and active medium",
            role="feature",
        )
    }


class Showers:
    """The training showers of a system: the detector, tensors, mirror images and validation.

    Parameters
    ----------
    events:
        the training part.
    conditions:
        names of the generator's conditions, ``incident_energy`` first.

    Raises
    ------
    simulacra.events.EventsError
        if the events have no showers or lack a condition.
    """

    def __init__(self, events: xr.Dataset, conditions: Sequence[str]) -> None:
        validate(events, conditions=conditions, features=("shower",))
        self.conditions = tuple(conditions)
        self.geometry = CalorimeterGeometry.from_events(events)
        self.description = describe(events, CONDITIONS, conditions, CARRIES)
        self.validation = ShowerValidation(self.geometry, conditions)
        #: rows and columns of each section in tensors whose sections have others than the detector's, by name
        self.other_shapes: dict[str, Sequence[tuple[int, int]]] = {}

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``shower`` (N, cells) [MeV] and ``conditions`` (N, C) in physical units."""
        import torch

        return {
            "shower": torch.as_tensor(events["shower"].values.astype(np.float32)),
            "conditions": columns_of(events, self.conditions),
        }

    def annihilation(self, events: xr.Dataset) -> float | None:
        """Return the energy that the particle sets free beyond its kinetic energy [MeV], if no shower holds more.

        None if a shower does, because the cells do not hold the deposited energy but a signal, such as the energy in
        the active medium over its share.
        """
        extra = ANNIHILATION.get(str(events.attrs.get("particle", "")), 0.0)
        released = 1000.0 * events["incident_energy"].values.astype(float) + extra
        held = events["shower"].sum(dim="cell", dtype=np.float64).values
        return extra if np.all(held <= released * (1.0 + ROUNDING)) else None

    def mirrored(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Mirror each shower along phi and eta with probability 1/2; the detector is symmetric.

        All tensors with one value per cell are mirrored, and ``conditions``; others, such as energies of sections, are
        not.
        """
        import torch

        conditions = batch["conditions"]
        rows, columns = (torch.rand(2, len(conditions), generator=rng) < 0.5).to(conditions.device)
        return {name: self._reflected(name, tensor, rows, columns) for name, tensor in batch.items()}

    def all_mirror_images(self, shower: Tensor, conditions: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``shower`` (4 N, cells) and ``conditions`` (4 N, C): each given one, followed by its mirror images."""
        import torch

        batch = {"shower": shower} if conditions is None else {"shower": shower, "conditions": conditions}
        images = []
        for rows, columns in ((False, False), (False, True), (True, False), (True, True)):
            masks = (torch.full((len(shower),), rows), torch.full((len(shower),), columns))
            images.append({name: self._reflected(name, tensor, *masks) for name, tensor in batch.items()})
        return {name: torch.stack([image[name] for image in images], dim=1).flatten(0, 1) for name in batch}

    def _reflected(self, name: str, tensor: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        from simulacra.models.shower_gan import flipped, reflect, reflect_conditions

        if name == "conditions":
            return reflect_conditions(tensor, self.conditions, rows, columns)
        if name in self.other_shapes:
            return flipped(tensor, self.other_shapes[name], rows, columns)
        return reflect(tensor, self.geometry, rows, columns) if tensor.shape[1:] == (self.geometry.n_cells,) else tensor

    def validate(self, model: nn.Module, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge a model by the shapes of its showers at the conditions of ``events``."""
        return self.validation.check(events, sampled(model, columns_of(events, self.conditions), rng))


def example(**system: Any) -> dict[str, Any]:
    """Return an experiment on shipped showers with settings of a system; it trains in seconds."""
    return {
        "name": f"example-{system['kind']}",
        "data": {"path": "reference:calogan-eplus", "max_events": 600},
        "system": system,
        "training": {"steps": 4, "batch_size": 32, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }


class ShowerValidation:
    """Judges generated showers by their shapes in four bins of energy (:class:`EventValidation`).

    Parameters
    ----------
    geometry:
        the detector.
    conditions:
        names of the generator's conditions, ``incident_energy`` first.
    """

    def __init__(self, geometry: CalorimeterGeometry, conditions: Sequence[str]) -> None:
        self.geometry, self.conditions = geometry, conditions
        self._validation = EventValidation(conditions, self._shapes, binned=conditions[:1], weighted=False)

    def check(self, events: xr.Dataset, generated: np.ndarray) -> Validation:
        """Judge showers (N, cells) [MeV] generated at the conditions of ``events``."""
        return self._validation.check(
            events, events[list(self.conditions)].assign(shower=(("event", "cell"), generated))
        )

    def _shapes(self, events: xr.Dataset) -> dict[str, np.ndarray]:
        energy = events["incident_energy"].values.astype(np.float32)
        return shower_shapes_of(events["shower"].values.astype(np.float32), energy, self.geometry)
