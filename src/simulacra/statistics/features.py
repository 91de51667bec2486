"""Two samples as tables of numbers on the truth's scale: the input of all judges of several observables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulacra.statistics.outliers import reined


@dataclass(frozen=True)
class Features:
    """Features of truth and generated events.

    Attributes
    ----------
    truth, generated:
        (N, F) and (M, F), float64, in standard deviations of the truth about its mean (see :func:`standardised`).
    truth_weights, generated_weights:
        weight of each event, (N,) and (M,).
    names:
        of the features, (F,).
    """

    truth: np.ndarray
    generated: np.ndarray
    truth_weights: np.ndarray
    generated_weights: np.ndarray
    names: tuple[str, ...]

    @property
    def weighted(self) -> bool:
        """Whether the events of either sample have different weights."""
        return bool(np.ptp(self.truth_weights) or np.ptp(self.generated_weights))

    def take(self, truth_rows: np.ndarray, generated_rows: np.ndarray) -> Features:
        """Return some of the events of each sample."""
        return replace(
            self,
            truth=self.truth[truth_rows],
            generated=self.generated[generated_rows],
            truth_weights=self.truth_weights[truth_rows],
            generated_weights=self.generated_weights[generated_rows],
        )


def standardised(
    truth: np.ndarray,
    generated: np.ndarray,
    *,
    truth_weights: np.ndarray | None = None,
    generated_weights: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Features:
    """Return features in standard deviations of the truth.

    Parameters
    ----------
    truth, generated:
        features in any units, (N, F) and (M, F). A feature that is constant in the truth is divided by the standard
        deviation of both samples together, or not at all if that is 0 too. Values far outside are moved in
        (:mod:`simulacra.statistics.outliers`).
    truth_weights, generated_weights:
        (N,) and (M,); all 1 if None.

    Raises
    ------
    ValueError
        if the shapes do not fit, or a value is not finite; the message names the feature.
    """
    first, second = np.asarray(truth, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"features of truth and generated events have the shapes {first.shape} and {second.shape}: "
            "give (events, features), with the same number of features"
        )
    named = tuple(names) or tuple(f"feature_{i}" for i in range(first.shape[1]))
    if len(named) != first.shape[1]:
        raise ValueError(f"{first.shape[1]} features have {len(named)} names")
    for label, values in (("truth", first), ("generated events", second)):
        refuse_not_finite(values, named, label)
    weights = [
        _checked_weights(given, len(values), label)
        for given, values, label in (
            (truth_weights, first, "truth"),
            (generated_weights, second, "generated events"),
        )
    ]
    first, second = reined(first, second)
    mean = np.average(first, axis=0, weights=weights[0])
    spread = np.sqrt(np.maximum(np.average((first - mean) ** 2, axis=0, weights=weights[0]), 0.0))
    constant = spread <= 1e-12 * np.maximum(np.abs(first).max(axis=0), 1e-300)
    both = np.concatenate([first, second]).std(axis=0)
    spread = np.where(constant, np.where(both > 0, both, 1.0), spread)
    return Features((first - mean) / spread, (second - mean) / spread, weights[0], weights[1], named)


def refuse_not_finite(values: np.ndarray, names: Sequence[str], label: str) -> None:
    """Raise ValueError with the name of a feature of a table, (N, F), that holds NaN or infinity."""
    if not (fine := np.isfinite(values).all(axis=0)).all():
        raise ValueError(f"the feature '{names[int(np.argmin(fine))]}' of the {label} holds NaN or infinity")


def _checked_weights(weights: np.ndarray | None, n: int, label: str) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,):
        raise ValueError(f"the weights of the {label} have the shape {given.shape}: give one for each of {n} events")
    if not np.isfinite(given).all() or given.sum() <= 0:
        raise ValueError(f"the weights of the {label} must be finite, with a sum above 0")
    return given
