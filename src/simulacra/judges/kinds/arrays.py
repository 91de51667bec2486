"""Arrays: events of arrays, such as an image, a field, a light curve or a list."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import Role, mask_of, names
from simulacra.judges.closeness import Closeness, euclidean
from simulacra.judges.kinds.kind import Kind, compare_shapes
from simulacra.judges.limits import area, uses_of
from simulacra.judges.samples import Sample
from simulacra.judges.slots import in_slots, widths_of
from simulacra.statistics.outliers import reined

MOST_COLUMNS: Final = 2_000
PROJECTIONS: Final = 500


def _unpacked(events: xr.Dataset) -> dict[str, Any]:
    """Return the arrays one after the other as cells, (N, n_cells), and their shapes; masked values are 0.

    The times of a series are given by the first one and the steps from one to the next, which missing entries do not
    shift.
    """
    roles: tuple[Role, ...] = ("feature", "coordinate", "uncertainty")
    arrays = [name for role in roles for name in names(events, role) if events[name].ndim > 1]
    masks = [name for name in names(events, "mask") if events[name].ndim > 1]
    columns, shapes = [], {}
    for name in (*arrays, *masks):
        values = events[name].values
        if events[name].attrs["role"] == "coordinate":
            values = np.diff(values, axis=1, prepend=0)
        for mask in masks:
            if name not in masks and events[mask].dims == events[name].dims[: events[mask].ndim]:
                there = events[mask].values
                values = np.where(there.reshape(there.shape + (1,) * (values.ndim - there.ndim)), values, 0)
        shapes[name] = values.shape[1:]
        columns.append(values.reshape(len(values), -1).astype(np.float32))
    mask = mask_of(events, events[arrays[0]]) or ""
    return {"cells": np.concatenate(columns, axis=1), "shapes": shapes, "mask": mask}


def _cells(sample: Sample) -> np.ndarray:
    if sample.cells is None:
        raise ValueError(f"{sample.label}: these events have no arrays")
    return sample.cells


def _values(first: Sample, second: Sample, _threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return values in standard deviations of the first sample (of both if values are masked), and conditions.

    If there are more than ``MOST_COLUMNS``, they are replaced by random projections (Gaussian, always the same).
    """
    one, two = (
        np.asarray(values, dtype=np.float32)
        for values in reined(np.asarray(_cells(first), np.float32), np.asarray(_cells(second), np.float32))
    )
    # Where few events fill a slot, one sample's mean and spread would tell which of the two it is.
    scaled_by = np.concatenate([one, two]) if first.mask else one
    centre, spread = scaled_by.mean(axis=0), scaled_by.std(axis=0)
    scale = np.where(spread > 0, spread, np.float32(1))
    one, two = (one - centre) / scale, (two - centre) / scale
    if one.shape[1] > MOST_COLUMNS:
        directions = np.random.default_rng(one.shape[1]).normal(0, one.shape[1] ** -0.5, (one.shape[1], PROJECTIONS))
        one, two = one @ directions.astype(np.float32), two @ directions.astype(np.float32)
    conditions = [name for name in first.conditions if name in second.conditions]
    tables = [np.column_stack([t, *(s.conditions[c] for c in conditions)]) for t, s in ((one, first), (two, second))]
    return tables[0], tables[1]


def _nearest(events: Sample, train: Sample) -> tuple[np.ndarray, np.ndarray]:
    return euclidean(events, train, _cells, [math.prod(shape) for shape in train.shapes.values()])


KIND: Final = Kind(
    holds=lambda events: any(events[name].ndim > 1 for name in names(events, "feature")),
    generality=2,
    uses=uses_of(
        "value by value",
        area(
            ("values (perceptron)", "values (trees)"),
            "AUC on single values, better classifier",
            "Do not use single values of generated events (networks on images or series): keep to the observables that "
            "agree.",
        ),
    ),
    widths=widths_of,
    in_slots=in_slots,
    compared=compare_shapes,
    unpacked=_unpacked,
    classifiers=(("perceptron", "values"), ("trees", "values")),
    tables={"values": _values},
    closeness=Closeness("values", "distance of the values [σ]", _nearest),
)
