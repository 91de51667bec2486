r"""Frechet physics distance (FPD, arXiv:2211.10295): the distance of Gaussians fitted to the features.

.. math:: d^2 = |\mu_1 - \mu_2|^2 + \mathrm{tr}\,\bigl(\Sigma_1 + \Sigma_2
          - 2\,(\Sigma_1^{1/2}\, \Sigma_2\, \Sigma_1^{1/2})^{1/2}\bigr)

For samples of n and m events of one distribution, the value is about (1/n + 1/m) times a number that grows with the
square of the number of features. FPD is the intercept of a straight line in 1/n + 1/m. Here the line passes through the
value of whole samples and the mean value of their disjoint quarters. Draws with replacement from a finite sample, as in
JetNet's implementation, share events, so the bias of the sample itself would remain. The intercept may be negative, and
is 0 on average for equal distributions. Intermediate sizes would add to its variance: under the null hypothesis a
two-point line is a sum over pairs of different quarters with equal weights. The curvature remains, of the order of 4 (F
/ n)^2 for F features.

Features are in standard deviations of the truth; JetNet divides each by its largest absolute value instead, so its
values are smaller by a factor that depends on the tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.statistics.distances.divisions import Divisions, Replicates, p_value
from simulacra.statistics.distances.two_sample import Distance
from simulacra.statistics.features import Features

PARTS: Final = 4
CHUNK: Final = 25
#: memory of the replicates that are computed together [bytes]
MOST_BYTES: Final = 2**29


def frechet_distance(
    first_mean: np.ndarray, first_covariance: np.ndarray, second_mean: np.ndarray, second_covariance: np.ndarray
) -> np.ndarray:
    """Return the squared Frechet distance of Gaussians, (...), from means (..., F) and covariances (..., F, F)."""
    mean = ((first_mean - second_mean) ** 2).sum(axis=-1)
    traces = np.trace(first_covariance, axis1=-2, axis2=-1) + np.trace(second_covariance, axis1=-2, axis2=-1)
    try:
        root = np.linalg.cholesky(first_covariance)
    except np.linalg.LinAlgError:
        # Features that are constant or depend on each other linearly: any root of the covariance will do.
        values, vectors = np.linalg.eigh(first_covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    between = np.linalg.eigvalsh(np.swapaxes(root, -2, -1) @ second_covariance @ root)
    return np.asarray(mean + traces - 2 * np.sqrt(np.maximum(between, 0.0)).sum(axis=-1))


def frechet_physics_distance(features: Features, replicates: Replicates, rng: np.random.Generator) -> Distance:
    """Return the Frechet physics distance [squared standard deviations of the truth], unbounded below.

    Parameters
    ----------
    features:
        standardised features of both samples.
    replicates:
        for the weights of these features.
    rng:
        divides the groups of the null distribution into quarters.
    """
    both = np.concatenate([features.truth, features.generated])
    moments = _Moments.of(both, replicates.exchange)
    blocks = moments.n_blocks // 2
    ordered = np.arange(moments.n_blocks)
    in_truth = np.tile(ordered < blocks, (1, 1))
    value = moments.extrapolated(in_truth, ~in_truth, ordered[None])[0]
    exchange = moments.extrapolated(
        replicates.exchange.first, replicates.exchange.second, _orders(replicates.exchange, rng)
    )
    # Quarters keep their blocks, so that no block is drawn into two of them.
    drawn = replicates.bootstrap
    spread = moments.extrapolated(drawn.first, drawn.second, np.tile(ordered, (len(drawn), 1)))
    halves = _Moments.of(features.truth, replicates.halves).extrapolated(
        replicates.halves.first, replicates.halves.second, _orders(replicates.halves, rng)
    )
    chance = replicates.halves.shrink * halves
    return Distance(
        value=float(value),
        uncertainty=error_of_quadratic(spread, chance),
        truth_value=float(chance.mean()),
        truth_uncertainty=float(chance.std(ddof=1)),
        p_value=p_value(float(value), exchange),
    )


def error_of_quadratic(bootstrap: np.ndarray, chance: np.ndarray) -> float:
    r"""Return the standard error of an unbiased squared distance from its bootstrap and its values at the null, (R,).

    The variance of such a distance is :math:`4 v |\delta|^2 + v_0` for a true difference :math:`\delta`. The bootstrap
    uses the observed difference instead of the true one; its square is too large, which adds :math:`2 v_0` on average.
    The error would be too large by the square root of 3 if the samples agree.
    """
    least = float(chance.var(ddof=1))
    return float(np.sqrt(max(float(bootstrap.var(ddof=1)) - 2 * least, least)))


@dataclass(frozen=True)
class _Moments:
    """Sums over the events of each block: of the weights and their squares, (B,), and of weighted products.

    ``products`` holds x and x x^T, (B, F + F * F); ``squares`` are sums of squared weights.
    """

    weights: np.ndarray
    squares: np.ndarray
    products: np.ndarray
    n_features: int

    @classmethod
    def of(cls, values: np.ndarray, divisions: Divisions) -> _Moments:
        order = np.argsort(divisions.blocks, kind="stable")
        ends = np.cumsum(np.bincount(divisions.blocks, minlength=divisions.n_blocks))[:-1]
        rows, weights = np.split(values[order], ends), np.split(divisions.weights[order], ends)
        first = [w @ x for x, w in zip(rows, weights, strict=True)]
        second = [(x.T @ (w[:, None] * x)).ravel() for x, w in zip(rows, weights, strict=True)]
        return cls(
            np.array([w.sum() for w in weights]),
            np.array([w @ w for w in weights]),
            np.concatenate([np.array(first), np.array(second)], axis=1),
            values.shape[1],
        )

    @property
    def n_blocks(self) -> int:
        return len(self.weights)

    def extrapolated(self, first: np.ndarray, second: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Return the intercept for groups with these multiplicities of the blocks, (R, B) each: (R,).

        A group's quarters are taken from its blocks in ``order``, (R, B), a permutation of the blocks.
        """
        # a dozen arrays of covariances of each group and its parts
        size = 12 * 8 * (1 + PARTS) * self.n_features**2
        step = max(1, min(CHUNK, MOST_BYTES // size))
        chunks = (slice(i, i + step) for i in range(0, len(first), step))
        return np.concatenate([self._intercept(first[i], second[i], order[i]) for i in chunks])

    def _intercept(self, first: np.ndarray, second: np.ndarray, order: np.ndarray) -> np.ndarray:
        a, b = self._gaussians(_with_parts(first, order)), self._gaussians(_with_parts(second, order))
        distance = frechet_distance(a[0], a[1], b[0], b[1])
        inverse_size = a[2] + b[2]
        whole, part = distance[:, 0], distance[:, 1:].mean(axis=1)
        x, x_part = inverse_size[:, 0], inverse_size[:, 1:].mean(axis=1)
        return np.asarray((x_part * whole - x * part) / (x_part - x))

    def _gaussians(self, multiplicity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return means, unbiased covariances and 1 / (effective size) for multiplicities (..., B)."""
        f = self.n_features
        total = multiplicity @ self.weights
        inverse_size = (multiplicity @ self.squares) / total**2
        products = (multiplicity @ self.products) / total[..., None]
        mean = products[..., :f]
        covariance = products[..., f:].reshape(*mean.shape, f) - mean[..., :, None] * mean[..., None, :]
        return mean, covariance / np.maximum(1 - inverse_size, 1e-12)[..., None, None], inverse_size


def _with_parts(group: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return a group's multiplicities (R, B), whole and in parts in this order of blocks: (R, 1 + PARTS, B)."""
    member = np.take_along_axis(group, order, axis=1) > 0
    rank = np.cumsum(member, axis=1) - 1
    part_in_order = np.where(member, rank * PARTS // np.maximum(member.sum(axis=1, keepdims=True), 1), -1)
    part = np.empty_like(part_in_order)
    np.put_along_axis(part, order, part_in_order, axis=1)
    parts = group[:, None, :] * (part[:, None, :] == np.arange(PARTS)[:, None])
    return np.concatenate([group[:, None, :], parts], axis=1).astype(np.float64)


def _orders(divisions: Divisions, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of the blocks for each replicate, (R, B)."""
    return np.asarray(rng.permuted(np.tile(np.arange(divisions.n_blocks), (len(divisions), 1)), axis=1))
