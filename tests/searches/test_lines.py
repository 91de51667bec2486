"""Lines among stars: found where they are, and with the stated chance where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from simulacra.searches.lines import find_line

WINDOW = np.array([[-10.0, -4.0], [10.0, 4.0]])


def uniform(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform(*WINDOW, (n, 2))


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.57, 2.6])
def test_a_line_is_found_where_it_is(angle: float) -> None:
    rng = np.random.default_rng(3)
    across = np.array([np.cos(angle), np.sin(angle)])
    along = np.array([-across[1], across[0]])
    line = rng.uniform(-3, 3, (60, 1)) * along + (0.8 + rng.normal(0, 0.1, (60, 1))) * across
    found = find_line(np.concatenate([line, uniform(rng, 60)]), uniform(rng, 1200), WINDOW, 0.3, rng)
    assert found is not None
    assert found.p_value < 1e-4
    apart = abs(found.angle - angle)
    assert min(apart, np.pi - apart) < np.pi / 12
    # The same line, from one side or from the other.
    assert abs(abs(found.distance) - 0.8) < 0.45
    assert found.holds(line, WINDOW.mean(axis=0)).mean() > 0.8
    assert found.stars > 3 * found.expected


def test_without_a_line_the_chance_is_what_it_says() -> None:
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # A background that is not even, for stars and background alike.
        places = uniform(rng, 900)
        places = places[rng.random(900) < 0.3 + 0.035 * (places[:, 0] + 10)]
        found = find_line(places[:50], places[50:], WINDOW, 0.5, rng)
        assert found is not None
        p_values.append(found.p_value)
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_too_few_stars_have_no_line() -> None:
    rng = np.random.default_rng(1)
    assert find_line(uniform(rng, 1), uniform(rng, 100), WINDOW, 0.3, rng) is None
    assert find_line(uniform(rng, 5), uniform(rng, 1), WINDOW, 0.3, rng) is None
    assert find_line(uniform(rng, 5), uniform(rng, 300), WINDOW, 0.01, rng) is None
