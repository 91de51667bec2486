"""What a check for lost modes finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra.judges.generalisation.diversity import Diversity


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
        of as few generated events, one-sided, corrected for the number of all cells of all partitions.
    lost:
        whether less than half of the share is left, and that is no chance.
    names:
        what lies in each cell, in the features' units.
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
    """What a check of generated events finds.

    Attributes
    ----------
    alarm, sentence:
        whether modes or diversity are lost, and which.
    coverage, coverage_error:
        the truth's share of the clusters that are not lost, or of the modes, whichever is less.
    effective_modes, effective_modes_error, truth_effective_modes, truth_effective_modes_error, modes_p_value:
        effective number of clusters of both samples, and the probability of so few.
    chance_lost:
        mean and standard deviation of the lost share, 1 - coverage, for samples of one kind.
    diversity:
        the spread at fixed condition over the truth's.
    p_value:
        that the clusters' shares differ as much by chance (chi-square statistic, its distribution by simulation).
    partitions:
        modes, clusters, and the slices of each feature.
    n_truth, n_generated:
        numbers of events compared.
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
