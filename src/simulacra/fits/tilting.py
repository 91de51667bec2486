"""A sample reweighted to other parameters by its log ratios, and means and covariances over it."""

from __future__ import annotations

import numpy as np

from simulacra.fits.errors import FitError


def log_mean_exp(log_ratios: np.ndarray, shares: np.ndarray) -> float:
    """Return the log of the mean of exp(log ratio), both (M,), the shares summing to 1.

    Raises
    ------
    FitError
        if negative shares make the mean 0 or negative.
    """
    largest = float(log_ratios.max())
    mean = float(shares @ np.exp(log_ratios - largest))
    if mean <= 0:
        raise FitError(
            "after reweighting, the reference's negative weights exceed the positive ones; "
            "use a reference with fewer negative weights, or free fewer parameters"
        )
    return largest + float(np.log(mean))


def tilted(log_ratios: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return shares times exp(log ratio), (M,), scaled to a sum of 1."""
    scaled: np.ndarray = shares * np.exp(log_ratios - log_mean_exp(log_ratios, shares))
    return scaled


def centred(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return share times (row - mean row), (M, F), which sums to 0."""
    scaled: np.ndarray = shares[:, None] * (rows - shares @ rows)
    return scaled


def covariance(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the covariance, (F, F), of rows (M, F) under shares that sum to 1."""
    result: np.ndarray = rows.T @ centred(rows, shares)
    return np.asarray((result + result.T) / 2)
