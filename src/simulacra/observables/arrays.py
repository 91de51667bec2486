r"""Observables of any array: images, fields, light curves, and lists of objects with a mask.

With the values :math:`v_c` of an event's array called ``name``, the positions :math:`x_c` of their cells along an axis
(the coordinate of the dimension, or the number of the cell) and :math:`w_c = |v_c| / \sum |v|`:

=================================================  ================================================================
``name_sum``, ``_mean``, ``_standard_deviation``,  of the values
``_minimum``, ``_maximum``
``name_share_of_zeros``                            share of the values that are exactly 0
``name_centre_AXIS``, ``name_width_AXIS``          :math:`\sum_c w_c x_c` and the root of its variance, along each axis
``name_power_0``, ...                              mean power of bins of the wave number, of square and cubic fields
``name_autocorrelation``                           lag-1 autocorrelation along the axis ``time``, or the only axis
``MASK_number``                                    number of entries that are there, where the events hold a mask
=================================================  ================================================================

Entries that a mask leaves out count for nothing; centres and widths along an axis of mere slots (with a mask and
without a coordinate) are left out, and so are the power spectra of masked fields. Whether values are negative does not
change what observables there are. An array without entries has 0 for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.observables.power_spectra import FEWEST_CELLS, power_spectra, wave_number_edges

SERIES_AXIS: Final = "time"
#: values that are held at a time
BLOCK: Final = 4_000_000


def array_observables(events: xr.Dataset, names: Sequence[str]) -> dict[str, xr.Variable]:
    """Return the observables of variables of more than one dimension, each (event,).

    Parameters
    ----------
    events:
        the events, with their masks.
    names:
        the variables, (event, ...), of any number of further dimensions.

    Raises
    ------
    ValueError
        if a value is not finite, or a coordinate of an axis is not.
    """
    found: dict[str, xr.Variable] = {}
    for name in names:
        array = events[name]
        mask = _mask_of(events, array)
        axes = _axes_of(array, mask)
        n, size = array.shape[0], int(np.prod(array.shape[1:]))
        step = max(1, BLOCK // max(1, size))
        blocks: list[dict[str, np.ndarray]] = []
        for start in range(0, max(n, 1), step):
            values = array[start : start + step].values.astype(np.float64)
            there = None if mask is None else _spread(mask[start : start + step].values.astype(bool), values)
            blocks.append(_of_block(values, there, axes, str(name)))
        descriptions = _descriptions(str(name), array, axes)
        for key in blocks[0]:
            units, long_name = descriptions[key]
            column = np.concatenate([block[key] for block in blocks])
            found[key] = _variable(column, units, long_name)
        if mask is not None and f"{mask.name}_number" not in found:
            count = mask.values.reshape(n, -1).astype(bool).sum(axis=1).astype(np.float64)
            found[f"{mask.name}_number"] = _variable(
                count, "1", f"Number of entries: {mask.attrs.get('long_name', '')}"
            )
    return found


class _Axis:
    """An axis of an array: its dimension's name, the positions of its cells (None: slots without a place), units."""

    def __init__(self, name: str, positions: np.ndarray | None, units: str) -> None:
        self.name, self.positions, self.units = name, positions, units


def _mask_of(events: xr.Dataset, array: xr.DataArray) -> xr.DataArray | None:
    """Return the mask whose dimensions are the array's first ones, if there is one; that of most dimensions."""
    fitting = [
        mask
        for mask in events.data_vars.values()
        if mask.attrs.get("role") == "mask" and mask.ndim > 1 and mask.dims == array.dims[: mask.ndim]
    ]
    return max(fitting, key=lambda mask: mask.ndim, default=None)


def _axes_of(array: xr.DataArray, mask: xr.DataArray | None) -> list[_Axis]:
    axes = []
    for dimension, size in zip(array.dims[1:], array.shape[1:], strict=True):
        positions: np.ndarray | None = np.arange(size, dtype=np.float64)
        units = "1"
        if dimension in array.coords and array.coords[dimension].dtype.kind in "iuf":
            coordinate = array.coords[dimension]
            positions, units = coordinate.values.astype(np.float64), str(coordinate.attrs.get("units", "1"))
            if not np.isfinite(positions).all():
                raise ValueError(f"the coordinate '{dimension}' of '{array.name}' holds a value that is not finite")
        elif mask is not None and dimension in mask.dims:
            positions = None
        axes.append(_Axis(str(dimension), positions, units))
    return axes


