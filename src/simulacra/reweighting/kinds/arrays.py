"""Series, images and fields: a convolutional network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import AfterValidator, Field

from simulacra.reweighting.kinds.network import Names, NetworkSettings, View, Width
from simulacra.reweighting.kinds.tables import of_observables

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.models.event_network import EventNetwork
    from simulacra.representations.arrays import Layout

#: levels of the network; each sees structures twice as large as the one before
MOST_LEVELS: Final = 5
#: roles of variables whose arrays are inputs, in addition to the masks
SEEN: Final = ("feature", "uncertainty", "coordinate")
WIDTH: Final = 16
#: a network of moments needs fewer steps than one of particles
TRAINING: Final = {"steps": 800, "learning_rate": 5e-3}


def _odd(kernel: int) -> int:
    if not kernel % 2:
        raise ValueError(f"a filter has a middle, so it covers an odd number of places, not {kernel}")
    return kernel


class ConvolutionalSettings(NetworkSettings):
    """A convolutional network on arrays of one grid: a series, an image or a field (networks/convolutional.py).

    Attributes
    ----------
    variables:
        arrays of one grid, their masks and uncertainties, and numbers per event.
    padding:
        values beyond an edge: "zeros", or with "periodic" those of the opposite edge.
    scale:
        "linear", "asinh", or "auto": the latter for values with heavy tails.
    kernel:
        width of a filter along each axis.
    widths:
        numbers of filters on each level; each level sees structures twice as large as the one before.
    event_widths:
        hidden widths between moments of the filters and summary.
    """

    kind: Literal["convolutional"] = "convolutional"
    variables: Names
    padding: Literal["zeros", "periodic"] = "zeros"
    scale: Literal["auto", "linear", "asinh"] = "auto"
    kernel: Annotated[int, Field(ge=1, le=15), AfterValidator(_odd)] = 3
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=8)] = (WIDTH, WIDTH, WIDTH)
    event_widths: tuple[Width, ...] = (32,)
    summary: Width = 32
    head_widths: tuple[Width, ...] = (32,)

    @classmethod
    def views(cls, events: xr.Dataset, numbers: Sequence[str] = ()) -> dict[str, View]:
        """Return networks that see the "values" of the arrays or their "observables"."""
        from simulacra.judges.kinds.find import kind_of

        if kind_of(events) not in ("arrays", "images", "light_curves"):
            return {}
        roles = {str(name): array.attrs.get("role") for name, array in events.data_vars.items()}
        arrays = [name for name, role in roles.items() if role in SEEN and events[name].ndim > 1]
        arrays += [name for name, role in roles.items() if role == "condition" and events[name].ndim > 1]
        masks = [name for name, role in roles.items() if role == "mask" and events[name].ndim > 1]
        beside = [name for name, role in roles.items() if role == "feature" and events[name].ndim == 1]
        variables = tuple(dict.fromkeys((*arrays, *masks, *beside, *numbers)))
        layout = layout_of(events, variables)
        # The coarsest level should have four places along the longest axis, or a few more.
        longest = max(max(events[name].shape[1:]) for name in layout.arrays)
        levels = min(MOST_LEVELS, max(1, int(np.log2(longest)) - 1))
        network = cls(variables=variables, widths=(WIDTH,) * levels)
        # The ends of an isotonic map are single events of the validation part, and log ratios of arrays are wide.
        return {"values": View(network, TRAINING, "temperature"), "observables": of_observables(events, numbers)}

    def build(self, description: Mapping[str, Any]) -> EventNetwork:
        """Return an untrained network."""
        from simulacra.models.array_classifier import ArrayNetwork
        from simulacra.representations.arrays import Layout

        return ArrayNetwork(
            Layout.of_description(description["layout"]),
            self.scale,
            periodic=self.padding == "periodic",
            kernel=self.kernel,
            widths=self.widths,
            event_widths=self.event_widths,
            summary=self.summary,
        )

    def describe(self, events: xr.Dataset) -> dict[str, Any]:
        """Return ``layout``, positions of variables on the grid; without masks also ``sizes``, of its axes."""
        layout = layout_of(events, self.variables)
        sizes = {} if layout.masks else {"sizes": [list(events[name].shape[1:]) for name in layout.arrays]}
        return super().describe(events) | {"layout": layout.described(), **sizes}


def layout_of(events: xr.Dataset, variables: Sequence[str]) -> Layout:
    """Return the positions of the variables on one grid, that of the dimensions that all arrays share.

    A dimension whose coordinate has names, such as the bands of a telescope, becomes channels.

    Raises
    ------
    SampleError
        if a variable is missing, or the arrays are not on one grid.
    """
    from simulacra.representations.arrays import Layout, LayoutError, placed
    from simulacra.reweighting.represented import SampleError, with_variables

    held = with_variables(events.isel(event=slice(0, 2)), variables)
    roles = {name: held[name].attrs.get("role") for name in variables}
    arrays = [n for n in variables if held[n].ndim > 1 and roles[n] not in ("mask", "coordinate")]
    masks = [n for n in variables if held[n].ndim > 1 and roles[n] == "mask"]
    places = [n for n in variables if held[n].ndim > 1 and roles[n] == "coordinate"]
    if not arrays:
        raise SampleError(f"none of {list(variables)} is an array: a network of features sees numbers")
    named = {str(d) for d, coordinate in held.coords.items() if coordinate.dtype.kind in "UOS"}
    features = [n for n in arrays if roles[n] == "feature"] or arrays
    shared = [set(map(str, held[n].dims[1:])) for n in features]
    first = held[features[0]]
    grid = {
        str(d): size
        for d, size in zip(first.dims[1:], first.shape[1:], strict=True)
        if str(d) not in named and all(d in dims for dims in shared)
    }
    if not grid:
        # Each plain array has its own dimensions: those of one shape are on one grid.
        grid = {str(d): n for d, n in zip(first.dims[1:], first.shape[1:], strict=True) if str(d) not in named}
    if len(grid) not in (1, 2, 3):
        raise SampleError(f"'{features[0]}' has the axes {list(grid)}: a convolutional network takes one to three")

    def lies(name: str, mask: str = "") -> Any:
        array = held[name]
        one = placed(name, [str(d) for d in array.dims[1:]], array.shape[1:], grid)
        return type(one)(one.axes, one.channels, mask)

    def mask_of(name: str) -> str:
        fitting = [mask for mask in masks if held[mask].dims == held[name].dims[: held[mask].ndim]]
        return max(fitting, key=lambda mask: held[mask].ndim, default="")

    try:
        return Layout(
            tuple(grid),
            {name: lies(name, mask_of(name)) for name in arrays},
            {name: lies(name) for name in masks},
            {name: lies(name, mask_of(name)) for name in places},
            tuple(name for name in variables if held[name].ndim == 1),
        )
    except LayoutError as error:
        raise SampleError(str(error)) from None
