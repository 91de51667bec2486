"""Logistic regression by Newton's method: weights of either sign, targets between 0 and 1, and a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

STEPS: Final = 100
SHORTEST: Final = 1e-6
"""Smallest share of a step; it is not halved below this."""
AT_THE_MINIMUM: Final = 1e-9
"""Twice the distance to the lowest loss, from the curvature, below which a fit has converged."""
EXACT: Final = 1e-13
LEAST_GAIN: Final = 1e-12
JITTER: Final = 1e-12


@dataclass(frozen=True)
class LogisticFit:
    """The log-odds linear in features that describe the targets best.

    Attributes
    ----------
    coefficients:
        of the features, (D,).
    log_odds:
        of the events, (N,).
    loss:
        sum of the weighted losses, and the penalty.
    curvature:
        second derivatives of the loss by the coefficients, one step before the last, (D, D).
    converged:
        whether this is a minimum; negative weights may leave none.
    """

    coefficients: np.ndarray
    log_odds: np.ndarray
    loss: float
    curvature: np.ndarray
    converged: bool


def fit_logistic(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
    *,
    penalty: np.ndarray | float = 0.0,
    exact: bool = False,
) -> LogisticFit:
    """Minimise the sum of weights times log(1 + exp(l)) - target l, for the log-odds l = features @ coefficients.

    Parameters
    ----------
    features, targets, weights:
        (N, D), (N,) and (N,); the weights are of order 1 in total.
    start:
        initial coefficients, (D,).
    penalty:
        on half the square of each coefficient, (D,) or one for all.
    exact:
        whether to continue to the last digits of the coefficients when steps hardly lower the loss.
    """

    def at(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        z = features @ coefficients
        loss = weights @ (np.logaddexp(0.0, z) - targets * z)
        return float(loss + 0.5 * np.sum(penalty * np.square(coefficients))), z

    beta = start
    loss, log_odds = at(beta)
    for _ in range(STEPS):
        p = sigmoid(log_odds)
        slope = features.T @ (weights * (p - targets)) + penalty * beta
        curvature = (features * (weights * p * (1 - p))[:, None]).T @ features
        curvature[np.diag_indices(len(beta))] += penalty + JITTER
        step = _descent(curvature, slope)
        distance = abs(float(slope @ step))
        if exact and distance < EXACT:
            # A full step, because the loss cannot tell which of the two is better: this doubles the digits.
            beta = beta - step
            loss, log_odds = at(beta)
            return LogisticFit(beta, log_odds, loss, curvature, converged=True)
        length = 1.0
        while not (after := at(beta - length * step))[0] <= loss and length > SHORTEST:
            length /= 2
        if not after[0] <= loss:
            break
        before, beta, (loss, log_odds) = loss, beta - length * step, after
        if before - loss < LEAST_GAIN and not exact:
            break
    return LogisticFit(beta, log_odds, loss, curvature, converged=distance < AT_THE_MINIMUM)


def _descent(curvature: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return Newton's step, or a descending one if negative weights make the curvature negative."""
    try:
        step = np.linalg.solve(curvature, slope)
    except np.linalg.LinAlgError:
        step = np.full_like(slope, np.nan)
    if slope @ step >= 0:
        return np.asarray(step)
    if not np.isfinite(curvature).all():
        return slope
    values, vectors = np.linalg.eigh(curvature)
    return np.asarray(vectors @ ((vectors.T @ slope) / np.maximum(np.abs(values), JITTER)))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))
