"""Plain arrays as events, so that two of them can be judged without knowing the conventions of events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import make_events, padded, variable
from simulacra.judges.samples import JudgeError

#: an array, or arrays of unequal length, one an event
Array = np.ndarray | Sequence[np.ndarray]
Plain = Array | Mapping[str, Array]


def as_events(given: xr.Dataset | Plain, what: str) -> xr.Dataset:
    """Return events as they are, and plain arrays as events whose features are pure numbers.

    Parameters
    ----------
    given:
        events; or an array of shape (N,) or (N, features), whose columns are features ``feature_0`` and so on; or one
        of shape (N, ...) with more dimensions, such as images, as one feature ``values``; or arrays by name, of shape
        (N,) or (N, ...), as features of these names. What a masked array (:mod:`numpy.ma`) masks is not there: a mask
        ``NAME_observed`` beside the feature says so, and one of shape (N, length) is a feature ``values`` too. So are
        arrays of unequal length, one an event, which are padded.
    what:
        the sample's name in messages and on the page.

    Raises
    ------
    JudgeError
        if an array has no events, is not of numbers, arrays have different numbers of events, or an event's single
        number is masked.
    simulacra.events.EventsError
        if a value that is not masked is not finite, or arrays of unequal length differ in more than that.
    """
    if isinstance(given, xr.Dataset):
        return given
    masks: dict[str, np.ndarray | None] = {}
    arrays = {}
    if isinstance(given, Mapping):
        for name, one in given.items():
            arrays[str(name)], masks[str(name)] = _unpacked(one)
        if not arrays:
            raise JudgeError(f"the {what} holds no array")
    else:
        values, there = _unpacked(given)
        if values.ndim == 2 and there is None:
            arrays = {f"feature_{i}": values[:, i] for i in range(values.shape[1])}
        else:
            arrays = {(name := "values" if values.ndim > 1 else "feature_0"): values}
            masks = {name: there}
    counts = {name: values.shape[0] if values.ndim else 0 for name, values in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise JudgeError(f"the {what}'s arrays must hold a value for each of the same events, not {counts}")
    for name, values in arrays.items():
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or np.iscomplexobj(values):
            raise JudgeError(f"the array '{name}' of the {what} holds {values.dtype}, not real numbers")
    features: dict[str, xr.Variable] = {}
    for name, values in arrays.items():
        axes = [f"{name}_axis_{i}" for i in range(1, values.ndim)]
        title = name.replace("_", " ")
        features[name] = variable(values, *axes, units="1", long_name=title, role="feature")
        there = masks.get(name)
        if there is None:
            continue
        if values.ndim > 1:
            features[f"{name}_observed"] = variable(
                there, *axes[: there.ndim - 1], units="1", long_name=f"{title}: is there", role="mask"
            )
        elif not there.all():
            raise JudgeError(
                f"'{name}' of the {what} is masked in event {int(np.argmin(there))}: an event has its single numbers; "
                "leave such events, or this array, out"
            )
    provenance: dict[str, Any] = {"simulator": what, "simulator_version": "", "seed": None, "settings": {}}
    return make_events(features, seconds_per_event=math.nan, **provenance)


def _unpacked(given: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return values, 0 where they are masked, and whether they are there, None if nothing is masked."""
    if isinstance(given, np.ma.MaskedArray):
        return np.asarray(given.filled(0)), ~np.ma.getmaskarray(given)
    if isinstance(given, Sequence) and len({np.shape(array) for array in given}) > 1:
        return padded(given)
    return np.asarray(given), None
