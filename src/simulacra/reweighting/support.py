r"""Support: regions where the target has events and the source has none, which weights cannot correct.

Between two neighbouring values of the source lies a gap. If both samples have the same distribution, all orders of
their events are equally likely, and a given gap contains k or more of the target's :math:`N_t` events, for :math:`N_s`
source events, with probability

.. math:: \prod_{i=0}^{k-1} \frac{N_t - i}{N_t - i + N_s / R}, \qquad R = 1,

whatever the distribution. Samples for reweighting differ: where the target is R times as dense as the source, which
weights can correct, the gaps contain R times as many target events. The probability is therefore computed with
:math:`R = 3`. It is compared with half of the stated false-alarm rate, over the number of observables, for the two ends
together, and with the other half for all gaps between. Values that both samples share, such as counts, only reduce the
number of events in gaps. For weighted events the numbers are effective ones (for the source from the weights around the
gap), and the rate is approximate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.reweighting.prior_weights import checked_weights
from simulacra.wording import listed

FALSE_ALARM: Final = 0.01
LEAST_SHARE: Final = 1e-3
#: ratio of the densities of target and source up to which source events are not called missing
RATIO: Final = 3.0
NEIGHBOURS: Final = 50
DISJOINT_SHARE: Final = 0.99
LOG_ODDS: Final = "classifier log-odds"


class SupportError(ValueError):
    """The target has events where the source has none; the message says where, and what to do."""


class NoOverlapError(SupportError):
    """Source and target have nothing in common."""


@dataclass(frozen=True)
class EmptyRegion:
    """A region of one observable with target events and no source event.

    Attributes
    ----------
    observable, units:
        the observable.
    low, high:
        the source's values on both sides [units]; None at an end.
    target_events, target_share:
        number of target events inside and their share of the sum of the target's weights.
    probability:
        upper limit of the probability that samples whose densities differ by a factor of 3 have such a gap anywhere.
    """

    observable: str
    units: str
    low: float | None
    high: float | None
    target_events: int
    target_share: float
    probability: float

    @property
    def sentence(self) -> str:
        """Such as "thrust above 0.97: 57 target events (1.1 %), 0 source events"."""
        unit = "" if self.units == "1" else f" {self.units}"
        low, high = (None if end is None else f"{end:.4g}{unit}" for end in (self.low, self.high))
        where = f"above {low}" if high is None else f"below {high}" if low is None else f"between {low} and {high}"
        return (
            f"{self.observable} {where}: {self.target_events:,} target events ({100 * self.target_share:.2g} %), "
            "0 source events"
        )


@dataclass(frozen=True)
class Support:
    """What was found.

    Attributes
    ----------
    regions:
        the empty regions, the one with the largest share of the target first.
    observables:
        number of searched quantities.
    false_alarm:
        upper limit of the probability that two samples of one distribution yield any region.
    disjoint:
        the first observable in which the samples do not overlap, if any.
    """

    regions: tuple[EmptyRegion, ...]
    observables: int
    false_alarm: float
    disjoint: str = ""

    @property
    def sentence(self) -> str:
        """The result in words."""
        if not self.regions:
            quantities = "1 quantity" if self.observables == 1 else f"{self.observables} quantities"
            return (
                f"The source has events wherever the target has: no gap in {quantities} (false alarms: at most "
                f"{100 * self.false_alarm:g} %)."
            )
        return f"The source has no events where the target has: {'; '.join(r.sentence for r in self.regions[:5])}."


def find_empty_regions(
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    *,
    source_weights: np.ndarray | None = None,
    target_weights: np.ndarray | None = None,
    units: Mapping[str, str] | None = None,
    source_log_odds: np.ndarray | None = None,
    target_log_odds: np.ndarray | None = None,
    false_alarm: float = FALSE_ALARM,
) -> Support:
    """Search for target events without source events nearby, in each observable and in the tail of the log-odds.

    Parameters
    ----------
    source, target:
        observables by name, (N,) and (M,), finite.
    source_weights, target_weights:
        the events' own weights, (N,) and (M,); events of weight zero do not count.
    units:
        of the observables, by name; "1" if missing.
    source_log_odds, target_log_odds:
        of a classifier that was not trained on these events, (N,) and (M,): the gap above the source's largest is
        searched.
    false_alarm:
        upper limit of the probability that two samples of one distribution yield a region.

    Raises
    ------
    ValueError
        if the observables are not the same in both, none is given, or a value is not finite.
    """
    if list(source) != list(target):
        differ = [
            f"only the {label} has {listed(alone, 3)}"
            for label, alone in (
                ("source", [n for n in source if n not in target]),
                ("target", [n for n in target if n not in source]),
            )
            if alone
        ]
        raise ValueError(f"the observables are not the same: {' and '.join(differ) or 'their orders differ'}")
    if (source_log_odds is None) != (target_log_odds is None):
        raise ValueError("log-odds are given for one sample only: give them for both or none")
    pairs = [(name, np.asarray(source[name]), np.asarray(target[name]), False) for name in source]
    if source_log_odds is not None and target_log_odds is not None:
        pairs.append((LOG_ODDS, np.asarray(source_log_odds), np.asarray(target_log_odds), True))
    if not pairs:
        raise ValueError("there is nothing to check: give observables or log-odds")
    weights = (
        checked_weights(source_weights, len(pairs[0][1]), "source"),
        checked_weights(target_weights, len(pairs[0][2]), "target"),
    )
    regions: list[EmptyRegion] = []
    disjoint = ""
    for name, ours, theirs, upper_only in pairs:
        for values, own, sample in ((ours, weights[0], "source"), (theirs, weights[1], "target")):
            if values.shape != own.shape:
                raise ValueError(
                    f"{name} of the {sample} has the shape {values.shape}, not {own.shape}: one number per event"
                )
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{name} of the {sample} is not finite in {np.count_nonzero(~np.isfinite(values))} events: "
                    "correct or remove them"
                )
        unit = (units or {}).get(name, "1")
        found = _gaps(name, unit, ours, theirs, weights, false_alarm / len(pairs), upper_only=upper_only)
        if not disjoint and sum(region.target_share for region in found) >= DISJOINT_SHARE:
            disjoint = name
        regions += found
    regions.sort(key=lambda region: -region.target_share)
    return Support(tuple(regions), len(pairs), false_alarm, disjoint)


def require_support(support: Support, *, allowed: bool = False, least_share: float = LEAST_SHARE) -> tuple[str, ...]:
    """Refuse a reweighting whose source lacks events that the target has; return warnings about small regions.

    Parameters
    ----------
    support:
        from :func:`find_empty_regions`.
    allowed:
        only warn; samples without any overlap are always refused.
    least_share:
        regions with a smaller share of the target only give warnings.

    Raises
    ------
    NoOverlapError
        if the source has no events where nearly all of the target is.
    SupportError
        if a region is empty and this is not allowed.
    """
    if support.disjoint:
        first = next(region for region in support.regions if region.observable == support.disjoint)
        raise NoOverlapError(
            f"source and target do not overlap in {support.disjoint} ({first.sentence}): weights cannot turn one into "
            "the other; check that both have the same process and units, or take another source"
        )
    refused = [region for region in support.regions if region.target_share >= least_share]
    if refused and not allowed:
        raise SupportError(
            f"the source has no events where the target has: {'; '.join(r.sentence for r in refused[:5])}. Weights "
            "cannot make events: take a source with events there, cut the region from the target, or allow it and "
            "do without these events"
        )
    return tuple(f"{region.sentence}; these are missing from the reweighted sample." for region in support.regions)


def _gaps(
    name: str,
    units: str,
    source: np.ndarray,
    target: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    false_alarm: float,
    *,
    upper_only: bool,
) -> list[EmptyRegion]:
    """Return the gaps of one observable with more target events than expected by chance."""
    seen, counted = weights[0] != 0, weights[1] != 0
    order = np.argsort(source[seen], kind="stable")
    values, own = source[seen][order], weights[0][seen][order]
    theirs, theirs_own = target[counted], weights[1][counted]
    # Gap g is below the source value g: target values equal to a source value are in no gap.
    left = np.searchsorted(values, theirs, side="left")
    inside = left == np.searchsorted(values, theirs, side="right")
    gap, held = left[inside], theirs_own[inside]
    counts = np.bincount(gap, minlength=len(values) + 1)
    sums = np.bincount(gap, held, minlength=len(values) + 1)
    squares = np.bincount(gap, held**2, minlength=len(values) + 1)
    candidates = (counts > 0) & (sums > 0)
    if upper_only:
        # At the upper end there is only one gap to test.
        candidates[:-1] = False
    rows = np.flatnonzero(candidates)
    # Half of the rate is for the two ends, half for the gaps between.
    ends = (rows == 0) | (rows == len(values))
    gaps = 1 if upper_only else np.where(ends, 4, 2 * max(1, len(values) - 1))
    chance = gaps * _chance(sums[rows], squares[rows], float(theirs_own.sum()), own, rows)
    return [
        EmptyRegion(
            observable=name,
            units=units,
            low=float(values[row - 1]) if row > 0 else None,
            high=float(values[row]) if row < len(values) else None,
            target_events=int(counts[row]),
            target_share=float(sums[row] / theirs_own.sum()),
            probability=float(probability),
        )
        for row, probability in zip(rows, chance, strict=True)
        if probability < false_alarm
    ]


def _chance(
    sums: np.ndarray, squares: np.ndarray, total: float, source_weights: np.ndarray, gaps: np.ndarray
) -> np.ndarray:
    """Return the probability of so many target events in a given gap if the densities differ by RATIO, (G,).

    Parameters
    ----------
    sums, squares:
        of the weights of the target events in each gap, and of their squares, (G,).
    total:
        sum of all the target's weights.
    source_weights:
        in the order of the source's values, (n,).
    gaps:
        the index of each gap, (G,).
    """
    from scipy.special import gammaln

    held = sums**2 / squares
    # Mean weight of an event in the gap; the target's total weight in units of it.
    n_target = np.maximum(total * sums / squares, held)
    # Likewise the source's total, in units of its mean weight around the gap.
    running = np.concatenate([[0.0], np.cumsum(np.abs(source_weights))])
    first = np.maximum(gaps - NEIGHBOURS // 2, 0)
    last = np.minimum(gaps + NEIGHBOURS // 2, len(source_weights))
    n_source = float(source_weights.sum()) * (last - first) / (running[last] - running[first]) / RATIO
    n = n_target + n_source
    logarithm = gammaln(n_target + 1) - gammaln(n_target - held + 1) - gammaln(n + 1) + gammaln(n - held + 1)
    return np.asarray(np.exp(np.minimum(logarithm, 0.0)))
