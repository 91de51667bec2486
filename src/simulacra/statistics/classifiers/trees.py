"""Boosted decision trees as two-sample classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulacra.statistics.classifiers.members import Member

TREE_BINS: Final = 63
EVENTS_A_LEAF: Final = 150
LEAVES: Final = (20, 200)


def tree_scores(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: Sequence[Member], seed: int
) -> list[np.ndarray]:
    """Return the log-odds of label 1 that each member gives to the events that it judges.

    Parameters
    ----------
    features:
        (N, F), finite.
    labels:
        0 or 1, (N,).
    weights:
        non-negative weight of each event in the loss, (N,).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(seed)
    weighted = bool(np.ptp(weights) > 0)
    if weighted:
        features = _few_values(features)
    scores = []
    for member in members:
        rows = member.training
        model = HistGradientBoostingClassifier(
            max_iter=300,
            max_leaf_nodes=15,
            # Small differences between large samples drown in the fluctuations of small leaves.
            min_samples_leaf=int(np.clip(len(rows) // EVENTS_A_LEAF, *LEAVES)),
            max_bins=TREE_BINS,
            # With hundreds of cells a tenth of them a split loses nothing and is several times as fast.
            max_features=min(1.0, max(0.1, 20 / features.shape[1])),
            early_stopping=True,
            validation_fraction=0.15,
            n_iter_no_change=15,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(features[rows], labels[rows], sample_weight=weights[rows] if weighted else None)
        scores.append(np.asarray(model.decision_function(features[member.held_out]), dtype=np.float64))
    return scores


def _few_values(features: np.ndarray) -> np.ndarray:
    """Return features on few values each, for the weighted quantiles that the trees would take are very slow."""
    few = np.empty_like(features)
    for column in range(features.shape[1]):
        edges = np.unique(np.quantile(features[:, column], np.linspace(0, 1, TREE_BINS)[1:-1]))
        few[:, column] = np.searchsorted(edges, features[:, column], side="right")
    return few
