"""Two Gaussians of width 1, one shifted, whose ratio of densities is known."""

from __future__ import annotations

import numpy as np

SHIFT = 0.5


def log_ratio(x: np.ndarray, shift: float = SHIFT) -> np.ndarray:
    """Return log p(x | mean shift) / p(x | mean 0)."""
    return shift * x - 0.5 * shift**2


def exact_weights(x: np.ndarray, shift: float = SHIFT) -> np.ndarray:
    """Return the ratio of the densities."""
    return np.exp(log_ratio(x, shift))


def samples(n: int, m: int, seed: int, shift: float = SHIFT) -> tuple[np.ndarray, np.ndarray]:
    """Return n values of the source, around 0, and m of the target."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(shift, 1.0, size=m)


def signed(n: int, seed: int, negative: float = 0.15) -> np.ndarray:
    """Return weights of 1 and, for some events, -1."""
    return np.where(np.random.default_rng(seed).random(n) < negative, -1.0, 1.0)
