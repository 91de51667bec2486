"""Arrays on one grid as channels: which axes of each variable are those of the grid, and which are channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from torch import Tensor


class LayoutError(ValueError):
    """Arrays that are not on one grid; the message names them and the remedy."""


@dataclass(frozen=True)
class Array:
    """The position of a variable's axes on the grid.

    Attributes
    ----------
    axes:
        which of the variable's axes behind the event is each axis of the grid; None where it has none.
    channels:
        how many numbers it has at each place of the grid.
    mask:
        name of the mask that says which are there; "" if all are.
    """

    axes: tuple[int | None, ...]
    channels: int
    mask: str = ""

    def on_grid(self, values: Tensor) -> Tensor:
        """Return a variable, (N, ...), as channels on the grid, (N, C, ...), of length 1 along axes that it has not."""
        placed = [axis + 1 for axis in self.axes if axis is not None]
        rest = [axis for axis in range(1, values.dim()) if axis not in placed]
        ordered = values.permute(0, *rest, *placed)
        sizes = iter(ordered.shape[1 + len(rest) :])
        grid = [1 if axis is None else next(sizes) for axis in self.axes]
        return ordered.reshape(len(values), self.channels, *grid)


@dataclass(frozen=True)
class Layout:
    """The variables of events on one grid, and further numbers per event.

    Attributes
    ----------
    grid:
        names of the grid's axes.
    arrays, masks:
        by name.
    places:
        where entries lie along an axis in each event, such as the times of a light curve, by name: the axis.
    numbers:
        names of variables of one number per event.
    """

    grid: tuple[str, ...]
    arrays: dict[str, Array]
    masks: dict[str, Array] = field(default_factory=dict)
    places: dict[str, Array] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all variables."""
        return (*self.arrays, *self.places, *self.masks, *self.numbers)

    def described(self) -> dict[str, Any]:
        """Return the layout as plain JSON values."""
        return asdict(self)

    @classmethod
    def of_description(cls, told: Mapping[str, Any]) -> Self:
        """Return the layout from what :meth:`described` gave."""

        def arrays(of: Mapping[str, Any]) -> dict[str, Array]:
            return {str(k): Array(tuple(v["axes"]), int(v["channels"]), str(v["mask"])) for k, v in of.items()}

        return cls(
            tuple(told["grid"]),
            arrays(told["arrays"]),
            arrays(told["masks"]),
            arrays(told["places"]),
            tuple(told["numbers"]),
        )


def placed(name: str, dimensions: Sequence[str], shape: Sequence[int], grid: Mapping[str, int]) -> Array:
    """Return the axes of a variable, with these dimensions after the event, on a grid of these axes and lengths.

    Dimensions that the grid does not have are channels. A variable of other dimensions than the grid's, but of its
    shape, is on it unchanged.

    Raises
    ------
    LayoutError
        if it does not fit.
    """
    axes = tuple(dimensions.index(axis) if axis in dimensions else None for axis in grid)
    if None not in axes or any(axis is not None for axis in axes):
        rest = [size for dimension, size in zip(dimensions, shape, strict=True) if dimension not in grid]
        return Array(axes, math.prod(rest))
    if tuple(shape) == tuple(grid.values()):
        return Array(tuple(range(len(grid))), 1)
    raise LayoutError(
        f"'{name}' {dict(zip(dimensions, shape, strict=True))} is not on the grid {dict(grid)} of the other "
        "arrays: a network sees arrays of one grid; name those of 'network.variables'"
    )
