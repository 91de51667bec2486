"""Plain arrays as events, to be judged without knowledge of the conventions of events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import make_events, padded, variable
from simulacra.judges.samples import JudgeError

#: an array, or arrays of unequal length, one per event
Array = np.ndarray | Sequence[np.ndarray]
Plain = Array | Mapping[str, Array]


def as_events(given: xr.Dataset | Plain, what: str) -> xr.Dataset:
    """Return events unchanged, and plain arrays as events with dimensionless features.

    Parameters
    ----------
    given:
        events; or an array of shape (N,) or (N, features), whose columns are features ``feature_0`` and so on; or one
        of shape (N, ...) with more dimensions, such as images, as one feature ``values``; or arrays by name, of shape
        (N,) or (N, ...), as features of these names. Masked entries of a masked array (:mod:`numpy.ma`) are absent; a
        mask ``NAME_observed`` is added to the feature, and an array of shape (N, length) is one feature ``values``.
        Arrays of unequal length, one per event, are padded and also become ``values``.
    what:
        name of the sample in messages and on the page.

    Raises
    ------
    JudgeError
        if an array has no events, no numbers or the name ``event``, arrays have different numbers of events, or an
        event's single number is masked.
    simulacra.events.EventsError
        if a value that is not masked is not finite, or arrays of unequal length also differ in other dimensions.
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
        raise JudgeError(f"the {what}'s arrays must have the same number of events, at least one, not {counts}")
    if "event" in arrays:
        raise JudgeError(f"the {what} has an array 'event', which is the name of the events' own index: rename it")
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
                f"'{name}' of the {what} is masked in event {int(np.argmin(there))}: single numbers must be present; "
                "leave such events, or this array, out"
            )
    provenance: dict[str, Any] = {"simulator": what, "simulator_version": "", "seed": None, "settings": {}}
    return make_events(features, seconds_per_event=math.nan, **provenance)


def _unpacked(given: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return values, 0 if masked, and whether they are present, None if nothing is masked."""
    if isinstance(given, np.ma.MaskedArray):
        return np.asarray(given.filled(0)), ~np.ma.getmaskarray(given)
    if isinstance(given, Sequence) and len({np.shape(array) for array in given}) > 1:
        return padded(given)
    return np.asarray(given), None
