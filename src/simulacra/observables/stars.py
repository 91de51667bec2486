"""Stars of a survey in a window of the sky: the variables of a table of stars, and its frame.

An event is a star. ``phi1`` and ``phi2`` [deg] are its longitude and latitude in a frame whose equator runs through
the window, such as along a stream; ``proper_motion_phi1`` (times cos phi2) and ``proper_motion_phi2`` [mas/yr] its
proper motions there. ``parallax`` [mas], ``magnitude`` and ``colour`` [mag] may be there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import SOURCE, EventsError, variable

POSITIONS: Final = ("phi1", "phi2")
PROPER_MOTIONS: Final = ("proper_motion_phi1", "proper_motion_phi2")
VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "phi1": ("deg", "longitude along the window"),
    "phi2": ("deg", "latitude across the window"),
    "proper_motion_phi1": ("mas/yr", "proper motion in phi1, times cos phi2"),
    "proper_motion_phi2": ("mas/yr", "proper motion in phi2"),
    "parallax": ("mas", "parallax"),
    "magnitude": ("mag", "magnitude"),
    "colour": ("mag", "colour"),
}


def star_column(values: np.ndarray, name: str) -> xr.Variable:
    """Return a variable of stars, (N,), with its attributes."""
    units, long_name = VARIABLES[name]
    return variable(values, units=units, long_name=long_name, role="feature")


def require_stars(events: xr.Dataset, names: tuple[str, ...] = (*POSITIONS, *PROPER_MOTIONS)) -> None:
    """Refuse events that lack one of these variables, each (event,) (:class:`~simulacra.events.EventsError`)."""
    where = f"'{events.encoding[SOURCE]}'" if SOURCE in events.encoding else "the events"
    for name in names:
        if name not in events.data_vars or events[name].dims != ("event",):
            held = ", ".join(sorted(map(str, events.data_vars)))
            raise EventsError(f"stars need '{name}', one number each; {where} hold {held}")


def table_of(stars: xr.Dataset, names: Sequence[str]) -> np.ndarray:
    """Return variables of stars as columns, (N, F) float32.

    Raises
    ------
    simulacra.events.EventsError
        if the stars lack one.
    """
    require_stars(stars, tuple(names))
    return np.stack([stars[name].values.astype(np.float32) for name in names], axis=1)


def refuse_constants(stars: xr.Dataset, names: Sequence[str]) -> None:
    """Refuse stars of which one of these variables is the same for all (:class:`~simulacra.events.EventsError`)."""
    for name in names:
        if not float(np.ptp(stars[name].values)) > 0:
            raise EventsError(f"all stars have the same '{name}': there is nothing to learn")


def sky_frame(centre: tuple[float, float], angle: float) -> Any:
    """Return astropy's frame of a window, its centre and position angle as of :func:`window_frame`."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord, SkyOffsetFrame

    origin = SkyCoord(centre[0] * u.deg, centre[1] * u.deg)
    # An offset frame has its latitude along the position angle: the longitude is 90 degrees from it, eastwards.
    return SkyOffsetFrame(origin=origin, rotation=(angle - 90.0) * u.deg)


def window_frame(
    ra: np.ndarray,
    dec: np.ndarray,
    proper_motion_ra: np.ndarray,
    proper_motion_dec: np.ndarray,
    *,
    centre: tuple[float, float],
    angle: float,
) -> dict[str, np.ndarray]:
    """Return positions and proper motions of stars in a window's frame, by the name of the variable.

    Parameters
    ----------
    ra, dec:
        positions in ICRS, (N,) [deg].
    proper_motion_ra, proper_motion_dec:
        the first times cos dec, as in Gaia's tables, (N,) [mas/yr].
    centre:
        right ascension and declination of the window's centre, which has phi1 = phi2 = 0 [deg].
    angle:
        position angle of the direction of rising phi1, from north to east [deg]: 90 is eastwards.

    Raises
    ------
    ImportError
        without astropy.
    """
    try:
        from astropy import units as u
        from astropy.coordinates import SkyCoord
    except ImportError as error:
        raise ImportError(
            "positions are rotated by astropy, which is not installed: pip install 'simulacra[sky]'"
        ) from error
    stars = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        pm_ra_cosdec=proper_motion_ra * u.mas / u.yr,
        pm_dec=proper_motion_dec * u.mas / u.yr,
    )
    seen = stars.transform_to(sky_frame(centre, angle))
    return {
        "phi1": np.asarray(seen.lon.wrap_at(180 * u.deg).deg),
        "phi2": np.asarray(seen.lat.deg),
        "proper_motion_phi1": np.asarray(seen.pm_lon_coslat.to_value(u.mas / u.yr)),
        "proper_motion_phi2": np.asarray(seen.pm_lat.to_value(u.mas / u.yr)),
    }
