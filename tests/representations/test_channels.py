"""Standardised channels: what they do to Gaussians, heavy tails, sparse values, gaps and constants."""

import numpy as np
import pytest
import torch

from simulacra.representations.channels import FARTHEST, Scale, StandardisedChannels

N = 20_000


def fitted(values: np.ndarray, scale: Scale = "auto", present: np.ndarray | None = None) -> StandardisedChannels:
    tensor = torch.from_numpy(values.astype("f4"))
    channels = StandardisedChannels(values.shape[1], scale)
    channels.fit(tensor, None if present is None else torch.from_numpy(present))
    return channels


def test_a_gaussian_stays_linear_and_a_heavy_tail_becomes_a_logarithm() -> None:
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(3, 2, (N, 4)), rng.lognormal(0, 1.5, (N, 4)), rng.exponential(size=(N, 4))], axis=1)
    channels = fitted(values)
    assert channels.tailed.tolist() == [False, True, False]
    found = channels(torch.from_numpy(values.astype("f4"))).numpy()
    np.testing.assert_allclose(found.mean(axis=(0, 2)), 0.0, atol=0.01)
    np.testing.assert_allclose(found.std(axis=(0, 2)), 1.0, atol=0.01)
    np.testing.assert_allclose(found[:, 0], (values[:, 0] - 3) / 2, atol=0.05)
    # In the tail, ten times as large is as much further each time.
    tail = channels(torch.tensor([[[0.0], [1e3], [0.0]], [[0.0], [1e4], [0.0]], [[0.0], [1e5], [0.0]]]))[:, 1, 0]
    assert float(tail[2] - tail[1]) == pytest.approx(float(tail[1] - tail[0]), rel=1e-3)


def test_the_scale_can_be_chosen() -> None:
    rng = np.random.default_rng(2)
    values = rng.lognormal(0, 1.5, (N, 1, 4))
    assert fitted(values, "linear").tailed.tolist() == [False]
    assert fitted(rng.normal(size=(N, 1, 4)), "asinh").tailed.tolist() == [True]
    # Nothing is lost: equal values alone become equal.
    x = torch.linspace(-5, 50, 200).reshape(-1, 1, 1)
    assert bool((fitted(values)(x).flatten().diff() > 0).all())


def test_sparse_values_have_the_scale_of_what_is_not_zero() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random((N, 1, 8)) < 0.05, rng.lognormal(4, 1, (N, 1, 8)), 0.0)
    channels = fitted(values)
    assert channels.tailed.tolist() == [True]
    assert float(channels.middle) == 0
    assert float(channels.spread) == pytest.approx(np.exp(4), rel=0.05)


def test_entries_that_are_not_there_count_for_nothing() -> None:
    rng = np.random.default_rng(4)
    values, present = rng.normal(5, 1, (N, 1, 8)), rng.random((N, 1, 8)) < 0.4
    channels = fitted(np.where(present, values, 1e9), present=present)
    assert float(channels.middle) == pytest.approx(5, abs=0.05)
    empty = fitted(values, present=np.zeros_like(present))
    torch.testing.assert_close(empty(torch.ones(1, 1, 1)), torch.ones(1, 1, 1))


def test_constants_and_far_values_stay_finite() -> None:
    channels = fitted(np.full((50, 1, 3), 7.0))
    assert float(channels(torch.full((1, 1, 1), 7.0))) == 0
    far = fitted(np.random.default_rng(5).normal(size=(500, 1, 3)))(torch.full((1, 1, 1), 1e30))
    assert float(far) == FARTHEST
    assert bool(torch.isfinite(far.half()).all())
