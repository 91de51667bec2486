"""Fields by a translation- and rotation-equivariant normalizing flow, with exact likelihoods (TRENF): arXiv:2202.05282.

From the paper: layers of a filter by the length of the wave vector and a monotonic spline of single pixels, both
functions of the conditions. Different here: the logarithm of a filter is a spline, so that it cannot cross 0; the first
layer begins as the quantiles of single pixels and the power spectrum of the training fields; and fields that end at
their edges are made of cosines, which do not join one edge to the opposite one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.kinds.field_training import FieldTrainer
from simulacra.kinds.fields import CARRIES, CONDITIONS, Fields, example_fields, shape_of, to_variables
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"
#: masked fields to which the first layer is fitted, and how often
MOST_COMPLETED: Final = 200
ROUNDS: Final = 4
#: samples of the hidden pixels in validation
SAMPLES: Final = 2


class Settings(CheckedSettings):
    """Settings of an equivariant flow.

    ``boundary`` is "periodic", or "open" for fields that end at their edges. ``layers`` is the number of layers,
    ``knots`` that of the knots of a filter, ``pieces`` that of the pieces of a spline, ``hidden`` the width of the
    network of the conditions.
    """

    kind: Literal["trenf"] = "trenf"
    boundary: Literal["periodic", "open"] = "periodic"
    layers: Annotated[int, Field(ge=1, le=32)] = 3
    knots: Annotated[int, Field(ge=4, le=64)] = 12
    pieces: Annotated[int, Field(ge=2, le=64)] = 12
    hidden: Annotated[int, Field(ge=1, le=1024)] = 32
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99


class Trainer(FieldTrainer):
    """An equivariant flow in training; shifted, turned and mirrored fields are as likely by construction.

    Of masked fields, the hidden pixels are drawn given the observed ones each time a field is used. The gradient of the
    log-likelihood of whole fields is then, on average, that of the observed pixels (Fisher's identity).
    """

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the flow, and fit the first layer to ``events``, the training part."""
        fields = Fields(events, masks=True)
        model = build(settings, fields.description)
        super().__init__(fields, events, model, average_decay=settings.average_decay)

    def begin(self, model: Any, tensors: Mapping[str, Tensor]) -> None:
        """Fit the first layer; hidden pixels begin as observed ones and are then drawn by the flow itself."""
        import torch

        if not self.fields.masked:
            return super().begin(model, tensors)
        rng = torch.Generator().manual_seed(1)
        some = {name: one[:MOST_COMPLETED] for name, one in tensors.items()}
        seen = some["field"][some["observed"]]
        drawn = seen[torch.randint(len(seen), some["field"].shape, generator=rng)]
        field = torch.where(some["observed"], some["field"], drawn)
        for _ in range(ROUNDS):
            model.fit(field, some["conditions"])
            field = _completed(model, some, rng)
        return None

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Return the batch with hidden pixels drawn."""
        if not self.fields.masked:
            return dict(batch)
        return {**batch, "field": _completed(self.family.average, batch, rng)}

    def validated(self, module: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-likelihood of the observed pixels, divided by their number, of each field, (N,)."""
        import torch

        from simulacra.models.masked_fields import MaskedFields

        if not self.fields.masked:
            return super().validated(module, batch)
        field, observed = batch["field"], batch["observed"]
        noise = torch.randn(SAMPLES, *field.shape, generator=torch.Generator().manual_seed(1)).to(field)
        masked = MaskedFields(module, field, observed)  # type: ignore[arg-type]
        return masked.log_prob(batch["conditions"], noise)[0] / observed.flatten(1).sum(dim=1)


def _completed(module: Any, batch: Mapping[str, Tensor], rng: torch.Generator) -> Tensor:
    from simulacra.models.masked_fields import MaskedFields

    return MaskedFields(module, batch["field"], batch["observed"]).completed(batch["conditions"], rng)


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions) -> fields."""
    from simulacra.models.equivariant_field_flow import EquivariantFieldFlow

    return EquivariantFieldFlow(
        shape_of(description),
        len(description["condition_ranges"]),
        layers=settings.layers,
        knots=settings.knots,
        pieces=settings.pieces,
        hidden=settings.hidden,
        boundary=settings.boundary,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use, which is the module itself."""
    return module


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on lognormal fields that are simulated into the folder."""
    return {
        "name": "example-trenf",
        "data": {"path": str(example_fields(folder))},
        "system": {"kind": "trenf", "layers": 2, "knots": 5, "pieces": 6, "hidden": 8},
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
