"""Tables of stars: HDF5 files written by pandas ("fixed" format), and FITS, VOTable, ECSV or CSV files (by astropy).

A column is known by its name in Gaia's archive, in Pan-STARRS' or in files of streams: ``COLUMNS`` lists them.
Positions are those of a window (``phi1``, ``phi2``, ``pm_phi1``, ``pm_phi2``) where the table holds them. A table with
``ra``, ``dec``, ``pmra`` and ``pmdec`` only is rotated into a window whose centre and direction the caller gives.
Galactic columns (``l``, ``b``) are not read. NaN, 1e20 and masked entries are missing values.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

from simulacra.events import EventsError, make_events, with_source
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import held_inside, opened
from simulacra.observables.light_curves import FAINTEST
from simulacra.observables.stars import POSITIONS, PROPER_MOTIONS, VARIABLES, star_column, window_frame

#: names of the columns of each variable, the first that is there counts
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "phi1": ("phi1",),
    "phi2": ("phi2",),
    "proper_motion_phi1": ("proper_motion_phi1", "pm_phi1_cosphi2", "pm_phi1"),
    "proper_motion_phi2": ("proper_motion_phi2", "pm_phi2"),
    "parallax": ("parallax",),
    "magnitude": ("magnitude", "phot_g_mean_mag", "g_mean_psf_mag", "mag"),
    "colour": ("colour", "bp_rp", "color"),
}
#: differences of two columns that are a colour
COLOURS: Final = (("g_mean_psf_mag", "i_mean_psf_mag"), ("phot_bp_mean_mag", "phot_rp_mean_mag"))
IDENTIFIERS: Final = ("source_id", "SOURCE_ID", "id")
_SKY: Final = ("ra", "dec", "pmra", "pmdec")
#: the unit of each known column, and the names of all columns that are read
_UNITS: Final = {
    **{column: VARIABLES[name][0] for name, columns in COLUMNS.items() for column in columns},
    **{column: "mag" for pair in COLOURS for column in pair},
    **dict(zip(_SKY, ("deg", "deg", "mas/yr", "mas/yr"), strict=True)),
}
_KNOWN: Final = frozenset(_UNITS)
_IN_WINDOW: Final = (*POSITIONS, *PROPER_MOTIONS)
#: of files that astropy reads
ENDINGS: Final = (".fits", ".fit", ".fits.gz", ".fit.gz", ".vot", ".xml", ".ecsv", ".csv")
#: values of this size and above stand for none, and so do these
MISSING: Final = 1e15
PLACEHOLDERS: Final = (-99.0, -999.0, -9999.0)


def is_pandas(file: h5py.File) -> bool:
    """Return whether an open HDF5 file holds a table that pandas has written in its "fixed" format."""
    return bool(tables(file))


def tables(file: h5py.File) -> list[str]:
    """Return the names of the tables in an open file."""
    return [name for name, group in file.items() if isinstance(group, h5py.Group) and "block0_items" in group]


def read(
    path: str | os.PathLike[str],
    *,
    table: str | None = None,
    features: Sequence[str] | None = None,
    complete: bool = False,
    centre: tuple[float, float] | None = None,
    angle: float = 90.0,
) -> xr.Dataset:
    """Read stars.

    Parameters
    ----------
    table:
        name of the table in an HDF5 file; needed if there are several.
    features:
        the variables to read besides positions and proper motions, of "parallax", "magnitude", "colour"; by default
        all that are there.
    complete:
        leave out stars with a missing value, in place of an error.
    centre, angle:
        right ascension and declination of a window's centre [deg] and the position angle of its longitude [deg]
        (:func:`~simulacra.observables.stars.window_frame`), for tables without window coordinates.

    Raises
    ------
    FormatError
        if the file is truncated or of an unknown type, the table is not there or is not told, a column is missing, an
        identifier is there twice, or a value is missing and ``complete`` is not set. The message names the column, the
        first star, and how many there are.
    ImportError
        without astropy, where it is needed.
    """
    path = Path(path)
    found = _pandas(path, table) if h5py.is_hdf5(path) else _astropy(path, table)
    where = f"'{path}'" + (f", table '{table}'" if table else "")
    index = _identifiers(where, found)
    columns = _columns(where, found, features, centre, angle)
    missing = {name: _missing(values, name) for name, values in columns.items()}
    wrong = np.any(list(missing.values()), axis=0)
    if wrong.any() and not complete:
        name = next(name for name, rows in missing.items() if rows.any())
        rows = missing[name]
        row = int(np.argmax(rows))
        further = "" if name in _IN_WINDOW else f", or leave '{name}' out (features; --features)"
        raise FormatError(
            f"{where}: '{name}' of {int(rows.sum()):,} of {len(rows):,} stars is missing, first of star {index[row]} "
            f"({columns[name][row]:g}): leave such stars out (complete=True; --complete){further}"
        )
    if wrong.all():
        raise FormatError(f"{where}: no star has all of {', '.join(columns)}: leave some out (features; --features)")
    try:
        events = make_events(
            {name: star_column(values[~wrong].astype(np.float64), name) for name, values in columns.items()},
            simulator="",
            simulator_version="not stated in the file",
            seed=None,
            settings={"format": "star_table", "table": table or "", "left_out": int(wrong.sum())},
            seconds_per_event=float("nan"),
        )
        return with_source(events.assign_coords(event=index[~wrong]), path)
    except EventsError as error:
        raise FormatError(f"{where}: {error}") from error


def _columns(
    where: str,
    found: Mapping[str, np.ndarray],
    features: Sequence[str] | None,
    centre: tuple[float, float] | None,
    angle: float,
) -> dict[str, np.ndarray]:
    """Return the variables of the stars, (N,) each, by name."""
    optional = [name for name in VARIABLES if name not in _IN_WINDOW]
    if unknown := [name for name in features or () if name not in optional]:
        raise ValueError(f"stars have no feature '{unknown[0]}'; there are {', '.join(optional)}")
    columns = {name: _first(found, COLUMNS[name]) for name in VARIABLES}
    if columns["colour"] is None:
        pair = next((pair for pair in COLOURS if set(pair) <= set(found)), None)
        columns["colour"] = None if pair is None else _difference(*(found[name] for name in pair))
    if centre is not None:
        if lacking := [name for name in _SKY if name not in found]:
            held = ", ".join(sorted(found))
            raise FormatError(f"{where}: a window needs the columns {', '.join(_SKY)}; '{lacking[0]}' is not in {held}")
        sky = [found[name] for name in _SKY]
        if wrong := [name for name, values, most in zip(_SKY, sky, (360, 90), strict=False) if _beyond(values, most)]:
            raise FormatError(
                f"{where}: '{wrong[0]}' has values beyond {360 if wrong[0] == 'ra' else 90}: it is read in degrees"
            )
        columns |= window_frame(*sky, centre=centre, angle=angle)
    needed = [*_IN_WINDOW, *(optional if features is None else features)]
    there = {name: values for name in needed if (values := columns[name]) is not None}
    for name in needed:
        if name not in there and (name in _IN_WINDOW or features is not None):
            hint = ""
            if name in _IN_WINDOW and set(_SKY) <= set(found):
                hint = "; say where the window is (centre, angle; --centre, --angle), for it holds 'ra' and 'dec'"
            elif name in _IN_WINDOW and {"l", "b"} <= set(found):
                hint = "; its columns 'l' and 'b' are Galactic: convert them to 'ra' and 'dec' (ICRS) first"
            named = " or ".join(f"'{one}'" for one in COLUMNS[name])
            raise FormatError(f"{where}: expected the column {named}; it holds {', '.join(sorted(found))}{hint}")
    return there


def _beyond(values: np.ndarray, most: float) -> bool:
    return bool((np.abs(values) > most).any())


def _missing(values: np.ndarray, name: str) -> np.ndarray:
    """Return which values are none, (N,)."""
    missing = ~(np.abs(values) < MISSING) | np.isin(values, PLACEHOLDERS)
    if name in ("magnitude", "colour"):
        missing |= ~(np.abs(values) < FAINTEST)
    return np.asarray(missing)


def _first(found: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray | None:
    return next((found[name] for name in names if name in found), None)


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return a difference of magnitudes, NaN where one is missing: 1e20 minus 1e20 would look like a colour."""
    there = ~_missing(first, "magnitude") & ~_missing(second, "magnitude")
    return np.where(there, np.where(there, first, 0.0) - np.where(there, second, 0.0), np.nan)


