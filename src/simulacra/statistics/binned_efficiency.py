r"""Efficiencies of cuts on a score in bins of conditions: whether they are the same in all bins.

A cut with a background efficiency that depends on a condition sculpts the condition's distribution, for example into a
bump in an invariant mass that a search would mistake for a signal (LaCATHODE, arXiv:2210.14924).

The pull of a bin b is :math:`(\epsilon_b - \epsilon) / \sigma_b` with the error of a bin if the efficiency does not
depend on the condition, :math:`\sigma_b^2 = V / n_b`, where :math:`n_b` is the effective number of events in the bin
and :math:`V = \sum w_i^2 (1[s_i \ge c] - \epsilon)^2 / \sum w_i^2`, without weights :math:`\epsilon (1 - \epsilon)`. If
the cut was set on other events, the variance of its efficiency there is added. The distribution of the largest pull of
all bins, conditions and cuts comes from replicates in which the score is independent of the conditions, so limits and
the p-value hold for all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.divisions import p_value
from simulacra.statistics.distances.two_sample import effective_size
from simulacra.statistics.quantile_cells import quantile_cells
from simulacra.statistics.significance_improvement import MOST_RELATIVE_ERROR, Weighted

MOST_BINS: Final = 10
#: smallest expected number of events above the cut per bin; with less there are fewer bins
PASSING_IN_BIN: Final = 20
LEVEL: Final = 0.95
#: of squared weights above a cut, over the efficiency
LEAST_SHARE: Final = 0.1


@dataclass(frozen=True)
class Cut:
    """A cut "score at least ``value``", set on a sample.

    Attributes
    ----------
    wanted:
        the requested efficiency, which names the cut.
    value, efficiency, error:
        the cut, its efficiency on the sample where it was set, and its standard error.
    """

    wanted: float
    value: float
    efficiency: float
    error: float


@dataclass(frozen=True)
class EfficiencyInBins:
    """The efficiency of a cut in bins of a condition, (B,) each.

    Attributes
    ----------
    condition, cut:
        their names.
    edges:
        of the bins, (B + 1,), from the lowest to the highest value.
    value, error:
        efficiencies and their errors, used in the pulls.
    limit:
        in 95 % of samples no efficiency, in any bin of any condition and cut, differs by more from the cut's.
    """

    condition: str
    cut: Cut
    edges: np.ndarray
    value: np.ndarray
    error: np.ndarray
    limit: np.ndarray

    @property
    def pull(self) -> np.ndarray:
        """Difference from the cut's efficiency, in errors, (B,)."""
        return np.asarray((self.value - self.cut.efficiency) / self.error)


@dataclass(frozen=True)
class Uniformity:
    """Whether the efficiencies of cuts are the same in all bins of all conditions.

    Attributes
    ----------
    tables:
        one per condition and cut.
    p_value:
        probability that the largest pull of all bins is as large by chance.
    """

    tables: tuple[EfficiencyInBins, ...]
    p_value: float

    @property
    def worst(self) -> tuple[EfficiencyInBins, int]:
        """The table and the bin with the largest pull."""
        table = max(self.tables, key=lambda one: float(np.abs(one.pull).max()))
        return table, int(np.argmax(np.abs(table.pull)))


def cuts_at(sample: Weighted, efficiencies: Sequence[float]) -> list[Cut]:
    """Return the cuts that keep these shares of a sample, or the next larger ones if scores are tied.

    Cuts with too few events to know their efficiency to 20 % are left out.
    """
    order = np.argsort(-sample.scores, kind="stable")
    passing = np.cumsum(sample.weights[order]) / sample.weights.sum()
    squares = sample.weights**2
    found = []
    for wanted in efficiencies:
        value = float(sample.scores[order[min(int(np.argmax(passing >= wanted - 1e-12)), len(order) - 1)]])
        above = sample.scores >= value
        efficiency = float(sample.weights[above].sum() / sample.weights.sum())
        variance = float(np.sum(squares * (above - efficiency) ** 2) / np.sum(squares))
        error = float(np.sqrt(variance / effective_size(sample.weights)))
        if 0 < efficiency < 1 and error <= MOST_RELATIVE_ERROR * efficiency:
            found.append(Cut(wanted, value, efficiency, error))
    return found


def uniformity_of_own(
    sample: Weighted,
    conditions: Mapping[str, np.ndarray],
    cuts: Sequence[Cut],
    rng: np.random.Generator,
    replicates: int,
) -> Uniformity | None:
    """Return the efficiencies of cuts in bins of conditions, (N,) each, on the sample where they were set.

    In the replicates, the scores are permuted among the events. None if no condition varies, or there is no cut.
    """
    n, passing = len(sample.scores), [int(np.count_nonzero(sample.scores >= cut.value)) for cut in cuts]

    def permuted() -> list[np.ndarray]:
        order = rng.permutation(n)
        return [order[:k] for k in passing]

    return _uniformity(sample, conditions, cuts, permuted, replicates, own=True)


