"""Plain arrays as events, so that two of them can be judged without knowing the conventions of events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable
from simulacra.judges.samples import JudgeError

Plain = np.ndarray | Mapping[str, np.ndarray]


def as_events(given: xr.Dataset | Plain, what: str) -> xr.Dataset:
    """Return events as they are, and plain arrays as events whose features are pure numbers.

    Parameters
    ----------
    given:
        events; or an array of shape (N,) or (N, features), whose columns are features ``feature_0`` and so on; or one
        of shape (N, ...) with more dimensions, such as images, as one feature ``values``; or arrays by name, of shape
        (N,) or (N, ...), as features of these names.
    what:
        the sample's name in messages and on the page.

    Raises
    ------
    JudgeError
        if an array has no events, is not of numbers, or arrays have different numbers of events.
    """
    if isinstance(given, xr.Dataset):
        return given
    if isinstance(given, Mapping):
        arrays = {str(name): np.asarray(values) for name, values in given.items()}
        if not arrays:
            raise JudgeError(f"the {what} holds no array")
    else:
        values = np.asarray(given)
        if values.ndim == 2:
            arrays = {f"feature_{i}": values[:, i] for i in range(values.shape[1])}
        else:
            arrays = {"values" if values.ndim > 2 else "feature_0": values}
    counts = {name: values.shape[0] if values.ndim else 0 for name, values in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise JudgeError(f"the {what}'s arrays must hold a value for each of the same events, not {counts}")
    for name, values in arrays.items():
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or np.iscomplexobj(values):
            raise JudgeError(f"the array '{name}' of the {what} holds {values.dtype}, not real numbers")
    features: dict[str, xr.Variable] = {}
    for name, values in arrays.items():
        axes = [f"{name}_axis_{i}" for i in range(1, values.ndim)]
        features[name] = variable(values, *axes, units="1", long_name=name.replace("_", " "), role="feature")
    provenance: dict[str, Any] = {"simulator": what, "simulator_version": "", "seed": None, "settings": {}}
    return make_events(features, seconds_per_event=math.nan, **provenance)
