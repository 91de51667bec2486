"""The result of a check for lost modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.modes.diversity import Diversity
from simulacra.wording import MINUS

#: numbers below this share of an observable's scale are rounding errors
NOTHING: Final = 1e-6


@dataclass(frozen=True)
class CellShares:
    """Shares of truth and generated events in the cells of one partition, (C,) each.

    Attributes
    ----------
    kind:
        "mode", "cluster" or "slice".
    truth, truth_error, generated, generated_error:
        shares and their errors.
    p_values:
        of at most so many generated events, one-sided, corrected for the number of all cells of all partitions.
    lost:
        whether significantly less than half of the share is left.
    names:
        description of each cell, in the features' units.
    """

    kind: str
    truth: np.ndarray
    truth_error: np.ndarray
    generated: np.ndarray
    generated_error: np.ndarray
    p_values: np.ndarray
    lost: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class ModeReport:
    """The result of a check of generated events.

    Attributes
    ----------
    alarm, sentence:
        whether modes or diversity are lost, and a sentence on it.
    coverage, coverage_error:
        the truth's share of the clusters that are not lost, or of the modes if that is less.
    effective_modes, effective_modes_error, truth_effective_modes, truth_effective_modes_error, modes_p_value:
        effective number of clusters of both samples, and the probability of so few.
    chance_lost:
        mean and standard deviation of the lost share, 1 - coverage, for samples of one distribution.
    diversity:
        the spread at fixed condition over the truth's.
    p_value:
        probability that the clusters' shares differ as much by chance (chi-square statistic, with simulated
        distribution).
    partitions:
        modes, clusters, and the slices of each feature.
    n_truth, n_generated:
        numbers of compared events.
    """

    alarm: bool
    sentence: str
    coverage: float
    coverage_error: float
    effective_modes: float
    effective_modes_error: float
    truth_effective_modes: float
    truth_effective_modes_error: float
    modes_p_value: float
    chance_lost: tuple[float, float]
    diversity: Diversity
    p_value: float
    partitions: tuple[CellShares, ...]
    n_truth: int
    n_generated: int


def in_words(value: float, scale: float, units: str = "1") -> str:
    """Return a value with three digits and its units; 0 if it is a rounding error on an observable's ``scale``."""
    rounded = 0.0 if abs(value) < NOTHING * scale else value
    number = f"{rounded:,.0f}" if 1e3 <= abs(rounded) < 1e6 else f"{rounded:.3g}"
    return f"{number.replace('-', MINUS)}{'' if units == '1' else f' {units}'}"


def with_spread(value: float, spread: float, scale: float, units: str = "1") -> str:
    """Return "1.2 ± 0.3 mm", or "exactly 1 mm" if the spread is a rounding error on an observable's ``scale``."""
    if spread < NOTHING * scale:
        return f"exactly {in_words(value, scale, units)}"
    return f"{in_words(value, scale)} ± {float(f'{spread:.2g}'):,g}{'' if units == '1' else f' {units}'}"
