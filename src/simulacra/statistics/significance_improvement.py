r"""Efficiencies of all cuts on a score, and the factor by which a cut improves the significance of a signal.

For a small signal in a large background, a cut with the efficiencies :math:`\epsilon_S` and :math:`\epsilon_B`
multiplies the significance :math:`S / \sqrt B` by the significance improvement characteristic

.. math:: \mathrm{SIC} = \epsilon_S / \sqrt{\epsilon_B}

(Gallicchio et al., JHEP 04 (2011) 069, arXiv:1010.3698), the usual measure of anomaly scores (ANODE, arXiv:2001.04990;
CATHODE, arXiv:2109.00546). Without a cut it is 1. With weights :math:`\tilde w` that sum to 1 in each sample, an
efficiency has the variance

.. math:: \sigma^2(\epsilon) = \sum_i \tilde w_i^2 \, (1[s_i \ge c] - \epsilon)^2,

which is the binomial :math:`\epsilon (1 - \epsilon) / N` without weights.

*End of a curve.* Only cuts whose :math:`\epsilon_B` is known to 20 % or better are used, which needs 25 background
events above the cut. Beyond, SIC is large by chance.

*The largest SIC* of many cuts is too large on average. The cut is therefore chosen on one half of the events and judged
on the other half, and vice versa (:func:`held_out_improvement`).

*Chance.* Signal and background are drawn with replacement from the background only, with the effective numbers of
events. This gives the distributions of the AUC and of the largest SIC of a score without information
(:func:`background_against_background`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from simulacra.statistics.distances.two_sample import effective_size

#: largest relative error of the background's efficiency; a curve ends there
MOST_RELATIVE_ERROR: Final = 0.2


class Weighted(NamedTuple):
    """Scores of events and their weights, (N,) each."""

    scores: np.ndarray
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> Weighted:
        """Return some of the events."""
        return Weighted(self.scores[rows], self.weights[rows])


@dataclass(frozen=True)
class EfficiencyCurve:
    """The efficiencies of the cuts "score at least c", from the tightest to the loosest, which accepts all events.

    Attributes
    ----------
    cuts:
        the different scores, falling, (T,).
    signal, signal_error, background, background_error:
        efficiencies and their standard errors, (T,) each.
    """

    cuts: np.ndarray
    signal: np.ndarray
    signal_error: np.ndarray
    background: np.ndarray
    background_error: np.ndarray

    @property
    def area(self) -> float:
        """The area under the ROC curve, ties counting half."""
        return float(np.trapezoid(np.append(0.0, self.signal), np.append(0.0, self.background)))

    @property
    def known(self) -> EfficiencyCurve:
        """The part of the curve with a well known background efficiency."""
        unknown = ~((self.background > 0) & (self.background_error <= MOST_RELATIVE_ERROR * self.background))
        return self.part(slice(int(np.flatnonzero(unknown)[-1]) + 1 if unknown.any() else 0, None))

    @property
    def improvement(self) -> np.ndarray:
        """The significance improvement of each cut, (T,); of the known part."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.signal / np.sqrt(self.background))

    @property
    def improvement_error(self) -> np.ndarray:
        """Standard error of the significance improvement of each cut, (T,); of the known part."""
        from_background = 0.5 * self.improvement * self.background_error / self.background
        return np.asarray(np.hypot(self.signal_error / np.sqrt(self.background), from_background))

    def part(self, cuts: slice | np.ndarray) -> EfficiencyCurve:
        """Return some of the cuts."""
        fields = (self.cuts, self.signal, self.signal_error, self.background, self.background_error)
        return EfficiencyCurve(*(values[cuts] for values in fields))

    def thinned(self, most: int) -> EfficiencyCurve:
        """Return at most about ``most`` cuts for a figure, even in signal and in log background efficiency."""
        if len(self.cuts) <= most:
            return self
        low = max(float(self.background[0]), 1e-300)
        places = [
            np.searchsorted(_rising(self.background), np.geomspace(low, 1, most // 2)),
            np.searchsorted(_rising(self.signal), np.linspace(self.signal[0], 1, most // 2)),
            np.array([np.argmax(self.improvement)]),
        ]
        return self.part(np.unique(np.minimum(np.concatenate(places), len(self.cuts) - 1)))

    def signal_at(self, background: float) -> float:
        """Return the signal efficiency at this background efficiency."""
        return float(np.interp(background, np.append(0.0, _rising(self.background)), np.append(0.0, self.signal)))

    def background_at(self, signal: float) -> float:
        """Return the background efficiency at this signal efficiency."""
        return float(np.interp(signal, np.append(0.0, _rising(self.signal)), np.append(0.0, self.background)))


@dataclass(frozen=True)
class HeldOut:
    """The largest significance improvement, with the cut chosen on one half of the events and judged on the other.

    Attributes
    ----------
    value, error:
        of the improvement, mean over both halves.
    signal, background:
        efficiencies of the cuts, mean over both halves.
    """

    value: float
    error: float
    signal: float
    background: float


@dataclass(frozen=True)
class Chance:
    """Values for background against background, (R,) each, and the improvement at the signal efficiencies, (R, G).

    The improvement is NaN beyond the end of a curve.
    """

    areas: np.ndarray
    maxima: np.ndarray
    improvements: np.ndarray


def efficiency_curve(background: Weighted, signal: Weighted) -> EfficiencyCurve:
    """Return the efficiencies of all cuts; weights may have either sign, and their sums are positive."""
    cuts, places = _cuts(background, signal)
    return _curve(cuts, places[0], background.weights, places[1], signal.weights)


def redrawn(
    background: Weighted, signal: Weighted, rng: np.random.Generator, replicates: int
) -> Iterator[EfficiencyCurve]:
    """Give the efficiencies of bootstrap samples."""
    cuts, places = _cuts(background, signal)
    for _ in range(replicates):
        drawn = []
        for place, weights in zip(places, (background.weights, signal.weights), strict=True):
            rows = rng.integers(len(place), size=len(place))
            drawn += [place[rows], weights[rows]]
        yield _curve(cuts, *drawn)


def background_against_background(
    background: Weighted, signal: Weighted, grid: np.ndarray, rng: np.random.Generator, replicates: int
) -> Chance:
    """Return the values of a score if signal and background are both drawn from the background.

    Parameters
    ----------
    grid:
        signal efficiencies, (G,), for the improvement.
    """
    n = len(background.scores)
    order = np.argsort(-background.scores)
    weights, cuts = background.weights[order], background.scores[order]
    group = np.cumsum(np.append(0, np.diff(cuts) != 0))
    tied = np.bincount(group)[group] > 1
    as_signal = max(1, round(n * effective_size(signal.weights) / effective_size(background.weights)))
    areas, maxima, improvements = [], [], []
    for _ in range(replicates):
        # Rank, random numbers and label in one integer, so that copies of one event are in random order: they are no
        # ties, of which cuts between signal and background would know.
        rank = rng.integers(n, size=n + as_signal)
        keys = (rank << 22) | (rng.integers(1 << 21, size=len(rank)) << 1)
        keys[n:] |= 1
        keys.sort()
        rank, is_signal = keys >> 22, (keys & 1).astype(bool)
        new_cut = (np.diff(group[rank]) != 0) | ~tied[rank[1:]]
        place = np.cumsum(np.append(0, new_cut))
        drawn = [(place[which], weights[rank[which]]) for which in (~is_signal, is_signal)]
        curve = _curve(np.empty(place[-1] + 1), *drawn[0], *drawn[1])
        known = curve.known
        areas.append(curve.area)
        maxima.append(float(known.improvement.max()))
        improvements.append(np.interp(grid, _rising(known.signal), known.improvement, left=np.nan))
    return Chance(np.array(areas), np.array(maxima), np.array(improvements))


def held_out_improvement(background: Weighted, signal: Weighted, rng: np.random.Generator) -> HeldOut | None:
    """Return the largest significance improvement with its error, without the bias from choosing among many cuts.

    None if neither half has a background event above the cut of the other.
    """
    halves = []
    for sample in (background, signal):
        order = rng.permutation(len(sample.scores))
        halves.append((sample.take(order[::2]), sample.take(order[1::2])))
    found = []
    for chosen_on in (0, 1):
        known = efficiency_curve(halves[0][chosen_on], halves[1][chosen_on]).known
        cut = known.cuts[np.argmax(known.improvement)]
        judged = at_cut(halves[0][1 - chosen_on], halves[1][1 - chosen_on], cut)
        if judged.background[0] > 0:
            found.append(
                [float(x[0]) for x in (judged.improvement, judged.improvement_error, judged.signal, judged.background)]
            )
    if not found:
        return None
    value, error, eps_signal, eps_background = np.array(found).T
    mean_error = float(np.sqrt(np.sum(error**2))) / len(found)
    return HeldOut(float(value.mean()), mean_error, float(eps_signal.mean()), float(eps_background.mean()))


def at_cut(background: Weighted, signal: Weighted, cut: float) -> EfficiencyCurve:
    """Return the efficiencies of one cut, as a curve of this cut alone."""
    places = [np.where(sample.scores >= cut, 0, 1) for sample in (background, signal)]
    both = np.array([cut, -np.inf])
    return _curve(both, places[0], background.weights, places[1], signal.weights).part(slice(1))


def _cuts(background: Weighted, signal: Weighted) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the different scores, falling, (T,), and the position of each event among them."""
    rising, place = np.unique(np.concatenate([background.scores, signal.scores]), return_inverse=True)
    place = len(rising) - 1 - place
    n = len(background.scores)
    return rising[::-1], (place[:n], place[n:])


def _curve(
    cuts: np.ndarray, place: np.ndarray, weights: np.ndarray, signal_place: np.ndarray, signal_weights: np.ndarray
) -> EfficiencyCurve:
    background = _efficiencies(place, weights, len(cuts))
    return EfficiencyCurve(cuts, *_efficiencies(signal_place, signal_weights, len(cuts)), *background)


def _efficiencies(place: np.ndarray, weights: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the weights up to each position, and its error, (n,) each."""
    sums = np.cumsum(np.bincount(place, weights, n))
    passing = sums / sums[-1]
    if np.ptp(weights):
        squares = np.cumsum(np.bincount(place, weights**2, n)) / weights.sum() ** 2
        variance = squares * (1 - 2 * passing) + passing**2 * squares[-1]
    else:
        variance = passing * (1 - passing) / len(weights)
    return passing, np.sqrt(np.maximum(variance, 0.0))


def _rising(efficiency: np.ndarray) -> np.ndarray:
    """Return efficiencies that never decrease; with negative weights they could."""
    return np.maximum.accumulate(efficiency)
