r"""The validation of a generator in training: always with the same events, noise and replicates.

The score is the mean over features and bins of the conditions of the 1-Wasserstein distance in standard deviations of
the truth in that bin. Two validations of one run use the same truth, so their difference is known much better than
either. Replicate r has the same weights of events in every validation, and the standard deviation over r of the
difference of two scores is the error of that difference (a paired bootstrap). It shows whether a network has become
better or only fluctuates.

Also given are the Frechet distance of the features (without FPD's extrapolation to many events, because its bias is the
same in every validation) and the lost modes of :class:`~simulacra.statistics.modes.mode_alarm.ModeAlarm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.frechet import frechet_distance
from simulacra.statistics.features import refuse_not_finite
from simulacra.statistics.modes.mode_alarm import FEWEST_EVENTS, ModeAlarm

BINS: Final = 4
REPLICATES: Final = 100
BLOCK: Final = 200_000


@dataclass(frozen=True)
class Validation:
    """The result of one validation.

    Attributes
    ----------
    values:
        numbers by name; the best checkpoint has the lowest ``score``.
    replicates:
        bootstrap replicates of the score, with the same draws in every validation of a run; may be empty.
    alarm:
        an urgent message, in words; empty if all is well.
    """

    values: Mapping[str, float]
    replicates: tuple[float, ...] = ()
    alarm: str = ""

    @property
    def score_error(self) -> float | None:
        """Bootstrap error of the score by itself; None without replicates."""
        return float(np.std(self.replicates, ddof=1)) if len(self.replicates) > 1 else None


def error_of_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the error of the difference of two scores from their paired replicates.

    Without the first one's replicates, the second one's own spread is used, which is usually larger. Without either it
    is 0, and any difference counts.
    """
    if len(second) < 2:
        return 0.0
    if len(first) != len(second):
        return float(np.std(second, ddof=1))
    return float(np.std(np.subtract(second, first), ddof=1))


