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
