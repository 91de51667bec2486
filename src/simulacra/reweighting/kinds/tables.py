"""Tables: a perceptron on columns; it is also used on the observables of all other events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simulacra.reweighting.kinds.network import Names, NetworkSettings, View, Width

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.models.event_network import EventNetwork


class FeaturesSettings(NetworkSettings):
    """A perceptron on variables of the events, or on observables if the events have no such variables."""

    kind: Literal["features"] = "features"
    variables: Names
    widths: tuple[Width, ...] = (64, 64)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (64,)

    @classmethod
    def views(cls, events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
        """Return the network on the features of a table."""
        from simulacra.events import names
        from simulacra.judges.kinds.find import kind_of

        features = names(events, "feature")
        if kind_of(events) != "tables" or not features:
            return {}
        return {"features": View(cls(variables=(*features, *numbers)))}

    def build(self, description: Mapping[str, Any]) -> EventNetwork:
        """Return an untrained network."""
        from simulacra.models.table_classifier import TableNetwork

        return TableNetwork(self.variables, int(description["columns"]), self.widths, self.summary)

    def describe(self, events: xr.Dataset) -> dict[str, Any]:
        """Return ``columns``, the number of columns of the variables."""
        from simulacra.reweighting.represented import with_variables

        head = with_variables(events.isel(event=slice(0, 2)), self.variables)
        return {"columns": sum(int(np.prod(head[name].shape[1:], dtype=int)) for name in self.variables)}

    def compared(self, events: xr.Dataset) -> xr.Dataset:
        """Return the variables; a field (two or more axes) is replaced by its observables.

        The cells of a field are too many to compare each.
        """
        from simulacra.observables import observe
        from simulacra.reweighting.represented import with_variables

        observed = with_variables(events, self.variables)[list(self.variables)]
        fields = [str(name) for name, array in observed.data_vars.items() if array.ndim > 2]
        if not fields:
            return observed
        of_fields = observe(events)
        chosen = [str(key) for key in of_fields.data_vars if any(str(key).startswith(f"{field}_") for field in fields)]
        return observed.drop_vars(fields).assign({name: of_fields[name] for name in chosen})

    def supported(self, events: xr.Dataset) -> xr.Dataset:
        """Return the variables of one number per event; a table's other columns need no support."""
        from simulacra.reweighting.represented import with_variables

        with_variables(events, self.variables)
        if set(self.variables) <= set(map(str, events.data_vars)):
            return events[[name for name in self.variables if events[name].ndim == 1]]
        return super().supported(events)


def of_observables(events: xr.Dataset, numbers: Sequence[str]) -> View:
    """Return the network on the observables of events."""
    from simulacra.observables import observe

    observables = map(str, observe(events.isel(event=slice(0, 2)).load()).data_vars)
    return View(FeaturesSettings(variables=(*observables, *numbers)))
