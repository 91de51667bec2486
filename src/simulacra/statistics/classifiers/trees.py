"""Boosted decision trees as two-sample classifiers: scikit-learn's, on features in bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from simulacra.statistics.classifiers.members import Member

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

TREE_BINS: Final = 63
EVENTS_A_LEAF: Final = 150
LEAVES: Final = (20, 200)
LEAVES_A_TREE: Final = 15
#: memory of a tree's histograms [bytes]; a bin has two numbers in double precision and a count
MOST_BYTES: Final = 2**28
BYTES_A_BIN: Final = 20
FEWEST_BINS: Final = 15
#: values that are scored at once
AT_ONCE: Final = 2**23


def tree_scores(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: Sequence[Member], seed: int
) -> list[np.ndarray]:
    """Return each member's log-odds of label 1 for its test events.

    Parameters
    ----------
    features:
        (N, F), finite.
    labels:
        0 or 1, (N,).
    weights:
        non-negative weight of each event in the loss, (N,).
    """
    rng = np.random.default_rng(seed)
    weighted = bool(np.ptp(weights) > 0)
    bins = bins_that_fit(features.shape[1])
    if bins < TREE_BINS:
        # Most cells of a fine calorimeter are empty in nearly all events.
        useful = can_divide(features, LEAVES[0])
        features = features[:, useful if useful.any() else slice(1)]
        bins = bins_that_fit(features.shape[1])
    if weighted:
        features = binned(features, bin_edges(features, bins))
    scores = []
    for member in members:
        rows = member.training
        model = fit_trees(
            features[rows],
            labels[rows],
            weights[rows] if weighted else None,
            int(rng.integers(2**31)),
            bins=bins,
            # Small differences between large samples drown in the fluctuations of small leaves.
            fewest_in_leaf=int(np.clip(len(rows) // EVENTS_A_LEAF, *LEAVES)),
            # With hundreds of cells, a tenth of them per split is as good and several times as fast.
            features_a_split=min(1.0, max(0.1, 20 / features.shape[1])),
        )
        # In double precision, of which only a block is in memory at once.
        blocks = np.array_split(member.held_out, max(1, len(member.held_out) * features.shape[1] // AT_ONCE))
        found = [model.decision_function(features[block]) for block in blocks]
        scores.append(np.concatenate(found).astype(np.float64))
    return scores


def bins_that_fit(n_features: int) -> int:
    """Return the number of bins of each feature, fewer than usual if a tree's histograms would fill the memory."""
    most = MOST_BYTES // (BYTES_A_BIN * LEAVES_A_TREE * max(1, n_features)) - 1
    return int(np.clip(most, FEWEST_BINS, TREE_BINS))


def can_divide(features: np.ndarray, fewest: int) -> np.ndarray:
    """Return whether a feature can divide events, (N, F), into two groups of at least ``fewest``: (F,).

    It cannot if fewer events than that differ from its median.
    """
    # Few at a time, because the median copies them.
    parts = np.array_split(features, max(1, features.shape[1] // 4096), axis=1)
    other = [np.count_nonzero(part != np.median(part, axis=0), axis=0) for part in parts]
    return np.asarray(np.concatenate(other) >= fewest)


def fit_trees(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
    seed: int,
    *,
    bins: int,
    fewest_in_leaf: int,
    trees: int = 300,
    learning_rate: float = 0.1,
    leaves: int = LEAVES_A_TREE,
    features_a_split: float = 1.0,
) -> HistGradientBoostingClassifier:
    """Return boosted trees, stopped by a validation part of the events.

    Parameters
    ----------
    features, labels, weights:
        (N, F), (N,) and (N,), with non-negative weights; with weights, each feature has at most ``bins`` values.
    bins, fewest_in_leaf, trees, learning_rate, leaves, features_a_split:
        scikit-learn's max_bins, min_samples_leaf, max_iter, learning_rate, max_leaf_nodes and max_features.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=learning_rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=fewest_in_leaf,
        max_bins=bins,
        max_features=features_a_split,
        early_stopping=True,
        validation_fraction=0.15,
        n_iter_no_change=15,
        random_state=seed,
    )
    return model.fit(features, labels, sample_weight=weights)


def bin_edges(features: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return for each feature of (N, F) the edges of bins with equal numbers of events, at most (bins - 1,) each."""
    return [np.unique(np.quantile(column, np.linspace(0, 1, bins)[1:-1])) for column in features.T]


def binned(features: np.ndarray, edges: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of the bin of each value, (N, F); trees need only the order, and this avoids slow quantiles."""
    columns = [np.searchsorted(one, column, side="right") for one, column in zip(edges, features.T, strict=True)]
    return np.column_stack(columns).astype(np.float32)
