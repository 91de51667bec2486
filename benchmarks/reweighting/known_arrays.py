"""Fields and series whose likelihood is known, so that the log ratio of two samples is, too."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.events import make_events, variable

#: waves per side at which all power spectra are alike
PIVOT: Final = 4.0


def power(slope: float | np.ndarray, side: int) -> np.ndarray:
    """Return the power of each wave of a field, (..., side, side), whose spectrum falls as k^-slope."""
    waves = np.fft.fftfreq(side) * side
    number = np.hypot(*np.meshgrid(waves, waves))
    number[0, 0] = PIVOT
    return np.asarray((number / PIVOT) ** -np.asarray(slope, dtype=np.float64)[..., None, None])


def fields(n: int, slope: float | np.ndarray, seed: int, *, side: int = 16, **settings: Any) -> xr.Dataset:
    """Return periodic Gaussian random fields of side x side cells; an array of slopes (n,) is their condition."""
    rng = np.random.default_rng(seed)
    waves = np.fft.fft2(rng.normal(size=(n, side, side))) * np.sqrt(power(slope, side))
    values = np.fft.ifft2(waves).real.astype(np.float32)
    made = {"field": variable(values, "x", "y", units="1", long_name="density contrast", role="feature")}
    return _events(made, "slope", slope, seed, settings)


def field_log_likelihood(events: xr.Dataset, slope: float) -> np.ndarray:
    """Return log p(field|slope), (N,), without terms that do not depend on the slope."""
    values = events["field"].values.astype(np.float64)
    expected = power(slope, values.shape[1])
    squares = np.abs(np.fft.fft2(values)) ** 2 / expected.size
    return np.asarray(-0.5 * (squares / expected + np.log(expected)).sum(axis=(1, 2)))


def series(n: int, memory: float | np.ndarray, seed: int, *, length: int = 64, **settings: Any) -> xr.Dataset:
    """Return autoregressive series of variance 1; an array of memories (n,) is their condition."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, length))
    decay = np.broadcast_to(np.asarray(memory, dtype=np.float64), n)
    for time in range(1, length):
        values[:, time] = decay * values[:, time - 1] + np.sqrt(1 - decay**2) * values[:, time]
    about: dict[str, Any] = {"units": "mag", "long_name": "brightness", "role": "feature"}
    made = {"brightness": variable(values.astype(np.float32), "time", **about)}
    return _events(made, "memory", memory, seed, settings)


def series_log_likelihood(events: xr.Dataset, memory: float) -> np.ndarray:
    """Return log p(series|memory), (N,), without terms that do not depend on the memory."""
    values = events["brightness"].values.astype(np.float64)
    squares = (values[:, 1:] - memory * values[:, :-1]) ** 2 / (1 - memory**2)
    return np.asarray(-0.5 * (squares + np.log(1 - memory**2)).sum(axis=1))


def _events(
    variables: dict[str, xr.Variable], name: str, value: float | np.ndarray, seed: int, settings: dict[str, Any]
) -> xr.Dataset:
    if np.ndim(value):
        drawn = np.asarray(value, dtype=np.float32)
        variables[name] = variable(drawn, units="1", long_name=name, role="condition")
    return make_events(
        variables, simulator="known arrays", simulator_version="1", seed=seed, settings=settings, seconds_per_event=0.0
    )
