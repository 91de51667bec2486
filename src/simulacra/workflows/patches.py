"""Fields cut into square patches, with labels of those that are not independent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr


def patches(
    fields: xr.Dataset, size: int, *, coarsen: int = 1, border: int = 0, together: int = 1, left_out: int = 0
) -> xr.Dataset:
    """Cut fields into patches that do not overlap, and label those of one group of fields.

    The split into training, validation and test part goes by these labels (``group``), so that patches of one field are
    never in two parts. Neighbouring planes of a simulation share structure: ``together`` puts several in one group, and
    ``left_out`` drops the last ones of each group.

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
    together:
        number of successive fields in a group.
    left_out:
        how many of the last fields of a group are left out.

    Returns
    -------
    xarray.Dataset
        the patches (event, x, y), with the conditions of their fields and ``group``.

    Raises
    ------
    ValueError
        if there is no such array, a patch is larger than a field, or nothing of a group is left.

    Examples
    --------
    >>> import simulacra
    >>> from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields
    >>> fields = simulate_random_fields(RandomFieldSettings(pixels=20), seed=1, n_events=6)
    >>> found = simulacra.patches(fields, 8, together=3, left_out=1)
    >>> found["field"].shape, found["group"].values[::4].tolist()
    ((16, 8, 8), [0, 0, 1, 1])
    """
    import xarray as xr

    from simulacra.events import GROUP, names, validate, variable

    size = whole_number(size, "the size of a patch", 4)
    coarsen, border = whole_number(coarsen, "coarsen", 1), whole_number(border, "the border")
    together, left_out = whole_number(together, "together", 1), whole_number(left_out, "left_out")
    validate(fields)
    arrays = [name for name in names(fields, "feature") if fields[name].ndim > 1]
    if len(arrays) != 1 or fields[arrays[0]].ndim != 3:
        raise ValueError(f"patches are cut from one array (event, x, y); the events hold {arrays or 'none'}")
    field = fields[arrays[0]]
    values = _coarse(field.values[:, border:, border:][:, : -border or None, : -border or None], coarsen)
    if min(values.shape[1:]) < size:
        raise ValueError(f"a patch of {size} pixels is larger than a field, which has {values.shape[1:]}")
    if left_out >= together:
        raise ValueError(f"of groups of {together}, {left_out} fields cannot be left out: nothing would remain")
    place = np.arange(len(field))
    kept = place[place % together < together - left_out]
    rows, columns = (n // size for n in values.shape[1:])
    values = values[kept][:, : rows * size, : columns * size]
    values = values.reshape(len(kept), rows, size, columns, size).swapaxes(2, 3).reshape(-1, size, size)
    again = rows * columns
    axes = [str(axis) for axis in field.dims[1:]]
    variables = {
        str(field.name): xr.Variable(("event", *axes), values, field.attrs),
        **{
            name: xr.Variable("event", np.repeat(fields[name].values[kept], again), fields[name].attrs)
            for name in (*names(fields, "condition"), *names(fields, "weight"))
            if fields[name].ndim == 1
        },
        GROUP: variable(
            np.repeat(kept // together, again), units="1", long_name="which patches are not independent", role="mask"
        ),
    }
    coordinates = {
        axis: xr.Variable(
            axis, fields[axis].values[: size * coarsen].reshape(-1, coarsen).mean(axis=1), fields[axis].attrs
        )
        for axis in axes
        if axis in fields.coords
    }
    found = xr.Dataset(variables, coords={"event": np.arange(len(values)), **coordinates}, attrs=fields.attrs)
    settings = json.loads(fields.attrs["settings"]) | {
        "patch": size,
        "coarsen": coarsen,
        "border": border,
        "together": together,
        "left_out": left_out,
    }
    found.attrs["settings"] = json.dumps(settings, sort_keys=True)
    found.attrs["seconds_per_event"] = float(fields.attrs["seconds_per_event"]) / again
    validate(found)
    return found


def _coarse(values: np.ndarray, block: int) -> np.ndarray:
    """Return the means of blocks of pixels of fields (N, n, m), (N, n // block, m // block)."""
    n, m = (side // block for side in values.shape[1:])
    blocks = values[:, : n * block, : m * block].reshape(len(values), n, block, m, block)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float64), dtype=values.dtype)
