"""Light curves of periodic stars: judged by their observables, and as folded curves, star by star.

The classifiers see each curve as means in bins of the phase, counted from the maximum of the curve's own first
harmonic, and the conditions. Times and errors are a survey's and are not judged: give the generated stars those of the
true ones, as ``simulacra judge`` does for a generator (:func:`simulacra.observables.light_curves.measured_like`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.judges.kinds.arrays import KIND as ARRAYS
from simulacra.judges.kinds.kind import Kind
from simulacra.observables.light_curves import is_light_curve, phases

BINS: Final = 32


def folded(events: xr.Dataset) -> np.ndarray:
    """Return each star's mean magnitude in bins of the phase, (N, 32), weighted; between its neighbours if empty."""
    there = events["observed"].values.astype(bool)
    error = np.where(there, events["magnitude_error"].values, 1.0).astype(np.float64)
    weight = there / error**2
    rows, place = np.arange(len(there))[:, None], (phases(events) * BINS).astype(np.int64) % BINS
    weights, sums = np.zeros((2, len(there), BINS))
    np.add.at(weights, (rows, place), weight)
    np.add.at(sums, (rows, place), weight * events["magnitude"].values)
    curves = np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)
    bins = np.arange(BINS)
    for curve in curves:
        if not (filled := np.isfinite(curve)).all():
            curve[:] = np.interp(bins, bins[filled], curve[filled], period=BINS)
    return curves


def _unpacked(events: xr.Dataset) -> dict[str, Any]:
    curves = folded(events).astype(np.float32)
    return {"cells": curves, "shapes": {"folded": curves.shape[1:]}, "mask": ""}


def _holds(events: xr.Dataset) -> bool:
    """Return whether events are stars with a catalogue's mean magnitude and amplitude; other series are arrays."""
    return is_light_curve(events) and {"mean_magnitude", "amplitude"} <= set(events.data_vars)


KIND: Final[Kind] = replace(ARRAYS, holds=_holds, generality=1, unpacked=_unpacked)
