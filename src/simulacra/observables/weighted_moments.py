r"""Means and spreads of values with uncertainties, with the weights :math:`w_i = 1 / \sigma_i^2`."""

from __future__ import annotations

import numpy as np


def weights_of(there: np.ndarray, uncertainty: np.ndarray | None) -> np.ndarray:
    r"""Return :math:`1 / \sigma_i^2` over the largest of each event; 1 without uncertainties, and 0 if absent.

    Parameters
    ----------
    there:
        whether there is an entry, (N, L), bool.
    uncertainty:
        standard deviation of each value, (N, L), above 0 for present entries.
    """
    if uncertainty is None:
        return there.astype(np.float64)
    least = np.where(there, uncertainty, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    return np.asarray(np.divide(least, uncertainty, out=np.zeros(there.shape), where=there) ** 2)


def weighted_moments(values: np.ndarray, there: np.ndarray, uncertainty: np.ndarray) -> dict[str, np.ndarray]:
    r"""Return the weighted mean and standard deviation and the excess variance of each event, (N,) each.

    The excess variance :math:`\sum (x_i - \bar x)^2 / (N - 1) - \sum \sigma_i^2 / N` is the variance of the values
    beyond their errors (Vaughan et al., MNRAS 345 (2003) 1271, not divided by the squared mean). Without such a
    variance it may be negative by chance.

    Parameters
    ----------
    values:
        (N, L), 0 if absent.
    there, uncertainty:
        as in :func:`weights_of`.
    """
    weights = weights_of(there, uncertainty)
    total = weights.sum(axis=1)
    total = np.where(total > 0, total, 1.0)
    mean = (weights * values).sum(axis=1) / total
    square = (weights * np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1)
    number = there.sum(axis=1)
    plain = values.sum(axis=1) / np.maximum(number, 1)
    spread = (np.where(there, values - plain[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(number - 1, 1)
    noise = (np.where(there, uncertainty, 0.0) ** 2).sum(axis=1) / np.maximum(number, 1)
    return {
        "weighted_mean": mean,
        "weighted_standard_deviation": np.sqrt(square / total),
        "excess_variance": np.where(number > 1, spread - noise, 0.0),
    }


def negligible(values: np.ndarray) -> np.ndarray:
    """Return the square of a deviation due to rounding, per event, (N,), of values (N, L)."""
    return np.asarray(1e-24 * np.maximum(np.abs(values).max(axis=1, initial=0.0), 1e-300) ** 2)
