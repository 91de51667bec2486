"""Weights that events bring along."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.reweighting.prior_weights import WeightError, checked_weights, class_weights, effective_events


def test_no_weights_are_ones() -> None:
    np.testing.assert_array_equal(checked_weights(None, 3, "source"), np.ones(3))


def test_single_negative_weights_are_let_through() -> None:
    np.testing.assert_array_equal(checked_weights(np.array([2, -1, 0]), 3, "source"), [2.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("weights", "n", "message"),
    [
        (None, 0, "the source holds no events"),
        (np.ones(2), 3, r"3 events and weights of shape \(2,\)"),
        (np.ones((3, 1)), 3, "give one per event"),
        (np.array([1.0, np.nan, np.inf]), 3, "weight 1 of the source is nan: 2 are not finite"),
        (np.zeros(3), 3, "all 3 weights of the source are zero"),
        (np.array([1.0, -2.0, 0.0]), 3, "add up to -1, which is not positive"),
        (np.array([0.1, 0.2, -0.3]), 3, "which is not positive: negative weights exceed"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights: np.ndarray | None, n: int, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        checked_weights(weights, n, "source")


def test_either_class_counts_as_much_with_100_times_more_of_one() -> None:
    source, target = class_weights(np.full(1000, 3.0), 1000, None, 10)
    assert source.sum() == pytest.approx(target.sum())
    assert source.sum() + target.sum() == pytest.approx(1010)


def test_effective_events() -> None:
    assert effective_events(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_events(np.array([1.0, 1.0, 1.0, -1.0])) == pytest.approx(1.0)
    assert effective_events(np.zeros(3)) == 0
