r"""Observables of series whose entries have their own times (or other positions): light curves with gaps and errors.

With the values :math:`x_i` of an event's series called ``name`` at the times :math:`t_1 \le \ldots \le t_N`, their mean
:math:`\bar x` and their uncertainties :math:`\sigma_i`, if given:

===============================  ==================================================================================
``name_skewness``                :math:`m_3 / m_2^{3/2}` with the moments :math:`m_k = \sum (x_i - \bar x)^k / N`
``name_von_neumann_ratio``       :math:`\sum (x_{i+1} - x_i)^2 / \sum (x_i - \bar x)^2` (von Neumann, Ann. Math. Stat.
                                 12 (1941) 367): 2 for white noise, less for smooth series; twice Abbe's value
``name_structure_function_0``,   mean of :math:`(x_j - x_i)^2` over pairs whose lag :math:`t_j - t_i` is in a bin
...                              (Simonetti, Cordes and Heeschen, ApJ 296 (1985) 46), with the bins 0 to 1/64, 1/16, 1/4
                                 and 1 of the span :math:`t_N - t_1`
``name_fourier_amplitude``       :math:`A_1` of the folded curve
``name_r21``, ``_r31``           :math:`R_{k1} = A_k / A_1`
``name_phi21``, ``_phi31``       :math:`\phi_{k1} = \phi_k - k \phi_1`, 0 to :math:`2 \pi`
``name_fourier_chi_square``      :math:`\chi^2` of that fit per degree of freedom, if there are uncertainties
``TIME_minimum``, ``_span``      the first time, and the time from there to the last
``TIME_median_gap``,             between neighbours
``_largest_gap``
===============================  ==================================================================================

There is a folded curve if the events hold a ``period``, or are already folded and have a ``phase`` instead of a time.
It is :math:`A_0 + \sum_{k=1}^4 A_k \cos(2 \pi k t / P + \phi_k)` (Simon and Lee, ApJ 248 (1981) 291) by linear least
squares with the weights :math:`1 / \sigma_i^2`; a series of fewer than 18 entries has 0 for all observables of this
curve. Pairs are those 1, 2, 3, 4, 6, 8, 12, 16, ... places apart, to limit the time for long series. A mean over
nothing and a ratio over 0 are 0, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.observables.weighted_moments import negligible, weights_of

#: upper edges of the bins of the lag, as shares of the span
LAGS: Final = (1 / 64, 1 / 16, 1 / 4, 1.0)
HARMONICS: Final = 4
#: two per coefficient of the fit: for 30 entries of a Cepheid the scatter of R21 is 0.02, for fewer it diverges
FEWEST_FOLDED: Final = 2 * (2 * HARMONICS + 1)

#: units (the values', their square's, or others) and title of each
DESCRIPTIONS: Final = {
    "skewness": ("1", "skewness"),
    "von_neumann_ratio": ("1", "von Neumann ratio"),
    **{
        f"structure_function_{i}": ("squared", f"structure function at {low:.3g} to {high:.3g} of the span")
        for i, (low, high) in enumerate(zip((0.0, *LAGS), LAGS, strict=False))
    },
    "fourier_amplitude": ("values", "Fourier amplitude A₁"),
    "r21": ("1", "Fourier ratio R₂₁"),
    "phi21": ("rad", "Fourier phase φ₂₁"),
    "r31": ("1", "Fourier ratio R₃₁"),
    "phi31": ("rad", "Fourier phase φ₃₁"),
    "fourier_chi_square": ("1", "χ² of the Fourier fit per degree of freedom"),
}
SAMPLING: Final = {
    "minimum": "first",
    "span": "span",
    "median_gap": "median gap",
    "largest_gap": "largest gap",
}


def series_observables(
    values: np.ndarray,
    there: np.ndarray,
    times: np.ndarray,
    uncertainty: np.ndarray | None = None,
    period: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the observables of series except mean and extremes, (N,) each, by the suffix of the series' name.

    Parameters
    ----------
    values:
        of each entry, 0 if absent, (N, L).
    there:
        whether there is an entry, (N, L), bool.
    times:
        position of each entry, in any order, (N, L).
    uncertainty:
        standard deviation of each value, (N, L), above 0 for present entries.
    period:
        of the series, (N,), in the units of the times; without it nothing is folded.
    """
    arrays = (values, there, times) if uncertainty is None else (values, there, times, uncertainty)
    values, there, times, *errors = in_order(times, there, *arrays)
    number = there.sum(axis=1)
    some = np.maximum(number, 1)
    mean = values.sum(axis=1) / some
    deviation = np.where(there, values - mean[:, None], 0.0)
    square = (deviation**2).sum(axis=1)
    least = number * negligible(values)
    varies = square > least
    variance = square / some
    both = there[:, 1:]
    successive = (np.where(both, np.diff(values, axis=1), 0.0) ** 2).sum(axis=1)
    found = {
        "skewness": _ratio((deviation**3).sum(axis=1) / some, variance**1.5, varies),
        "von_neumann_ratio": _ratio(successive, square, varies),
    }
    found |= {f"structure_function_{i}": one for i, one in enumerate(_structure_function(values, there, times).T)}
    if period is not None:
        found |= _folded(values, there, times / period[:, None], *errors)
    return found


