r"""Shares of a weighted sample in cells, their fluctuations, and a test for lost cells.

The share :math:`s_c = \sum_{i \in c} w_i / W` of a cell has the variance

.. math:: \frac{1}{W^2} \left[ (1 - s_c)^2 \sum_{i \in c} w_i^2 + s_c^2 \sum_{i \notin c} w_i^2 \right],

which is :math:`s_c (1 - s_c) / n` without weights. A cell of a weighted sample therefore fluctuates like one of
:math:`n_c = s_c (1 - s_c) / \mathrm{var}` events without weights, and exact tests for counts use these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size

SMALLEST_SPREAD: Final = 1e-9


@dataclass(frozen=True)
class Shares:
    """Shares of a sample in cells.

    Attributes
    ----------
    share, variance:
        of each cell, (C,).
    size:
        effective number of events of the whole sample.
    """

    share: np.ndarray
    variance: np.ndarray
    size: float

    @property
    def sizes(self) -> np.ndarray:
        """Effective number of events of the sample for each cell, (C,)."""
        spread = self.share * (1 - self.share)
        # A cell with everything or nothing in it has a spread of rounding errors only.
        known = (spread > SMALLEST_SPREAD) & (self.variance > 0)
        sizes = np.full(len(spread), self.size)
        sizes[known] = spread[known] / self.variance[known]
        return sizes

    @property
    def error(self) -> np.ndarray:
        """Standard deviation of each share, (C,)."""
        return np.asarray(np.sqrt(self.variance))


def shares_of(cells: np.ndarray, weights: np.ndarray, n_cells: int) -> Shares:
    """Return the shares of events in cells.

    Parameters
    ----------
    cells:
        the cell of each event, (N,).
    weights:
        (N,), not negative, not all 0.
    n_cells:
        C.
    """
    total = weights.sum()
    share = np.bincount(cells, weights, n_cells) / total
    squares = np.bincount(cells, weights**2, n_cells) / total**2
    variance = (1 - share) ** 2 * squares + share**2 * np.maximum(squares.sum() - squares, 0)
    return Shares(share, variance, effective_size(weights))


def depletion_p_values(truth: Shares, generated: Shares) -> np.ndarray:
    """Return the probability of so few generated events in each cell if both distributions are equal, (C,).

    Fisher's exact test, one-sided, with effective numbers of events; it is conservative.
    """
    from scipy.stats import hypergeom

    n, m = np.maximum(np.round(truth.sizes), 1), np.maximum(np.round(generated.sizes), 1)
    inside_truth, inside_generated = np.round(truth.share * n), np.round(generated.share * m)
    found = hypergeom.cdf(inside_generated, n + m, inside_truth + inside_generated, m)
    return np.asarray(np.clip(found, 0.0, 1.0))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values of any number of tests, corrected for their number (Holm, 1979), (T,)."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    adjusted = np.maximum.accumulate(p_values[order] * np.arange(n, 0, -1))
    corrected = np.empty(n)
    corrected[order] = np.minimum(adjusted, 1.0)
    return corrected
