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
``MASK_number``                                    number of entries that are present, if the events hold a mask
``ERROR_mean``, ``_standard_deviation``            of the uncertainties called ``ERROR``
=================================================  ================================================================

Masked entries do not count. Centres and widths along an axis without positions (with its own mask and without a
coordinate) are left out. Values with an uncertainty have weighted instead of plain means and standard deviations, and
an excess variance (:mod:`simulacra.observables.weighted_moments`). Series with their own times, or with common times
and gaps or errors, also have the observables of :mod:`simulacra.observables.series`; series with their own times have
no sum and no share of zeros. The list of observables does not depend on the signs of values. An array without entries
has 0 for each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import coordinate_of, mask_of, slots, uncertainty_of
from simulacra.observables.power_spectra import FEWEST_CELLS, power_spectra, wave_number_edges
from simulacra.observables.series import DESCRIPTIONS, SAMPLING, sampling_of, series_observables
from simulacra.observables.weighted_moments import weighted_moments
from simulacra.units import in_units

SERIES_AXIS: Final = "time"
#: variables that give the period of a series, and that it is already folded
PERIOD: Final = "period"
PHASE: Final = "phase"
#: number of values in memory at a time, and numbers per value of a series
BLOCK: Final = 4_000_000
SERIES_WORK: Final = 16


