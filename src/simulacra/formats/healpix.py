"""Maps of the whole sky in HEALPix pixels (Gorski et al., ApJ 622 (2005) 759), from FITS files.

Two layouts are read: an image of 12 NSIDE^2 numbers, and a binary table with a column for each map. The header must
say NSIDE, the order of the pixels (``ORDERING`` or ``NESTED``) and the frame of the sky (``COORDSYS`` or ``FRAME``);
what it does not say, the caller must. Pixels without a value are refused: NaN, or HEALPix's UNSEEN (-1.6375e30).
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from simulacra.errors import printable
from simulacra.formats.errors import FormatError
from simulacra.settings import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Order = Literal["ring", "nested"]
Frame = Literal["galactic", "icrs", "barycentricmeanecliptic"]

#: what headers write for orders and frames, in lower case
ORDERS: Final[Mapping[str, Order]] = {"ring": "ring", "nested": "nested", "nest": "nested"}
FRAMES: Final[Mapping[str, Frame]] = {
    "g": "galactic",
    "galactic": "galactic",
    "c": "icrs",
    "q": "icrs",
    "celestial": "icrs",
    "equatorial": "icrs",
    "icrs": "icrs",
    "e": "barycentricmeanecliptic",
    "ecliptic": "barycentricmeanecliptic",
    "barycentricmeanecliptic": "barycentricmeanecliptic",
}
#: pixels below this have no value
UNSEEN: Final = -1e30
#: keys of a header that say how a map is made
STATED: Final = ("NSIDE", "NESTED", "ORDERING", "COORDSYS", "FRAME")


@dataclass(frozen=True)
class SkyMap:
    """A map of the whole sky.

    Attributes
    ----------
    values:
        of the pixels, (12 nside^2,) float64.
    nside, order:
        of the pixels.
    frame:
        of the sky, as astropy names it.
    name, units:
        of the values; "" if the file does not say.
    """

    values: np.ndarray
    nside: int
    order: Order
    frame: Frame
    name: str
    units: str


def need_astropy() -> None:
    """Raise an ImportError that says what to install, without astropy and astropy-healpix."""
    try:
        import astropy  # noqa: F401
        import astropy_healpix  # noqa: F401
    except ImportError:
        raise ImportError(
            "maps of the sky are read by astropy and astropy-healpix, which are not installed: "
            "pip install 'simulacra[sky]'"
        ) from None


def read(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    frame: str | None = None,
    order: str | None = None,
) -> SkyMap:
    """Read a map of the whole sky.

    Parameters
    ----------
    path:
        the FITS file, which may be compressed (.gz).
    column:
        of a table; its first one if None.
    frame, order:
        "galactic", "icrs" or "ecliptic", and "ring" or "nested": needed if the header does not say them, and compared
        with what it says.

    Raises
    ------
    FormatError
        if the file is damaged, has no map of the whole sky or not this column; if frame, order or NSIDE are not known
        or contradict each other; or if pixels have no value.
    ImportError
        without astropy and astropy-healpix.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from simulacra.formats import healpix
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "map.fits"
    >>> image = fits.PrimaryHDU(np.ones(12 * 4**2))
    >>> image.header.update(NSIDE=4, ORDERING="RING", COORDSYS="G")
    >>> image.writeto(path)
    >>> healpix.read(path).frame
    'galactic'
    """
    need_astropy()
    from astropy.io import fits

    path = path_of(path, "the map")
    try:
        # A file that ends too early is only a warning of astropy's, if the rest of its data happens not to be needed.
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with fits.open(path, memmap=False) as file:
                header, values, name, units = _map_of(file, column, str(path))
                # A card is read when it is asked for; one that cannot be read is refused here and not below.
                stated = {key: header[key] for key in STATED if key in header}
    except FormatError:
        raise
    except FileNotFoundError:
        raise FormatError(f"there is no file '{path}'") from None
    except Exception as error:
        # astropy reads a part when it is asked for, and fails on a damaged one in a dozen ways.
        raise FormatError(f"'{path}' is no FITS file that can be read: {printable(str(error), 200)}") from error
    if short := [str(one.message) for one in warned if "truncated" in str(one.message)]:
        raise FormatError(f"'{path}' ends too early: {short[0]}")
    nside = stated.get("NSIDE")
    if isinstance(nside, bool) or not isinstance(nside, int) or nside < 1:
        raise FormatError(f"'{path}': the header gives no NSIDE: it is no HEALPix map")
    if values.size != 12 * nside**2:
        raise FormatError(
            f"'{path}': {values.size:,} pixels are not the whole sky, which has 12 x {nside}^2 = {12 * nside**2:,}"
        )
    stated_order = _stated_order(stated)
    nested = _known("order", order, stated_order, ORDERS, get_args(Order), str(path))
    if nested == "nested" and not math.log2(nside).is_integer():
        raise FormatError(f"'{path}': nested pixels need an NSIDE that is a power of 2, not {nside}")
    placed = _known(
        "frame", frame, stated.get("COORDSYS", stated.get("FRAME")), FRAMES, ("galactic", "icrs", "ecliptic"), str(path)
    )
    if (missing := ~(np.isfinite(values) & (values > UNSEEN))).any():
        first = int(np.argmax(missing))
        raise FormatError(
            f"'{path}': {name or 'the map'} has no value in {np.count_nonzero(missing):,} of {values.size:,} pixels, "
            f"the first one {first} ({values[first]:g}): fill them first"
        )
    return SkyMap(values, nside, nested, placed, name, units)  # type: ignore[arg-type]


def _map_of(file: Any, column: str | None, path: str) -> tuple[Any, np.ndarray, str, str]:
    """Return header, values, name and units of the first image or table of a FITS file."""
    for part in file:
        if part.data is None:
            continue
        header = part.header
        if not hasattr(part, "columns"):
            if column is not None:
                raise FormatError(f"'{path}' holds an image, which has no columns such as '{column}'")
            values = np.asarray(part.data, dtype=np.float64).ravel()
            return header, values, str(header.get("QUANT", header.get("EXTNAME", ""))), str(header.get("BUNIT", ""))
        known = list(part.columns.names)
        wanted = known[0] if column is None else column
        if wanted not in known:
            raise FormatError(f"'{path}' has no column '{wanted}': there are {', '.join(known)}")
        if str(header.get("INDXSCHM", "IMPLICIT")).strip().upper() == "EXPLICIT":
            raise FormatError(f"'{path}' lists some pixels of the sky by their numbers: give a map of the whole sky")
        values = np.asarray(part.data[wanted], dtype=np.float64).ravel()
        return header, values, wanted, str(part.columns[wanted].unit or "")
    raise FormatError(f"'{path}' holds no image and no table")


def _stated_order(header: Any) -> str | None:
    """Return what a header says of the order, None if nothing."""
    if (nested := header.get("NESTED")) is not None:
        return "nested" if nested is True or str(nested).strip().upper() in ("T", "TRUE") else "ring"
    stated = header.get("ORDERING")
    return None if stated is None else str(stated)


def _known(
    what: str, asked: str | None, stated: Any, names: Mapping[str, str], listed: tuple[str, ...], path: str
) -> str:
    """Return the order or frame that is asked for or stated, if these agree."""
    choices = ", ".join(listed)
    if asked is not None and asked.lower() not in names:
        raise FormatError(f"'{asked}' is no {what} of a map: give {choices}")
    if stated is None:
        if asked is None:
            raise FormatError(f"'{path}': the header does not say the {what} of the map: give it, one of {choices}")
        return names[asked.lower()]
    found = names.get(str(stated).strip().lower())
    if found is None:
        raise FormatError(f"'{path}': the header says the {what} '{stated}', which is not one of {choices}")
    if asked is not None and names[asked.lower()] != found:
        raise FormatError(f"'{path}': the header says that the {what} is {found}, not {asked}: leave out the {what}")
    return found
