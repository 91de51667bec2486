"""Clouds of particles: a particle flow network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from simulacra.reweighting.kinds.network import NetworkSettings, View, Width
from simulacra.reweighting.kinds.tables import of_observables

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.models.event_network import EventNetwork


class ParticleFlowSettings(NetworkSettings):
    """A particle flow network on ``momentum``, ``energy``, ``identity`` and ``present`` (arXiv:1810.05165).

    ``features`` names other features of particles to use instead, such as ``eta_rel``, ``phi_rel`` and ``pt_rel``;
    ``numbers`` names variables of one number per event to use in addition to the particles.
    """

    kind: Literal["particle_flow"] = "particle_flow"
    frame: Literal["event", "beam"] = "event"
    features: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    particle_widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (64, 64, 64)
    event_widths: tuple[Width, ...] = (64,)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (64, 64)

    @classmethod
    def views(cls, events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
        """Return networks that see the "particles" or the events' "observables"."""
        from simulacra.events import names
        from simulacra.judges.kinds.find import kind_of
        from simulacra.models.cloud_classifier import MOMENTA

        if kind_of(events) != "clouds":
            return {}
        features: tuple[str, ...] = ()
        if not set(MOMENTA) <= set(events.data_vars):
            dimensions = events["present"].dims
            features = tuple(name for name in names(events, "feature") if events[name].dims[:2] == dimensions)
        found = {"particles": View(cls(features=features, numbers=tuple(numbers)))}
        return {**found, "observables": of_observables(events, numbers)}

    def build(self, description: Mapping[str, Any]) -> EventNetwork:
        """Return an untrained network."""
        from simulacra.models.cloud_classifier import CloudNetwork

        return CloudNetwork(
            self.frame,
            self.particle_widths,
            self.event_widths,
            self.summary,
            features=self.features,
            columns=int(description["columns"]),
            numbers=self.numbers,
        )

    def describe(self, events: xr.Dataset) -> dict[str, Any]:
        """Return ``columns``, the number of features per particle; 0 for momenta and identities."""
        from simulacra.reweighting.represented import with_variables

        head = with_variables(events.isel(event=slice(0, 2)), self.features)
        return {"columns": sum(int(np.prod(head[name].shape[2:], dtype=int)) for name in self.features)}
