"""Stars of a survey in a window of the sky: the variables of a table of stars, and its frame.

An event is a star. ``phi1`` and ``phi2`` [deg] are its longitude and latitude in a frame whose equator runs through
the window, such as along a stream; ``proper_motion_phi1`` (times cos phi2) and ``proper_motion_phi2`` [mas/yr] its
proper motions there. ``parallax`` [mas], ``magnitude`` and ``colour`` [mag] may be there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
        from astropy.coordinates import SkyCoord, SkyOffsetFrame
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
    # An offset frame has its latitude along the position angle: the longitude is 90 degrees from it, eastwards.
    frame = SkyOffsetFrame(origin=SkyCoord(centre[0] * u.deg, centre[1] * u.deg), rotation=(angle - 90.0) * u.deg)
    seen = stars.transform_to(frame)
    return {
        "phi1": np.asarray(seen.lon.wrap_at(180 * u.deg).deg),
        "phi2": np.asarray(seen.lat.deg),
        "proper_motion_phi1": np.asarray(seen.pm_lon_coslat.to_value(u.mas / u.yr)),
        "proper_motion_phi2": np.asarray(seen.pm_lat.to_value(u.mas / u.yr)),
    }
