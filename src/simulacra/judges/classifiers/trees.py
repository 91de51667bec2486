"""Boosted decision trees as two-sample classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulacra.judges.classifiers.members import Member

TREE_BINS: Final = 63
MANY_EVENTS: Final = 40_000


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
        many = len(member.training) >= MANY_EVENTS
        model = HistGradientBoostingClassifier(
            max_iter=300,
            learning_rate=0.2 if many else 0.1,
            max_leaf_nodes=31 if many else 15,
            min_samples_leaf=20,
            max_bins=TREE_BINS,
            # With hundreds of cells a tenth of them a split loses nothing and is several times as fast.
            max_features=min(1.0, max(0.1, 20 / features.shape[1])),
            early_stopping=True,
            validation_fraction=0.15,
            n_iter_no_change=8 if many else 15,
            random_state=int(rng.integers(2**31)),
        )
        rows = member.training
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
