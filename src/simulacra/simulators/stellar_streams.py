"""Streams of stars from a dissolving cluster, by gala: to plant in real fields, and see whether a search finds them.

The cluster moves on an orbit in gala's model of the Milky Way's potential, and stars leave it at its Lagrange points
(Fardal et al., MNRAS 452 (2015) 301). Stars have magnitudes between ``brightest`` and ``faintest`` whose numbers rise
as 10^(0.3 m), as those of old main sequences do, and proper motions with the errors of Gaia's second data release at
that magnitude (arXiv:1804.09366). Colours are not simulated.
"""

from __future__ import annotations

import time
from typing import Annotated, Final

import numpy as np
import xarray as xr
from pydantic import Field

from simulacra.events import make_events
from simulacra.observables.stars import sky_frame, star_column, window_frame
from simulacra.settings import CheckedSettings
from simulacra.simulators.simulation import check_seed

RISE: Final = 0.3
#: errors of proper motions of Gaia's second data release by magnitude G [mas/yr]
_MAGNITUDES: Final = (15.0, 17.0, 18.0, 19.0, 20.0, 21.0)
_ERRORS: Final = (0.06, 0.12, 0.20, 0.40, 0.90, 2.2)
STEP: Final = 1.0
"""Step of the orbit [Myr]."""


class StreamSettings(CheckedSettings):
    """Settings of a stream.

    The cluster is at the ``centre`` of the window (right ascension and declination [deg]) at a ``distance`` [kpc], with
    ``proper_motion`` in phi1 (times cos phi2) and phi2 [mas/yr] and ``radial_velocity`` [km/s] as seen from the Sun. It
    has lost stars for ``age`` [Myr], and has ``mass`` [solar masses], which sets the width of the stream. The window
    reaches ``extent`` [deg] from its centre in phi1 and phi2, with phi1 along the position angle ``angle`` [deg], and
    the proper motions of its stars have the Sun's own motion taken out if ``reflex`` is set.
    """

    centre: tuple[float, float] = (142.22, 27.93)
    angle: Annotated[float, Field(ge=-360, le=360)] = 34.1
    extent: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (5.0, 1.0)
    distance: Annotated[float, Field(gt=0)] = 8.0
    proper_motion: tuple[float, float] = (-12.0, -3.0)
    radial_velocity: float = -50.0
    mass: Annotated[float, Field(gt=0)] = 2e4
    age: Annotated[float, Field(ge=100, le=10_000)] = 3_000.0
    brightest: float = 16.0
    faintest: Annotated[float, Field(le=21.0)] = 20.5
    reflex: bool = False


def simulate_stream(settings: StreamSettings, *, seed: int, n_events: int) -> xr.Dataset:
    """Return stars of one stream in its window.

    Returns
    -------
    xarray.Dataset
        ``phi1``, ``phi2`` from the window's centre [deg], the proper motions [mas/yr] and ``magnitude``, (N,).

    Raises
    ------
    ImportError
        without gala.
    ValueError
        if fewer than ``n_events`` stars of the stream are in the window, or gala cannot follow the orbit.

    Examples
    --------
    >>> from simulacra.simulators.stellar_streams import StreamSettings, simulate_stream
    >>> stars = simulate_stream(StreamSettings(age=1500), seed=1, n_events=50)
    >>> stars["phi1"].shape
    (50,)
    """
    begin = time.process_time()
    check_seed(seed)
    rng = np.random.default_rng(seed)
    columns = _in_window(settings, rng)
    n = len(columns["phi1"])
    if n < n_events:
        raise ValueError(
            f"{n} stars of the stream are in the window, fewer than {n_events}: take a larger extent, age or mass"
        )
    kept = rng.choice(n, n_events, replace=False)
    columns = {name: values[kept] for name, values in columns.items()}
    low, high = (10 ** (RISE * m) for m in (settings.brightest, settings.faintest))
    magnitude = np.log10(rng.uniform(low, high, n_events)) / RISE
    error = np.exp(np.interp(magnitude, _MAGNITUDES, np.log(_ERRORS)))
    for name in ("proper_motion_phi1", "proper_motion_phi2"):
        columns[name] = columns[name] + error * rng.normal(size=n_events)
    columns["magnitude"] = magnitude
    return make_events(
        {name: star_column(values, name) for name, values in columns.items()},
        simulator="gala",
        simulator_version=_version(),
        seed=seed,
        settings=settings.model_dump(mode="json"),
        seconds_per_event=(time.process_time() - begin) / n_events,
    )


def _in_window(settings: StreamSettings, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return positions and proper motions, without errors, of all stars of the stream in its window."""
    try:
        import gala.dynamics as dynamics
        from astropy import coordinates
        from astropy import units as u
        from gala.dynamics import mockstream
        from gala.potential import Hamiltonian, MilkyWayPotential
    except ImportError as error:
        raise ImportError("streams are made by gala, which is not installed: pip install 'simulacra[sky]'") from error
    cluster = coordinates.SkyCoord(
        0 * u.deg,
        0 * u.deg,
        distance=settings.distance * u.kpc,
        pm_lon_coslat=settings.proper_motion[0] * u.mas / u.yr,
        pm_lat=settings.proper_motion[1] * u.mas / u.yr,
        radial_velocity=settings.radial_velocity * u.km / u.s,
        frame=sky_frame(settings.centre, settings.angle),
    )
    galactocentric = coordinates.Galactocentric()
    start = dynamics.PhaseSpacePosition(cluster.transform_to(galactocentric).data)
    stripping = mockstream.FardalStreamDF(gala_modified=True, random_state=np.random.RandomState(rng.integers(2**31)))
    maker = mockstream.MockStreamGenerator(stripping, Hamiltonian(MilkyWayPotential(version="v2")))
    steps = {"dt": -STEP * u.Myr, "n_steps": int(settings.age / STEP), "n_particles": 2}
    try:
        stream, _ = maker.run(start, settings.mass * u.Msun, **steps)
    except RuntimeError as error:
        raise ValueError(
            f"gala cannot follow this orbit ({error}), as of one through the Galaxy's centre: choose another proper "
            "motion or radial velocity"
        ) from error
    if settings.reflex:
        # As an observer at rest at the Sun's place sees them.
        galactocentric = coordinates.Galactocentric(galcen_v_sun=[0, 0, 0] * u.km / u.s)
    seen = coordinates.SkyCoord(stream.data, frame=galactocentric).transform_to(coordinates.ICRS())
    found = window_frame(
        seen.ra.deg,
        seen.dec.deg,
        seen.pm_ra_cosdec.to_value(u.mas / u.yr),
        seen.pm_dec.to_value(u.mas / u.yr),
        centre=settings.centre,
        angle=settings.angle,
    )
    inside = (np.abs(found["phi1"]) <= settings.extent[0]) & (np.abs(found["phi2"]) <= settings.extent[1])
    return {name: values[inside] for name, values in found.items()}


def _version() -> str:
    from importlib.metadata import version

    return version("gala")
