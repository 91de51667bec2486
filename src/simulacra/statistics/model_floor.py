r"""The deviation of a generator's distribution from the truth, as the number of truth events with the same error.

With shares :math:`p_c` of the truth and :math:`g_c` of generated events in Q quantile cells (arXiv:2008.06545),

.. math:: D^2 = \sum_c \frac{(g_c - p_c)^2}{p_c}, \qquad
          \left\langle \frac{D^2}{Q - 1} \right\rangle
          = \frac{1}{N_\mathrm{truth}} + \frac{1}{N_\mathrm{generated}} + \frac{1}{N_\mathrm{model}},

because a sample of N truth events deviates by :math:`(Q - 1) / N` from the truth. The first two terms are statistical
(variances of weights if events have weights). The last is the generator's *floor*, which remains for any number of
generated events. Given the floor, :math:`D^2` over its statistical part is a noncentral chi-square with Q - 1 degrees
of freedom, which gives the floor's interval. At its upper end the probability is divided by that without a floor (CLs),
so the interval is never empty.

*Without a large truth sample* (arXiv:2509.08048) the floor is the variance of the shares between equally trained
generators, on other events or on bootstrap samples of the training events:

.. math:: \frac{1}{N_\mathrm{model}} = \frac{1}{Q - 1} \sum_c \frac{\sigma_c^2}{p_c}, \qquad
          \sigma_c^2 = \mathrm{var}_m(g_{mc}) - \overline{\mathrm{var}(g_{mc})}.

This does not show errors that all of them have in common, or that only other training events would change if they share
these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.modes.shares import Shares

#: probability on either side of a 68 % interval, and beyond an upper limit
TAIL: Final = 0.158655
LIMIT: Final = 0.05
#: above this value a noncentral chi-square is treated as a Gaussian
LARGEST: Final = 3000.0
FEWEST_MEMBERS: Final = 3


@dataclass(frozen=True)
class Floor:
    """An inverse number of truth events, 1 / N_model.

    Attributes
    ----------
    value, low, high:
        the estimate, not below 0, and the ends of its 68 % interval.
    limit:
        its upper limit at 95 %.
    """

    value: float
    low: float
    high: float
    limit: float


@dataclass(frozen=True)
class Deviation:
    r"""The deviation of generated shares from the truth's.

    Attributes
    ----------
    floor:
        the floor, integrated over the cells.
    quantiles, quantiles_low, quantiles_high:
        the floor of each cell, :math:`((g_c - p_c)^2 - \mathrm{var}) / p_c (1 - p_c)`, not below 0, and the ends of
        its 68 % interval, (Q,).
    truth_part, generated_part:
        1 / N_truth and 1 / N_generated, statistical.
    degrees:
        Q - 1.
    chi_square:
        the deviation over its statistical part.
    p_value:
        of a chi-square at least as large without a floor.
    """

    floor: Floor
    quantiles: np.ndarray
    quantiles_low: np.ndarray
    quantiles_high: np.ndarray
    truth_part: float
    generated_part: float
    degrees: int
    chi_square: float
    p_value: float


def deviation_from_truth(truth: Shares, generated: Shares) -> Deviation:
    """Return a generator's deviation from truth in quantile cells, two or more of them."""
    from scipy.stats import chi2

    p, degrees = truth.share, len(truth.share) - 1
    if degrees < 1 or not (p > 0).all():
        raise ValueError("a deviation needs two cells or more, each with truth events")
    apart = (generated.share - p) ** 2
    truth_part, generated_part = (float((s.variance / p).sum() / degrees) for s in (truth, generated))
    # A sample in a single cell has no variance by its own shares, but by the truth's.
    generated_part = max(generated_part, 1 / generated.size)
    statistical = truth_part + generated_part
    squared = float((apart / p).sum())
    chi_square = squared / statistical
    variance = truth.variance + np.maximum(generated.variance, p * (1 - p) / generated.size * (generated.variance == 0))
    z = np.sqrt(apart / variance)
    scale = variance / (p * (1 - p))
    return Deviation(
        _noncentral(chi_square, degrees, statistical / degrees),
        np.maximum(z**2 - 1, 0) * scale,
        np.maximum(z - 1, 0) ** 2 * scale,
        (z + 1) ** 2 * scale,
        truth_part,
        generated_part,
        degrees,
        chi_square,
        float(chi2.sf(chi_square, degrees)),
    )


def spread_of_members(reference: np.ndarray, members: Sequence[Shares]) -> tuple[Floor, np.ndarray]:
    """Return the floor from equally trained generators, integrated and for each cell, (Q,).

    Parameters
    ----------
    reference:
        expected shares of the cells, (Q,).
    members:
        three or more generators' shares.
    """
    from scipy.stats import t as student

    if len(members) < FEWEST_MEMBERS:
        raise ValueError(f"{len(members)} generators are too few for a spread: give at least {FEWEST_MEMBERS}")
    shares = np.array([one.share for one in members])
    noise = np.array([one.variance for one in members])

    def cells(keep: np.ndarray) -> np.ndarray:
        return np.asarray(shares[keep].var(axis=0, ddof=1) - noise[keep].mean(axis=0))

    def integrated(keep: np.ndarray) -> float:
        return float((cells(keep) / reference).sum() / (len(reference) - 1))

    everyone = np.ones(len(members), dtype=bool)
    value = integrated(everyone)
    m = len(members)
    left_out = np.array([integrated(np.arange(m) != k) for k in range(m)])
    error = float(np.sqrt((m - 1) / m * np.sum((left_out - left_out.mean()) ** 2)))
    steps = [float(student.ppf(1 - tail, m - 1)) * error for tail in (TAIL, LIMIT)]
    floor = Floor(max(value, 0.0), max(value - steps[0], 0.0), max(value + steps[0], 0.0), max(value, 0.0) + steps[1])
    return floor, np.maximum(cells(everyone), 0) / (reference * (1 - reference))


def _noncentral(chi_square: float, degrees: int, scale: float) -> Floor:
    """Return the floor from a chi-square whose noncentrality is the floor over ``scale``."""
    from scipy.stats import chi2, ncx2, norm

    value = scale * max(chi_square - degrees, 0.0)
    if chi_square > LARGEST:
        # The noncentral chi-square has the mean degrees + x and the variance 2 (degrees + 2 x).
        spread = np.sqrt(4 * chi_square - 2 * degrees)
        ends = (value - scale * spread, value + scale * spread, value + scale * spread * float(norm.isf(LIMIT)))
        return Floor(value, *ends)
    below = float(chi2.cdf(chi_square, degrees))
    low = 0.0
    if 1 - below < TAIL:
        low = _solve(lambda x: float(ncx2.sf(chi_square, degrees, x)) - TAIL, chi_square)
    high, limit = (
        _solve(lambda x, tail=tail: tail * below - float(ncx2.cdf(chi_square, degrees, x)), chi_square)  # type: ignore[misc]
        for tail in (TAIL, LIMIT)
    )
    return Floor(value, scale * low, scale * max(high, low), scale * max(limit, high, low))


def _solve(rising: Callable[[float], float], start: float) -> float:
    from scipy.optimize import brentq

    top = max(start, 1.0)
    while rising(top) < 0 and top < 1e6:
        top *= 2
    return float(brentq(rising, 1e-12, top, xtol=1e-4, rtol=1e-6)) if rising(1e-12) < 0 < rising(top) else 0.0
