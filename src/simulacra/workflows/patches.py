"""Fields cut into square patches, with labels of those that are not independent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr

By = Literal["field", "place"]


def patches(fields: xr.Dataset, size: int, *, coarsen: int = 1, border: int = 0, by: By = "field") -> xr.Dataset:
    """Cut fields into patches that do not overlap, and label those that are not independent.

    The split into training, validation and test part goes by these labels (``group``). By "field", patches of one field
    are never in two parts. By "place", patches of one place are never in two parts, whatever their field: planes of one
    line of sight share structure, which fields apart would not separate. Places that touch one of a later part
    (training, validation, test) are left out, so that no structure crosses a border.

    Parameters
    ----------
    fields:
        events whose only array is (event, x, y); what fills no patch at the far edges is left out.
    size:
        number of pixels along an axis of a patch, after coarsening.
    coarsen:
        number of pixels along an axis whose mean becomes one: where a field is smoother than its pixels, small waves
        are rounding.
    border:
        number of pixels to cut off at each edge first, where simulations have artefacts.
    by:
        what keeps patches together.

    Returns
    -------
    xarray.Dataset
        the patches (event, x, y), with the conditions of their fields and ``group``.

    Raises
    ------
    ValueError
        if there is no such array, it has a mask, a patch is larger than a field, the fields have groups that places
        would replace, or no place is left of the training part.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
    >>> fields = simulate_random_fields(RandomFieldSettings(pixels=20), seed=1, n_events=3)
    >>> found = simulacra.patches(fields, 8)
    >>> found["field"].shape, found["group"].values[::4].tolist()
    ((12, 8, 8), [0, 1, 2])
    """
    import xarray as xr

    from simulacra.events import GROUP, names, validate, variable

    size, coarsen = whole_number(size, "the size of a patch", 4), whole_number(coarsen, "coarsen", 1)
    border = whole_number(border, "the border")
    if by not in get_args(By):
        raise ValueError(f"patches are kept together by field or by place, not by {by!r}")
    validate(fields)
    arrays = [name for name in names(fields, "feature") if fields[name].ndim > 1]
    if len(arrays) != 1 or fields[arrays[0]].ndim != 3:
        raise ValueError(f"patches are cut from one array (event, x, y); the events hold {arrays or 'none'}")
    field = fields[arrays[0]]
    if masks := [name for name in names(fields, "mask") if fields[name].ndim > 1]:
        raise ValueError(f"'{field.name}' has the mask {masks[0]}, which patches do not keep: cut before you mask")
    if by == "place" and GROUP in fields:
        raise ValueError("the fields have groups already, which places would replace: keep patches together by field")
    values = _coarse(field.values[:, border:, border:][:, : -border or None, : -border or None], coarsen)
    if min(values.shape[1:]) < size:
        raise ValueError(f"a patch of {size} pixels is larger than a field, which has {values.shape[1:]}")
    n, (rows, columns) = len(field), (side // size for side in values.shape[1:])
    values = values[:, : rows * size, : columns * size]
    values = values.reshape(n, rows, size, columns, size).swapaxes(2, 3).reshape(n, rows * columns, size, size)
    places = _apart(rows, columns) if by == "place" else np.arange(rows * columns)
    of_fields = fields[GROUP].values if GROUP in fields else np.arange(n)
    label = np.broadcast_to(places if by == "place" else of_fields[:, None], (n, len(places)))
    axes = [str(axis) for axis in field.dims[1:]]
    variables = {
        str(field.name): xr.Variable(("event", *axes), values[:, places].reshape(-1, size, size), field.attrs),
        **{
            name: xr.Variable("event", np.repeat(fields[name].values, len(places)), fields[name].attrs)
            for name in (*names(fields, "condition"), *names(fields, "weight"))
            if fields[name].ndim == 1
        },
        GROUP: variable(label.ravel(), units="1", long_name="which patches are not independent", role="mask"),
    }
    coordinates = {
        axis: xr.Variable(
            axis, fields[axis].values[: size * coarsen].reshape(-1, coarsen).mean(axis=1), fields[axis].attrs
        )
        for axis in axes
        if axis in fields.coords
    }
    found = xr.Dataset(variables, coords={"event": np.arange(label.size), **coordinates}, attrs=fields.attrs)
    settings = json.loads(fields.attrs["settings"]) | {"patch": size, "coarsen": coarsen, "border": border, "by": by}
    found.attrs["settings"] = json.dumps(settings, sort_keys=True)
    found.attrs["seconds_per_event"] = float(fields.attrs["seconds_per_event"]) / len(places)
    validate(found)
    return found


def _apart(rows: int, columns: int) -> np.ndarray:
    """Return the places, row by row, that touch none of a later part of the split."""
    from simulacra.events import SPLIT, part_of

    order = [part for part, _ in SPLIT]
    part = np.array([order.index(one) for one in part_of(np.arange(rows * columns))]).reshape(rows, columns)
    around = np.pad(part, 1, constant_values=-1)
    highest = np.max([around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)
    kept = np.flatnonzero((highest == part).ravel())
    if not (part.ravel()[kept] == order.index("train")).any():
        raise ValueError(
            f"of {rows} x {columns} places none is left for training: cut smaller patches, or keep them together by "
            "field"
        )
    return kept


def _coarse(values: np.ndarray, block: int) -> np.ndarray:
    """Return the means of blocks of pixels of fields (N, n, m), (N, n // block, m // block)."""
    n, m = (side // block for side in values.shape[1:])
    blocks = values[:, : n * block, : m * block].reshape(len(values), n, block, m, block)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float64), dtype=values.dtype)
