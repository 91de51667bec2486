"""Periods of stars whose catalogue gives none, by the Lomb-Scargle periodogram of astropy; and their curves there."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from simulacra.observables.series import fourier_fit

#: frequencies per width of a peak of the periodogram
OVERSAMPLING: Final = 5
#: points at which a fitted curve is looked at
POINTS: Final = 200


class Curve(NamedTuple):
    """A fitted curve: its mean over a period, and the difference of its extremes [mag]."""

    mean: float
    amplitude: float


def lomb_scargle_period(
    time: np.ndarray, magnitude: np.ndarray, error: np.ndarray, *, shortest: float = 0.1, longest: float | None = None
) -> float:
    """Return the period [d] of the highest peak of the floating-mean periodogram (VanderPlas, arXiv:1703.09824).

    Parameters
    ----------
    time, magnitude, error:
        of each observation, (L,) [d, mag, mag].
    shortest, longest:
        between which periods are looked for [d]; ``longest`` is half of the time from first to last if None.

    Raises
    ------
    ImportError
        without astropy.
    ValueError
        if the observations are too short a series for these periods.
    """
    try:
        from astropy.timeseries import LombScargle
    except ImportError:
        raise ImportError(
            "periods are looked for by astropy, which is not installed: pip install 'simulacra[sky]'"
        ) from None
    span = float(np.ptp(time))
    longest = span / 2 if longest is None else longest
    if not 0 < shortest < longest:
        raise ValueError(f"the observations span {span:g} d: there are no periods from {shortest:g} to {longest:g} d")
    periodogram = LombScargle(time, magnitude, error)
    step = 1 / (OVERSAMPLING * span)
    frequency = np.arange(1 / longest, 1 / shortest, step)
    coarse = frequency[np.argmax(periodogram.power(frequency, method="fast", assume_regular_frequency=True))]
    fine = np.linspace(max(coarse - step, step / 10), coarse + step, 201)
    return float(1 / fine[np.argmax(periodogram.power(fine, method="cython"))])


def curve_of(time: np.ndarray, magnitude: np.ndarray, error: np.ndarray, period: float) -> Curve:
    """Return mean and amplitude of four harmonics fitted to a star's observations, (L,) each, at a period [d]."""
    there = np.ones((1, len(time)), bool)
    fit = fourier_fit(magnitude[None], there, time[None] / period, error[None])
    phase = np.arange(POINTS) / POINTS
    waves = np.cos(2 * np.pi * np.outer(phase, np.arange(1, fit.amplitude.shape[1] + 1)) + fit.phase[0])
    curve = waves @ fit.amplitude[0]
    at = np.cos(2 * np.pi * np.outer(time / period, np.arange(1, fit.amplitude.shape[1] + 1)) + fit.phase[0])
    mean = float((fit.fitted[0] - at @ fit.amplitude[0]).mean())
    return Curve(mean, float(np.ptp(curve)))
