"""The shipped generators of patches of dust: small, without the survey, with graphs that do what they do."""

from __future__ import annotations

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.observables.power_spectra import power_spectra
from simulacra.trained import TrainedGenerator, TrainedModel

FIELD = "log_intensity"


@pytest.fixture(scope="module", params=["dust-vae", "dust-flow"])
def shipped(request: pytest.FixtureRequest) -> TrainedGenerator:
    return simulacra.load(request.param)


def test_it_makes_patches_as_bright_and_as_rough_as_the_sky(shipped: TrainedGenerator) -> None:
    assert shipped.path.stat().st_size + graph_beside(shipped.path).stat().st_size < 5_000_000
    assert shipped.trained_range == {}
    made = shipped.sample(300, seed=3)
    simulacra.validate(made, features=[FIELD])
    assert made[FIELD].dims == ("event", "y", "x")
    assert float(made["x"][1] - made["x"][0]) == pytest.approx(0.25)
    fields = made[FIELD].values
    # Of the training patches: -2.86 +- 0.77, and a width of 0.263 +- 0.098.
    assert fields.mean() == pytest.approx(-2.86, abs=0.2)
    assert fields.mean(axis=(1, 2)).std() == pytest.approx(0.77, abs=0.15)
    assert fields.std(axis=(1, 2)).mean() == pytest.approx(0.263, abs=0.03)
    power = power_spectra(fields, bins=8).mean(axis=0)
    expected = [8.56, 2.07, 1.12, 0.323, 0.126, 0.0412, 0.0166, 0.0062]
    np.testing.assert_allclose(power[2:] / expected[2:], 1, atol=0.4)


def test_no_sample_is_like_another(shipped: TrainedGenerator) -> None:
    fields = shipped.sample(40, seed=4)[FIELD].values.reshape(40, -1)
    standard = (fields - fields.mean(axis=1, keepdims=True)) / fields.std(axis=1, keepdims=True)
    alike = standard @ standard.T / standard.shape[1]
    assert np.abs(alike - np.eye(40)).max() < 0.9


def test_its_graph_makes_its_patches(shipped: TrainedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shipped.sample(128, seed=5, exact=True)
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = shipped.sample(128, seed=5)
    np.testing.assert_allclose(quick[FIELD].values, exact[FIELD].values, atol=2e-4)
