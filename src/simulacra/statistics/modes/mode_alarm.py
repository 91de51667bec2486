r"""Lost modes of a generator: an alarm that is fitted once on truth and fast enough for every validation.

One half of the truth defines the cells (the components of a Gaussian mixture, k-means clusters, slices of each
feature). The other half gives the truth's share in each cell, so truth is treated like generated events. A cell is
*lost* if its generated share is below half of the truth's, and the probability of so few events is below the alarm's
level by Fisher's exact test, corrected for the number of all cells (Holm). The *coverage* is the truth's share of the
clusters that are not lost, or of the modes if that is less.

The effective number of modes is :math:`\exp(-\sum_c s_c \ln s_c)` of the clusters' shares. The spread at fixed
condition is that of :mod:`simulacra.statistics.modes.diversity`.

There is an *alarm* if a cell is lost, or the effective number of modes is below 0.8, or the spread at fixed condition
below 0.8 (that of one feature below 0.7) of the truth's, each with a p-value below a third of 0.01. For events like the
truth, less than 1 % of checks raise an alarm. Checks of one training share the truth and are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size, standard_deviation
from simulacra.statistics.features import standardised
from simulacra.statistics.modes.diversity import ConditionalSpread, Diversity
from simulacra.statistics.modes.mode_report import CellShares, ModeReport, in_words, with_spread
from simulacra.statistics.modes.partitions import Partition, clusters, modes, slices
from simulacra.statistics.modes.shares import Shares, depletion_p_values, holm, shares_of

ALARM_P_VALUE: Final = 0.01
LARGEST_LOSS: Final = 0.5
LEAST_MODES: Final = 0.8
LEAST_DIVERSITY: Final = 0.8
LEAST_FEATURE_DIVERSITY: Final = 0.7
REPLICATES: Final = 999
FEWEST_EVENTS: Final = 40
NAMED_FEATURES: Final = 3
#: a feature is named if its mean in the cell differs from the mean of all events by this many of its widths there
SPECIAL: Final = 1.0
LEAST_WIDTH: Final = 0.05


class ModeAlarm:
    """A test for lost modes, fitted once on truth.

    Parameters
    ----------
    truth_features:
        (N, F), in any units.
    conditions:
        (N, C), in any units; None for events without.
    weights:
        (N,); all 1 if None.
    seed:
        of all random numbers; equal events give equal reports.
    names, units:
        of the features, for the sentences.

    Raises
    ------
    ValueError
        if there are fewer than 80 events, shapes do not fit, or a value is not finite.
    """

    def __init__(
        self,
        truth_features: np.ndarray,
        conditions: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        seed: int = 0,
        *,
        names: Sequence[str] = (),
        units: Sequence[str] = (),
    ) -> None:
        # scikit-learn requires this package, so it is installed.
        from threadpoolctl import threadpool_limits

        features = np.asarray(truth_features, dtype=np.float64)
        if features.ndim != 2 or len(features) < 2 * FEWEST_EVENTS or not features.shape[1]:
            raise ValueError(
                f"truth features have the shape {features.shape}: an alarm for lost modes needs (events, features), "
                f"{2 * FEWEST_EVENTS} events or more"
            )
        self._truth = standardised(features, features[:1], truth_weights=weights, names=names)
        self._mean = np.average(features, axis=0, weights=self._truth.truth_weights)
        spread = [standard_deviation(column, self._truth.truth_weights) for column in features.T]
        constant = np.asarray(spread) <= 1e-12 * np.maximum(np.abs(features).max(axis=0), 1e-300)
        self._spread = np.where(constant, 1.0, spread)
        self._scale = np.maximum(np.abs(self._mean), self._spread)
        self._units = tuple(units) or ("1",) * features.shape[1]
        self._seed = seed
        rows = np.random.default_rng(seed).permutation(len(features))
        fit, held = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        x, w = self._standardise(features), self._truth.truth_weights
        if not w[fit].sum() or not w[held].sum():
            raise ValueError("too few truth events have a weight above 0 to divide them in two")
        table = None if conditions is None else np.asarray(conditions, dtype=np.float64)
        c_fit, c_held = (None, None) if table is None else (table[fit], table[held])
        # The fits are of many small matrices: threads would only wait for each other.
        with threadpool_limits(1):
            self._spread_at_condition = ConditionalSpread(x[fit], c_fit, w[fit], x[held], c_held, w[held], seed=seed)
            self._partitions = [modes(x[fit], w[fit], seed), clusters(x[fit], w[fit], seed), *slices(x[fit], w[fit])]
        self._shares = [shares_of(part.assign(x[held]), w[held], part.n_cells) for part in self._partitions]
        self._names = [self._cell_names(part, x[fit], w[fit]) for part in self._partitions]
        self._held_size = effective_size(w[held])
        self._n_held = len(held)

    def check(
        self, generated: np.ndarray, conditions: np.ndarray | None = None, weights: np.ndarray | None = None
    ) -> ModeReport:
        """Judge generated events.

        Parameters
        ----------
        generated, conditions, weights:
            (M, F), (M, C) and (M,), as for the truth.

        Raises
        ------
        ValueError
            if there are fewer than 40 events, shapes do not fit, or a value is not finite.
        """
        given = np.asarray(generated, dtype=np.float64)
        if given.ndim != 2 or len(given) < FEWEST_EVENTS or given.shape[1] != len(self._truth.names):
            raise ValueError(
                f"generated features have the shape {given.shape}: give {FEWEST_EVENTS} events or more, "
                f"{len(self._truth.names)} features each"
            )
        w = standardised(given, given, truth_weights=weights, names=self._truth.names).truth_weights
        x = self._standardise(given)
        shares = [shares_of(part.assign(x), w, part.n_cells) for part in self._partitions]
        corrected = holm(np.concatenate([depletion_p_values(t, g) for t, g in zip(self._shares, shares, strict=True)]))
        at = np.cumsum([0, *(part.n_cells for part in self._partitions)])
        least = ALARM_P_VALUE / 3
        found = []
        for number, (part, t, g) in enumerate(zip(self._partitions, self._shares, shares, strict=True)):
            p = corrected[at[number] : at[number + 1]]
            lost = (p < least) & (g.share < LARGEST_LOSS * t.share)
            found.append(CellShares(part.kind, t.share, t.error, g.share, g.error, p, lost, self._names[number]))
        diversity = self._spread_at_condition.compare(x, conditions, w)
        return self._report(found, shares[1], diversity, least, effective_size(w), len(given))

    def _report(
        self,
        found: list[CellShares],
        generated: Shares,
        diversity: Diversity,
        least: float,
        size: float,
        n_generated: int,
    ) -> ModeReport:
        truth = self._shares[1]
        rng = np.random.default_rng(self._seed)
        # If both are samples of one distribution, their common shares are the best estimate of it.
        common = (self._held_size * truth.share + size * generated.share) / (self._held_size + size)
        t, g = (rng.multinomial(max(1, round(n)), common / common.sum(), REPLICATES) for n in (self._held_size, size))
        t_share, g_share = t / t.sum(axis=1, keepdims=True), g / g.sum(axis=1, keepdims=True)
        chi_square = float(_chi_square(truth.share, generated.share, common))
        p_value = _share_above(chi_square, _chi_square(t_share, g_share, common))
        here, there = float(_effective_modes(generated.share)), float(_effective_modes(truth.share))
        chance = np.log(_effective_modes(g_share) / _effective_modes(t_share))
        modes_p_value = _share_above(float(-np.log(here / there)), -chance)
        lost_by_chance = (
            t_share * ((g_share < LARGEST_LOSS * t_share) & (_rough_p(t_share, g_share, self._held_size, size) < least))
        ).sum(axis=1)
        lost_share = max(float(part.truth[part.lost].sum()) for part in found[:2])
        few = modes_p_value < least and here < LEAST_MODES * there
        worst = np.argmin(np.where(diversity.feature_p_values * len(diversity.features) < least, diversity.features, 9))
        flat = diversity.p_least < least and (
            (diversity.value < LEAST_DIVERSITY and diversity.p_value * (len(diversity.features) + 1) < least)
            or (
                diversity.features[worst] < LEAST_FEATURE_DIVERSITY
                and diversity.feature_p_values[worst] * (len(diversity.features) + 1) < least
            )
        )
        alarm = bool(any(part.lost.any() for part in found) or few or flat)
        return ModeReport(
            alarm,
            self._sentence(found, here, there, few, diversity, flat, int(worst)),
            1 - lost_share,
            float(np.sqrt(lost_share * (1 - lost_share) / self._held_size)),
            here,
            _effective_modes_error(generated, size),
            there,
            _effective_modes_error(truth, self._held_size),
            modes_p_value,
            (float(lost_by_chance.mean()), float(lost_by_chance.std(ddof=1))),
            diversity,
            p_value,
            tuple(found),
            self._n_held,
            n_generated,
        )

    def _sentence(
        self, found: list[CellShares], here: float, there: float, few: bool, spread: Diversity, flat: bool, worst: int
    ) -> str:
        said = []
        missing = [
            (part.truth[cell] - part.generated[cell], part, cell)
            for part in found
            for cell in np.flatnonzero(part.lost)
        ]
        if missing:
            _, part, cell = max(missing, key=lambda one: one[0])
            left = part.generated[cell] / part.truth[cell]
            said.append(
                f"The generated events have lost a {part.kind} in which {part.names[cell]}: it holds "
                f"{100 * part.truth[cell]:.1f} % of the truth and {100 * part.generated[cell]:.1f} % of the generated "
                f"events, {100 * left:.0f} % of the expected number."
            )
            more = sum(int(one.lost.sum()) for one in found if one.kind == "cluster")
            said.append(f"Of {len(found[1].truth)} clusters of the truth {more} are lost.")
        if few:
            said.append(f"The generated events have {here:.1f} effective modes, the truth has {there:.1f}.")
        if flat:
            of_one = ""
            if spread.features[worst] < LEAST_FEATURE_DIVERSITY:
                of_one = f"; of {self._spoken(worst)} {100 * spread.features[worst]:.0f} %"
            where = "at fixed condition" if self._spread_at_condition.conditions else "among themselves"
            said.append(
                f"The spread of generated events {where} is {100 * spread.value:.0f} % of that of truth events{of_one}."
            )
        return " ".join(said) or (
            "No mode of the truth is lost: no cell has significantly less than half of its events, and the generated "
            f"events' diversity is {100 * spread.value:.0f} % of the truth's."
        )

    def _standardise(self, features: np.ndarray) -> np.ndarray:
        return np.asarray((features - self._mean) / self._spread)

    def _spoken(self, feature: int) -> str:
        return self._truth.names[feature].replace("_", " ")

    def _value(self, feature: int, standard: float) -> str:
        value = float(self._mean[feature] + self._spread[feature] * standard)
        return in_words(value, float(self._scale[feature]), self._units[feature])

    def _cell_names(self, part: Partition, x: np.ndarray, w: np.ndarray) -> tuple[str, ...]:
        """Return a description of the events in each cell."""
        if part.kind == "slice":
            spoken, edges = self._spoken(part.feature), [self._value(part.feature, edge) for edge in part.edges]
            between = [f"{spoken} is from {a} to {b}" for a, b in pairwise(edges)]
            return (f"{spoken} is below {edges[0]}", *between, f"{spoken} is {edges[-1]} or more")
        cells, named = part.assign(x), []
        for cell in range(part.n_cells):
            inside = cells == cell
            if w[inside].sum() <= 0:
                named.append("there is no truth event")
                continue
            mean = np.average(x[inside], axis=0, weights=w[inside])
            width = np.sqrt(np.average((x[inside] - mean) ** 2, axis=0, weights=w[inside]))
            # The distance of the cell from the others, in its own widths.
            apart = np.abs(mean) / np.maximum(width, LEAST_WIDTH)
            special = np.argsort(-apart, kind="stable")[:NAMED_FEATURES]
            special = special[: max(1, int(np.count_nonzero(apart[special] > SPECIAL)))]
            middle, spread = self._mean + self._spread * mean, self._spread * width
            named.append(
                ", ".join(
                    f"{self._spoken(f)} is {with_spread(middle[f], spread[f], self._scale[f], self._units[f])}"
                    for f in special
                )
            )
        return tuple(named)


def _effective_modes(shares: np.ndarray) -> np.ndarray:
    logarithm = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(np.exp(-(shares * logarithm).sum(axis=-1)))


def _effective_modes_error(shares: Shares, size: float) -> float:
    """Return the error of the effective number of modes, by propagation of multinomial shares."""
    logarithm = np.log(np.where(shares.share > 0, shares.share, 1.0))
    mean = (shares.share * logarithm).sum()
    variance = (shares.share * (logarithm - mean) ** 2).sum() / size
    return float(_effective_modes(shares.share) * np.sqrt(max(variance, 0.0)))


def _chi_square(truth: np.ndarray, generated: np.ndarray, common: np.ndarray) -> np.ndarray:
    apart = (truth - generated) ** 2
    return np.asarray(np.divide(apart, common, out=np.zeros_like(apart), where=common > 0).sum(axis=-1))


def _share_above(value: float, null: np.ndarray) -> float:
    return float((1 + np.count_nonzero(null >= value - 1e-9 * abs(value))) / (1 + len(null)))


def _rough_p(truth: np.ndarray, generated: np.ndarray, n: float, m: float) -> np.ndarray:
    """Return normal approximations of Fisher's p-values, corrected for the cells, for replicates (R, C)."""
    from scipy.stats import norm

    both = (n * truth + m * generated) / (n + m)
    error = np.sqrt(np.maximum(both * (1 - both) * (1 / n + 1 / m), 1e-300))
    return np.asarray(norm.cdf((generated - truth) / error) * truth.shape[1])
