r"""Simultaneous tests of many numbers: limits and bands for all of them at once, and the p-value of the largest.

With replicates :math:`x_{rc}` of cells c, the largest of :math:`(x_{rc} - m_c) / s_c` over all cells (m and s are mean
and standard deviation over the replicates) has the 95 % quantile q, and in 95 % of samples no cell exceeds its
:math:`m_c + q s_c`: the max-statistic of Westfall and Young (Resampling-Based Multiple Testing, 1993). The replicates
contain the dependence of the cells, so the correction is not larger than necessary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.divisions import p_value

LEVELS: Final = (0.68, 0.95)


@dataclass(frozen=True)
class Simultaneous:
    """Values in cells (bins and observables) with errors and limits that hold for all cells at once, (C,) each.

    Attributes
    ----------
    value, error:
        the values, signed, and their standard deviations by bootstrap.
    score:
        the size of each deviation, negative only by chance; limits and p-value refer to it.
    limit_68, limit_95:
        limits that no score exceeds by chance in 68 % and 95 % of samples.
    band_68, band_95:
        half widths of the bands around the values that contain all true values in 68 % and 95 % of samples.
    p_value:
        probability that the largest score is as large by chance.
    worst:
        number of the cell with the most significant score.
    chance, chance_error:
        value of truth against truth in its own worst cell, mean and standard deviation.
    """

    value: np.ndarray
    error: np.ndarray
    score: np.ndarray
    limit_68: np.ndarray
    limit_95: np.ndarray
    band_68: np.ndarray
    band_95: np.ndarray
    p_value: float
    worst: int
    chance: float
    chance_error: float

    @property
    def excess(self) -> np.ndarray:
        """The score over its limit at 95 %; above 1 it is significant."""
        ratio = np.divide(self.score, self.limit_95, out=np.zeros_like(self.score), where=self.limit_95 > 0)
        return np.asarray(ratio)


def simultaneous(
    value: np.ndarray, score: np.ndarray, exchange: np.ndarray, bootstrap: np.ndarray, halves: np.ndarray
) -> Simultaneous:
    """Return limits, bands and p-value for all cells at once.

    Parameters
    ----------
    value, score:
        of each cell, (C,).
    exchange, halves:
        scores of exchanged events and of truth against truth, (R, C) each.
    bootstrap:
        values of bootstrap samples, (R, C).
    """
    centre, spread = _moments(exchange)
    largest = ((exchange - centre) / spread).max(axis=1)
    limit_68, limit_95 = (centre + float(np.quantile(largest, level)) * spread for level in LEVELS)
    middle, error = _moments(bootstrap)
    farthest = (np.abs(bootstrap - middle) / error).max(axis=1)
    band_68, band_95 = (float(np.quantile(farthest, level)) * error for level in LEVELS)

    # The given division is one of the exchanges: included in the scale like the others, it is exchangeable with them.
    everything = np.concatenate([score[None], exchange])
    among, scale = _moments(everything)
    standard = ((everything - among) / scale).max(axis=1)
    of_halves = halves[np.arange(len(halves)), np.argmax((halves - centre) / spread, axis=1)]
    return Simultaneous(
        value,
        bootstrap.std(axis=0, ddof=1),
        score,
        limit_68,
        limit_95,
        band_68,
        band_95,
        p_value(float(standard[0]), standard[1:]),
        int(np.argmax((score - centre) / spread)),
        float(of_halves.mean()),
        float(of_halves.std(ddof=1)),
    )


def _moments(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each cell, (C,) each; a constant cell gets a negligible one."""
    spread = replicates.std(axis=0, ddof=1)
    return replicates.mean(axis=0), np.maximum(spread, 1e-9)
