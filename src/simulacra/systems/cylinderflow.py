"""Precise showers along the axis of a cylindrical calorimeter, such as that of the CaloChallenge's set 2.

That detector is Geant4's example Par04 (Krause et al., arXiv:2410.21611). Two stages of flow matching as in
:mod:`simulacra.systems.showerflow`: the energies and numbers of hits of the sections, then the cells given these. What
differs is the symmetry. A shower along the axis is as likely as the same shower turned by any number of bins, or
reflected, so quantiles, principal axes and networks are the same at each angle
(:mod:`simulacra.representations.cyclic_axes`, :mod:`simulacra.networks.ring_velocity`), and a shower in 16 bins counts
as 32.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.events import make_events, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.kinds import showers
from simulacra.kinds.distilled import student_of
from simulacra.kinds.showers import CARRIES, Showers, to_variables
from simulacra.kinds.showers import CONDITIONS as OF_SHOWERS
from simulacra.kinds.validated_losses import ValidatedLosses
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from simulacra.conditions import Condition
    from simulacra.generators.points import PointFamily
    from simulacra.statistics.validation import Validation

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
CONDITIONS: Final[Mapping[str, Condition]] = {"incident_energy": OF_SHOWERS["incident_energy"]}
#: number of cells in the showers for the fit of the quantiles; more would not change them
MOST_CELLS_FITTED: Final = 40_000_000


class Settings(CheckedSettings):
    """Settings of precise showers in a cylindrical calorimeter.

    ``threshold`` [MeV] is the least energy of a cell: in training, cells below it are empty. ``teacher`` is a run
    folder or a model file whose steps are distilled into the fewer steps given here, also into smaller networks.
    ``width`` is the number of channels at each angle, ``hurdle`` the width of the network that says how often a cell is
    hit given the sections (:class:`~simulacra.models.cylindrical_shower_flow.CylindricalShowerFlow`).
    """

    kind: Literal["cylinderflow"] = "cylinderflow"
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    teacher: str | None = None
    width: Annotated[int, Field(ge=1, le=8192)] = 256
    blocks: Annotated[int, Field(ge=1, le=64)] = 3
    knots: Annotated[int, Field(ge=2, le=256)] = 16
    hurdle: Annotated[int, Field(ge=1, le=8192)] = 128
    section_steps: Annotated[int, Field(ge=1, le=1000)] = 4
    cell_steps: Annotated[int, Field(ge=1, le=1000)] = 2
    solver: Literal["euler", "midpoint", "heun"] = "midpoint"
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999


class Trainer:
    """Both stages in training: the family, its tensors, augmentation and validation."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the networks and fit the representations to ``events``, the training part."""
        from simulacra.generators.flow_matching import FlowMatching

        self.settings = settings
        self.showers = Showers(events, tuple(CONDITIONS))
        self.description = self.showers.description
        if settings.teacher:
            alike = ("knots", "hurdle", "threshold")
            self.family: PointFamily = student_of(settings, self.description, build, alike)
        else:
            model = self._fitted(events)
            self.family = FlowMatching(model, average_decay=settings.average_decay)
        self._losses = ValidatedLosses(self.family, self.tensors)

    def _fitted(self, events: xr.Dataset) -> nn.Module:
        import torch

        first = events.isel(event=slice(0, MOST_CELLS_FITTED // self.showers.geometry.n_cells))
        model: Any = build(self.settings, self.description)
        with torch.no_grad():
            model.fit(**self.showers.tensors(first), rng=torch.Generator().manual_seed(0))
        fitted: nn.Module = model
        return fitted

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return what :meth:`~simulacra.models.cylindrical_shower_flow.CylindricalShowerFlow.tensors` returns."""
        import torch

        seeds = torch.as_tensor(events["event"].values.astype(np.int64))
        with torch.no_grad():
            found: dict[str, Tensor] = self.family.average.tensors(**self.showers.tensors(events), seeds=seeds)
        return found

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Turn each shower by a random number of bins, and reflect it with probability 1/2."""
        import torch

        rows, bins = batch["logits"].shape[:2]
        start = torch.randint(bins, (rows, 1), generator=rng)
        sign = 2 * torch.randint(2, (rows, 1), generator=rng) - 1
        order = ((start + sign * torch.arange(bins)) % bins).to(batch["logits"].device)[..., None]
        turned = {name: batch[name].gather(1, order.expand_as(batch[name])) for name in ("logits", "latent")}
        return {**batch, **turned}

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> Validation:
        """Judge the averaged model by its losses; the shower shapes, which are also given, are less sensitive."""
        found = self.showers.validate(self.family.average, events, rng)
        return self._losses.added_to(found, events, rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions in physical units) -> cells [MeV]."""
    from simulacra.models.cylindrical_shower_flow import CylindricalShowerFlow

    return CylindricalShowerFlow(
        CalorimeterGeometry.from_json(description["geometry"]),
        {name: tuple(bounds) for name, bounds in description["condition_ranges"].items()},
        threshold=settings.threshold,
        width=settings.width,
        blocks=settings.blocks,
        knots=settings.knots,
        hurdle=settings.hurdle,
        section_steps=settings.section_steps,
        cell_steps=settings.cell_steps,
        solver=settings.solver,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, with the axes at each angle computed once."""
    import copy

    from simulacra.representations.cyclic_axes import FixedCyclicAxes

    folded: Any = copy.deepcopy(module).eval()
    folded.cells.axes = FixedCyclicAxes(folded.cells.axes)
    fixed: nn.Module = folded
    return fixed


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on showers of a toy in three sections that are written into the folder."""
    from simulacra.formats import calochallenge

    calochallenge.write(toy_showers(600), folder / "showers.hdf5")
    return showers.example(
        kind="cylinderflow", width=12, blocks=1, knots=4, hurdle=8, section_steps=1, cell_steps=1
    ) | {"data": {"path": str(folder / "showers.hdf5")}}


def toy_showers(n: int) -> xr.Dataset:
    """Return showers whose cells are independent given the energy, by a formula and no simulation."""
    rings = {"kind": "cylindrical", "layers": 2, "alpha_bins": 6, "r_edges": [0.0, 5.0, 15.0]}
    geometry = CalorimeterGeometry.model_validate(
        {
            "name": "toy",
            "kind": "cylindrical",
            "lateral_size": 40.0,
            "absorber": {"material": "G4_W", "thickness": 1.4},
            "active": {"material": "G4_Si", "thickness": 0.3},
            "sections": [{**rings, "name": f"layer_{i}"} for i in range(3)],
        }
    )
    rng = np.random.default_rng(1)
    energy = np.exp(rng.uniform(0.0, np.log(10.0), n)).astype(np.float32)
    mean = np.outer([0.3, 0.5, 0.2], np.tile([0.13, 0.03], 6)).flatten()
    cells = rng.gamma(0.8, 1000.0 * energy[:, None] * mean).astype(np.float32)
    cells[cells < 1.0] = 0.0
    condition = OF_SHOWERS["incident_energy"]
    variables = {
        "incident_energy": variable(energy, units="GeV", long_name=condition.long_name, role="condition"),
        **to_variables(cells, {}),
    }
    return make_events(
        variables,
        simulator="toy",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.0,
        particle="e-",
        geometry=geometry.to_json(),
    )
