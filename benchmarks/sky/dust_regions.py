"""Patches of test regions, and errors from resampled regions: patches that overlap are not independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import xarray as xr

FIELD: Final = "log_intensity"
RESAMPLED: Final = 300


def directions(patches: xr.Dataset) -> np.ndarray:
    """Return the directions of the centres of patches, (N, 3)."""
    along, up = (np.radians(patches[f"galactic_{name}"].values) for name in ("longitude", "latitude"))
    return np.stack([np.cos(up) * np.cos(along), np.cos(up) * np.sin(along), np.sin(up)], axis=1)


def apart(patches: xr.Dataset, degrees: float) -> xr.Dataset:
    """Return patches whose centres are at least so far from each other, taken one by one in their order."""
    place = directions(patches)
    kept: list[int] = []
    for row, one in enumerate(place):
        if not kept or (place[kept] @ one).max() < np.cos(np.radians(degrees)):
            kept.append(row)
    return patches.isel(event=kept)


def standardised(fields: np.ndarray) -> np.ndarray:
    """Return fields (N, n, n) with mean 0 and standard deviation 1 each, as the models learn them."""
    centred = fields - fields.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / centred.std(axis=(1, 2), keepdims=True))


def resampled(regions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of a bootstrap sample of regions."""
    names = np.unique(regions)
    rows = [np.flatnonzero(regions == one) for one in names]
    return np.concatenate([rows[k] for k in rng.integers(len(names), size=len(names))])


def with_error(
    statistic: Callable[[np.ndarray], float], regions: np.ndarray, times: int = RESAMPLED
) -> tuple[float, float]:
    """Return a statistic of all rows, and its standard deviation over bootstrap samples of regions."""
    rng = np.random.default_rng(1)
    values = [statistic(resampled(regions, rng)) for _ in range(times)]
    return statistic(np.arange(len(regions))), float(np.std(values))
