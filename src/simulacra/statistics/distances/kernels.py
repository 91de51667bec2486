r"""Kernel distances: quadratic, unbiased maximum mean discrepancies (Gretton et al., JMLR 13 (2012) 723, eq. 3).

.. math:: \mathrm{MMD}^2 = \frac{\sum_{i \ne j} w_i w_j k(x_i, x_j)}{\sum_{i \ne j} w_i w_j}
          + \frac{\sum_{i \ne j} v_i v_j k(y_i, y_j)}{\sum_{i \ne j} v_i v_j}
          - 2\, \frac{\sum_{i j} w_i v_j k(x_i, y_j)}{\sum_{i j} w_i v_j}

It is 0 on average for equal distributions, and then as often negative as not.

*Kernel physics distance* (KPD, arXiv:2211.10295): the kernel (x.y / F + 1)^4 of F features, and the median over batches
of at most 5,000 events of each sample. The batches are disjoint; there are as many as the events allow, at most ten.
The spread in the paper, half the range between the 16th and the 84th percentile over batches, is that of a single
batch; the error here is that of the median.

*Gaussian kernel* exp(-|x - y|^2 / 2 s^2) with s the median distance of two events (median heuristic), averaged over at
most two disjoint batches of at most 25,000 events of each sample: larger batches have more pairs and a smaller error.
The value is that at s. The p-value is that of the largest of three discrepancies, at s / 2, s and 2 s, each in standard
deviations of its own null distribution, so testing three gives no false alarms.

In each batch events change sides in whole blocks, and the kernel is summed once per block. Events beyond the last batch
are left out, at random. Features are in standard deviations of the truth; JetNet divides each by its largest absolute
value, so its values are smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.statistics.distances.divisions import REPLICATES, Divisions, Replicates, p_value
from simulacra.statistics.distances.frechet import error_of_quadratic
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features

if TYPE_CHECKING:
    from torch import Tensor

    Powers = Callable[[Tensor], Iterator[Tensor]]
    Factors = Callable[[Tensor], tuple[Tensor, Tensor, Powers]]

BATCH, MOST_BATCHES = 5_000, 10
GAUSSIAN_BATCH, MOST_GAUSSIAN_BATCHES = 25_000, 2
BLOCKS: Final = 40
PAIRS: Final = 2_000
#: in standard deviations of the truth; for larger values, sums of fourth powers of products overflow float32
FARTHEST: Final = 3e3
# Pairs at a time: a few MB, which stay in a processor's cache.
TILE: Final = 1_000_000


@dataclass(frozen=True)
class KernelDistance:
    """A squared maximum mean discrepancy.

    Attributes
    ----------
    distance:
        value, error, null and p-value.
    spread:
        half the range between the 16th and the 84th percentile of the batches' values; None for a single batch.
    batches, batch_truth, batch_generated:
        number of batches, and of events of each sample in each batch.
    bandwidth:
        s of the Gaussian kernel [truth standard deviations]; None for the polynomial one.
    """

    distance: Distance
    spread: float | None
    batches: int
    batch_truth: int
    batch_generated: int
    bandwidth: float | None = None


def kernel_physics_distance(
    features: Features, rng: np.random.Generator, *, replicates: int = REPLICATES
) -> KernelDistance:
    """Return the kernel physics distance, unbounded below.

    Raises
    ------
    ValueError
        if a sample has too few events to divide.
    """
    batches = _batches(features, rng, _polynomial, replicates, BATCH, MOST_BATCHES)
    return _kernel_distance(batches, lambda values: np.median(values, axis=0))


def maximum_mean_discrepancy(
    features: Features,
    rng: np.random.Generator,
    *,
    bandwidth: float | None = None,
    replicates: int = REPLICATES,
) -> KernelDistance:
    """Return the squared maximum mean discrepancy of a Gaussian kernel, unbounded below.

    Parameters
    ----------
    bandwidth:
        s [truth standard deviations]; the median distance of two events if None.

    Raises
    ------
    ValueError
        if a sample has too few events to divide, or the bandwidth is not above 0.
    """
    s = median_distance(features, rng) if bandwidth is None else float(bandwidth)
    if not (math.isfinite(s) and s > 0):
        raise ValueError(f"the Gaussian kernel's bandwidth must be above 0 and finite, not {s}")

    batches = _batches(
        features, rng, partial(_gaussians, bandwidth=s), replicates, GAUSSIAN_BATCH, MOST_GAUSSIAN_BATCHES
    )
    found = _kernel_distance(batches, lambda values: np.mean(values, axis=0), 1, s)
    values, exchange = np.mean([b.value for b in batches], axis=0), np.mean([b.exchange for b in batches], axis=0)
    scale = exchange.std(axis=0, ddof=1)
    scale[scale == 0] = 1.0
    p = p_value(float((values / scale).max()), (exchange / scale).max(axis=1))
    return replace(found, distance=replace(found.distance, p_value=p))


def median_distance(features: Features, rng: np.random.Generator) -> float:
    """Return the median distance of two events of both samples together [truth standard deviations], 1 if it is 0."""
    return float(np.median(pair_distances(features, rng, PAIRS))) or 1.0


def pair_distances(features: Features, rng: np.random.Generator, pairs: int) -> np.ndarray:
    """Return the distances of random pairs of events of both samples together [truth standard deviations], (pairs,)."""
    both = np.concatenate([features.truth, features.generated])
    share = np.concatenate([w / w.sum() for w in (features.truth_weights, features.generated_weights)]) / 2
    chosen = both[rng.choice(len(both), (2, pairs), p=share)]
    return np.asarray(np.linalg.norm(chosen[0] - chosen[1], axis=1))


@dataclass(frozen=True)
class _Batch:
    """One batch's discrepancies for K kernels: the value, (K,), and its replicates, (R, K) each."""

    value: np.ndarray
    exchange: np.ndarray
    bootstrap: np.ndarray
    halves: np.ndarray
    sizes: tuple[int, int]


