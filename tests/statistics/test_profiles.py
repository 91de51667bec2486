"""Profiles against an energy, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.statistics.distances.profiles import bin_edges, profile


def test_mean_and_width_of_a_gaussian_and_their_errors() -> None:
    rng = np.random.default_rng(1)
    edges = np.array([0.0, 1.0])
    drawn = [profile(np.full(500, 0.5), rng.normal(2, 0.3, 500), np.ones(500), edges) for _ in range(200)]
    means, widths = (np.array([getattr(p, name)[0] for p in drawn]) for name in ("mean", "width"))
    assert means.mean() == pytest.approx(2.0, abs=0.005)
    assert widths.mean() == pytest.approx(0.3, abs=0.005)
    assert np.mean([p.mean_error[0] for p in drawn]) == pytest.approx(means.std(), rel=0.2)
    assert np.mean([p.width_error[0] for p in drawn]) == pytest.approx(widths.std(), rel=0.2)


def test_width_ignores_a_few_outliers() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(1, 0.1, 1000)
    values[:10] = -50
    assert profile(np.zeros(1000), values, np.ones(1000), np.array([-1.0, 1.0])).width[0] == pytest.approx(0.1, rel=0.1)


def test_bins_take_the_right_events_with_their_weights() -> None:
    condition, values = np.array([1.0, 1.5, 2.0, 5.0]), np.array([10.0, 20.0, 30.0, 99.0])
    found = profile(condition, values, np.array([1.0, 3.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0]))
    assert found.mean == pytest.approx([17.5, 30.0])
    assert found.position == pytest.approx([1.375, 2.0])
    assert found.n == pytest.approx([1.6, 1.0])


def test_edges_hold_equally_many_truth_events() -> None:
    rng = np.random.default_rng(3)
    truth, generated = 100 ** rng.random(1200), 100 ** rng.random(1200)
    edges = bin_edges(truth, generated, bins=6)
    assert np.histogram(truth, edges)[0].tolist() == [200] * 6
    assert len(bin_edges(truth, generated[generated < 20], bins=6)) < 7
    assert len(bin_edges(truth, generated + 1000, bins=6)) == 0


def test_few_energies_have_a_bin_each() -> None:
    energies = np.repeat([1.0, 10.0, 50.0], 40)
    edges = bin_edges(energies, energies)
    assert np.histogram(energies, edges)[0].tolist() == [40, 40, 40]
    one = bin_edges(np.full(50, 30.0), np.full(50, 30.0))
    assert one[0] < 30 < one[1]