def uniformity_of_other(
    sample: Weighted,
    conditions: Mapping[str, np.ndarray],
    cuts: Sequence[Cut],
    rng: np.random.Generator,
    replicates: int,
) -> Uniformity | None:
    """Return the efficiencies of cuts in bins of conditions, (N,) each, on a sample other than that of the cuts.

    In the replicates, each event passes with the cut's true efficiency, known up to the statistics of the first sample.
    None as for :func:`uniformity_of_own`.
    """
    n = len(sample.scores)

    def drawn() -> list[np.ndarray]:
        uniform = rng.random(n)
        # The beta distribution with the efficiency's mean and error.
        events = [cut.efficiency * (1 - cut.efficiency) / cut.error**2 for cut in cuts]
        true = [rng.beta(cut.efficiency * k, (1 - cut.efficiency) * k) for cut, k in zip(cuts, events, strict=True)]
        return [np.flatnonzero(uniform < efficiency) for efficiency in true]

    return _uniformity(sample, conditions, cuts, drawn, replicates, own=False)


@dataclass(frozen=True)
class _Bins:
    """The bins of a condition for a cut, and the bin of each event, (N,).

    ``total`` and ``inverse_size`` are the weight in each bin and the inverse of its effective number of events, (B,).
    """

    condition: str
    cut: int
    edges: np.ndarray
    index: np.ndarray
    total: np.ndarray
    inverse_size: np.ndarray


def _uniformity(
    sample: Weighted,
    conditions: Mapping[str, np.ndarray],
    cuts: Sequence[Cut],
    replicate: Callable[[], list[np.ndarray]],
    replicates: int,
    *,
    own: bool,
) -> Uniformity | None:
    """Compare the sample with replicates: the rows that pass each cut."""
    attempts = [
        _bins(name, number, cut, values, sample.weights)
        for number, cut in enumerate(cuts)
        for name, values in conditions.items()
    ]
    bins = [one for one in attempts if one is not None]
    if not bins:
        return None
    total, squares = sample.weights.sum(), sample.weights**2

    def looked_at(passing: list[np.ndarray]) -> list[tuple[np.ndarray, float, np.ndarray]]:
        """Return for each table the efficiencies in its bins, the efficiency to compare with, and their errors."""
        compared = []
        for cut, rows in zip(cuts, passing, strict=True):
            efficiency = float(sample.weights[rows].sum() / total) if own else cut.efficiency
            # A sample without passing events, by chance, still has a variance.
            share = max(float(squares[rows].sum() / squares.sum()), LEAST_SHARE * efficiency)
            compared.append((efficiency, share * (1 - 2 * efficiency) + efficiency**2, 0.0 if own else cut.error**2))
        tables = []
        for one in bins:
            rows, (efficiency, variance, of_cut) = passing[one.cut], compared[one.cut]
            value = np.bincount(one.index[rows], sample.weights[rows], len(one.total)) / one.total
            tables.append((value, efficiency, np.sqrt(variance * one.inverse_size + of_cut)))
        return tables

    def largest(tables: list[tuple[np.ndarray, float, np.ndarray]]) -> float:
        return max(float(np.abs((value - efficiency) / error).max()) for value, efficiency, error in tables)

    found = looked_at([np.flatnonzero(sample.scores >= cut.value) for cut in cuts])
    chance = np.array([largest(looked_at(replicate())) for _ in range(replicates)])
    limit = float(np.quantile(chance, LEVEL))
    tables = tuple(
        EfficiencyInBins(one.condition, cuts[one.cut], one.edges, value, error, limit * error)
        for one, (value, _, error) in zip(bins, found, strict=True)
    )
    return Uniformity(tables, p_value(largest(found), chance))


def _bins(name: str, number: int, cut: Cut, values: np.ndarray, weights: np.ndarray) -> _Bins | None:
    """Return bins with equal shares of the events; None if there would be only one."""
    wanted = int(np.clip(effective_size(weights) * cut.efficiency / PASSING_IN_BIN, 2, MOST_BINS))
    cells = quantile_cells(values[:, None], np.abs(weights), wanted)
    index = cells.index(values[:, None])
    total = np.bincount(index, weights, len(cells))
    if len(cells) < 2 or (total <= 0).any():
        return None
    inverse_size = np.bincount(index, weights**2, len(cells)) / total**2
    edges = np.concatenate([[values.min()], cells.edges, [values.max()]])
    return _Bins(name, number, edges.astype(np.float64), index, total, inverse_size)
