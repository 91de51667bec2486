"""The shipped generators of fields: small, with densities like the simulation's, and graphs that do what they do."""

from __future__ import annotations

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.trained import TrainedGenerator, TrainedModel


@pytest.fixture(scope="module", params=["nbody-density", "nbody-density-multiscale"])
def shipped(request: pytest.FixtureRequest) -> TrainedGenerator:
    return simulacra.load(request.param)


def test_it_makes_densities_of_mean_zero_with_a_long_tail(shipped: TrainedGenerator) -> None:
    assert shipped.path.stat().st_size + graph_beside(shipped.path).stat().st_size < 2_000_000
    made = shipped.sample(200, seed=3, redshift=0.5)
    simulacra.validate(made, features=["density"])
    density = made["density"].values
    assert density.shape == (200, 56, 56)
    # In units of the standard deviation of a whole plane: most pixels are in voids, few in haloes.
    assert abs(density.mean()) < 0.1
    assert 0.7 < density.std() < 1.3
    assert -0.5 < np.median(density) < -0.1
    assert np.quantile(density, 0.999) > 5
    assert density.min() > -4


def test_its_graph_makes_its_fields(shipped: TrainedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shipped.sample(64, seed=5, exact=True)["density"].values
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = shipped.sample(64, seed=5)["density"].values
    scale = np.abs(exact).max(axis=(1, 2), keepdims=True)
    assert np.quantile(np.abs(quick - exact) / scale, 0.999) < 1e-4