def sampling_of(times: np.ndarray, there: np.ndarray) -> dict[str, np.ndarray]:
    """Return the spread of the entries of each event, (N,) each: the first, the span, the gaps.

    Parameters
    ----------
    times, there:
        position of each entry, in any order, and whether there is one, (N, L).
    """
    times, there = in_order(times, there, times, there)
    number = there.sum(axis=1)
    if not times.shape[1]:
        return {name: np.zeros(len(times)) for name in SAMPLING}
    first = np.where(number > 0, times[:, 0], 0.0)
    last = np.take_along_axis(times, np.maximum(number - 1, 0)[:, None], axis=1)[:, 0]
    gaps = np.where(there[:, 1:], np.diff(times, axis=1), np.inf)
    gaps.sort(axis=1)
    many = np.maximum(number - 1, 0)
    found = {"minimum": first, "span": np.where(number > 0, last - first, 0.0)}
    if not gaps.shape[1]:
        return found | {name: np.zeros(len(times)) for name in ("median_gap", "largest_gap")}

    def of_rank(rank: np.ndarray) -> np.ndarray:
        return np.where(many > 0, np.take_along_axis(gaps, np.maximum(rank, 0)[:, None], axis=1)[:, 0], 0.0)

    found["median_gap"] = (of_rank((many - 1) // 2) + of_rank(many // 2)) / 2
    found["largest_gap"] = of_rank(many - 1)
    return found


def in_order(times: np.ndarray, there: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays (N, L, ...) sorted by time, with absent entries last."""
    order = np.argsort(np.where(there, times, np.inf), axis=1, kind="stable")
    return [np.take_along_axis(a, order.reshape(order.shape + (1,) * (a.ndim - 2)), axis=1) for a in arrays]


def _structure_function(values: np.ndarray, there: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean square difference in each bin of the lag, (N, bins), of series sorted by time."""
    number = there.sum(axis=1)
    longest = int(number.max(initial=0))
    sums, counts = np.zeros((len(values), len(LAGS))), np.zeros((len(values), len(LAGS)))
    if longest < 2:
        return sums
    last = np.take_along_axis(times, np.maximum(number - 1, 0)[:, None], axis=1)
    span = np.where(number[:, None] > 1, last - times[:, :1], 0.0)
    # rounding must not push a lag of the whole span out
    edges = (-np.inf, *LAGS[:-1], np.inf)
    for apart in sorted({k for p in range(longest.bit_length()) for k in (2**p, 3 * 2**p // 2)}):
        if apart >= longest:
            break
        pair = there[:, apart:]
        lag = np.where(pair, times[:, apart:] - times[:, :-apart], 0.0)
        share = np.divide(lag, span, out=np.zeros_like(lag), where=span > 0)
        difference = np.where(pair, values[:, apart:] - values[:, :-apart], 0.0) ** 2
        for i in range(len(LAGS)):
            inside = pair & (share > edges[i]) & (share <= edges[i + 1])
            sums[:, i] += np.where(inside, difference, 0.0).sum(axis=1)
            counts[:, i] += inside.sum(axis=1)
    return np.asarray(sums / np.maximum(counts, 1))


@dataclass(frozen=True)
class FourierFit:
    """Harmonics of folded series: amplitudes and phases [rad] of each, (N, 4), and the fitted values, (N, L)."""

    amplitude: np.ndarray
    phase: np.ndarray
    fitted: np.ndarray


def fourier_fit(
    values: np.ndarray, there: np.ndarray, cycles: np.ndarray, uncertainty: np.ndarray | None = None
) -> FourierFit:
    """Fit four harmonics to series by least squares, weighted by their uncertainties.

    Parameters
    ----------
    values, there, uncertainty:
        as in :func:`series_observables`, (N, L).
    cycles:
        times in periods, (N, L).
    """
    weights = weights_of(there, uncertainty)
    centre = (weights * values).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-300)
    deviation = np.where(there, values - centre[:, None], 0.0)
    angle = 2 * np.pi * np.where(there, cycles % 1.0, 0.0)
    waves = [wave(k * angle) for k in range(1, HARMONICS + 1) for wave in (np.cos, np.sin)]
    design = np.stack([np.ones_like(angle), *waves], axis=2)
    weighted = design * weights[:, :, None]
    matrix = np.swapaxes(weighted, 1, 2) @ design
    moments = (weighted * deviation[:, :, None]).sum(axis=1)
    # where the phases leave a gap the shortest solution, not the one that swings widest
    found = (np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ moments[:, :, None])[:, :, 0]
    cosine, sine = found[:, 1::2], found[:, 2::2]
    fitted = np.where(there, (design @ found[:, :, None])[:, :, 0] + centre[:, None], 0.0)
    return FourierFit(np.hypot(cosine, sine), np.arctan2(-sine, cosine), fitted)


def _folded(
    values: np.ndarray, there: np.ndarray, cycles: np.ndarray, uncertainty: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the Fourier amplitude, ratios and phases of series at times in periods, (N,) each."""
    number = there.sum(axis=1)
    fit = fourier_fit(values, there, cycles, uncertainty)
    amplitude, phase = fit.amplitude, fit.phase
    enough = number >= FEWEST_FOLDED
    spread = np.where(there, values - (values.sum(axis=1) / np.maximum(number, 1))[:, None], 0.0)
    varies = enough & (amplitude[:, 0] > np.sqrt(negligible(spread)))
    found = {"fourier_amplitude": np.where(enough, amplitude[:, 0], 0.0)}
    for k in (2, 3):
        found[f"r{k}1"] = _ratio(amplitude[:, k - 1], amplitude[:, 0], varies)
        found[f"phi{k}1"] = np.where(varies, (phase[:, k - 1] - k * phase[:, 0]) % (2 * np.pi), 0.0)
    if uncertainty is not None:
        residual = np.where(there, values - fit.fitted, 0.0)
        pulls = np.divide(residual, uncertainty, out=np.zeros_like(residual), where=there)
        freedom = np.maximum(number - (2 * HARMONICS + 1), 1)
        found["fourier_chi_square"] = np.where(enough, (pulls**2).sum(axis=1) / freedom, 0.0)
    return found


def _ratio(above: np.ndarray, below: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=where & (below > 0)))
