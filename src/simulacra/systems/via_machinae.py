"""The anomaly score of stars by two flows (Via Machinae, ANODE): arXiv:2104.12789, arXiv:2001.04990.

In a signal region, a band of one proper motion, R is the density of stars over the density that the side bands promise
there. A stream, whose stars move alike, raises it. One flow learns the stars of the signal region, another one those of
the side bands, both given the searched proper motion, in which the second one interpolates. The score is ln R.

A search trains many of these, region by region and fold by fold (:func:`simulacra.find_streams`); this system is the
score of one region, to be kept: trained by ``simulacra train``, applied to any catalogue of the same columns by
``simulacra score``, judged by ``simulacra judge-score``. Of stars beyond the region it is an
extrapolation, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from simulacra.conditions import Condition
from simulacra.events import EventsError, make_events
from simulacra.kinds.description import columns_of, describe
from simulacra.observables.stars import (
    POSITIONS,
    PROPER_MOTIONS,
    VARIABLES,
    refuse_constants,
    require_stars,
    star_column,
    table_of,
)
from simulacra.searches.regions import Region
from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

MAKES: Final = "scores"
CONDITIONS: Final = {name: Condition(*VARIABLES[name], kind="empirical") for name in PROPER_MOTIONS}
SCORE: Final = ("1", "ln R, the density of stars over that of the side bands")
#: fewest stars in the signal region and in its side bands
FEWEST: Final = 10
#: proper motions kept in the model file: drawn evenly from the region, and none of them a star of the survey
KEPT: Final = 256

Motion = Literal["proper_motion_phi1", "proper_motion_phi2"]
Feature = Literal["phi1", "phi2", "proper_motion_phi1", "proper_motion_phi2", "parallax", "colour", "magnitude"]


class Settings(CheckedSettings):
    """Settings of the score.

    ``searched`` is the proper motion whose band from ``low`` to ``high`` [mas/yr] is the signal region, with side bands
    of the width ``side``. ``features`` are the inputs; positions come first. ``transforms``, ``bins`` and ``width`` are
    those of each flow.
    """

    kind: Literal["via_machinae"] = "via_machinae"
    searched: Motion = "proper_motion_phi1"
    low: float = -9.0
    high: float = -7.0
    side: Annotated[float, Field(gt=0)] = 4.0
    features: tuple[Feature, ...] = ("phi1", "phi2", "proper_motion_phi2")
    transforms: Annotated[int, Field(ge=1, le=20)] = 3
    bins: Annotated[int, Field(ge=2, le=64)] = 8
    width: Annotated[int, Field(ge=1, le=1024)] = 32
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.98

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the signal region is empty: {self.low:g} to {self.high:g} mas/yr")
        if not self.features or self.searched in self.features or len(set(self.features)) < len(self.features):
            raise ValueError(f"features are one or more, each once, without '{self.searched}', which is searched")
        places = [name in POSITIONS for name in self.features]
        if places != sorted(places, reverse=True):
            raise ValueError("positions come first among the features")
        return self

    @property
    def positions(self) -> int:
        """The number of features that are positions."""
        return sum(name in POSITIONS for name in self.features)

    @property
    def region(self) -> Region:
        """The signal region."""
        return Region(self.searched, self.low, self.high, self.side)

    def near(self, stars: xr.Dataset) -> xr.Dataset:
        """Return the stars of the signal region and of its side bands."""
        motion = stars[self.searched].values
        return stars.isel(event=np.flatnonzero(self.region.inside(motion) | self.region.beside(motion)))


class Trainer:
    """The two flows in training."""

    def __init__(self, settings: Settings, events: xr.Dataset) -> None:
        """Build the flows, and fit the representation to ``events``, the training part."""
        from simulacra.generators.maximum_likelihood import MaximumLikelihood

        require_stars(events, (settings.searched, *settings.features))
        self.settings = settings
        near = settings.near(events)
        motion = near[settings.searched].values
        inside = settings.region.inside(motion)
        bands = [int(rows.sum()) for rows in (motion < settings.low, inside, motion >= settings.high)]
        if min(bands) < FEWEST:
            raise EventsError(
                f"{bands[1]} stars are in the signal region, {bands[0]} in the side band below it and {bands[2]} in "
                f"that above: each needs {FEWEST} at least"
            )
        refuse_constants(near, settings.features)
        searched = near[[settings.searched]].copy()
        searched[settings.searched].attrs["role"] = "condition"
        described = describe(searched.assign_attrs(events.attrs), CONDITIONS, (settings.searched,))
        self.description = described | {"features": list(settings.features)}
        model: Any = build(settings, self.description)
        tensors = self.tensors(near)
        model.fit(tensors["inputs"], tensors["conditions"])
        self.family = MaximumLikelihood(model, self, average_decay=settings.average_decay)

    def tensors(self, events: xr.Dataset) -> dict[str, Tensor]:
        """Return ``inputs`` (N, F), ``conditions`` (N, 1) and ``inside`` (N,), if in the region, of stars near it."""
        import torch

        require_stars(events, (self.settings.searched, *self.settings.features))
        near = self.settings.near(events)
        return {
            "inputs": torch.as_tensor(to_inputs(near, {"features": self.settings.features})),
            "conditions": columns_of(near, (self.settings.searched,)),
            "inside": torch.as_tensor(self.settings.region.inside(near[self.settings.searched].values)),
        }

    def augment(self, batch: Mapping[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the batch."""
        return dict(batch)

    def typical(self, events: xr.Dataset) -> xr.Dataset:
        """Return proper motions evenly spread over the signal region, for the model file."""
        motion = np.linspace(self.settings.low, self.settings.high, KEPT, dtype=np.float32)
        return xr.Dataset({self.settings.searched: ("event", motion, events[self.settings.searched].attrs)})

    def log_likelihood(self, module: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the log-density of each star by the flow of its band, (N,)."""
        import torch

        points, context, inside = module.points(batch["inputs"]), module.context(batch["conditions"]), batch["inside"]
        found = torch.empty(len(points), device=points.device)
        for rows, flow in ((inside, module.inside), (~inside, module.outside)):
            if rows.any():
                found[rows] = flow.log_prob(points[rows], context[rows])
        return found

    def validate(self, events: xr.Dataset, rng: torch.Generator) -> dict[str, float]:  # noqa: ARG002
        """Return minus the mean log-density of stars [nat], with both bands counting half."""
        import torch

        model = self.family.average
        batch = {name: tensor.to(next(model.parameters()).device) for name, tensor in self.tensors(events).items()}
        with torch.no_grad():
            found = self.log_likelihood(model, batch)
        inside = batch["inside"]
        if not inside.any() or inside.all():
            raise EventsError("the validation part has no stars in the signal region, or none beside it: take more")
        of = {"inside": -float(found[inside].mean()), "beside": -float(found[~inside].mean())}
        return {"score": (of["inside"] + of["beside"]) / 2, **of}


def build(settings: Settings, description: Mapping[str, Any]) -> nn.Module:  # noqa: ARG001
    """Return the untrained module that a checkpoint fills: (inputs, searched proper motion) -> ln R."""
    from simulacra.models.density_ratio import DensityRatio

    return DensityRatio(
        len(settings.features),
        settings.positions,
        transforms=settings.transforms,
        bins=settings.bins,
        width=settings.width,
    )


def fold(module: nn.Module) -> nn.Module:
    """Return the trained module for use."""
    return module.eval()


def inputs(description: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that a star needs, with their units."""
    return {name: VARIABLES[name][0] for name in description["features"]}


def to_inputs(events: xr.Dataset, description: Mapping[str, Any]) -> np.ndarray:
    """Return the inputs of the densities, (N, F)."""
    return table_of(events, description["features"])


def beyond(columns: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> str:
    """Return how many stars are beyond the signal region, in a sentence, or "" if none is.

    Parameters
    ----------
    columns:
        the searched proper motion of the stars, (N,) [mas/yr], by its name.
    settings:
        the system's, as the model file has them.
    """
    region = Settings.model_validate(settings).region
    motion = columns[region.searched]
    n = len(motion) - int(region.inside(motion).sum())
    return f"{n:,} of {len(motion):,} stars are beyond its signal region, {region}" if n else ""


def toy_field(n: int, seed: int, *, stream: int = 0) -> xr.Dataset:
    """Return stars spread over a window and its proper motions, and a stream of ``stream`` stars among them."""
    rng = np.random.default_rng(seed)
    place = [rng.uniform(-5, 5, n), rng.uniform(-3, 3, n)]
    motion = [rng.uniform(-13, -3, n), rng.normal(0, 5, n)]
    if stream:
        along = rng.uniform(-5, 5, stream)
        place = [np.append(place[0], along), np.append(place[1], 0.2 * along + rng.normal(0, 0.15, stream))]
        motion = [np.append(motion[0], rng.normal(-8, 0.5, stream)), np.append(motion[1], rng.normal(4, 0.5, stream))]
    order = rng.permutation(n + stream)
    columns = dict(zip((*POSITIONS, *PROPER_MOTIONS), (*place, *motion), strict=True))
    return make_events(
        {name: star_column(values[order], name) for name, values in columns.items()},
        simulator="toy field of stars",
        simulator_version="1",
        seed=seed,
        settings={},
        seconds_per_event=0.0,
    )


def example(folder: Path) -> dict[str, Any]:
    """Return a small experiment, on toy stars that are written into the folder."""
    from simulacra.store import write_events

    path = folder / "stars.zarr"
    write_events(toy_field(4000, seed=1, stream=150), path)
    return {
        "name": "example-via_machinae",
        "data": {"path": str(path)},
        "system": {"kind": "via_machinae", "transforms": 2, "bins": 6, "width": 16},
        "training": {"steps": 60, "batch_size": 256, "learning_rate": 1e-2, "validate_every": 20, "accelerator": "cpu"},
    }


def example_signal(folder: Path) -> Path:
    """Return a store of the stars of a stream in the signal region of the example."""
    from simulacra.store import write_events

    path = folder / "signal.zarr"
    write_events(toy_field(0, seed=2, stream=400), path)
    return path
