"""Fields and series whose likelihood is known, so that the log ratio of two samples is, too."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable

SIDE: Final = 16
#: waves per side at which all power spectra are alike
PIVOT: Final = 4.0
LENGTH: Final = 64


def power(slope: np.ndarray) -> np.ndarray:
    """Return the power of each wave of fields (SIDE, SIDE), (..., SIDE, SIDE), whose spectrum falls as k^-slope."""
    waves = np.fft.fftfreq(SIDE) * SIDE
    number = np.hypot(*np.meshgrid(waves, waves))
    number[0, 0] = PIVOT
    return np.asarray((number / PIVOT) ** -np.asarray(slope, dtype=np.float64)[..., None, None])


def fields(n: int, slope: float | np.ndarray, seed: int, **settings: Any) -> xr.Dataset:
    """Return Gaussian random fields of SIDE x SIDE cells, periodic; an array of slopes (n,) is their condition."""
    rng = np.random.default_rng(seed)
    waves = np.fft.fft2(rng.normal(size=(n, SIDE, SIDE))) * np.sqrt(power(np.asarray(slope)))
    values = np.fft.ifft2(waves).real
    about: dict[str, Any] = {"units": "1", "long_name": "density contrast", "role": "feature"}
    made = {"field": variable(values.astype(np.float32), "x", "y", **about)}
    return _events(made, "slope", slope, seed, settings)


def field_log_likelihood(events: xr.Dataset, slope: float) -> np.ndarray:
    """Return log p(field|slope), (N,), without terms that do not depend on the slope."""
    squares = np.abs(np.fft.fft2(events["field"].values.astype(np.float64))) ** 2 / SIDE**2
    expected = power(np.asarray(slope))
    return np.asarray(-0.5 * (squares / expected + np.log(expected)).sum(axis=(1, 2)))


def series(n: int, memory: float | np.ndarray, seed: int, **settings: Any) -> xr.Dataset:
    """Return autoregressive series of LENGTH times and variance 1; an array of memories (n,) is their condition."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, LENGTH))
    decay = np.broadcast_to(np.asarray(memory, dtype=np.float64), n)
    for time in range(1, LENGTH):
        values[:, time] = decay * values[:, time - 1] + np.sqrt(1 - decay**2) * values[:, time]
    about: dict[str, Any] = {"units": "mag", "long_name": "brightness", "role": "feature"}
    made = {"brightness": variable(values.astype(np.float32), "time", **about)}
    return _events(made, "memory", memory, seed, settings)


def series_log_likelihood(events: xr.Dataset, memory: float) -> np.ndarray:
    """Return log p(series|memory), (N,), without terms that do not depend on the memory."""
    values = events["brightness"].values.astype(np.float64)
    steps = values[:, 1:] - memory * values[:, :-1]
    return np.asarray(-0.5 * ((steps**2).sum(axis=1) / (1 - memory**2) + (LENGTH - 1) * np.log(1 - memory**2)))


def _events(
    variables: dict[str, xr.Variable], name: str, value: float | np.ndarray, seed: int, settings: dict[str, Any]
) -> xr.Dataset:
    if np.ndim(value):
        drawn = np.asarray(value, dtype=np.float32)
        variables[name] = variable(drawn, units="1", long_name=name, role="condition")
    return make_events(
        variables, simulator="known arrays", simulator_version="1", seed=seed, settings=settings, seconds_per_event=0.0
    )
