r"""Calibration of a two-sample classifier's log-odds: l -> a l + b by the likelihood of events not used in training.

Platt's scaling (1999), with his smoothed targets, which give finite odds even for perfectly separated samples. Both
samples have equal total weight: the calibrated odds estimate the ratio of the two normalised densities.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from simulacra.statistics.logistic import fit_logistic

LARGEST: Final = 30.0


def fit_platt(log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return slope and offset; (0, 0) if the best slope is not positive and nothing was learned.

    Parameters
    ----------
    log_odds, labels, weights:
        (N,) each; label 1 means generated.
    """
    share = np.empty(len(labels))
    target = np.empty(len(labels))
    for label in (0, 1):
        rows = labels == label
        share[rows] = 0.5 * weights[rows] / weights[rows].sum()
        effective = weights[rows].sum() ** 2 / np.sum(weights[rows] ** 2)
        target[rows] = (effective + 1) / (effective + 2) if label else 1 / (effective + 2)
    scale = float(np.sqrt(share @ log_odds**2)) or 1.0
    features = np.stack([np.clip(log_odds / scale, -1e3, 1e3), np.ones(len(labels))], axis=1)
    slope, offset = fit_logistic(features, target, share, np.array([scale, 0.0])).coefficients
    return (float(slope / scale), float(offset)) if slope > 0 else (0.0, 0.0)


def calibrated(log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return calibrated log-odds, (N,); each fold is calibrated with the events of the other folds."""
    found = np.empty(len(log_odds))
    for k in range(int(fold.max()) + 1):
        inside = fold == k
        slope, offset = fit_platt(log_odds[~inside], labels[~inside], weights[~inside])
        found[inside] = slope * log_odds[inside] + offset
    return np.clip(found, -LARGEST, LARGEST)


def information(log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    r"""Return the information of calibrated log-odds on an event's sample, and its error [bit].

    The reduction of the log-loss, over ln 2: 0 for equal samples (or below, by chance), 1 for samples that are always
    told apart. It is a lower bound on the Jensen-Shannon divergence of the two distributions.
    """
    value, variance = 1.0, 0.0
    for label in (0, 1):
        rows = labels == label
        share = weights[rows] / weights[rows].sum()
        loss = np.logaddexp(0.0, -log_odds[rows] if label else log_odds[rows]) / np.log(2.0)
        mean = float(share @ loss)
        value -= 0.5 * mean
        variance += 0.25 * float(np.sum(share**2 * (loss - mean) ** 2))
    return value, float(np.sqrt(variance))
