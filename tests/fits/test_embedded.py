"""Events for fits: what is refused and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulacra.fits.embedded import embedded


def test_bad_events_are_refused() -> None:
    good = torch.zeros(4, 2)
    bad = good.clone()
    bad[2, 1] = torch.nan
    bad[3, 0] = torch.inf
    with pytest.raises(ValueError, match="no pseudo-data events"):
        embedded(torch.zeros(0, 2), label="pseudo-data")
    with pytest.raises(ValueError, match="no data events"):
        embedded([])
    with pytest.raises(ValueError, match=r"embedding of event 2 is NaN or infinite \(2 of 4"):
        embedded(bad)
    with pytest.raises(ValueError, match=r"embedding 1 has the shape \(3, 2\)"):
        embedded([good, torch.zeros(3, 2)])
    with pytest.raises(ValueError, match=r"embedding 0 has the shape \(4,\)"):
        embedded(torch.zeros(4))
    with pytest.raises(ValueError, match="not floating point"):
        embedded(torch.zeros(4, 2, dtype=torch.int32))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0, 3.0], r"weights have the shape \(3,\)"),
        ([0.0, 0.0, 0.0, 0.0], "all 4 weights are zero"),
        ([1.0, -1.0, -1.0, 0.5], r"weights sum to -0.5; negative"),
        ([1.0, -1.0, 0.0, 0.0], "weights sum to 0; negative"),
        ([1.0, np.nan, 1.0, 1.0], "weight of event 1 is nan"),
        ([1.0, 1.0, 1.0, np.inf], "weight of event 3 is inf"),
    ],
)
def test_bad_weights_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        embedded(torch.zeros(4, 2), np.array(weights))


def test_sizes_and_selections() -> None:
    events = embedded([torch.arange(4.0)[:, None], torch.ones(4, 3)], np.array([1.0, 2.0, 3.0, -1.0]))
    assert len(events) == 4
    assert events.effective_size == pytest.approx(25 / 15)
    assert events.shares.sum() == pytest.approx(1)
    assert events.of_member(1).shape == (4, 3)
    chosen = events.select(np.array([2, 0]))
    assert chosen.of_member(0)[:, 0].tolist() == [2.0, 0.0]
    assert chosen.weights.tolist() == [3.0, 1.0]
    counted = events.reweighted(np.array([0, 2, 1, 0]))
    assert counted.of_member(0)[:, 0].tolist() == [1.0, 2.0]
    assert counted.weights.tolist() == [4.0, 3.0]


def test_tensors_of_inference_mode_are_usable() -> None:
    with torch.inference_mode():
        z = torch.ones(4, 2)
    assert not embedded(z).of_member(0).is_inference()