def _identifiers(where: str, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the index of each star, (N,): its identifier if the table has one."""
    n = len(next(iter(found.values())))
    index = _first(found, IDENTIFIERS)
    if index is None:
        return np.arange(n, dtype=np.int64)
    # A column with gaps is one of floating-point numbers, which do not hold 19 digits.
    if index.dtype.kind not in "iu":
        raise FormatError(
            f"{where}: the stars' identifiers are {index.dtype}, not whole numbers (text, or some are missing): give "
            f"each star one, or rename the column, one of {', '.join(IDENTIFIERS)}"
        )
    index = index.astype(np.int64)
    values, number = np.unique(index, return_counts=True)
    if (number > 1).any():
        raise FormatError(
            f"{where}: the star {values[np.argmax(number > 1)]} is there {number.max()} times: keep one row of each"
        )
    return index


def _pandas(path: Path, table: str | None) -> dict[str, np.ndarray]:
    """Return the columns of numbers of a table; blocks of objects, which are pickled, are never read."""
    with opened(path) as file:
        there = tables(file)
        if table is None and len(there) != 1:
            raise FormatError(
                f"'{path}' holds {', '.join(there) or 'no'} tables: name one (table; `simulacra stars ... --table`)"
            )
        name = table or there[0]
        if name not in there:
            raise FormatError(f"'{path}' holds no table '{name}'; there are {', '.join(there) or 'none'}")
        group = file[name]
        found: dict[str, np.ndarray] = {}
        # a damaged name is bytes
        for items in (key for key in map(str, group) if key.endswith("_items")):
            block, labels = group.get(items.replace("_items", "_values")), group.get(items)
            if not isinstance(block, h5py.Dataset) or block.ndim != 2 or not isinstance(labels, h5py.Dataset):
                continue
            place = f"{name}/{block.name}"
            try:
                if block.dtype.kind not in "iuf":
                    continue
                names = [
                    one.decode(errors="replace") if isinstance(one, bytes) else str(one)
                    for one in held_inside(file, place, labels)[()]
                ]
                values = held_inside(file, place, block)[()]
            except (TypeError, ValueError) as error:
                # HDF5 has types of numbers of which numpy has none.
                raise FormatError(f"'{path}': '{place}' is no table of numbers: {error}") from error
            if values.shape[1] != len(names):
                raise FormatError(f"'{path}': '{name}/{items}' names {len(names)} columns of {values.shape[1]}")
            found |= dict(zip(names, values.T, strict=True))
    if not found or not len(next(iter(found.values()))):
        raise FormatError(f"'{path}': the table '{name}' holds no numbers")
    return found


def _in_our_units(values: np.ndarray, unit: Any, name: str, where: str) -> np.ndarray:
    """Return values in the unit of their variable, if the file states another one.

    Raises
    ------
    FormatError
        if it does not convert.
    """
    ours = _UNITS.get(name)
    if unit is None or ours is None:
        return values
    from astropy.units import Unit, UnitConversionError

    try:
        factor = float(Unit(unit).to(Unit(ours)))
    except (UnitConversionError, ValueError, TypeError) as error:
        raise FormatError(f"'{where}': the column '{name}' is in {unit}, which is no {ours}") from error
    return values if factor == 1.0 else values * factor


def _astropy(path: Path, table: str | None) -> dict[str, np.ndarray]:
    """Return the columns of numbers of a file that astropy reads; masked entries are NaN."""
    if not path.is_file():
        raise FormatError(f"there is no file '{path}'")
    if not path.name.lower().endswith(ENDINGS):
        raise FormatError(f"'{path}' is no table of stars: expected HDF5 of pandas, or one of {', '.join(ENDINGS)}")
    try:
        from astropy.table import Table
    except ImportError as error:
        raise ImportError(
            f"'{path}' is read by astropy, which is not installed: pip install 'simulacra[sky]'"
        ) from error
    options: dict[str, Any] = {}
    if table is not None:
        if path.suffix in (".csv", ".ecsv"):
            raise FormatError(f"'{path}' holds one table, without a name: leave out '{table}' (table; --table)")
        options["table_id" if path.suffix in (".vot", ".xml") else "hdu"] = table
    try:
        # Of a damaged file astropy reads what is there, and warns.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="(?s).*(truncated|corrupted)")
            read = Table.read(path, **options)
    except (OSError, ValueError, KeyError, IndexError, TypeError, Warning) as error:
        raise FormatError(f"'{path}' is truncated, or no table ({error})") from error
    found = {}
    for name in read.colnames:
        column = read[name]
        if column.ndim != 1:
            continue
        if column.dtype.kind in "iuf":
            masked = np.ma.getmaskarray(column)
            values = np.ma.filled(column.astype(np.float64), np.nan) if masked.any() else column
            found[name] = _in_our_units(np.asarray(values), column.unit, name, str(path))
        elif name in IDENTIFIERS:
            found[name] = np.asarray(column).astype(str)
        elif name in _KNOWN:
            raise FormatError(
                f"'{path}': the column '{name}' is not of numbers ({column.dtype}); its first value is "
                f"{str(column[0])[:30]!r}: make it one of numbers, with nan where there is none"
            )
    if not found or not len(next(iter(found.values()))):
        raise FormatError(f"'{path}' holds no columns of numbers")
    return found
