"""Light curves of Cepheids with a catalogue in one HDF5 file, as of the OGLE-IV collection (arXiv:1601.01318).

``light_curves`` holds the observations of all stars one after the other, ``hjd_minus_2450000`` [d], ``i_mag`` and
``i_mag_error``; star k, named ``id[k]``, has the rows ``offset[k]`` to ``offset[k + 1]``. ``fundamental_mode`` is the
catalogue of some of them: ``id``, ``period_days``, ``mean_i_mag``, ``mean_v_mag``, ``i_amplitude_mag``, and other
columns, which are not read; NaN or 1e20 says that the catalogue has no value. An event is a star of the catalogue, and
its index is the number in its name. Times are those of the file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any, Final

import h5py
import numpy as np
import xarray as xr

from simulacra.events import make_events, padded, with_source
from simulacra.formats.errors import FormatError
from simulacra.formats.hdf5 import dataset, opened
from simulacra.observables.light_curves import CLASSES, FAINTEST, star_variable
from simulacra.observables.series import FEWEST_FOLDED

CURVES: Final = "light_curves"
CATALOGUE: Final = "fundamental_mode"
_MEASURED: Final = {"time": "hjd_minus_2450000", "magnitude": "i_mag", "magnitude_error": "i_mag_error"}
_COLUMNS: Final = ("period_days", "mean_i_mag", "mean_v_mag", "i_amplitude_mag")


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read the stars of the catalogue that have all four values and at least 18 observations.

    Raises
    ------
    FormatError
        if the file is truncated; a dataset is missing or of a wrong shape; the offsets do not divide the rows; a name
        is there twice or ends in no number; a period or an amplitude is not above 0; or a time, a magnitude (NaN,
        1e20, 99.999) or an error is none. The message names the star.

    Warns
    -----
    UserWarning
        if stars are left out, with the reasons.
    """
    with opened(path) as file:
        known = catalogue(file, _COLUMNS)
        names = _names(file, f"{CURVES}/id")
        rows = {name: dataset(file, f"{CURVES}/{column}", (None,))[()] for name, column in _MEASURED.items()}
        offset = _offset(file, len(names), len(rows["time"]))
    where = os.fspath(path)
    for name, values in rows.items():
        if len(values) != len(rows["time"]):
            raise FormatError(f"'{where}': '{_MEASURED[name]}' has {len(values)} rows, not {len(rows['time'])}")
    place = {name: k for k, name in enumerate(names)}
    stars = known["id"]
    number = np.array([offset[place[s] + 1] - offset[place[s]] if s in place else 0 for s in stars])
    left_out = {
        f"{column} of no value": ~(np.abs(known[column]) < FAINTEST) if "mag" in column else ~np.isfinite(known[column])
        for column in _COLUMNS
    }
    left_out["no light curve"] = number == 0
    left_out[f"fewer than {FEWEST_FOLDED} observations"] = (number > 0) & (number < FEWEST_FOLDED)
    kept = ~np.any(list(left_out.values()), axis=0)
    told = _told(stars, left_out)
    if not kept.any():
        raise FormatError(f"'{where}': no star of '{CATALOGUE}' can be used: {told}")
    for column in ("period_days", "i_amplitude_mag"):
        if (wrong := kept & ~(known[column] > 0)).any():
            star = int(np.argmax(wrong))
            raise FormatError(f"'{where}': '{column}' of {stars[star]} is {known[column][star]}: it must be above 0")
    chosen = np.flatnonzero(kept)
    curves = {
        name: [values[offset[place[stars[k]]] : offset[place[stars[k]] + 1]] for k in chosen]
        for name, values in rows.items()
    }
    refuse_no_measurements(where, [stars[k] for k in chosen], curves)
    if told:
        gone = int((~kept).sum())
        warnings.warn(f"'{where}': {gone} of {len(kept)} stars of '{CATALOGUE}' are left out: {told}", stacklevel=3)
    columns = {
        "period": known["period_days"][kept],
        "mean_magnitude": known["mean_i_mag"][kept],
        "amplitude": known["i_amplitude_mag"][kept],
        "colour": known["mean_v_mag"][kept] - known["mean_i_mag"][kept],
        "stellar_class": np.full(len(chosen), CLASSES.index("Classical_Cepheid"), np.int32),
    }
    index = np.array([_number(where, stars[k]) for k in chosen], dtype=np.int64)
    return stars_of(curves, columns, index, where, "ogle")


