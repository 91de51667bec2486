"""What weights cost, against the closed forms of shifted Gaussians."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_shift import SHIFT, exact_weights, samples
from simulacra.reweighting.prior_weights import WeightError
from simulacra.reweighting.weights_summary import summarise_weights


def test_gaussian_shift() -> None:
    """Mean 1 and effective share exp(-shift^2); 4 standard deviations, false alarms about 1e-4."""
    n = 40_000
    source, _ = samples(n, 1, 1)
    found = summarise_weights(exact_weights(source))
    assert found.normalisation == pytest.approx(1, abs=4 * np.sqrt((np.exp(SHIFT**2) - 1) / n))
    assert found.effective_share == pytest.approx(np.exp(-(SHIFT**2)), abs=0.02)
    assert found.quantiles["0.5"] == pytest.approx(np.exp(-(SHIFT**2) / 2), rel=0.02)
    assert found.effective_size == pytest.approx(found.effective_share * n)
    assert found.warnings == ()


def test_the_events_own_weights_count() -> None:
    """Drawing from N(0.5, 1) with weights of the inverse shift is the source again: the same mean and cost."""
    n = 40_000
    drawn = samples(1, n, 2)[1]
    own = 1 / exact_weights(drawn)
    found = summarise_weights(exact_weights(drawn), source_weights=own)
    assert found.total == pytest.approx(n)
    assert found.effective_size == pytest.approx(n)
    assert found.own_effective_size < n
    assert found.normalisation == pytest.approx(n / own.sum())


def test_one_large_weight_is_named_and_warned_about() -> None:
    weights = np.ones(1000)
    weights[[3, 17]] = 0, 300
    found = summarise_weights(weights)
    assert (found.largest, found.largest_event, found.zero_share) == (300, 17, 0.001)
    assert found.largest_share == pytest.approx(300 / 1298)
    assert any("row 17" in warning and "clip" in warning for warning in found.warnings)
    assert any("factor 1.298" in warning for warning in found.warnings)
    assert any("overlap little" in warning for warning in found.warnings)
    assert "0.1 % have none" in found.sentences[-1]


def test_signed_weights() -> None:
    found = summarise_weights(np.array([2.0, 1.0, 1.0, 1.0]), source_weights=np.array([-1.0, 1.0, 1.0, 1.0]))
    assert found.total == 1
    assert found.effective_size == pytest.approx(1 / 7)
    assert found.negative_share == 0.25
    assert found.largest == 2
    assert "25 % of the events have a negative weight" in found.sentences[-1]


@pytest.mark.parametrize(
    ("weights", "own", "message"),
    [
        (np.array([1.0, np.nan]), None, "weight 1 of the reweighted source is nan"),
        (np.zeros(4), None, "all 4 weights of the reweighted source are zero"),
        (np.array([3.0, 1.0]), np.array([-1.0, 2.0]), "not positive"),
        (np.array([0.0, 1.0]), np.array([1.0, 0.0]), "all 2 weights.*are zero"),
    ],
)
def test_weights_without_a_sum_are_refused(weights: np.ndarray, own: np.ndarray | None, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        summarise_weights(weights, source_weights=own)
