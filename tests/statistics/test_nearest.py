"""Nearest neighbours, of showers by the shares of their energy and of other events at near-equal conditions."""

from __future__ import annotations

import numpy as np
import pytest

from simulacra.statistics.distances.nearest import nearest_at_condition, nearest_by_shares


def test_nearest_finds_the_copy_and_its_distance() -> None:
    rng = np.random.default_rng(4)
    references = rng.gamma(0.5, 1.0, (40, 20))
    distances, numbers = nearest_by_shares(3 * references[[7, 23]], references, k=2)
    assert numbers[:, 0].tolist() == [7, 23]
    assert distances[:, 0] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert (distances[:, 1] > 0.05).all()


def test_distance_of_disjoint_showers_is_one() -> None:
    distances, _ = nearest_by_shares(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]))
    assert distances[0, 0] == pytest.approx(1.0)
    distances, _ = nearest_by_shares(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]))
    assert distances[0, 0] == pytest.approx(np.sqrt(1 - np.sqrt(0.5)), abs=1e-6)


def test_neighbours_have_nearly_the_same_energy() -> None:
    cells = np.array([[1.0, 1.0], [1.0, 1.1], [1.0, 3.0]])
    _, anywhere = nearest_by_shares(cells[:1], cells[1:])
    _, alike = nearest_by_shares(
        cells[:1], cells[1:], query_energy=np.array([10.0]), reference_energy=np.array([50.0, 11.0])
    )
    assert (anywhere[0, 0], alike[0, 0]) == (0, 1)


def test_nearest_at_condition_is_the_nearest_within_the_window() -> None:
    rng = np.random.default_rng(6)
    queries, references = rng.normal(0, 1, (60, 4)), rng.normal(0, 1, (500, 4))
    q, r = rng.random((60, 2)), rng.random((500, 2))
    distances, numbers = nearest_at_condition(queries, references, q, r)
    width = 0.5 * np.sqrt(0.1)
    apart = np.sqrt(((queries[:, None] - references) ** 2).sum(axis=2))
    apart[(np.abs(q[:, None] - r) > width).any(axis=2)] = np.inf
    assert numbers.tolist() == apart.argmin(axis=1).tolist()
    assert distances == pytest.approx(apart.min(axis=1))
    anywhere, _ = nearest_at_condition(references[:5], references, q[:5, :0], r[:, :0])
    assert anywhere == pytest.approx(np.zeros(5))
