r"""Precision, recall, density and coverage (Naeem et al., arXiv:2002.09797), from k nearest neighbours with k = 5.

With a ball around each event that reaches to its k-th nearest neighbour in the same sample,

* precision is the share of generated events in a ball of any truth event,
* recall the share of truth events in a ball of any generated event,
* density the mean number of truth balls around a generated event, over k (1 for equal distributions),
* coverage the share of truth events with a generated event in their ball: for equal distributions and sizes n,
  1 - (n - 1)...(n - k) / (2n - 1)...(2n - k), some 0.97.

Neighbours cannot be weighted, so weighted events are first unweighted by hit or miss: an event is kept with the
probability w / c. c is the largest weight, or smaller if fewer than FEWEST events would be left on average; the share
of weight clipped in this way is returned. At most 10,000 events of each sample are then used, the same number of both,
and twice as many of the truth for truth against truth.

The replicates need no further distances. The nearest neighbours of each event among all events are listed once; the
nearest within a group follow from the list and the members of the group. The p-value is that of a permutation test.
Truth against truth comes from halves of a truth sample of twice the size. The error is from random halves of each
sample, drawn without replacement, because copies of an event in a bootstrap would be their own nearest neighbours. The
variance of a mean over half of the events about the mean over all is that of the latter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.statistics.distances.divisions import REPLICATES, p_value
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS: Final = 5
MOST_EVENTS: Final = 10_000
FEWEST: Final = 200
# How many neighbours are listed. Of 32 neighbours in a random group of half the events, fewer than 5 are in it once in
# 10^5 events; of 64, once in 10^4 events in a random half of that.
LISTED: Final = 32
LISTED_FOR_ERRORS: Final = 64
SCORES: Final = ("precision", "recall", "density", "coverage")
FEWEST_BALLS: Final = 8
ROWS: Final = 500


@dataclass(frozen=True)
class Manifold:
    """Precision, recall, density and coverage, and the events used.

    Attributes
    ----------
    precision, recall, density, coverage:
        with errors, truth against truth, and p-values: the share of random divisions with at most this value; for the
        density, of those at least as far from their median.
    events:
        events of each sample that were used.
    clipped:
        the largest share of a sample's weight clipped in hit or miss.
    """

    precision: Distance
    recall: Distance
    density: Distance
    coverage: Distance
    events: int
    clipped: float


def precision_recall_density_coverage(
    truth: np.ndarray, generated: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> np.ndarray:
    """Return precision, recall, density and coverage of unweighted samples, (N, F) and (M, F), as defined: (4,).

    Raises
    ------
    ValueError
        if a sample has too few events for this many neighbours.
    """
    import torch

    if min(len(truth), len(generated)) <= neighbours:
        raise ValueError(f"{len(truth)} and {len(generated)} events are too few for {neighbours} nearest neighbours")
    x, y = (torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32)) for v in (truth, generated))
    truth_reach, generated_reach = (_nearest(v, v, neighbours + 1)[0][:, -1] for v in (x, y))
    inside = torch.zeros(len(y), dtype=torch.int64)
    recalled, covered = torch.zeros(len(x), dtype=torch.bool), torch.zeros(len(x), dtype=torch.bool)
    for i in range(0, len(x), ROWS):
        distance = _squared_distances(x[i : i + ROWS], y)
        near = distance < truth_reach[i : i + ROWS, None]
        inside += near.sum(dim=0)
        covered[i : i + ROWS] = near.any(dim=1)
        recalled[i : i + ROWS] = (distance < generated_reach).any(dim=1)
    scores = (inside > 0, recalled, inside / neighbours, covered)
    return np.array([float(score.double().mean()) for score in scores])


def judge_manifold(
    features: Features,
    rng: np.random.Generator,
    *,
    neighbours: int = NEIGHBOURS,
    most_events: int = MOST_EVENTS,
    replicates: int = REPLICATES,
) -> Manifold:
    """Return precision, recall, density and coverage with errors, truth against truth and p-values.

    Parameters
    ----------
    features:
        standardised features of both samples.
    neighbours:
        k.
    most_events:
        of each sample; the time grows with its square.
    replicates:
        random divisions for the p-value and for truth against truth; half as many for the errors.

    Raises
    ------
    ValueError
        if a sample is left with too few events.
    """
    first, clipped = _unweighted(features.truth_weights, rng)
    second, clipped_too = _unweighted(features.generated_weights, rng)
    n = min(most_events, len(first) // 2, len(second))
    if n < (least := FEWEST_BALLS * neighbours):
        raise ValueError(
            f"{len(first)} and {len(second)} unweighted events are too few for precision and recall: "
            f"{2 * least} of the truth and {least} generated events are needed"
        )
    truth, generated = features.truth[first[: 2 * n]], features.generated[second[:n]]
    value = precision_recall_density_coverage(truth[:n], generated, neighbours=neighbours)
    both = _Listed.of(np.concatenate([truth[:n], generated]), LISTED_FOR_ERRORS)
    halves = np.repeat([0, 1], n).astype(np.int8)
    exchange = both.first(LISTED).scores([rng.permutation(halves) for _ in range(replicates)], neighbours)
    kept = both.scores([_thinned(halves, rng) for _ in range(replicates // 2)], neighbours)
    alone = _Listed.of(truth, LISTED)
    chance = alone.scores([rng.permutation(halves) for _ in range(replicates)], neighbours)
    found = []
    for i, score in enumerate(SCORES):
        against = exchange[:, i]
        middle = np.median(against)
        far = (abs(value[i] - middle), np.abs(against - middle)) if score == "density" else (-value[i], -against)
        found.append(
            Distance(
                value=float(value[i]),
                uncertainty=float(kept[:, i].std(ddof=1)),
                truth_value=float(chance[:, i].mean()),
                truth_uncertainty=float(chance[:, i].std(ddof=1)),
                p_value=p_value(float(far[0]), far[1]),
            )
        )
    return Manifold(found[0], found[1], found[2], found[3], n, max(clipped, clipped_too))


@dataclass(frozen=True)
class _Listed:
    """The nearest other events of each event, the nearest first: number and squared distance, (N, L) each."""

    index: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, listed: int) -> _Listed:
        import torch

        x = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        listed = min(listed, len(x) - 1)
        distance, index = _nearest(x, x, listed + 1)
        # An event is its own nearest neighbour, except that equal events may come first.
        own = index == torch.arange(len(x))[:, None]
        own[~own.any(dim=1), -1] = True
        return cls(index[~own].view(len(x), listed).numpy(), distance[~own].view(len(x), listed).numpy())

    def first(self, listed: int) -> _Listed:
        """Return shorter lists."""
        return replace(
            self,
            index=np.ascontiguousarray(self.index[:, :listed]),
            distance=np.ascontiguousarray(self.distance[:, :listed]),
        )

    def scores(self, labels: list[np.ndarray], neighbours: int) -> np.ndarray:
        """Return the scores for groups 0 and 1 (-1 for neither) of the events, (N,) each: (R, 4)."""
        return np.array([self._scores(label, neighbours) for label in labels])

    def _scores(self, label: np.ndarray, neighbours: int) -> np.ndarray:
        about = np.flatnonzero(label >= 0)
        index, distance, mine = self.index[about], self.distance[about], label[about, None]
        near = label[index]
        rank = np.cumsum(near == mine, axis=1, dtype=np.int8)
        # If the list is too short, which is rare, its last distance is used as the reach.
        place = np.where(rank[:, -1] >= neighbours, np.argmax(rank == neighbours, axis=1), -1)
        reach = distance[np.arange(len(about)), place]
        inside = (near == 1 - mine) & (distance < reach[:, None])
        is_truth = mine[:, 0] == 0
        covered = inside.any(axis=1)[is_truth]
        counts = [np.bincount(index[side][inside[side]], minlength=len(label)) for side in (is_truth, ~is_truth)]
        depth, recalled = counts[0][label == 1], counts[1][label == 0] > 0
        return np.array([(depth > 0).mean(), recalled.mean(), depth.mean() / neighbours, covered.mean()])


def _unweighted(weights: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return the events kept by hit or miss, in random order, and the clipped share of weight."""
    largest = float(weights.max())
    target = min(FEWEST, np.count_nonzero(weights) / 2)
    while np.minimum(weights / largest, 1.0).sum() < target:
        largest *= 0.9
    kept = np.flatnonzero(rng.random(len(weights)) * largest < weights)
    return rng.permutation(kept), float(1 - np.minimum(weights, largest).sum() / weights.sum())


def _thinned(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return labels without half of each group."""
    thinned = label.copy()
    for group in (0, 1):
        rows = np.flatnonzero(label == group)
        thinned[rng.permutation(rows)[: len(rows) // 2]] = -1
    return thinned


def _nearest(x: Tensor, y: Tensor, listed: int) -> tuple[Tensor, Tensor]:
    """Return squared distances and numbers of the events of y (M, F) nearest to those of x (N, F): (N, listed) each."""
    import torch

    found = [_squared_distances(x[i : i + ROWS], y).topk(listed, largest=False) for i in range(0, len(x), ROWS)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return squared distances, (N, M), from |x - y|^2 = |x|^2 + |y|^2 - 2 x.y."""
    import torch

    one = torch.ones
    left = torch.cat([-2 * x, x.square().sum(dim=1, keepdim=True), one(len(x), 1)], dim=1)
    right = torch.cat([y, one(len(y), 1), y.square().sum(dim=1, keepdim=True)], dim=1)
    return left @ right.T
