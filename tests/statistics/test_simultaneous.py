"""Limits and bands for many cells at once against the distribution of the largest of independent Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from simulacra.statistics.distances.simultaneous import Simultaneous, simultaneous

CELLS = 12


def drawn(rng: np.random.Generator, value: np.ndarray, scale: np.ndarray, replicates: int) -> Simultaneous:
    exchange, bootstrap, halves = scale * rng.normal(0, 1, (3, replicates, CELLS))
    return simultaneous(value, value, exchange, value + bootstrap, halves)


def test_limits_are_those_of_the_largest_of_all_cells() -> None:
    # 4,000 replicates: a standard deviation is known to 1 %, the quantiles of the largest to about 0.04.
    rng = np.random.default_rng(1)
    scale = np.linspace(0.1, 10, CELLS)
    found = drawn(rng, np.zeros(CELLS), scale, 4000)
    for level, limit, band in ((0.68, found.limit_68, found.band_68), (0.95, found.limit_95, found.band_95)):
        assert limit / scale == pytest.approx(np.full(CELLS, norm.ppf(level ** (1 / CELLS))), abs=0.15)
        assert band / scale == pytest.approx(np.full(CELLS, norm.ppf((1 + level ** (1 / CELLS)) / 2)), abs=0.15)
    assert found.error == pytest.approx(scale, rel=0.05)


def test_a_cell_is_found_on_its_own_scale() -> None:
    rng = np.random.default_rng(2)
    scale = np.linspace(0.1, 10, CELLS)
    value = np.zeros(CELLS)
    value[2], value[10] = 8 * scale[2], 2 * scale[10]
    found = drawn(rng, value, scale, 200)
    assert value.argmax() == 10
    assert found.worst == 2
    assert found.p_value == pytest.approx(1 / 201)
    assert (found.excess > 1).nonzero()[0].tolist() == [2]


def test_one_in_twenty_of_chance_is_called_significant() -> None:
    # 600 draws, the value in hand from the same distribution as its replicates: 30 +- 5.3 alarms; more than 46 or fewer
    # than 14 have a probability of 0.3 %. So it must be for few replicates too.
    rng = np.random.default_rng(3)
    alarms = [drawn(rng, rng.normal(0, 1, CELLS), np.ones(CELLS), 39).p_value <= 0.05 for _ in range(600)]
    assert 14 <= sum(alarms) <= 46


def test_cells_that_never_move_are_no_alarm_and_no_nan() -> None:
    still = np.zeros((50, CELLS))
    found = simultaneous(np.zeros(CELLS), np.zeros(CELLS), still, still, still)
    assert found.p_value == 1.0
    assert (found.excess == 0).all()
