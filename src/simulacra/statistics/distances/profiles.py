r"""Mean and width of a quantity in bins of a condition, such as the energy response against the incident energy.

The width is half the central interval with 68.3 % of the events, :math:`(q_{84.1} - q_{15.9}) / 2`: one standard
deviation for a Gaussian and, unlike the standard deviation, insensitive to the few showers that leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

BINS: Final = 6
FEWEST_IN_BIN: Final = 20
TAIL: Final = 0.158655


@dataclass(frozen=True)
class Profile:
    """Mean, width and their statistical errors in each bin, (bins,) each.

    Attributes
    ----------
    position:
        mean of the condition in the bin.
    n:
        effective number of events.
    """

    position: np.ndarray
    mean: np.ndarray
    mean_error: np.ndarray
    width: np.ndarray
    width_error: np.ndarray
    n: np.ndarray


def bin_edges(truth: np.ndarray, generated: np.ndarray, *, bins: int = BINS) -> np.ndarray:
    """Return edges of bins with equal numbers of truth events and enough events of both samples, (bins + 1,).

    A condition with at most ``2 * bins`` values gets a bin for each. The array is empty if no bin has enough events.
    """
    values = np.unique(truth)
    if len(values) == 1:
        edges = np.array([values[0] - 0.5, values[0] + 0.5])
    elif len(values) <= 2 * bins:
        middle = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([[values[0] - (middle[0] - values[0])], middle, [2 * values[-1] - middle[-1]]])
    else:
        edges = np.quantile(truth, np.linspace(0, 1, bins + 1))
        edges[-1] = np.nextafter(edges[-1], np.inf)
    counts = np.minimum(np.histogram(truth, edges)[0], np.histogram(generated, edges)[0])
    enough = np.flatnonzero(counts >= FEWEST_IN_BIN)
    # Consecutive good bins: those at the ends may have no events of one sample.
    return edges[enough[0] : enough[-1] + 2] if len(enough) and (np.diff(enough) == 1).all() else edges[:0]


def profile(condition: np.ndarray, values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> Profile:
    """Return the profile of ``values`` (N,) with ``weights`` (N,) in bins of ``condition`` (N,)."""
    inside = (condition >= edges[0]) & (condition < edges[-1])
    index = np.searchsorted(edges, condition[inside], side="right") - 1
    values, weights, condition = values[inside], weights[inside], condition[inside]
    bins = len(edges) - 1

    def total(what: np.ndarray) -> np.ndarray:
        return np.bincount(index, what, bins)

    weight = total(weights)
    n = weight**2 / total(weights**2)
    mean = total(weights * values) / weight
    # Negative weights can make the variance of few events negative.
    deviation = np.sqrt(np.maximum(total(weights * (values - mean[index]) ** 2) / weight, 0.0))
    widths = [_width(values[index == b], weights[index == b], n[b]) for b in range(bins)]
    width, width_error = np.array(widths).T
    return Profile(total(weights * condition) / weight, mean, deviation / np.sqrt(n), width, width_error, n)


def _width(values: np.ndarray, weights: np.ndarray, n: float) -> tuple[float, float]:
    """Return half the central 68.3 % interval of a sample of ``n`` effective events, and its error."""
    order = np.argsort(values)
    # With negative weights the cumulative distribution may decrease; its running maximum has quantiles.
    cumulative = np.maximum.accumulate(np.cumsum(weights[order]))
    # The position of an event is the middle of its step of the cumulative distribution.
    position = (cumulative - 0.5 * np.maximum(weights[order], 0.0)) / cumulative[-1]
    step = np.sqrt(TAIL * (1 - TAIL) / n)
    levels = np.array([TAIL, TAIL - step, TAIL + step, 1 - TAIL, 1 - TAIL - step, 1 - TAIL + step])
    q = np.interp(levels, position, values[order])
    low, high = 0.5 * (q[2] - q[1]), 0.5 * (q[5] - q[4])
    # Quantiles of one sample are correlated: rho = TAIL / (1 - TAIL) for these two.
    variance = low**2 + high**2 - 2 * low * high * TAIL / (1 - TAIL)
    return float(0.5 * (q[3] - q[0])), float(0.5 * np.sqrt(max(variance, 0.0)))
