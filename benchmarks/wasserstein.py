"""The 1-Wasserstein distance of two samples of one number, with its error."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import wasserstein_distance

RESAMPLED: Final = 20


def with_bootstrap_error(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the 1-Wasserstein distance of two samples and its bootstrap error."""
    rng = np.random.default_rng(1)
    again = [
        wasserstein_distance(rng.choice(first, len(first)), rng.choice(second, len(second))) for _ in range(RESAMPLED)
    ]
    return float(wasserstein_distance(first, second)), float(np.std(again, ddof=1))


def on_circle(first: np.ndarray, second: np.ndarray, period: float = 2 * np.pi) -> float:
    """Return the 1-Wasserstein distance of two samples of angles on a circle (Rabin, Delon and Gousseau, 2011).

    It is the integral of the difference of the distribution functions, from its median.
    """
    angles = np.concatenate([first, second]) % period
    steps = np.concatenate([np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))])
    order = np.argsort(angles)
    difference, lengths = np.cumsum(steps[order]), np.diff(angles[order], append=angles[order[0]] + period)
    by_size = np.argsort(difference)
    share = np.cumsum(lengths[by_size])
    median = difference[by_size][np.searchsorted(share, share[-1] / 2)]
    return float((np.abs(difference - median) * lengths).sum())