class ValidationJudge:
    """Compares generated events repeatedly with the same truth.

    Parameters
    ----------
    truth_features:
        features of the truth, (N, F), in any units.
    conditions:
        of the events, (N, C); None if there are none.
    weights:
        of the truth's events, (N,), not negative; all 1 if None.
    seed:
        of the replicates.
    names:
        of the features, (F,).
    binned:
        columns of the conditions for the bins, of equal numbers of events, over which the score is averaged; all if
        None.
    alarm:
        whether to look for lost modes, if there are at least 80 events.

    Raises
    ------
    ValueError
        if the shapes do not fit, or a value is not finite; the message names the feature.
    """

    def __init__(
        self,
        truth_features: np.ndarray,
        conditions: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        *,
        seed: int,
        names: Sequence[str] = (),
        binned: Sequence[int] | None = None,
        alarm: bool = True,
        bins: int = BINS,
        replicates: int = REPLICATES,
    ) -> None:
        self._truth = _features(truth_features, "truth")
        n, n_features = self._truth.shape
        self.names = tuple(names) or tuple(f"feature_{i}" for i in range(n_features))
        if len(self.names) != n_features:
            raise ValueError(f"{n_features} features have {len(self.names)} names")
        refuse_not_finite(self._truth, self.names, "truth")
        self._weights = _weights(weights, n)
        self._conditions = None if conditions is None else _features(conditions, "conditions")
        if self._conditions is not None and len(self._conditions) != n:
            raise ValueError(f"{len(self._conditions)} rows of conditions do not fit {n} events of the truth")
        n_conditions = 0 if self._conditions is None else self._conditions.shape[1]
        self._binned = list(range(n_conditions) if binned is None else binned)
        columns = [] if self._conditions is None else [self._conditions[:, k] for k in self._binned]
        self._edges = [np.quantile(column, np.arange(1, bins) / bins) for column in columns]
        self._scale = [(float(column.mean()), _width(column, self._weights) or 1.0) for column in self._truth.T]
        enough = min(n, np.count_nonzero(self._weights)) >= 2 * FEWEST_EVENTS
        self._alarm = (
            ModeAlarm(self._truth, self._varied(self._conditions), self._weights, seed, names=self.names)
            if alarm and enough
            else None
        )
        self._seed, self._replicates = seed, replicates
        self._multiplicities = self._draw(n, seed)

    def check(
        self,
        generated_features: np.ndarray,
        conditions: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Validation:
        """Judge generated events.

        Parameters
        ----------
        generated_features:
            (M, F).
        conditions:
            of the generated events, (M, C); None if they are the truth's, in its order; an event and its counterpart
            are then drawn together.
        weights:
            of the generated events, (M,); all 1 if None.

        Returns
        -------
        Validation
            ``score`` and ``wasserstein/NAME`` of each feature, 0 for equal distributions (features that are constant in
            the truth's bins are left out), ``frechet``, and from the alarm ``modes/effective``,
            ``modes/truth_effective``, ``modes/p_value`` and ``modes/alarm`` (1 or 0).
        """
        generated = _features(generated_features, "generated events")
        m = len(generated)
        if generated.shape[1] != len(self.names):
            raise ValueError(f"{generated.shape[1]} features of generated events do not fit {len(self.names)}")
        refuse_not_finite(generated, self.names, "generated events")
        own = _weights(weights, m)
        paired = conditions is None
        if paired and m != len(self._truth):
            raise ValueError(f"{m} generated events without conditions do not fit {len(self._truth)} of the truth")
        at = self._conditions if paired else _features(conditions, "conditions of the generated events")
        if at is not None and (len(at) != m or self._conditions is None or at.shape[1] != self._conditions.shape[1]):
            raise ValueError(f"the conditions of the generated events have the shape {at.shape}: they do not fit")
        times = self._multiplicities if paired else self._draw(m, self._seed + 1)
        rows = [
            np.concatenate([np.ones((1, len(w))), t]) * w
            for w, t in ((self._weights, self._multiplicities), (own, times))
        ]
        sums = np.zeros((len(self.names), 1 + self._replicates))
        bins = np.zeros(len(self.names), dtype=np.int64)
        for here, there in self._bins(at, m):
            for k in range(len(self.names)):
                t, g = self._truth[here, k], generated[there, k]
                width = _width(t, self._weights[here]) if len(t) and len(g) else 0.0
                if width > 0:
                    sums[k] += _distances(t, g, rows[0][:, here], rows[1][:, there]) / width
                    bins[k] += 1
        seen = bins > 0
        if not seen.any():
            raise ValueError("no feature varies in the truth: there is nothing to validate with")
        found = sums[seen] / bins[seen, None]
        score = found.mean(axis=0)
        named = [name for name, one in zip(self.names, seen, strict=True) if one]
        values = {f"wasserstein/{name}": float(row[0]) for name, row in zip(named, found, strict=True)}
        values |= {"score": float(score[0]), "frechet": self._frechet(generated, own)}
        modes, alarm = self._modes(generated, at, own)
        return Validation(values | modes, tuple(score[1:].tolist()), alarm)

    def _varied(self, conditions: np.ndarray | None) -> np.ndarray | None:
        """Return the conditions that vary in the truth."""
        if conditions is None or self._conditions is None:
            return None
        varies = np.ptp(self._conditions, axis=0) > 0
        return conditions[:, varies] if varies.any() else None

    def _modes(
        self, generated: np.ndarray, conditions: np.ndarray | None, weights: np.ndarray
    ) -> tuple[dict[str, float], str]:
        if self._alarm is None or len(generated) < FEWEST_EVENTS:
            return {}, ""
        report = self._alarm.check(generated, self._varied(conditions), weights)
        found = {
            "modes/effective": report.effective_modes,
            "modes/truth_effective": report.truth_effective_modes,
            "modes/p_value": report.p_value,
            "modes/alarm": float(report.alarm),
        }
        return found, report.sentence if report.alarm else ""

    def _frechet(self, generated: np.ndarray, weights: np.ndarray) -> float:
        mean, width = np.array(self._scale).T
        moments = []
        for table, w in ((self._truth, self._weights), (generated, weights)):
            x = (table - mean) / width
            centre = np.average(x, axis=0, weights=w)
            moments += [centre, (x - centre).T @ ((x - centre) * w[:, None]) / w.sum()]
        return float(frechet_distance(*moments))

    def _bins(self, generated: np.ndarray | None, m: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows of truth and of generated events in each bin."""
        if self._conditions is None or generated is None:
            return [(np.arange(len(self._truth)), np.arange(m))]
        found = []
        for k, edges in zip(self._binned, self._edges, strict=True):
            here, there = (np.searchsorted(edges, side[:, k]) for side in (self._conditions, generated))
            found += [(np.flatnonzero(here == b), np.flatnonzero(there == b)) for b in range(len(edges) + 1)]
        return found

    def _draw(self, n: int, seed: int) -> np.ndarray:
        """Return the counts of each event in each replicate, (R, n)."""
        rng = np.random.default_rng([seed, n])
        return rng.poisson(1.0, (self._replicates, n)).astype(np.float32)


def _distances(truth: np.ndarray, generated: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the 1-Wasserstein distances of two samples, (N,) and (M,), by weights (R, N) and (R, M): (R,)."""
    values = np.concatenate([truth, generated])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    found = np.empty(len(first))
    step = max(1, BLOCK // len(values))
    for i in range(0, len(first), step):
        shares = []
        for drawn, whole in ((first[i : i + step], first[:1]), (second[i : i + step], second[:1])):
            total = drawn.sum(axis=1, keepdims=True)
            # A replicate that drew none of a small bin's events takes them all.
            kept = np.where(total > 0, drawn, whole)
            shares.append(kept / kept.sum(axis=1, keepdims=True))
        difference = np.concatenate([shares[0], -shares[1]], axis=1)[:, order]
        found[i : i + step] = np.abs(np.cumsum(difference, axis=1)[:, :-1]) @ gaps
    return found


def _width(values: np.ndarray, weights: np.ndarray) -> float:
    if weights.sum() <= 0 or not np.ptp(values):
        return 0.0
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def _features(values: np.ndarray | None, label: str) -> np.ndarray:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"the {label} have the shape {table.shape}: give a table (events, columns)")
    return table


def _weights(weights: np.ndarray | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,) or not np.isfinite(given).all() or given.min() < 0 or given.sum() <= 0:
        raise ValueError(f"weights must be {n} finite numbers, not negative and not all 0")
    return given
