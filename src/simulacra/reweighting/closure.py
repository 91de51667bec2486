r"""Closure: whether the reweighted source has the target's distributions, observable by observable.

The shares :math:`s_a = \sum_{i \in a} w_i / W` of a weighted sample have the covariance

.. math:: C_{ab} = \frac{1}{W^2} \Big(\delta_{ab} q_a - s_a q_b - s_b q_a + s_a s_b \sum_c q_c\Big),
   \qquad q_a = \sum_{i \in a} w_i^2, \quad W = \sum_i w_i,

whose rows add up to 0, because the shares add up to 1. Only shapes are compared: the chi-square of the difference of
two samples' shares omits one bin (any one gives the same value) and has one degree of freedom less than bins. Bins are
joined until each has at least ten effective events in the target and in the source, before and after weights. Vector
observables are compared by the weighted mean of each bin over the events and the covariance of that mean. The
chi-square does not include the uncertainty of the weights themselves, which an ensemble gives. The weights should be
from a classifier that was not trained on these events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.reweighting.prior_weights import checked_weights, effective_events
from simulacra.statistics.distances.histograms import Histogram, binning_of, histogram

FEWEST_IN_BIN: Final = 10
PAIRS: Final = 200
MEAN_PAIRS: Final = 40
LEAST_P_VALUE: Final = 0.01


class IncomparableError(ValueError):
    """An observable with too few events, or too few different values, to be compared."""


@dataclass(frozen=True)
class Observable:
    """An observable of both samples.

    Attributes
    ----------
    name, units:
        label of an axis.
    source, target:
        a number per event, (N,) and (M,), or a number per event and bin, (N, B) and (M, B).
    edges:
        of the bins of a number per event and bin, (B + 1,) [units]; 0, 1, 2, ... if None.
    """

    name: str
    units: str
    source: np.ndarray
    target: np.ndarray
    edges: np.ndarray | None = None


@dataclass(frozen=True)
class ChiSquare:
    """A chi-square, its degrees of freedom, and the probability of a larger one."""

    value: float
    degrees_of_freedom: int
    p_value: float

    @property
    def reduced(self) -> float:
        """The chi-square over its degrees of freedom."""
        return self.value / self.degrees_of_freedom


@dataclass(frozen=True)
class Closure:
    """One observable before and after weights.

    Attributes
    ----------
    observable, units:
        the observable.
    before, after:
        source and reweighted source against the target.
    truth, truth_spread:
        mean and standard deviation of the reduced chi-square of pairs of samples drawn from the target, one of the
        target's effective size and one of that of the reweighted source.
    bins:
        number of compared bins, after joining.
    edges:
        of the bins in the figure, (bins + 1,).
    logarithmic, per_event:
        whether the axis is logarithmic; whether the values are means per event, not shares of the events.
    shown_target, shown_before, shown_after:
        values and errors in the bins of the figure.
    """

    observable: str
    units: str
    before: ChiSquare
    after: ChiSquare
    truth: float
    truth_spread: float
    bins: int
    edges: np.ndarray
    logarithmic: bool
    per_event: bool
    shown_target: Histogram
    shown_before: Histogram
    shown_after: Histogram

    @property
    def closes(self) -> bool:
        """Whether a chi-square at least this large has a probability of more than 1 % by chance."""
        return self.after.p_value > LEAST_P_VALUE

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"{self.observable}: χ²/ndf {self.before.reduced:.3g} before weights and {self.after.reduced:.3g} after "
            f"({self.after.value:.1f} / {self.after.degrees_of_freedom}, p = {self.after.p_value:.2g}); truth against "
            f"truth {self.truth:.2f} ± {self.truth_spread:.2f}."
        )


def judge_closure(
    observables: Sequence[Observable],
    weights: np.ndarray,
    *,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
    seed: int = 0,
    pairs: int = PAIRS,
    left_out: list[str] | None = None,
) -> tuple[Closure, ...]:
    """Compare the target with the source, before and after weights, in each observable.

    Parameters
    ----------
    observables:
        observables of the same events.
    weights:
        p_target / p_source of each source event, (N,).
    source_weights, target_weights:
        the events' own weights, (N,) and (M,); ones if None.
    seed, pairs:
        seed and number of the pairs of truth against truth.
    left_out:
        receives a sentence for each observable that cannot be compared; these are omitted.

    Raises
    ------
    IncomparableError
        if an observable (with ``left_out``: each of them) has too few events for a comparison in two bins.
    ValueError
        if a value is not finite.
    """
    if not observables:
        raise ValueError("there is nothing to compare: give an observable")
    n, m = len(observables[0].source), len(observables[0].target)
    own = checked_weights(source_weights, n, "source")
    product = checked_weights(
        own * checked_weights(weights, n, "reweighted source"),
        n,
        "reweighted source, times the events' own weights,",
    )
    truth = checked_weights(target_weights, m, "target")
    streams = np.random.SeedSequence(seed).spawn(len(observables))
    found = []
    for observable, stream in zip(observables, streams, strict=True):
        _check(observable, n, m)
        compare = _scalar if observable.source.ndim == 1 else _vector
        try:
            found.append(compare(observable, own, product, truth, np.random.default_rng(stream), pairs))
        except IncomparableError as error:
            if left_out is None:
                raise
            left_out.append(str(error))
    if not found and left_out:
        raise IncomparableError(f"none of the observables can be compared: {left_out[0]}")
    return tuple(found)


def share_covariance(index: np.ndarray, weights: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the weight in each bin, (bins,), and the covariance of the shares, (bins, bins).

    ``index`` is the bin of each event, (N,).
    """
    total = weights.sum()
    share = np.bincount(index, weights, bins) / total
    squares = np.bincount(index, weights**2, bins) / total**2
    cross = np.outer(share, squares)
    return share, np.diag(squares) - cross - cross.T + np.outer(share, share) * squares.sum()


