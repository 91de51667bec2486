"""The interface of the settings of networks for all kinds of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from simulacra.settings import CheckedSettings

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from simulacra.models.event_network import EventNetwork

Width = Annotated[int, Field(ge=1, le=1024)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class View(NamedTuple):
    """A network for events, and the settings of its training and calibration that differ from the defaults."""

    network: NetworkSettings
    training: Mapping[str, Any] = {}
    calibration: Literal["isotonic", "temperature"] = "isotonic"


class NetworkSettings(CheckedSettings, ABC):
    """Settings of a network that embeds events of one kind.

    Attributes
    ----------
    kind:
        name of the network in files.
    summary:
        length of an event's summary.
    head_widths:
        hidden widths between summary and log-odds.
    """

    if TYPE_CHECKING:
        kind: str
        summary: int
        head_widths: tuple[int, ...]

    @classmethod
    @abstractmethod
    def views(cls, events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
        """Return networks for events by their inputs, the one that sees everything first; {} for other kinds.

        ``numbers`` names conditions that are inputs in addition to the events.
        """

    @abstractmethod
    def build(self, description: Mapping[str, Any]) -> EventNetwork:
        """Return an untrained network from the output of :meth:`describe`."""

    def describe(self, events: xr.Dataset) -> dict[str, Any]:  # noqa: ARG002
        """Return the properties of the events that are needed to build the network again from a file, as JSON values.

        The description must be the same for source and target.

        Raises
        ------
        simulacra.reweighting.represented.SampleError
            if the network cannot take such events.
        """
        return {"columns": 0}

    def compared(self, events: xr.Dataset) -> xr.Dataset:
        """Return the observables, (event, ...), in which reweighted events are compared with others."""
        from simulacra.observables import observe

        return observe(events)

    def supported(self, events: xr.Dataset) -> xr.Dataset:
        """Return the observables, (event,), in which the source must have events wherever the target has some."""
        from simulacra.observables import observe

        return observe(events)

    def inputs(
        self, arrays: Mapping[str, np.ndarray], variables: Sequence[str], like: xr.Dataset
    ) -> Mapping[str, np.ndarray]:
        """Return the network's variables from plain arrays; ``like`` has their dimensions and units."""
        if set(variables) <= set(arrays):
            return arrays
        from simulacra.reweighting.represented import with_variables

        n = len(next(iter(arrays.values())))
        events = like.isel(event=[0] * n).assign_coords(event=range(n)).copy(data=dict(arrays))
        found = with_variables(events, variables)
        return {name: found[name].values for name in variables}
