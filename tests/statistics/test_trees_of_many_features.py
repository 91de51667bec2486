"""Boosted trees on tens of thousands of features: fewer bins, and none of those that cannot divide the events."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.statistics.classifiers import trees
from simulacra.statistics.classifiers.members import cross_validation
from simulacra.statistics.classifiers.trees import TREE_BINS, bins_that_fit, can_divide, tree_scores


def test_bins_are_as_many_as_fit_and_as_usual_for_few_features() -> None:
    assert bins_that_fit(504) == TREE_BINS
    assert bins_that_fit(6480) == TREE_BINS
    assert 15 <= bins_that_fit(40_501) < TREE_BINS
    assert bins_that_fit(10**7) == 15


def test_a_feature_cannot_divide_events_if_nearly_all_are_equal() -> None:
    values = np.zeros((100, 5))
    values[:19, 1] = 1
    values[:20, 2] = np.arange(1, 21)
    values[:10, 3], values[10:19, 3] = -1, 1
    values[:, 4] = np.arange(100)
    assert can_divide(values, 20).tolist() == [False, False, True, False, True]


def test_features_that_cannot_divide_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 4)).astype("f4")
    labels = np.repeat([0, 1], 200)
    features[labels == 1, 2] += 1.5
    empty = np.zeros((400, 30), dtype="f4")
    empty[rng.integers(0, 400, 10), rng.integers(0, 30, 10)] = 1
    plan = cross_validation(labels, 4, 1, rng)
    monkeypatch.setattr(trees, "MOST_BYTES", 20 * 15 * 34 * 30)
    assert bins_that_fit(34) < TREE_BINS == bins_that_fit(4)
    with_empty = tree_scores(np.column_stack([empty, features]), labels, np.ones(400), plan.members, 3)
    without = tree_scores(features, labels, np.ones(400), plan.members, 3)
    for one, other in zip(with_empty, without, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(tree_scores(empty, labels, np.ones(400), plan.members, 3)[0]).all()