def mean_covariance(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean of (N, B) values, (B,), and its covariance, (B, B)."""
    total = weights.sum()
    mean = weights @ values / total
    pull = (values - mean) * (weights / total)[:, None]
    return mean, pull.T @ pull


def joined_bins(samples: Sequence[tuple[np.ndarray, np.ndarray]], fewest: float = FEWEST_IN_BIN) -> np.ndarray:
    """Return the joined bin of each bin, (bins,): neighbours are joined until each has ``fewest`` effective events.

    ``samples`` are the sums of the weights and of their squares in each bin, (bins,) each, for each sample.
    """
    bins = len(samples[0][0])
    group = np.zeros(bins, dtype=np.int64)
    first, number = 0, 0
    for place in range(bins):
        group[place] = number
        held = [(s[first : place + 1].sum(), q[first : place + 1].sum()) for s, q in samples]
        if all(total > 0 and total**2 >= fewest * squares for total, squares in held):
            first, number = place + 1, number + 1
    # The rest at the upper end is too little for a bin of its own.
    return np.minimum(group, max(number - 1, 0))


def _scalar(
    observable: Observable,
    own: np.ndarray,
    product: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    pairs: int,
) -> Closure:
    binning = binning_of(observable.target)
    ours, theirs = binning.index(observable.source), binning.index(observable.target)
    samples = ((theirs, truth), (ours, own), (ours, product))
    group = joined_bins([(np.bincount(i, w, len(binning)), np.bincount(i, w**2, len(binning))) for i, w in samples])
    bins = int(group.max()) + 1
    if bins < 2:
        raise IncomparableError(
            f"{observable.name} cannot be compared: no two bins hold {FEWEST_IN_BIN} effective events each of the "
            "target and of the source, before and after weights; take more events, or samples that overlap more"
        )
    target = share_covariance(group[theirs], truth, bins)
    before, after = (
        _chi_square(share_covariance(group[ours], weights, bins), target, dropped=1) for weights in (own, product)
    )
    reduced = _truth_of_shares(target[0], effective_events(truth), effective_events(product), rng, pairs)
    return Closure(
        observable.name,
        observable.units,
        before,
        after,
        *reduced,
        bins,
        binning.edges,
        binning.logarithmic,
        per_event=False,
        shown_target=histogram(observable.target, truth, binning),
        shown_before=histogram(observable.source, own, binning),
        shown_after=histogram(observable.source, product, binning),
    )


def _vector(
    observable: Observable,
    own: np.ndarray,
    product: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    pairs: int,
) -> Closure:
    source, target = observable.source.astype(np.float64), observable.target.astype(np.float64)
    samples = ((target, truth), (source, own), (source, product))
    # An event counts for a bin if its value there is not 0.
    group = joined_bins([(w @ (values != 0), w**2 @ (values != 0)) for values, w in samples])
    bins = int(group.max()) + 1
    # A covariance of B bins from fewer than ten events per bin is too noisy to be inverted.
    least = min(effective_events(w) for w in (truth, own, product))
    if least < FEWEST_IN_BIN * bins:
        raise IncomparableError(
            f"{observable.name} cannot be compared: {bins} bins need {FEWEST_IN_BIN * bins} effective events, "
            f"not {least:.0f}; take more events, fewer bins, or samples that overlap more"
        )
    joined = np.zeros((source.shape[1], bins))
    joined[np.arange(source.shape[1]), group] = 1.0
    theirs, ours = target @ joined, source @ joined
    goal = mean_covariance(theirs, truth)
    before, after = (_chi_square(mean_covariance(ours, weights), goal) for weights in (own, product))
    reduced = _truth_of_means(theirs, truth, effective_events(product), rng, pairs)
    edges = np.arange(source.shape[1] + 1.0) if observable.edges is None else np.asarray(observable.edges, float)
    shown = [_shown(values, weights) for values, weights in samples]
    return Closure(
        observable.name,
        observable.units,
        before,
        after,
        *reduced,
        bins,
        edges,
        logarithmic=False,
        per_event=True,
        shown_target=shown[0],
        shown_before=shown[1],
        shown_after=shown[2],
    )


def _chi_square(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], *, dropped: int = 0
) -> ChiSquare:
    """Compare two vectors with their covariances; ``dropped`` bins at the end follow from the others."""
    from scipy.stats import chi2

    keep = len(one[0]) - dropped
    difference, covariance = (one[0] - other[0])[:keep], (one[1] + other[1])[:keep, :keep]
    # In units of the errors: values that are small because of their units are then not mistaken for linear dependence.
    scale = np.sqrt(np.diag(covariance))
    known = scale > 0
    if not known.any() or difference[~known].any():
        raise ValueError(
            "an observable has the same value in all events of both samples, so its chi-square has no meaning: "
            "leave it out"
        )
    pull = difference[known] / scale[known]
    values, vectors = np.linalg.eigh(covariance[np.ix_(known, known)] / np.outer(scale[known], scale[known]))
    independent = values > 1e-9 * values.max()
    value = float(np.sum((vectors.T @ pull)[independent] ** 2 / values[independent]))
    degrees = int(independent.sum())
    return ChiSquare(value, degrees, float(chi2.sf(value, degrees)))


def _truth_of_shares(
    share: np.ndarray, target_size: float, source_size: float, rng: np.random.Generator, pairs: int
) -> tuple[float, float]:
    probability = np.maximum(share, 0.0) / np.maximum(share, 0.0).sum()
    sizes = max(2, round(target_size)), max(2, round(source_size))
    drawn = [rng.multinomial(size, probability, pairs) / size for size in sizes]
    found = []
    for one, other in zip(*drawn, strict=True):
        samples = [(s, (np.diag(s) - np.outer(s, s)) / size) for s, size in zip((one, other), sizes, strict=True)]
        found.append(_chi_square(samples[0], samples[1], dropped=1).reduced)
    return float(np.mean(found)), float(np.std(found, ddof=1))


def _truth_of_means(
    values: np.ndarray, weights: np.ndarray, source_size: float, rng: np.random.Generator, pairs: int
) -> tuple[float, float]:
    # The effective size of the reweighted source.
    sizes = len(weights), max(2, round(len(weights) * source_size / effective_events(weights)))
    found = []
    for _ in range(min(pairs, MEAN_PAIRS)):
        rows = [rng.integers(0, len(weights), size) for size in sizes]
        one, other = (mean_covariance(values[drawn], weights[drawn]) for drawn in rows)
        found.append(_chi_square(one, other).reduced)
    return float(np.mean(found)), float(np.std(found, ddof=1))


def _shown(values: np.ndarray, weights: np.ndarray) -> Histogram:
    mean, covariance = mean_covariance(values, weights)
    return Histogram(mean, np.sqrt(np.diag(covariance)))


def _check(observable: Observable, n: int, m: int) -> None:
    for values, events, sample in ((observable.source, n, "source"), (observable.target, m, "target")):
        if values.ndim not in (1, 2) or len(values) != events:
            raise ValueError(
                f"{observable.name} of the {sample} has the shape {values.shape}: give {events} rows, one per "
                "event, of one or more numbers"
            )
        if not np.isfinite(values).all():
            raise ValueError(
                f"{observable.name} of the {sample} is not finite in {np.count_nonzero(~np.isfinite(values))} places: "
                "correct or remove these events"
            )
    if observable.source.ndim != observable.target.ndim or observable.source.shape[1:] != observable.target.shape[1:]:
        raise ValueError(
            f"{observable.name} has the shape {observable.source.shape} in the source and {observable.target.shape} in "
            "the target: give the same bins"
        )
