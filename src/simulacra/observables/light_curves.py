r"""Light curves of periodic variable stars: the variables, their phases, and curves measured at a survey's times.

A star is an event: ``magnitude`` [mag], its error, and the time [d] of each observation, with the mask ``observed``.
``period`` [d], ``mean_magnitude``, ``amplitude`` (from the brightest to the faintest point of the curve), ``colour``
and ``stellar_class`` are conditions. Phases are counted from the maximum of the first harmonic of the brightness: with
:math:`m = A_0 + \sum_k A_k \cos(2 \pi k t / P + \phi_k)` phase 0 is where :math:`2 \pi t / P + \phi_1 = \pi`. Unlike
the brightest point itself, it does not jump from one bump of a curve to another.

A generated star is one *cycle*: its curve at evenly spaced times from phase 0 on, and as error the scatter of the
star's observations about its curve beyond the errors that a survey states. :func:`measured` observes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from simulacra.conditions import Condition
from simulacra.events import EventsError, Role, variable
from simulacra.observables.series import FEWEST_FOLDED, fourier_fit

#: classes of Richards et al. (ApJS 203 (2012) 32), as the ASAS training set spells them
CLASSES: Final = (
    "Beta_Cephei",
    "Beta_Lyrae",
    "Beta_Persei",
    "ChemPeculiar",
    "ClassT_Tauri",
    "Classical_Cepheid",
    "Delta_Scuti",
    "Ellipsoidal",
    "Herbig_AEBE",
    "LSP",
    "Mira",
    "MultiMode_Cepheid",
    "PopII_Cepheid",
    "Pulsating_Be",
    "RCB",
    "RR_Lyrae_DM",
    "RR_Lyrae_FM",
    "RR_Lyrae_FO",
    "RSG",
    "RS_CVn",
    "RV_Tauri",
    "SARG_A",
    "SARG_B",
    "SX_Phe",
    "S_Doradus",
    "Semireg_PV",
    "W_Ursae_Maj",
    "Weakline_T_Tauri",
)
OBSERVATION: Final = "observation"
_MEASURED: Final[Mapping[str, tuple[str, str, Role]]] = {
    "time": ("d", "time of each observation", "coordinate"),
    "magnitude": ("mag", "magnitude", "feature"),
    "magnitude_error": ("mag", "error of the magnitude", "uncertainty"),
    "observed": ("1", "whether there is an observation", "mask"),
}
CONDITIONS: Final[Mapping[str, Condition]] = {
    "period": Condition("d", "period of the star", kind="empirical", positive=True, decides=True),
    "mean_magnitude": Condition("mag", "mean magnitude of the star", kind="empirical"),
    "amplitude": Condition(
        "mag", "difference of the largest and the smallest magnitude", kind="empirical", positive=True
    ),
    "colour": Condition("mag", "mean V - I of the star", kind="empirical"),
    "stellar_class": Condition("1", "class of the star", kind="choice", choices=CLASSES),
}
#: magnitudes beyond this are no measurements: surveys write 99.999 or 1e20 where there is none
FAINTEST: Final = 90.0
#: stars whose harmonics are fitted at once
BLOCK: Final = 256
#: how exactly a generated cycle is evenly spaced, in cycles
EVEN: Final = 1e-4


def star_variable(values: np.ndarray, name: str) -> xr.Variable:
    """Return a variable of light curves, (N, L) or (N,), with its attributes."""
    if name in CONDITIONS:
        one = CONDITIONS[name]
        return variable(values, units=one.units, long_name=one.long_name, role="condition", **one.attributes)
    units, long_name, role = _MEASURED[name]
    of: dict[str, Any] = {"of": "magnitude"} if role == "uncertainty" else {}
    return variable(values, OBSERVATION, units=units, long_name=long_name, role=role, **of)


def is_light_curve(events: xr.Dataset) -> bool:
    """Return whether events are light curves of periodic stars."""
    return all(
        name in events.data_vars and events[name].dims == dims
        for name, dims in {**dict.fromkeys(_MEASURED, ("event", OBSERVATION)), "period": ("event",)}.items()
    )


def is_cycle(events: xr.Dataset) -> bool:
    """Return whether light curves are generated cycles: one period each, evenly spaced from time 0, and complete."""
    if not is_light_curve(events) or not events["observed"].values.all():
        return False
    phase = events["time"].values / events["period"].values[:, None]
    return bool((np.abs(phase - np.arange(phase.shape[1]) / phase.shape[1]) < EVEN).all())


def first_harmonic(events: xr.Dataset) -> np.ndarray:
    """Return the time at which the first harmonic of each star is brightest, (N,) [d], the first one after time 0.

    It is that of a fit of four harmonics by least squares, weighted by the errors.

    Raises
    ------
    simulacra.events.EventsError
        if a star has fewer than 18 observations.
    """
    period = events["period"].values.astype(np.float64)
    there = events["observed"].values.astype(bool)
    few = there.sum(axis=1) < FEWEST_FOLDED
    if few.any():
        row = int(np.argmax(few))
        raise EventsError(
            f"event {int(events['event'].values[row])} has {int(there[row].sum())} observations, and {int(few.sum())} "
            f"stars in all have fewer than {FEWEST_FOLDED}, too few to fold: leave them out"
        )
    found = np.empty(len(period))
    for k in range(0, len(period), BLOCK):
        rows = slice(k, k + BLOCK)
        values, errors = (events[name].values[rows].astype(np.float64) for name in ("magnitude", "magnitude_error"))
        cycles = events["time"].values[rows] / period[rows, None]
        phase = fourier_fit(values, there[rows], cycles, errors).phase[:, 0]
        found[rows] = (np.pi - phase) / (2 * np.pi) % 1.0
    return found * period


def phases(events: xr.Dataset) -> np.ndarray:
    """Return the phase of each observation from the maximum of the first harmonic on, (N, L), 0 to 1; 0 if absent."""
    period = events["period"].values.astype(np.float64)[:, None]
    cycles = (events["time"].values - first_harmonic(events)[:, None]) / period
    return np.where(events["observed"].values.astype(bool), cycles % 1.0, 0.0)


def measured_like(cycles: xr.Dataset, stars: xr.Dataset, seed: int) -> xr.Dataset:
    """Return generated cycles, measured at the times, phases and errors of as many observed stars, in their order.

    Parameters
    ----------
    cycles:
        generated stars.
    stars:
        observed stars, whose first harmonic each generated one is given at the same time.
    seed:
        of the noise.
    """
    return measured(
        cycles,
        stars["time"].values,
        stars["magnitude_error"].values,
        stars["observed"].values.astype(bool),
        epoch=first_harmonic(stars),
        seed=seed,
    )


def measured_in_survey(cycles: xr.Dataset, stars: xr.Dataset, seed: int) -> xr.Dataset:
    """Return generated cycles at the times and errors of observed stars of about their brightness, at random phases.

    Parameters
    ----------
    cycles:
        generated stars.
    stars:
        observed stars; each generated one is measured as the one of the nearest mean magnitude.
    seed:
        of epochs and noise.
    """
    bright = stars["mean_magnitude"].values
    rows = [int(np.argmin(np.abs(bright - one))) for one in cycles["mean_magnitude"].values]
    times, errors, there = (stars[name].values[rows] for name in ("time", "magnitude_error", "observed"))
    return measured(cycles, times, errors, there.astype(bool), seed=seed)


def measured(
    cycles: xr.Dataset,
    time: np.ndarray,
    magnitude_error: np.ndarray,
    observed: np.ndarray | None = None,
    *,
    epoch: np.ndarray | None = None,
    seed: int,
) -> xr.Dataset:
    """Return generated cycles as a survey measures them.

    A magnitude is the curve at its time, and Gaussian noise of the width that the error and the star's own scatter have
    in quadrature; ``magnitude_error`` is the survey's error alone, as in a survey's catalogue.

    Parameters
    ----------
    cycles:
        generated stars, (N).
    time, magnitude_error:
        of each observation, (N, L) or (L,) for all stars [d, mag].
    observed:
        which of these there are, (N, L); all of them if None.
    epoch:
        a time of phase 0 of each star, (N,) [d]; drawn uniformly if None, for a survey does not wait for a star.
    seed:
        of epochs and noise.

    Raises
    ------
    simulacra.events.EventsError
        if the events are no generated cycles, times are not finite, or an error is not above 0.
    """
    if not is_cycle(cycles):
        raise EventsError(
            "only generated light curves, one cycle each at evenly spaced times, can be measured; these are "
            f"{'already measured' if is_light_curve(cycles) else 'no light curves'}"
        )
    period = cycles["period"].values.astype(np.float64)
    time, error = (np.asarray(one, dtype=np.float64) for one in (time, magnitude_error))
    shape = (len(period), time.shape[-1])
    time, error = np.broadcast_to(time, shape), np.broadcast_to(error, shape)
    there = np.ones(shape, bool) if observed is None else np.broadcast_to(observed, shape)
    for name, one, wrong in (("time", time, ~np.isfinite(time)), ("magnitude_error", error, ~(error > 0))):
        if (wrong & there).any():
            row, place = np.argwhere(wrong & there)[0]
            need = {"time": "finite"}.get(name, "above 0")
            raise EventsError(f"'{name}' is {one[row, place]} for star {row}, observation {place}: it must be {need}")
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1, len(period)) * period if epoch is None else np.asarray(epoch, dtype=np.float64)
    curve = cycles["magnitude"].values.astype(np.float64)
    points = curve.shape[1]
    place = np.where(there, (time - start[:, None]) / period[:, None] % 1.0, 0.0) * points
    low = np.floor(place).astype(np.int64) % points
    share = place - np.floor(place)
    values = (1 - share) * np.take_along_axis(curve, low, axis=1)
    values += share * np.take_along_axis(curve, (low + 1) % points, axis=1)
    scatter = cycles["magnitude_error"].values.mean(axis=1, dtype=np.float64)
    values += np.hypot(error, scatter[:, None]) * rng.standard_normal(shape)
    columns = {
        "time": np.where(there, time, 0.0),
        "magnitude": np.where(there, values, 0.0).astype(np.float32),
        "magnitude_error": np.where(there, error, 0.0).astype(np.float32),
        "observed": there.copy(),
    }
    kept = cycles.drop_vars(list(columns))
    return kept.assign({name: star_variable(values, name) for name, values in columns.items()})
