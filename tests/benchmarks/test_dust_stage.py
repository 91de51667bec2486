"""The benchmark of dust: errors by regions, patches apart, the linear estimate, and what it says without data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.rows import LeftOutError
from benchmarks.sky import dust, dust_maps
from benchmarks.sky.dust_regions import apart, standardised, with_error

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "sky.json"


def test_errors_are_those_of_regions_and_not_of_patches() -> None:
    rng = np.random.default_rng(1)
    regions = np.repeat(np.arange(40), 50)
    values = np.repeat(rng.normal(size=40), 50)
    value, error = with_error(lambda rows: float(values[rows].mean()), regions)
    assert value == pytest.approx(values.mean())
    # 2,000 independent patches would have 0.02.
    assert error == pytest.approx(values.std() / np.sqrt(40), rel=0.2)


def test_patches_that_are_kept_are_apart() -> None:
    rng = np.random.default_rng(2)
    angles = {"galactic_longitude": rng.uniform(0, 360, 300), "galactic_latitude": rng.uniform(20, 90, 300)}
    kept = apart(xr.Dataset({name: ("event", one) for name, one in angles.items()}), 10)
    along, up = (np.radians(kept[name].values) for name in angles)
    cosine = np.cos(up)[:, None] * np.cos(up) * np.cos(along[:, None] - along) + np.sin(up)[:, None] * np.sin(up)
    np.fill_diagonal(cosine, 0)
    assert kept.sizes["event"] > 30
    assert cosine.max() < np.cos(np.radians(10))
    fields = standardised(rng.normal(3, 2, (4, 6, 6)))
    np.testing.assert_allclose(fields.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(fields.std(axis=(1, 2)), 1)


def test_the_wiener_filter_covers_gaussian_fields() -> None:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(25, 25)) / 5
    covariance, mean = root @ root.T, np.linspace(-1, 1, 25)
    truth = rng.multivariate_normal(mean, covariance, 2_000).reshape(-1, 5, 5)
    there = rng.random((5, 5)) > 0.3
    seen = truth + rng.normal(scale=dust_maps.NOISE, size=truth.shape)
    found, width = dust_maps._wiener(seen, there, mean, covariance)
    pull = (truth - found) / width
    assert np.abs(pull.mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(pull.std(axis=0), 1, atol=0.06)


def test_without_the_data_the_stage_is_left_out_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dust, "DATA", tmp_path / "none.fits")
    with pytest.raises(LeftOutError, match=r"there is no map of the dust in .*none\.fits"):
        dust.measure(tmp_path, 1.0)


def test_the_figure_is_drawn_from_the_results(tmp_path: Path) -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["dust"]
    dust.draw(found, tmp_path / "dust.svg")
    assert "<svg" in (tmp_path / "dust.svg").read_text(encoding="utf-8")