def catalogue(file: h5py.File, columns: tuple[str, ...]) -> dict[str, Any]:
    """Return columns of the catalogue in an open file, (N,) each, and ``id``, the names of its stars.

    Raises
    ------
    FormatError
        if one is missing, of another length, or a name is there twice.
    """
    names = _names(file, f"{CATALOGUE}/id")
    found = {name: dataset(file, f"{CATALOGUE}/{name}", (len(names),))[()].astype(np.float64) for name in columns}
    return {"id": names, **found}


def refuse_no_measurements(where: str, stars: list[str], curves: Mapping[str, list[np.ndarray]]) -> None:
    """Refuse times, magnitudes and errors, one array for each star, that are none (FormatError)."""
    for name, arrays in curves.items():
        for star, values in zip(stars, arrays, strict=True):
            wrong = ~np.isfinite(values)
            if name == "magnitude":
                wrong |= ~(np.abs(values) < FAINTEST)
            if name == "magnitude_error":
                wrong |= ~((values > 0) & (values < FAINTEST))
            if wrong.any():
                need = {"time": "finite", "magnitude": f"a magnitude below {FAINTEST:g}"}.get(name, "above 0")
                row = int(np.argmax(wrong))
                raise FormatError(
                    f"'{where}': the {name.replace('_', ' ')} of {star} is {values[row]:g} in its row {row} (and in "
                    f"{int(wrong.sum()) - 1} others): it must be {need}; leave such rows out"
                )


def stars_of(
    curves: Mapping[str, list[np.ndarray]],
    columns: Mapping[str, np.ndarray],
    index: np.ndarray,
    where: str,
    layout: str,
) -> xr.Dataset:
    """Return events of light curves, one array for each star, and of conditions (N,)."""
    measured = {name: padded(arrays) for name, arrays in curves.items()}
    variables = {
        name: star_variable(values.astype(np.float64 if name == "time" else np.float32), name)
        for name, (values, _) in measured.items()
    }
    variables["observed"] = star_variable(measured["time"][1], "observed")
    variables |= {
        name: star_variable(values if name in ("period", "stellar_class") else values.astype(np.float32), name)
        for name, values in columns.items()
    }
    events = make_events(
        variables,
        simulator="",
        simulator_version="not stated in the file",
        seed=None,
        settings={"format": layout},
        seconds_per_event=float("nan"),
    )
    return with_source(events.assign_coords(event=index), where)


def _names(file: h5py.File, place: str) -> list[str]:
    found = dataset(file, place, (None,), kinds="SO")[()]
    names = [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"'{file.filename}': '{place}' holds {twice} twice: keep one")
    return names


def _offset(file: h5py.File, stars: int, rows: int) -> np.ndarray:
    offset = np.asarray(dataset(file, f"{CURVES}/offset", (stars + 1,), kinds="iu")[()], dtype=np.int64)
    falls = np.flatnonzero(np.diff(offset) < 0)
    if offset[0] != 0 or offset[-1] != rows or len(falls):
        found = f"falls after star {falls[0]}" if len(falls) else f"goes from {offset[0]} to {offset[-1]}"
        raise FormatError(
            f"'{file.filename}': '{CURVES}/offset' {found}: it must rise from 0 to the number of rows, {rows}"
        )
    return offset


def _number(where: str, name: str) -> int:
    digits = name[len(name.rstrip("0123456789")) :]
    if not digits:
        raise FormatError(f"'{where}': the star '{name}' ends in no number, which would be its index: name it so")
    return int(digits)


def _told(stars: list[str], left_out: Mapping[str, np.ndarray]) -> str:
    return ", ".join(
        f"{int(wrong.sum())} with {reason} (such as {stars[int(np.argmax(wrong))]})"
        for reason, wrong in left_out.items()
        if wrong.any()
    )
