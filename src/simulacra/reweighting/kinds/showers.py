"""Showers: a perceptron on shower shapes and conditions, and optionally on each cell's energy."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from simulacra.reweighting.kinds.network import Names, NetworkSettings, View, Width

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from simulacra.geometry import CalorimeterGeometry
    from simulacra.models.event_network import EventNetwork


class ShowersSettings(NetworkSettings):
    """A perceptron on showers: on ``variables`` of the events and their shower shapes (models/shower_classifier.py).

    ``variables`` names shapes and conditions, with ``incident_energy``, and ``shower`` for the cells.
    """

    kind: Literal["showers"] = "showers"
    variables: Names
    widths: tuple[Width, ...] = (128, 128)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (32,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @classmethod
    def views(cls, events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
        """Return networks that see "cells" with the shapes, or only the "shapes"."""
        from simulacra.observables.showers import shower_shapes

        if not {"shower", "incident_energy"} <= set(events.data_vars):
            return {}
        shapes = map(str, shower_shapes(events.isel(event=slice(0, 2)).load()).data_vars)
        seen = tuple(dict.fromkeys((*shapes, *(numbers or ("incident_energy",)))))
        cells = cls(variables=("shower", *seen), widths=(256,), summary=128, head_widths=(64,), dropout=0.3)
        return {
            "cells": View(cells, {"learning_rate": 1e-3}),
            "shapes": View(cls(variables=seen, widths=(64, 64), summary=64)),
        }

    def build(self, description: Mapping[str, Any]) -> EventNetwork:
        """Return an untrained network."""
        from simulacra.models.shower_classifier import ShowerNetwork

        return ShowerNetwork(self.variables, int(description["columns"]), self.widths, self.summary, self.dropout)

    def describe(self, events: xr.Dataset) -> dict[str, Any]:
        """Return ``columns``, the number of columns of the variables."""
        from simulacra.models.shower_classifier import ShowerNetwork
        from simulacra.reweighting.represented import with_variables

        head = with_variables(events.isel(event=slice(0, 2)), self.variables)
        return {"columns": ShowerNetwork.columns_of(self.variables, int(head["shower"].shape[1]))}

    def inputs(
        self, arrays: Mapping[str, np.ndarray], variables: Sequence[str], like: xr.Dataset
    ) -> Mapping[str, np.ndarray]:
        """Return cells, conditions and shapes, quickly: weights of refined showers are computed block by block."""
        from simulacra.observables.showers import shower_shapes_of

        shapes = shower_shapes_of(arrays["shower"], arrays["incident_energy"], _geometry(like.attrs["geometry"]))
        held = {**shapes, **arrays}
        return {name: held[name] for name in {*variables, "incident_energy"}}


@functools.lru_cache(maxsize=8)
def _geometry(text: str) -> CalorimeterGeometry:
    from simulacra.geometry import CalorimeterGeometry

    return CalorimeterGeometry.from_json(text)
