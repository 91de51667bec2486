"""Clipping does what its policy says and tells what it removed."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from simulacra.reweighting.clipping import (
    ClippingPolicy,
    MaximumClipping,
    NoClipping,
    QuantileClipping,
    clip_weights,
)
from simulacra.reweighting.prior_weights import WeightError

WEIGHTS = np.array([0.5, 1.0, 2.0, 6.5])


def test_none() -> None:
    found = clip_weights(WEIGHTS, NoClipping())
    np.testing.assert_array_equal(found.weights, WEIGHTS)
    assert (found.clipped, found.removed_share, found.sentence) == (0, 0.0, "No weight was clipped.")


def test_maximum() -> None:
    found = clip_weights(WEIGHTS, MaximumClipping(maximum=2.0))
    np.testing.assert_array_equal(found.weights, [0.5, 1.0, 2.0, 2.0])
    assert found.clipped == 1
    assert found.removed_share == pytest.approx(0.45)
    assert "1 of 4 weights were clipped at 2; this removed 45 % of the sum; the sum is smaller" in found.sentence


def test_sum_can_be_kept() -> None:
    own = np.array([1.0, 1.0, 2.0, 1.0])
    found = clip_weights(WEIGHTS, MaximumClipping(maximum=2.0, keep_sum=True), source_weights=own)
    assert found.weights @ own == pytest.approx(WEIGHTS @ own)
    assert found.removed_share == pytest.approx(4.5 / 12)
    assert "scaled up" in found.sentence


def test_quantile_is_one_of_the_sizes_and_signs_stay() -> None:
    weights = np.array([-8.0, *np.arange(1.0, 10.0)])
    found = clip_weights(weights, QuantileClipping(quantile=0.5))
    assert found.maximum == 6.0
    np.testing.assert_array_equal(found.weights, [-6, 1, 2, 3, 4, 5, 6, 6, 6, 6])
    assert found.clipped == 4


def test_events_without_a_weight_of_their_own_set_no_quantile() -> None:
    weights = np.array([1.0, 2.0, 50.0, 60.0, 70.0])
    found = clip_weights(weights, QuantileClipping(quantile=0.9), source_weights=np.array([1.0, 1, 0, 0, 0]))
    assert found.maximum == 2.0
    assert found.removed_share == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "maximum", "maximum": 0.0},
        {"kind": "maximum", "maximum": float("inf")},
        {"kind": "maximum"},
        {"kind": "quantile", "quantile": 1.0},
        {"kind": "quantile", "quantile": 0.5, "maxmum": 1},
        {"kind": "sometimes"},
        {"kind": "none", "keep_sum": True},
    ],
)
def test_policies_that_are_none_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ClippingPolicy).validate_python(settings)


def test_a_clipping_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(WeightError, match="is 0, which would clip all"):
        clip_weights(np.array([0.0, 0.0, 0.0, 1.0]), QuantileClipping(quantile=0.5))
    with pytest.raises(WeightError, match="clipped source"):
        clip_weights(np.array([5.0, 0.1, 1.5]), MaximumClipping(maximum=1.0), source_weights=np.array([1.0, 1.0, -1.5]))
