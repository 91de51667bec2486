"""N-body surface densities: an HDF5 file with ``density`` (planes, n, n) and the ``redshift`` (planes,) of each plane.

The planes are those of a ray-tracing simulation, such as LensTools' (arXiv:1409.3850), as a density contrast in any
unit. The attribute ``angle_deg`` of the file is the width of a plane [deg]; others are kept as settings. In events they
are the signed feature ``density`` (event, x, y) and the condition ``redshift``.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import EventsError, make_events, variable, with_source
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import dataset, opened

DENSITY: Final = "density"
REDSHIFT: Final = "redshift"
WIDTH: Final = "angle_deg"


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read surface densities.

    Raises
    ------
    FormatError
        if the file is truncated, planes are not square, a dataset is missing or of a wrong shape, a value is NaN or a
        missing value (beyond 1e15), a redshift is negative, or the width of a plane is not stated.
    """
    with opened(path) as file:
        found = dataset(file, DENSITY, (None, None, None))
        n, side, other = found.shape
        if side != other or n == 0 or side < 4:
            raise FormatError(f"'{path}': '{DENSITY}' must be square planes (planes, n, n), not {found.shape}")
        redshift = np.asarray(dataset(file, REDSHIFT, (n,))[()], dtype=np.float32)
        density = np.asarray(found[()], dtype=np.float32)
        width = np.asarray(file.attrs.get(WIDTH, np.nan))
        stated = {key: _plain(value) for key, value in file.attrs.items() if np.ndim(value) == 0}
    if width.shape != () or width.dtype.kind not in "iuf" or not width > 0:
        raise FormatError(f"'{path}': the attribute '{WIDTH}' is {width}, not the width of a plane in degrees")
    if (missing := ~(np.abs(density) < 1e15)).any():
        plane, x, y = np.argwhere(missing)[0]
        raise FormatError(
            f"'{path}': '{DENSITY}' is {density[plane, x, y]:g} in plane {plane} at ({x}, {y}), one of "
            f"{np.count_nonzero(missing):,} such pixels: fill them, or leave these planes out"
        )
    if (wrong := ~((redshift >= 0) & (redshift < 1e4))).any():
        plane = int(np.flatnonzero(wrong)[0])
        raise FormatError(f"'{path}': '{REDSHIFT}' is {redshift[plane]:g} in plane {plane}: it must be 0 or more")
    step = float(width) / side
    places = {
        axis: xr.Variable(axis, step * (np.arange(side) + 0.5), {"units": "deg", "long_name": f"position along {axis}"})
        for axis in ("x", "y")
    }
    try:
        events = make_events(
            {
                DENSITY: variable(
                    density, "x", "y", units="1", long_name="projected surface density", role="feature", signed=True
                ),
                REDSHIFT: variable(redshift, units="1", long_name="redshift", role="condition"),
                **places,
            },
            simulator="N-body",
            simulator_version="not stated in the file",
            seed=None,
            settings={"format": "surface_density", **stated},
            seconds_per_event=float("nan"),
        )
    except EventsError as error:
        raise FormatError(f"'{path}': {error}") from error
    return with_source(events, path)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else value
