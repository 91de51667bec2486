r"""The likelihood-ratio test with a learned alternative (New Physics Learning Machine, NPLM), by kernels.

The logarithm f of the density of generated events over that of the truth is learned by logistic regression with
Gaussian kernels (arXiv:2204.02317). The statistic is

.. math:: D = \langle f \rangle_\mathrm{generated} - \langle e^f - 1 \rangle_\mathrm{truth},

at most the Kullback-Leibler divergence of the generated from the true density [nat an event], and equal to it for the
true f; :math:`t = 2 N D` is the statistic of the paper. Since f is fitted to the events on which D is computed, D is
above 0 for equal distributions, too: compare it with truth against truth.

The paper trains again for each toy sample. Here all permutations are trained at once. Newton's method with one Hessian
for all of them, that of f = 0, which is an upper bound of all others (Boehning and Lindsay, Ann. Inst. Stat. Math. 40
(1988) 641), makes the loss smaller in every step and needs only products of matrices. The number of steps is fixed, so
that the statistic is one and the same function of the events in every permutation, and the test is as exact as for any
other distance, converged or not.

As in the paper, the kernel is as wide as the 90 % quantile of the distances of two events, and is spanned by random
events of both samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import norm

from simulacra.statistics.distances.divisions import Divisions, Replicates, p_value
from simulacra.statistics.distances.frechet import error_of_quadratic
from simulacra.statistics.distances.kernels import pair_distances
from simulacra.statistics.distances.two_sample import Distance, effective_size, weighted_quantile
from simulacra.statistics.features import Features

if TYPE_CHECKING:
    from torch import Tensor

#: events of each sample
MOST_EVENTS: Final = 25_000
#: centres of kernels, and fewest events for each
CENTRES: Final = 300
EVENTS_A_CENTRE: Final = 4
#: penalty on the squared norm of f, over the number of events
PENALTY: Final = 1e-3
STEPS: Final = 20
PAIRS: Final = 4_000
QUANTILE: Final = 0.9
#: larger log ratios are cut off, so that no exponential overflows
LARGEST: Final = 30.0
#: share of the truth in the region of most excess, and in that of most deficit
REGION: Final = 0.05
#: memory of the log ratios that are computed together [bytes]
MOST_BYTES: Final = 2**27


@dataclass(frozen=True)
class Region:
    """The events in a region where the learned ratio is extreme, counted on events that it was not trained on.

    Attributes
    ----------
    ratio, error:
        of the share of generated events in it over the share of the truth.
    p_value:
        that the shares are equal (two-sided).
    features:
        names of the features that set the region apart most, with the mean there [truth standard deviations from the
        truth's mean].
    """

    ratio: float
    error: float
    p_value: float
    features: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LearnedRatio:
    """The distance, the paper's statistic, events used of each sample, and the regions of excess and of deficit.

    A region is None if none of the truth's events that nothing was learned from is in it.
    """

    distance: Distance
    statistic: float
    events: tuple[int, int]
    excess: Region | None
    deficit: Region | None


def learned_likelihood_ratio(
    features: Features, rng: np.random.Generator, *, replicates: int | None = None, most_events: int = MOST_EVENTS
) -> LearnedRatio:
    """Return the divergence of generated events from truth by a learned ratio [nat an event].

    Parameters
    ----------
    features:
        standardised features of both samples.
    rng:
        chooses events, kernels, divisions and halves.
    replicates:
        number of divisions of the events, if not the usual one.
    most_events:
        of each sample; of more, this number is chosen at random.

    Raises
    ------
    ValueError
        if a sample has too few events to divide.
    """
    rows = [
        np.sort(rng.choice(found := np.flatnonzero(w), min(most_events, len(found)), replace=False))
        for w in (features.truth_weights, features.generated_weights)
    ]
    used = features.take(rows[0], rows[1])
    number = {} if replicates is None else {"replicates": replicates}
    drawn = Replicates.draw(used.truth_weights, used.generated_weights, rng, **number)
    kernels = _Kernels.of(used, rng)
    both, n = kernels.of_events(np.concatenate([used.truth, used.generated])), len(used.truth)
    in_truth = np.concatenate([np.ones(n, dtype=np.int16), np.zeros(len(used.generated), dtype=np.int16)])[None]
    weights = drawn.exchange.weights
    value = float(_divergences(both, weights * in_truth, weights * (1 - in_truth))[0])
    exchange = _divided(both, drawn.exchange)
    spread = _divided(both, drawn.bootstrap)
    chance = drawn.halves.shrink * _divided(both[:n], drawn.halves)
    distance = Distance(
        value=value,
        uncertainty=error_of_quadratic(spread, chance),
        truth_value=float(chance.mean()),
        truth_uncertainty=float(chance.std(ddof=1)),
        p_value=p_value(value, exchange),
    )
    excess, deficit = _regions(used, both, rng)
    size = 2 * effective_size(used.generated_weights)
    return LearnedRatio(distance, size * value, (n, len(used.generated)), excess, deficit)


@dataclass(frozen=True)
class _Kernels:
    """Gaussian kernels about centres, (C, F), orthonormal in the space of the kernel: (C, C)."""

    centres: Tensor
    width: float
    whitening: Tensor

    @classmethod
    def of(cls, features: Features, rng: np.random.Generator) -> _Kernels:
        import torch

        both = np.concatenate([features.truth, features.generated])
        width = float(np.quantile(pair_distances(features, rng, PAIRS), QUANTILE)) or 1.0
        chosen = rng.choice(len(both), max(1, min(CENTRES, len(both) // EVENTS_A_CENTRE)), replace=False)
        centres = torch.from_numpy(both[chosen])
        values, vectors = torch.linalg.eigh(_gaussian(centres, centres, width))
        # Directions that double precision cannot resolve are left out.
        kept = values > 1e-10 * values[-1]
        return cls(centres, width, vectors[:, kept] / values[kept].sqrt())

    def of_events(self, values: np.ndarray) -> Tensor:
        """Return the features of the kernel, (N, C), whose products are its values."""
        import torch

        return (_gaussian(torch.from_numpy(values), self.centres, self.width) @ self.whitening).float()


def _gaussian(x: Tensor, y: Tensor, width: float) -> Tensor:
    import torch

    return torch.exp(torch.cdist(x, y).square() / (-2 * width**2))


def _divided(kernels: Tensor, divisions: Divisions) -> np.ndarray:
    """Return the divergence of each division's second group from the first, (R,)."""
    found = []
    step = max(1, MOST_BYTES // (8 * len(kernels)))
    for start in range(0, len(divisions), step):
        chosen = slice(start, start + step)
        groups = [
            group[chosen][:, divisions.blocks] * divisions.weights for group in (divisions.first, divisions.second)
        ]
        found.append(_divergences(kernels, *groups))
    return np.concatenate(found)


def _divergences(kernels: Tensor, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the divergence of the second group from the first for the weights of each replicate, (R, N) each: (R,)."""
    import torch

    a, b = _shares(first), _shares(second)
    log_ratio = _log_ratio(kernels, _fitted(kernels, a, b))
    value = (b * log_ratio).sum(dim=0) - (a * torch.expm1(log_ratio)).sum(dim=0)
    return np.asarray(value.double())


def _shares(group: np.ndarray) -> Tensor:
    """Return the weights of a group for each replicate, (R, N), as shares of their sum: (N, R)."""
    import torch

    return torch.from_numpy((group / group.sum(axis=1, keepdims=True)).T.astype(np.float32))


def _log_ratio(kernels: Tensor, coefficients: Tensor) -> Tensor:
    return (kernels @ coefficients.float()).clamp(-LARGEST, LARGEST)


def _fitted(kernels: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the coefficients of the log ratio of b over a, the shares of the events in two groups, (N, R): (C, R)."""
    import torch

    # The largest weight of each event in any replicate makes the curvature an upper bound for all of them.
    most = (a + b).max(dim=1, keepdim=True).values.double()
    wide = kernels.double()
    curvature = 0.25 * wide.T @ (most * wide)
    curvature += 2 * PENALTY * torch.eye(len(curvature), dtype=torch.float64)
    root = torch.linalg.cholesky(curvature)
    coefficients = torch.zeros(kernels.shape[1], a.shape[1], dtype=torch.float64)
    for _ in range(STEPS):
        share = torch.sigmoid(_log_ratio(kernels, coefficients))
        slope = (kernels.T @ ((a + b) * share - b)).double() + 2 * PENALTY * coefficients
        coefficients -= torch.cholesky_solve(slope, root)
    return coefficients


def _regions(features: Features, kernels: Tensor, rng: np.random.Generator) -> tuple[Region | None, Region | None]:
    """Return the regions of most excess and most deficit, found on one half of the events and counted on the other."""
    n, m = len(features.truth), len(features.generated)
    trained = [rng.permutation(size) < size // 2 for size in (n, m)]
    truth, generated = features.truth_weights, features.generated_weights
    nothing = np.zeros(n + m)
    groups = nothing.copy(), nothing.copy()
    groups[0][:n], groups[1][n:] = truth * trained[0], generated * trained[1]
    coefficients = _fitted(kernels, *(_shares(group[None]) for group in groups))
    log_ratio = np.asarray(_log_ratio(kernels, coefficients)[:, 0].double())
    learned = log_ratio[:n][trained[0]], truth[trained[0]]
    low, high = (weighted_quantile(*learned, level) for level in (REGION, 1 - REGION))
    there = [log_ratio[:n][~trained[0]], log_ratio[n:][~trained[1]]]
    weights = truth[~trained[0]], generated[~trained[1]]
    values = features.truth[~trained[0]]
    return (
        _region(features, values, [one >= high for one in there], weights),
        _region(features, values, [one <= low for one in there], weights),
    )


def _region(
    features: Features, values: np.ndarray, inside: list[np.ndarray], weights: tuple[np.ndarray, np.ndarray]
) -> Region | None:
    """Return the ratio of the weighted shares inside, and what sets the truth's events inside apart."""
    shares = [float(w[one].sum() / w.sum()) for one, w in zip(inside, weights, strict=True)]
    spread = [s * (1 - s) / effective_size(w) for s, w in zip(shares, weights, strict=True)]
    pooled = float(np.mean(shares))
    chance = pooled * (1 - pooled) * sum(1 / effective_size(w) for w in weights)
    if shares[0] == 0 or chance == 0:
        return None
    ratio = shares[1] / shares[0]
    error = float(np.sqrt(spread[1] + ratio**2 * spread[0])) / shares[0]
    mean = np.average(values[inside[0]], axis=0, weights=weights[0][inside[0]])
    most = np.argsort(-np.abs(mean))[:2]
    apart = tuple((features.names[k], float(mean[k])) for k in most)
    return Region(ratio, error, float(2 * norm.sf(abs(shares[1] - shares[0]) / chance**0.5)), apart)
