"""The benchmark of stars: distances on the circle, partners of near periods, and what it says without the data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.rows import LeftOutError
from benchmarks.sky import stars
from benchmarks.wasserstein import on_circle
from scipy.stats import wasserstein_distance

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "sky.json"


def test_a_distance_on_the_circle_goes_the_shorter_way_and_does_not_know_where_it_begins() -> None:
    rng = np.random.default_rng(1)
    assert on_circle(np.array([0.1]), np.array([2 * np.pi - 0.1])) == pytest.approx(0.2)
    first, second = rng.normal(3.0, 0.3, 80), rng.normal(3.5, 0.2, 120)
    # Far from where the circle closes it is the distance on the line.
    assert on_circle(first, second) == pytest.approx(float(wasserstein_distance(first, second)))
    for turn in (1.0, 3.3, 6.0):
        assert on_circle(first + turn, second + turn) == pytest.approx(on_circle(first, second))
    assert on_circle(first, first) == 0


def test_partners_are_different_stars_of_near_periods() -> None:
    rng = np.random.default_rng(2)
    wanted, there = np.exp(rng.uniform(0.5, 3, 50)), np.exp(rng.uniform(0.5, 3, 400))
    rows = stars.nearest_stars(wanted, there)
    assert len(set(rows)) == 50
    assert np.abs(np.log(there[rows] / wanted)).max() < 0.2


def test_without_the_data_the_stage_is_left_out_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stars, "DATA", tmp_path / "none.h5")
    with pytest.raises(LeftOutError, match=r"there are no Cepheids in .*none\.h5"):
        stars.measure(tmp_path, 1.0)


def test_the_figure_is_drawn_from_the_results(tmp_path: Path) -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["stars"]
    stars.draw(found, tmp_path / "stars.svg")
    assert "<svg" in (tmp_path / "stars.svg").read_text(encoding="utf-8")
