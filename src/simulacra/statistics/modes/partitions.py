"""Divisions of truth events into cells: a few modes, many clusters, and slices of each feature."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from simulacra.statistics.modes.strata import nearest_centre

MOST_MODES: Final = 8
EVENTS_A_MODE: Final = 25
MOST_MIXED: Final = 3000
MOST_COMPONENTS: Final = 8
EVENTS_A_CLUSTER: Final = 50
MOST_CLUSTERS: Final = 80
FEWEST_CLUSTERS: Final = 8
FEWEST_SLICES: Final = 4
MOST_CLUSTERED: Final = 10_000
MOST_SLICES: Final = 10
REGULARISATION: Final = 1e-3
STARTS: Final = 2


@dataclass(frozen=True)
class Partition:
    """A division of events into cells.

    Attributes
    ----------
    kind:
        "mode", "cluster" or "slice".
    n_cells:
        number of cells.
    assign:
        the cell of each event from its standardised features, (N, F) to (N,).
    feature, edges:
        of slices: the number of the feature and the inner edges, in its standardised value.
    """

    kind: str
    n_cells: int
    assign: Callable[[np.ndarray], np.ndarray]
    feature: int = -1
    edges: tuple[float, ...] = ()


def modes(values: np.ndarray, weights: np.ndarray, seed: int) -> Partition:
    """Return the components of the Gaussian mixture, at most eight, that describes the events best (by its BIC).

    A mixture of too many components is fitted first; then the two most similar ones are repeatedly joined (Runnalls,
    IEEE Transactions on Aerospace and Electronic Systems 43 (2007) 989), and the mixture is fitted again. A fit that
    starts from few components too often ends in a bad local optimum.

    Parameters
    ----------
    values:
        standardised features, (N, F); their leading principal components are used.
    weights:
        (N,).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    covariance = (weights[:, None] * values).T @ values / weights.sum()
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :MOST_COMPONENTS]
    points = _unweighted(values, weights, MOST_MIXED, seed) @ axes
    most = min(MOST_MODES, len(points) // EVENTS_A_MODE, len(np.unique(points, axis=0)))
    fitted: list[tuple[float, GaussianMixture]] = []
    start: dict[str, np.ndarray] = {}
    for k in range(max(1, most), 0, -1):
        mixture = GaussianMixture(
            k, reg_covar=REGULARISATION, max_iter=100, n_init=1 if start else STARTS, random_state=seed, **start
        )
        with warnings.catch_warnings():
            # An unconverged mixture is as good a division as any; features with few values have equal points.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.append((float(mixture.fit(points).bic(points)), mixture))
        if k > 1:
            start = _joined(mixture.weights_, mixture.means_, mixture.covariances_)
    best = min(fitted, key=lambda one: one[0])[1]
    return Partition("mode", best.n_components, lambda x: np.asarray(best.predict(x @ axes)))


def _joined(weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> dict[str, np.ndarray]:
    """Return the start of a mixture of one component fewer: the two most similar ones joined, with the same moments."""
    volume = np.linalg.slogdet(covariances)[1]
    best: tuple[float, int, int, np.ndarray, np.ndarray] | None = None
    for i, j in combinations(range(len(weights)), 2):
        share = weights[i] / (weights[i] + weights[j])
        apart = means[i] - means[j]
        mean = share * means[i] + (1 - share) * means[j]
        covariance = (
            share * covariances[i] + (1 - share) * covariances[j] + share * (1 - share) * np.outer(apart, apart)
        )
        cost = (weights[i] + weights[j]) * np.linalg.slogdet(covariance)[1]
        cost -= weights[i] * volume[i] + weights[j] * volume[j]
        if best is None or cost < best[0]:
            best = (float(cost), i, j, mean, covariance)
    if best is None:
        raise ValueError("one component cannot be joined with another")
    _, i, j, mean, covariance = best
    others = [k for k in range(len(weights)) if k not in (i, j)]
    precisions = np.linalg.inv(np.concatenate([covariances[others], covariance[None]]))
    share = np.append(weights[others], weights[i] + weights[j])
    return {
        "weights_init": share / share.sum(),
        "means_init": np.concatenate([means[others], mean[None]]),
        "precisions_init": (precisions + precisions.transpose(0, 2, 1)) / 2,
    }


def clusters(values: np.ndarray, weights: np.ndarray, seed: int) -> Partition:
    """Return k-means clusters, as many as the number of events allows; ``values`` (N, F), ``weights`` (N,)."""
    from sklearn.cluster import KMeans

    points = _unweighted(values, weights, MOST_CLUSTERED, seed)
    wanted = int(np.clip(len(points) // EVENTS_A_CLUSTER, FEWEST_CLUSTERS, MOST_CLUSTERS))
    wanted = min(wanted, len(np.unique(points, axis=0)))
    centres = KMeans(wanted, n_init=1, max_iter=50, random_state=seed).fit(points).cluster_centers_
    return Partition("cluster", len(centres), lambda x: nearest_centre(x, centres))


def slices(values: np.ndarray, weights: np.ndarray) -> list[Partition]:
    """Return, for each feature, slices with equal shares of the events; ``values`` (N, F), ``weights`` (N,)."""
    size = weights.sum() ** 2 / np.sum(weights**2)
    wanted = int(np.clip(size // EVENTS_A_CLUSTER, FEWEST_SLICES, MOST_SLICES))
    found = []
    for feature, column in enumerate(values.T):
        order = np.argsort(column, kind="stable")
        cumulative = np.cumsum(weights[order]) / weights.sum()
        places = np.searchsorted(cumulative, np.arange(1, wanted) / wanted)
        edges = np.unique(column[order][np.minimum(places, len(order) - 1)])
        edges = edges[edges > column[order[0]]]
        if len(edges):
            found.append(Partition("slice", len(edges) + 1, _slicer(feature, edges), feature, tuple(edges.tolist())))
    return found


def _slicer(feature: int, edges: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.searchsorted(edges, x[:, feature], side="right")


def _unweighted(values: np.ndarray, weights: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return at most ``most`` events that represent the weighted ones, each at most in proportion to its weight."""
    rng = np.random.default_rng(seed)
    if not np.ptp(weights):
        return np.asarray(values[rng.permutation(len(values))[:most]])
    n = min(most, len(values))
    return np.asarray(values[rng.choice(len(values), n, p=weights / weights.sum())])
