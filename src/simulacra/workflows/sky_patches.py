"""Square patches of a map of the whole sky, by gnomonic projection, split by region."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr

    from simulacra.formats.healpix import SkyMap

#: patches that are projected at once
AT_A_TIME: Final = 256
#: a map of the Galaxy is brighter below this latitude [deg] than above
PLANE: Final = 5.0


def sky_patches(
    path: str | os.PathLike[str],
    size: int = 32,
    *,
    pixel: float = 0.25,
    centres: int = 32,
    regions: int = 2,
    margin: float = 1.0,
    min_latitude: float = 10.0,
    column: str | None = None,
    frame: str | None = None,
    order: str | None = None,
) -> xr.Dataset:
    """Cut a map of the whole sky into square patches of its logarithm, and label the region of each.

    A patch is the gnomonic projection about its centre (Calabretta and Greisen, A&A 395 (2002) 1077, section 5.1.3),
    with the Galactic north pole upwards, and the map is interpolated between its four nearest pixels. Neighbouring
    patches overlap, so they are kept together: the sky is divided into regions, the split into training, validation and
    test part goes by the region (``group``), and patches that are nearer than ``margin`` / 2 to a region of another
    part are left out. No two patches of different parts are thus nearer than ``margin``.

    Parameters
    ----------
    path:
        the FITS file (:func:`simulacra.formats.healpix.read`).
    size:
        number of pixels along an axis of a patch.
    pixel:
        width of a pixel [deg].
    centres:
        patches are centred on the pixels of a HEALPix grid of this NSIDE: 32 is one every 1.8 degrees.
    regions:
        NSIDE of the HEALPix grid of regions: 2 is 48 regions of 29 degrees.
    margin:
        least distance of patches of different parts [deg].
    min_latitude:
        least Galactic latitude, north or south, of every pixel [deg]: nearer to the plane, clouds of the whole Galaxy
        lie behind each other.
    column, frame, order:
        of the map, as in :func:`simulacra.formats.healpix.read`.

    Returns
    -------
    xarray.Dataset
        ``log_intensity`` (event, y, x), the natural logarithm of the map, with the positions ``x`` and ``y`` [deg],
        the label ``group``, and ``galactic_longitude`` and ``galactic_latitude`` of the centre [deg].

    Raises
    ------
    simulacra.formats.FormatError
        if the file is no such map, has a pixel that is not above 0, or is no brighter along the Galactic plane than
        elsewhere, as where its frame is wrong.
    ValueError
        if a patch is too large, or no patch is left of the training part.
    ImportError
        without astropy and astropy-healpix.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, simulacra
    >>> from astropy.io import fits
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "map.fits"
    >>> image = fits.PrimaryHDU(np.random.default_rng(1).uniform(1, 2, 12 * 16**2))
    >>> image.header.update(NSIDE=16, ORDERING="RING", COORDSYS="G")
    >>> image.writeto(path)
    >>> found = simulacra.sky_patches(path, 4, pixel=2, centres=8, min_latitude=0)
    >>> found["log_intensity"].dims
    ('event', 'y', 'x')
    """
    import xarray as xr

    from simulacra.events import GROUP, make_events, variable, with_source
    from simulacra.formats.healpix import need_astropy, read

    need_astropy()
    from astropy_healpix import HEALPix

    size = whole_number(size, "the size of a patch", 4)
    centres, regions = whole_number(centres, "the NSIDE of centres", 1), whole_number(regions, "regions", 1)
    for name, value, low, high in (
        ("pixel", pixel, 0, 10), ("margin", margin, -1e-9, 60), ("min_latitude", min_latitude, -1e-9, 80)
    ):  # fmt: skip
        if not low < value < high:
            raise ValueError(
                f"'{name}' is {value:g} degrees: it must be {'above' if low == 0 else 'from'} 0, below {high}"
            )
    if (width := size * pixel + margin) > 90:
        raise ValueError(
            f"a patch with its margin is {width:g} degrees wide: beyond 90 the projection is too distorted"
        )
    sky = read(path, column=column, frame=frame, order=order)
    _refuse_values(sky, min_latitude, os.fspath(path))
    grid = HEALPix(centres, order="ring")
    longitude, latitude = (angle.deg for angle in grid.healpix_to_lonlat(np.arange(grid.npix)))
    kept, label = _apart(longitude, latitude, size * pixel + margin, regions, min_latitude)
    longitude, latitude = longitude[kept], latitude[kept]
    offsets = pixel * (np.arange(size) - (size - 1) / 2)
    values = np.concatenate(
        [
            _projected(sky, longitude[at : at + AT_A_TIME], latitude[at : at + AT_A_TIME], offsets)
            for at in range(0, len(longitude), AT_A_TIME)
        ]
    )
    what = f"natural logarithm of {sky.name or 'the intensity'}{f' in {sky.units}' if sky.units else ''}"
    places = {
        axis: xr.Variable(axis, offsets, {"units": "deg", "long_name": f"position along {axis}"}) for axis in ("y", "x")
    }
    centre = {
        "galactic_longitude": (longitude, "Galactic longitude of the centre"),
        "galactic_latitude": (latitude, "Galactic latitude of the centre"),
    }
    events = make_events(
        {
            "log_intensity": variable(
                np.log(values).astype(np.float32), "y", "x", units="1", long_name=what, role="feature", signed=True
            ),
            GROUP: variable(label, units="1", long_name="region of the sky", role="mask"),
            **{name: variable(one, units="deg", long_name=text, role="mask") for name, (one, text) in centre.items()},
            **places,
        },
        simulator="HEALPix map",
        simulator_version="not stated in the file",
        seed=None,
        settings={
            "nside": sky.nside, "frame": sky.frame, "map": sky.name, "size": size, "pixel": pixel, "centres": centres,
            "regions": regions, "margin": margin, "min_latitude": min_latitude,
        },
        seconds_per_event=float("nan"),
    )  # fmt: skip
    return with_source(events, path)


def _refuse_values(sky: SkyMap, min_latitude: float, path: str) -> None:
    """Refuse a map without a logarithm, or whose plane is not where its frame says."""
    from simulacra.formats.errors import FormatError

    if (wrong := ~(sky.values > 0)).any():
        first = int(np.argmax(wrong))
        raise FormatError(
            f"'{path}': the map is {sky.values[first]:g} in pixel {first}, one of {np.count_nonzero(wrong):,} pixels "
            "that are not above 0 and have no logarithm: add an offset, or fill them"
        )
    if min_latitude < PLANE:
        return
    latitude = np.degrees(np.arcsin((_centres(sky) @ _to_galactic(sky.frame))[:, 2]))
    inside = np.abs(latitude) < PLANE
    near, far = np.median(sky.values[inside]), np.median(sky.values[~inside])
    if not near > far:
        raise FormatError(
            f"'{path}': the map is not brighter within {PLANE:g} degrees of the Galactic plane (median {near:.3g}) "
            f"than elsewhere ({far:.3g}): is its frame {sky.frame}? If it is, set min_latitude to 0"
        )


def _centres(sky: SkyMap) -> np.ndarray:
    """Return the directions of a map's pixels in its own frame, (pixels, 3)."""
    from astropy_healpix import HEALPix

    longitude, latitude = HEALPix(sky.nside, order=sky.order).healpix_to_lonlat(np.arange(sky.values.size))
    return _directions(longitude.rad, latitude.rad)


