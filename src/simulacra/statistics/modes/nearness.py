r"""Whether events are nearer to the training events than unseen truth: two tests of distances.

*Nearer.* The share of pairs (generated event, truth event of nearly equal conditions) in which the generated event is
nearer to its nearest training event,

.. math:: A = P(d_g < d_t) + \tfrac{1}{2} P(d_g = d_t),

one half for events like the truth (the statistic of Mann and Whitney). Its variance is that of Brunner and Munzel
(Biometrical Journal 42 (2000) 17), which allows different shapes of the two distributions, extended to weights.

*Copies.* The share of generated events that are nearer than the nearest 1 % of the truth. A few copies change it, but
not A. If both samples have one distribution, all orders of their events are equally probable: the probability that b or
more of M generated events come before the a-th of N truth events is the hypergeometric probability of at most a - 1
truth events among the a + b - 1 nearest.

Events are compared in strata of the conditions, so the samples may have different distributions of them. For the second
test, a distance is divided by the truth's median in its stratum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size, weighted_quantile
from simulacra.statistics.modes.shares import shares_of

TAIL: Final = 0.01
FEWEST_IN_STRATUM: Final = 5


@dataclass(frozen=True)
class Nearness:
    """The distances of generated events to the training events, compared with unseen truth.

    Attributes
    ----------
    nearer, nearer_error, chance_error, nearer_p, farther_p:
        the share of pairs A, its error, its standard deviation for truth against truth (around 1/2), and the
        probabilities that it is as high, or as low, for truth.
    copies, copies_error, copies_p:
        the excess share of generated events nearer than the nearest 1 % of truth, its error, and its p-value.
    generated, truth:
        distances divided by the truth's median in the stratum, (M,) and (N,).
    p_value:
        of both tests together (Bonferroni).
    """

    nearer: float
    nearer_error: float
    chance_error: float
    nearer_p: float
    farther_p: float
    copies: float
    copies_error: float
    copies_p: float
    generated: np.ndarray
    truth: np.ndarray
    p_value: float


def compare_nearness(
    generated: np.ndarray,
    truth: np.ndarray,
    generated_weights: np.ndarray,
    truth_weights: np.ndarray,
    generated_strata: np.ndarray,
    truth_strata: np.ndarray,
) -> Nearness:
    """Compare distances to the nearest training event.

    Parameters
    ----------
    generated, truth:
        distances, (M,) and (N,).
    generated_weights, truth_weights:
        (M,) and (N,).
    generated_strata, truth_strata:
        numbers of the strata of conditions, (M,) and (N,).

    Raises
    ------
    ValueError
        if no stratum has five events of each sample.
    """
    from scipy.stats import t as student

    relative = [np.asarray(values, dtype=np.float64).copy() for values in (generated, truth)]
    value = variance = chance = total = 0.0
    sizes = np.zeros(2)
    for stratum in np.unique(truth_strata):
        g, t = generated_strata == stratum, truth_strata == stratum
        if truth_weights[t].sum() <= 0:
            continue
        middle = weighted_quantile(truth[t], truth_weights[t], 0.5)
        scale = middle if middle > 0 else float(np.average(truth[t], weights=truth_weights[t])) or 1.0
        relative[0][g], relative[1][t] = generated[g] / scale, truth[t] / scale
        if min(np.count_nonzero(generated_weights[g]), np.count_nonzero(truth_weights[t])) < FEWEST_IN_STRATUM:
            continue
        a, spread = _mann_whitney(generated[g], truth[t], generated_weights[g], truth_weights[t])
        share = float(generated_weights[g].sum())
        n, m = effective_size(truth_weights[t]), effective_size(generated_weights[g])
        value, variance, total = value + share * a, variance + share**2 * spread, total + share
        chance += share**2 * (1 / n + 1 / m) / 12
        sizes += (n, m)
    if total <= 0:
        raise ValueError(f"{len(generated)} generated and {len(truth)} truth events have no conditions in common")
    value, variance, chance = value / total, variance / total**2, chance / total**2
    # All distances of one sample below all of the other have no spread; chance has.
    z = (value - 0.5) / np.sqrt(variance if variance > 0 else chance)
    degrees = max(1.0, float(sizes.min()) - 1)
    nearer_p, farther_p = float(student.sf(z, degrees)), float(student.cdf(z, degrees))
    copies, copies_error, copies_p = _tail(relative[0], relative[1], generated_weights, truth_weights)
    return Nearness(
        value,
        float(np.sqrt(variance)),
        float(np.sqrt(chance)),
        nearer_p,
        farther_p,
        copies,
        copies_error,
        copies_p,
        relative[0],
        relative[1],
        min(1.0, 2 * min(nearer_p, copies_p)),
    )


def _mann_whitney(g: np.ndarray, t: np.ndarray, gw: np.ndarray, tw: np.ndarray) -> tuple[float, float]:
    """Return the share of pairs in which g is smaller, and its variance."""
    g_share, t_share = gw / gw.sum(), tw / tw.sum()
    above_g = 1 - _cumulative(g, t, t_share)
    below_t = _cumulative(t, g, g_share)
    value = float(g_share @ above_g)
    spread = g_share**2 @ (above_g - value) ** 2 + t_share**2 @ (below_t - value) ** 2
    # As for a variance of n numbers about their own mean.
    n = min(effective_size(gw), effective_size(tw))
    return value, float(spread * n / max(n - 1, 1))


def _cumulative(at: np.ndarray, values: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the share of ``values`` below ``at``, with half of equal ones."""
    order = np.argsort(values, kind="stable")
    steps = np.concatenate([[0.0], np.cumsum(share[order])])
    low, high = (np.searchsorted(values[order], at, side) for side in ("left", "right"))
    return np.asarray((steps[low] + steps[high]) / 2)


def _tail(g: np.ndarray, t: np.ndarray, gw: np.ndarray, tw: np.ndarray) -> tuple[float, float, float]:
    """Return the share of g in excess of t below the 1 % quantile of t, its error and its p-value."""
    from scipy.stats import hypergeom

    edge = weighted_quantile(t, tw, TAIL)
    truth, generated = shares_of((t > edge).astype(int), tw, 2), shares_of((g >= edge).astype(int), gw, 2)
    n, m = max(1, round(float(truth.sizes[0]))), max(1, round(float(generated.sizes[0])))
    # Equal distances (events on a lattice) must not be counted for copies.
    equal = float(tw[t == edge].sum() / tw.sum()) * n
    a = max(1, round(float(truth.share[0]) * n) - max(0, round(equal) - 1))
    b = round(float(generated.share[0]) * m)
    p_value = float(hypergeom.cdf(a - 1, n + m, n, a + b - 1)) if b else 1.0
    share = a / (n + 1)
    copies = (float(generated.share[0]) - share) / (1 - share)
    error = np.sqrt(float(generated.variance[0]) + share * (1 - share) / n) / (1 - share)
    return copies, float(error), p_value
