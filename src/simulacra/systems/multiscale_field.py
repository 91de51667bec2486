"""Fields from coarse to fine, with exact likelihoods and those of each scale (Multiscale Flow): arXiv:2306.04689.

From the paper: Haar wavelets split a field into coarser fields and details; the coarsest has an equivariant flow
(TRENF, arXiv:2202.05282), the details of each scale a conditional flow given the field at half the resolution.
Different here: the pixels are first mapped by a monotonic spline, given the conditions, so that the wavelets are those
of a field of normal pixels; and the flows of details begin as regressions and power spectra of training fields, with
filters that a Gaussian field needs and a chessboard's couplings for what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import xarray as xr
from pydantic import Field

from simulacra.events import SOURCE, EventsError
from simulacra.kinds.field_training import FieldTrainer
from simulacra.kinds.fields import CARRIES, CONDITIONS, Fields, example_fields, shape_of, to_variables
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["CARRIES", "CONDITIONS", "MAKES", "Settings", "Trainer", "build", "example", "fold", "to_variables"]

MAKES: Final = "events"


class Settings(CheckedSettings):
    """Settings of a multiscale flow.

    ``scales`` is the number of steps to half the resolution, ``width`` that of the networks of the details. ``layers``
    and ``knots`` are those of the equivariant flow of the coarsest field, ``pieces`` the number of those of a spline,
    ``hidden`` the width of the network of the conditions. ``boundary`` is "periodic", or "open" for fields that end at
    their edges. ``turned`` is whether fields are as likely when they are turned by 90 degrees or mirrored: training
    then turns and mirrors them at random. Periodic fields are shifted at random too.
    """

    kind: Literal["multiscale_field"] = "multiscale_field"
    boundary: Literal["periodic", "open"] = "periodic"
    scales: Annotated[int, Field(ge=1, le=8)] = 2
    width: Annotated[int, Field(ge=1, le=256)] = 16
    layers: Annotated[int, Field(ge=1, le=32)] = 2
    knots: Annotated[int, Field(ge=4, le=64)] = 12
    pieces: Annotated[int, Field(ge=2, le=64)] = 12
    hidden: Annotated[int, Field(ge=1, le=1024)] = 32
    turned: bool = True
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99


class Trainer(FieldTrainer):
    """A multiscale flow in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the flow, and fit what it begins with to ``events``, the training part."""
        fields = Fields(events)
        try:
            model = build(settings, fields.description)
        except ValueError as error:
            where = f"'{events.encoding[SOURCE]}': " if SOURCE in events.encoding else ""
            raise EventsError(f"{where}'{fields.name}': {error}") from None
        self.settings = settings
        super().__init__(fields, events, model, average_decay=settings.average_decay)

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """Shift, turn and mirror the fields of a batch, all in the same way.

        Wavelets know no shifts: those by other than a multiple of 2^J pixels change the likelihood, and the training
        fields must show that all are as likely.
        """
        import torch

        field = batch["field"]
        if self.settings.boundary == "periodic":
            by = [int(torch.randint(n, (), generator=rng)) for n in field.shape[1:]]
            field = field.roll(by, (1, 2))
        if self.settings.turned:
            square = field.shape[1] == field.shape[2]
            first, second, quarter = (int(torch.randint(2, (), generator=rng)) for _ in range(3))
            field = field.flip(1) if first else field
            field = field.flip(2) if second else field
            field = field.transpose(1, 2) if quarter and square else field
        return {**batch, "field": field}


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:
    """Return the untrained module that a checkpoint fills: (noise, conditions) -> fields."""
    from simulacra.models.multiscale_field_flow import MultiscaleFieldFlow

    return MultiscaleFieldFlow(
        shape_of(description),
        len(description["condition_ranges"]),
        scales=settings.scales,
        width=settings.width,
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
        "name": "example-multiscale-field",
        "data": {"path": str(example_fields(folder, pixels=8))},
        "system": {
            "kind": "multiscale_field",
            "scales": 1,
            "width": 4,
            "layers": 1,
            "knots": 5,
            "pieces": 6,
            "hidden": 8,
        },
        "training": {"steps": 4, "batch_size": 64, "validate_every": 2, "checkpoint_every": 2, "accelerator": "cpu"},
    }