def _directions(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return unit vectors (..., 3) of angles [rad]."""
    along = np.cos(latitude)
    return np.stack([along * np.cos(longitude), along * np.sin(longitude), np.sin(latitude)], axis=-1)


def _angles(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return longitudes from 0 to 2 pi, which astropy-healpix needs, and latitudes [rad] of directions (..., 3)."""
    longitude = np.arctan2(directions[..., 1], directions[..., 0]) % (2 * np.pi)
    # A tiny negative angle is rounded to 2 pi.
    return np.where(longitude < 2 * np.pi, longitude, 0.0), np.arcsin(directions[..., 2].clip(-1, 1))


def _to_galactic(frame: str) -> np.ndarray:
    """Return the matrix M (3, 3) by which directions v of a frame are Galactic ones, v @ M."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    axes = SkyCoord([0, 90, 0] * u.deg, [0, 0, 90] * u.deg, frame=frame)
    return np.asarray(axes.galactic.cartesian.xyz.value).T


def _on_the_sky(longitude: np.ndarray, latitude: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the Galactic directions of patches' pixels, (N, n, n, 3), of centres (N,) and offsets (n,) [deg].

    x grows to the east, the left of a map of the sky as it is seen, and y to the north.
    """
    centre = _directions(np.radians(longitude), np.radians(latitude))
    east = _directions(np.radians(longitude) + np.pi / 2, np.zeros(len(longitude)))
    north = np.cross(centre, east)
    tangent = np.tan(np.radians(offsets))
    found = (
        centre[:, None, None]
        + east[:, None, None] * tangent[None, None, :, None]
        + north[:, None, None] * tangent[None, :, None, None]
    )
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))


def _projected(sky: SkyMap, longitude: np.ndarray, latitude: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the map on patches, (N, n, n), of Galactic centres (N,) [deg]."""
    import astropy.units as u
    from astropy_healpix import HEALPix

    own = _on_the_sky(longitude, latitude, offsets) @ _to_galactic(sky.frame).T
    angles = (one * u.rad for one in _angles(own))
    found = HEALPix(sky.nside, order=sky.order).interpolate_bilinear_lonlat(*angles, sky.values)
    return np.asarray(found, dtype=np.float64)


def _apart(
    longitude: np.ndarray, latitude: np.ndarray, width: float, regions: int, min_latitude: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of patches of this width [deg] inside regions of one part, and the regions of their centres."""
    import astropy.units as u
    from astropy_healpix import HEALPix

    from simulacra.events import part_of

    grid = HEALPix(regions, order="ring")
    parts = np.unique(part_of(np.arange(grid.npix)), return_inverse=True)
    # Dense enough that no corner of a region is missed.
    offsets = np.linspace(-width / 2, width / 2, 25)
    kept, label = [], []
    for at in range(0, len(longitude), AT_A_TIME):
        rows = slice(at, at + AT_A_TIME)
        there = _on_the_sky(longitude[rows], latitude[rows], offsets).reshape(-1, len(offsets) ** 2, 3)
        along, b = _angles(there)
        region = grid.lonlat_to_healpix(along * u.rad, b * u.rad)
        part = parts[1][region]
        inside = (part == part[:, :1]).all(axis=1) & (np.abs(b).min(axis=1) >= np.radians(min_latitude))
        kept.append(at + np.flatnonzero(inside))
        label.append(region[inside, len(offsets) ** 2 // 2])
    found, regions_of = np.concatenate(kept), np.concatenate(label).astype(np.int32)
    if not (part_of(regions_of) == "train").any():
        raise ValueError("no patch of the training part is left: make patches or margin smaller, or regions larger")
    return found, regions_of