def _spread(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mask over all dimensions of the values."""
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim)), values.shape)


def _of_block(values: np.ndarray, there: np.ndarray | None, axes: list[_Axis], name: str) -> dict[str, np.ndarray]:
    n = len(values)
    present = np.ones(values.shape, dtype=bool) if there is None else there
    wrong = present & ~np.isfinite(values)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise ValueError(f"'{name}' is {values[tuple(place)]} in event number {place[0]} at {place[1:].tolist()}")
    values = np.where(present, values, 0.0)
    flat, counted = values.reshape(n, -1), present.reshape(n, -1)
    number = counted.sum(axis=1)
    some = np.maximum(number, 1)
    total = flat.sum(axis=1)
    mean = total / some
    square = (np.where(counted, flat - mean[:, None], 0.0) ** 2).sum(axis=1)
    found = {
        f"{name}_sum": total,
        f"{name}_mean": mean,
        f"{name}_standard_deviation": np.sqrt(square / some),
        f"{name}_minimum": _extreme(flat, counted, np.inf, np.min),
        f"{name}_maximum": _extreme(flat, counted, -np.inf, np.max),
        f"{name}_share_of_zeros": (counted & (flat == 0)).sum(axis=1) / some,
    }
    size = np.abs(values)
    for i, axis in enumerate(axes):
        if axis.positions is None or len(axis.positions) < 2:
            continue
        along = size.sum(axis=tuple(j + 1 for j in range(len(axes)) if j != i))
        share = np.divide(along, (scale := along.sum(axis=1, keepdims=True)), out=np.zeros_like(along), where=scale > 0)
        centre = share @ axis.positions
        variance = (share * (axis.positions[None, :] - centre[:, None]) ** 2).sum(axis=1)
        found[f"{name}_centre_{axis.name}"] = centre
        found[f"{name}_width_{axis.name}"] = np.sqrt(variance)
    if there is None and _has_spectrum(values.shape[1:]):
        spectra = power_spectra(values)
        found |= {f"{name}_power_{i}": spectra[:, i] for i in range(spectra.shape[1])}
    series = _series_axis(axes)
    if series is not None:
        found[f"{name}_autocorrelation"] = _autocorrelation(values, present, series + 1, mean)
    return found


def _extreme(flat: np.ndarray, counted: np.ndarray, nothing: float, of: Any) -> np.ndarray:
    if flat.shape[1] == 0:
        return np.zeros(len(flat))
    found = of(np.where(counted, flat, nothing), axis=1)
    return np.asarray(np.where(counted.any(axis=1), found, 0.0))


def _has_spectrum(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 3) and len(set(shape)) == 1 and shape[0] >= FEWEST_CELLS


def _series_axis(axes: list[_Axis]) -> int | None:
    named = [i for i, axis in enumerate(axes) if axis.name == SERIES_AXIS]
    if not named and len(axes) == 1 and axes[0].positions is not None:
        named = [0]
    long = [i for i in named if axes[i].positions is None or len(axes[i].positions) > 2]  # type: ignore[arg-type]
    return long[0] if long else None


def _autocorrelation(values: np.ndarray, present: np.ndarray, axis: int, mean: np.ndarray) -> np.ndarray:
    """Return the sum of products of neighbours' deviations over that of the squares, 0 where nothing varies."""
    deviation = np.where(present, values - mean.reshape(-1, *[1] * (values.ndim - 1)), 0.0)
    moved = np.moveaxis(deviation, axis, -1)
    products = (moved[..., 1:] * moved[..., :-1]).reshape(len(values), -1).sum(axis=1)
    squares = (deviation**2).reshape(len(values), -1).sum(axis=1)
    # what is constant varies by rounding alone
    least = 1e-24 * np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1, initial=0.0), 1e-300) ** 2
    return np.asarray(np.divide(products, squares, out=np.zeros(len(values)), where=squares > least))


def _descriptions(name: str, array: xr.DataArray, axes: list[_Axis]) -> dict[str, tuple[str, str]]:
    units, long_name = str(array.attrs.get("units", "1")), str(array.attrs.get("long_name", name))
    simple = {"sum": "sum", "mean": "mean", "standard_deviation": "standard deviation", "minimum": "minimum"}
    found = {f"{name}_{key}": (units, f"{long_name}: {what}") for key, what in {**simple, "maximum": "maximum"}.items()}
    found[f"{name}_share_of_zeros"] = ("1", f"{long_name}: share of zeros")
    for axis in axes:
        found[f"{name}_centre_{axis.name}"] = (axis.units, f"{long_name}: centre along {axis.name}")
        found[f"{name}_width_{axis.name}"] = (axis.units, f"{long_name}: width along {axis.name}")
    if _has_spectrum(array.shape[1:]):
        squared = "1" if units == "1" else f"({units})²" if set(units) & set(" /*^") else f"{units}²"
        for i, (low, high) in enumerate(wave_number_edges(array.shape[1], array.ndim - 1)):
            found[f"{name}_power_{i}"] = (squared, f"{long_name}: power at {low:.3g} to {high:.3g} waves a side")
    found[f"{name}_autocorrelation"] = ("1", f"{long_name}: autocorrelation of neighbours")
    return found


def _variable(values: np.ndarray, units: str, long_name: str) -> xr.Variable:
    return xr.Variable(("event",), values, attrs={"units": units, "long_name": long_name, "role": "feature"})