def _kernel_distance(
    batches: list[_Batch], combine: Callable[[np.ndarray], np.ndarray], kernel: int = 0, bandwidth: float | None = None
) -> KernelDistance:
    """Return the combined result of several batches for one of their kernels."""
    values = np.array([batch.value[kernel] for batch in batches])
    exchange = combine(np.array([batch.exchange[:, kernel] for batch in batches]))
    bootstrap = combine(np.array([batch.bootstrap[:, kernel] for batch in batches]))
    chance = combine(np.array([batch.halves[:, kernel] for batch in batches]))
    value = float(combine(values))
    distance = Distance(
        value=value,
        uncertainty=error_of_quadratic(bootstrap, chance),
        truth_value=float(chance.mean()),
        truth_uncertainty=float(chance.std(ddof=1)),
        p_value=p_value(value, exchange),
    )
    low, high = np.percentile(values, [16.275, 83.725])
    spread = float(high - low) / 2 if len(batches) > 1 else None
    return KernelDistance(distance, spread, len(batches), *batches[0].sizes, bandwidth)


def _batches(
    features: Features, rng: np.random.Generator, factors: Factors, replicates: int, largest: int, most: int
) -> list[_Batch]:
    """Return the discrepancies of at most ``most`` disjoint batches of equal numbers of events, at most ``largest``."""
    # Events of weight 0 are left out; a batch could otherwise have only such events.
    rows = [np.flatnonzero(w) for w in (features.truth_weights, features.generated_weights)]
    n = min(most, -(-min(map(len, rows)) // largest))
    size = [min(largest, len(r) // max(n, 1)) for r in rows]
    orders = [rng.permutation(r) for r in rows]
    found = []
    for i in range(max(n, 1)):
        chosen = [order[i * k : (i + 1) * k] for order, k in zip(orders, size, strict=True)]
        found.append(_batch(features.take(chosen[0], chosen[1]), rng, factors, replicates))
    return found


def _batch(features: Features, rng: np.random.Generator, factors: Factors, replicates: int) -> _Batch:
    drawn = Replicates.draw(
        features.truth_weights, features.generated_weights, rng, replicates=replicates, blocks=BLOCKS
    )
    gram = _block_gram(np.concatenate([features.truth, features.generated]), drawn.exchange, factors)
    blocks = drawn.halves.n_blocks
    in_truth = np.arange(2 * blocks)[None] < blocks
    weights, squares = drawn.exchange.block_sums(np.ones(len(drawn.exchange.weights))), _squares(drawn.exchange)
    both = weights, squares
    alone = weights[:blocks], squares[:blocks]
    return _Batch(
        _discrepancies(gram, *both, in_truth, ~in_truth)[0],
        _discrepancies(gram, *both, drawn.exchange.first, drawn.exchange.second),
        _discrepancies(gram, *both, drawn.bootstrap.first, drawn.bootstrap.second),
        drawn.halves.shrink
        * _discrepancies(gram[:, :blocks, :blocks], *alone, drawn.halves.first, drawn.halves.second),
        (len(features.truth), len(features.generated)),
    )


def _squares(divisions: Divisions) -> np.ndarray:
    """Return the sum of squared weights in each block, (B,)."""
    return divisions.block_sums(divisions.weights)


def _polynomial(x: Tensor) -> tuple[Tensor, Tensor, Powers]:
    """Return factors whose products are x.y / F + 1, (N, F + 1) each, and the fourth power in place."""
    import torch

    factor = torch.cat([x / math.sqrt(x.shape[1]), torch.ones(len(x), 1)], dim=1)

    def kernels(product: Tensor) -> Iterator[Tensor]:
        yield product.square_().square_()

    return factor, factor, kernels


def _gaussians(x: Tensor, *, bandwidth: float) -> tuple[Tensor, Tensor, Powers]:
    """Return factors whose products are -|x - y|^2 / 8 s^2, (N, F + 2) each, and Gaussians of width 2 s, s, s / 2."""
    import torch

    norm = -x.square().sum(dim=1, keepdim=True) / (8 * bandwidth**2)
    scaled, one = x / (2 * bandwidth), torch.ones(len(x), 1)

    def kernels(product: Tensor) -> Iterator[Tensor]:
        yield product.exp_()
        for _ in range(2):
            yield product.square_().square_()

    return torch.cat([scaled, norm, one], dim=1), torch.cat([scaled, one, norm], dim=1), kernels


def _block_gram(values: np.ndarray, divisions: Divisions, factors: Factors) -> np.ndarray:
    """Return the sums of w_i w_j k(x_i, x_j) over pairs of different events of two blocks, (K, B, B)."""
    import torch

    order, n_blocks = np.argsort(divisions.blocks, kind="stable"), divisions.n_blocks
    blocks, weights = divisions.blocks[order], divisions.weights[order]
    ends = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=n_blocks))])
    near = np.clip(values[order], -FARTHEST, FARTHEST)
    left, right, kernels = factors(torch.from_numpy(np.ascontiguousarray(near, dtype=np.float32)))
    # Weights of about 1 keep the sums far from float32's ends.
    single = torch.from_numpy((weights * len(order)).astype(np.float32))
    # The pair of an event with itself, computed with the same arithmetic.
    own = np.array([k.numpy().astype(np.float64) for k in map(torch.clone, kernels((left * right).sum(dim=1)))])

    def row(block: int) -> np.ndarray:
        start, stop = int(ends[block]), int(ends[block + 1])
        width = max(1, TILE // (stop - start))
        found = np.zeros((len(own), n_blocks))
        for tile in (slice(i, i + width) for i in range(start, len(order), width)):
            for total, kernel in zip(found, kernels(left[start:stop] @ right[tile].T), strict=True):
                column = (single[start:stop] @ kernel).numpy() / len(order)
                total[:] += np.bincount(blocks[tile], weights[tile] * column, n_blocks)
        found[:, block] -= own[:, start:stop] @ weights[start:stop] ** 2
        return found

    threads = torch.get_num_threads()
    # One tile a thread, instead of many threads that wait for each other at the end of every small tile.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            gram = np.stack(list(pool.map(row, range(n_blocks))), axis=1)
    finally:
        torch.set_num_threads(threads)
    return np.asarray(np.triu(gram) + np.swapaxes(np.triu(gram, 1), 1, 2))


def _discrepancies(
    gram: np.ndarray, weights: np.ndarray, squares: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Return the discrepancies of groups with these multiplicities of the blocks, (R, B) each: (R, K)."""
    within = []
    for group in (first, second):
        m = group.astype(np.float64)
        pairs = (m @ weights) ** 2 - m @ squares
        # Two copies of a block, in a bootstrap, share events: other pairs of that block replace those of an event
        # with itself, so that every event keeps equally many partners.
        instead = squares / (weights**2 - squares) * np.diagonal(gram, axis1=1, axis2=2)
        sums = np.einsum("rb,kbc,rc->rk", m, gram, m, optimize=True) + (m * (m - 1)) @ instead.T
        within.append(sums / pairs[:, None])
    f, s = first.astype(np.float64), second.astype(np.float64)
    across = np.einsum("rb,kbc,rc->rk", f, gram, s, optimize=True) / ((f @ weights) * (s @ weights))[:, None]
    return np.asarray(within[0] + within[1] - 2 * across)