def array_observables(events: xr.Dataset, names: Sequence[str]) -> dict[str, xr.Variable]:
    """Return the observables of variables of more than one dimension, each (event,).

    Parameters
    ----------
    events:
        the events, with their masks, uncertainties and coordinates.
    names:
        the variables, (event, ...), of any number of further dimensions.

    Raises
    ------
    ValueError
        if a value, a coordinate of an axis or an observable is not finite, or a period is not positive.
    simulacra.events.EventsError
        if a period's unit cannot be converted to that of the times.
    """
    found: dict[str, xr.Variable] = {}
    for name in names:
        array = _Array(events, name)
        n, size = array.values.shape[0], int(np.prod(array.values.shape[1:]))
        step = max(1, BLOCK // max(1, size * (SERIES_WORK if array.times is not None else 1)))
        with np.errstate(over="ignore", invalid="ignore"):
            blocks = [array.observables(slice(start, start + step)) for start in range(0, max(n, 1), step)]
        descriptions = array.descriptions()
        for key in blocks[0]:
            units, long_name = descriptions[key]
            values = _finite(np.concatenate([block[key] for block in blocks]), key, name, events)
            found[key] = _variable(values, units, long_name)
        if array.mask is not None and f"{array.mask.name}_number" not in found:
            mask = array.mask
            count = _flat(mask.values).astype(bool).sum(axis=1).astype(np.float64)
            found[f"{mask.name}_number"] = _variable(
                count, "1", f"Number of entries: {mask.attrs.get('long_name', '')}"
            )
    return found


def measurement_observables(events: xr.Dataset) -> dict[str, xr.Variable]:
    """Return the observables of uncertainties and coordinates themselves, each (event,).

    They are not features: the observables are only the size of the uncertainties and the spread of the entries.
    """
    found: dict[str, xr.Variable] = {}
    for name, array in events.data_vars.items():
        if array.attrs.get("role") not in ("uncertainty", "coordinate"):
            continue
        units, long_name = str(array.attrs.get("units", "1")), str(array.attrs.get("long_name", name))
        values = array.values.astype(np.float64)
        if array.ndim == 1:
            found[str(name)] = _variable(values, units, long_name)
            continue
        mask = mask_of(events, array)
        there = np.ones(values.shape, bool) if mask is None else _spread(events[mask].values.astype(bool), values)
        values = np.where(there, values, 0.0)
        if array.attrs["role"] == "uncertainty":
            flat, counted = _flat(values), _flat(there)
            with np.errstate(over="ignore", invalid="ignore"):
                described, titles = _moments(flat, counted), _PLAIN
        elif array.ndim == 2:
            described, titles = sampling_of(values, there), SAMPLING
        else:
            continue
        for key, one in described.items():
            values = _finite(one, f"{name}_{key}", str(name), events)
            found[f"{name}_{key}"] = _variable(values, units, f"{long_name}: {titles[key]}")
    return found


def _finite(values: np.ndarray, key: str, name: str, events: xr.Dataset) -> np.ndarray:
    """Return the values of an observable of the variable ``name``, and raise if one of finite entries is not."""
    if (fine := np.isfinite(values)).all():
        return values
    event = int(np.argmin(fine)) if "event" not in events.coords else int(events["event"].values[np.argmin(fine)])
    raise ValueError(
        f"the observable '{key}' is not finite in event {event}: '{name}' or its uncertainty is too large or too small "
        "there to be squared; leave the event out, or give it in other units"
    )


class _Array:
    """A feature of several dimensions with its mask, uncertainty, axes, times and period."""

    def __init__(self, events: xr.Dataset, name: str) -> None:
        self.name, self.values = name, events[name]
        mask, uncertainty = mask_of(events, self.values), uncertainty_of(events, name)
        self.mask = None if mask is None else events[mask]
        self.uncertainty = None if uncertainty is None else events[uncertainty]
        own = coordinate_of(events, self.values)
        placed = () if own is None else events[own].dims[1:]
        self.axes = _axes_of(self.values, {*slots(events), *map(str, placed)})
        self.own_times = own is not None
        self.times: np.ndarray | None = None
        self.period: np.ndarray | None = None
        if self.values.ndim != 2:
            return
        (axis,) = self.axes
        if own is not None:
            self.times = events[own].values
            self.period = _period(events, own, events[own].attrs.get("units"))
        elif axis.positions is not None and not (mask is None and uncertainty is None):
            self.times = np.broadcast_to(axis.positions, self.values.shape)
            self.period = _period(events, axis.name, axis.units) if axis.name in events.coords else None

    def observables(self, rows: slice) -> dict[str, np.ndarray]:
        """Return the observables of some of the events."""
        values = self.values[rows].values.astype(np.float64)
        there = None if self.mask is None else _spread(self.mask[rows].values.astype(bool), values)
        errors = None
        if self.uncertainty is not None:
            errors = _spread(self.uncertainty[rows].values.astype(np.float64), values)
            wrong = ~(errors > 0) if there is None else there & ~(errors > 0)
            if wrong.any():
                place = np.argwhere(wrong)[0]
                raise ValueError(
                    f"'{self.uncertainty.name}' is {errors[tuple(place)]} in event number {place[0]} at "
                    f"{place[1:].tolist()}: uncertainties must be positive"
                )
        found = _of_block(values, there, errors, self.axes, self.name)
        if self.own_times:
            for key in ("sum", "share_of_zeros"):
                del found[f"{self.name}_{key}"]
        if self.times is not None:
            present = np.ones(values.shape, dtype=bool) if there is None else there
            times = self.times[rows].astype(np.float64)
            period = None if self.period is None else self.period[rows]
            values = np.where(present, values, 0.0)
            series = series_observables(values, present, times, errors, period)
            found |= {f"{self.name}_{key}": one for key, one in series.items()}
        return found

    def descriptions(self) -> dict[str, tuple[str, str]]:
        """Return the units and the long name of each observable."""
        found = _descriptions(self.name, self.values, self.axes)
        units, long_name = str(self.values.attrs.get("units", "1")), str(self.values.attrs.get("long_name", self.name))
        of = {"values": units, "squared": _squared(units)}
        for key, (what, title) in DESCRIPTIONS.items():
            found[f"{self.name}_{key}"] = (of.get(what, what), f"{long_name}: {title}")
        return found


class _Axis:
    """An axis of an array: its dimension's name, the positions of its cells (None: slots without a position), units."""

    def __init__(self, name: str, positions: np.ndarray | None, units: str) -> None:
        self.name, self.positions, self.units = name, positions, units


def _axes_of(array: xr.DataArray, without_place: Collection[str]) -> list[_Axis]:
    axes = []
    for dimension, size in zip(array.dims[1:], array.shape[1:], strict=True):
        positions: np.ndarray | None = np.arange(size, dtype=np.float64)
        units = "1"
        if str(dimension) in without_place:
            positions = None
        elif dimension in array.coords and array.coords[dimension].dtype.kind in "iuf":
            coordinate = array.coords[dimension]
            positions, units = coordinate.values.astype(np.float64), str(coordinate.attrs.get("units", "1"))
            if not np.isfinite(positions).all():
                raise ValueError(f"the coordinate '{dimension}' of '{array.name}' holds a value that is not finite")
        axes.append(_Axis(str(dimension), positions, units))
    return axes


def _period(events: xr.Dataset, times: str, units: object) -> np.ndarray | None:
    """Return the period of each event in the units of the times, (N,); None if there is none."""
    if times == PHASE:
        return np.ones(events.sizes["event"])
    if PERIOD not in events.data_vars or events[PERIOD].ndim != 1:
        return None
    of = in_units(events[[PERIOD]], {PERIOD: units} if isinstance(units, str) else {})
    period = np.asarray(of[PERIOD].values, dtype=np.float64)
    if (wrong := ~(period > 0)).any():
        event = int(np.argmax(wrong))
        raise ValueError(f"the period of event number {event} is {period[event]}: a period must be positive")
    return period


def _flat(values: np.ndarray) -> np.ndarray:
    """Return the values of each event in a row, (N, ...) as (N, L), also of no events."""
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def _spread(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mask over all dimensions of the values."""
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim)), values.shape)


def _of_block(
    values: np.ndarray, there: np.ndarray | None, errors: np.ndarray | None, axes: list[_Axis], name: str
) -> dict[str, np.ndarray]:
    present = np.ones(values.shape, dtype=bool) if there is None else there
    wrong = present & ~np.isfinite(values)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise ValueError(f"'{name}' is {values[tuple(place)]} in event number {place[0]} at {place[1:].tolist()}")
    values = np.where(present, values, 0.0)
    flat, counted = _flat(values), _flat(present)
    some = np.maximum(counted.sum(axis=1), 1)
    moments = _moments(flat, counted)
    mean = moments["mean"]
    if errors is not None:
        moments = weighted_moments(flat, counted, _flat(errors))
    found = {
        f"{name}_sum": flat.sum(axis=1),
        **{f"{name}_{key}": one for key, one in moments.items()},
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
    if _has_spectrum(values.shape[1:]) and all(axis.positions is not None for axis in axes):
        spectra = power_spectra(values, there)
        found |= {f"{name}_power_{i}": spectra[:, i] for i in range(spectra.shape[1])}
    series = _series_axis(axes)
    if series is not None:
        found[f"{name}_autocorrelation"] = _autocorrelation(values, present, series + 1, mean)
    return found


def _moments(flat: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
    some = np.maximum(counted.sum(axis=1), 1)
    mean = flat.sum(axis=1) / some
    square = (np.where(counted, flat - mean[:, None], 0.0) ** 2).sum(axis=1)
    return {"mean": mean, "standard_deviation": np.sqrt(square / some)}


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
    """Return the sum of products of neighbours' deviations over that of the squares; 0 if nothing varies."""
    deviation = np.where(present, values - mean.reshape(mean.shape + (1,) * (values.ndim - 1)), 0.0)
    moved = np.moveaxis(deviation, axis, -1)
    products = _flat(moved[..., 1:] * moved[..., :-1]).sum(axis=1)
    squares = _flat(deviation**2).sum(axis=1)
    # what is constant varies by rounding alone
    least = 1e-24 * np.maximum(_flat(np.abs(values)).max(axis=1, initial=0.0), 1e-300) ** 2
    return np.asarray(np.divide(products, squares, out=np.zeros(len(values)), where=squares > least))


def _descriptions(name: str, array: xr.DataArray, axes: list[_Axis]) -> dict[str, tuple[str, str]]:
    units, long_name = str(array.attrs.get("units", "1")), str(array.attrs.get("long_name", name))
    found = {f"{name}_{key}": (units, f"{long_name}: {what}") for key, what in _PLAIN.items()}
    found[f"{name}_excess_variance"] = (_squared(units), f"{long_name}: excess variance")
    found[f"{name}_share_of_zeros"] = ("1", f"{long_name}: share of zeros")
    for axis in axes:
        found[f"{name}_centre_{axis.name}"] = (axis.units, f"{long_name}: centre along {axis.name}")
        found[f"{name}_width_{axis.name}"] = (axis.units, f"{long_name}: width along {axis.name}")
    if _has_spectrum(array.shape[1:]):
        squared = _squared(units)
        for i, (low, high) in enumerate(wave_number_edges(array.shape[1], array.ndim - 1)):
            found[f"{name}_power_{i}"] = (squared, f"{long_name}: power at {low:.3g} to {high:.3g} waves per side")
    found[f"{name}_autocorrelation"] = ("1", f"{long_name}: autocorrelation of neighbours")
    return found


_PLAIN: Final = {
    "sum": "sum",
    "mean": "mean",
    "standard_deviation": "standard deviation",
    "minimum": "minimum",
    "maximum": "maximum",
    "weighted_mean": "weighted mean",
    "weighted_standard_deviation": "weighted standard deviation",
}


def _squared(units: str) -> str:
    return "1" if units == "1" else f"({units})²" if set(units) & set(" /*^") else f"{units}²"


def _variable(values: np.ndarray, units: str, long_name: str) -> xr.Variable:
    return xr.Variable(("event",), values, attrs={"units": units, "long_name": long_name, "role": "feature"})
