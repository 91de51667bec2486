"""The shipped generator of minimum-bias collisions: small, possible collisions, and a graph that does what it does."""

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.trained import TrainedGenerator, TrainedModel


@pytest.fixture(scope="module")
def shipped() -> TrainedGenerator:
    return simulacra.load("pile-up-minimum-bias")


def test_it_makes_possible_collisions(shipped: TrainedGenerator) -> None:
    assert shipped.path.stat().st_size + graph_beside(shipped.path).stat().st_size < 1_000_000
    made = shipped.sample(2000, seed=3)
    simulacra.validate(made, features=["particle_pt", "particle_eta", "particle_phi"])
    there = made["present"].values.astype(bool)
    pt, eta = made["particle_pt"].values, made["particle_eta"].values
    assert (there == (pt > 0)).all()
    assert np.abs(eta[there]).max() <= 5
    number = there.sum(axis=1)
    # Of Pythia's collisions 6 % have no particle, and the mean is 87.
    assert 0.03 < (number == 0).mean() < 0.09
    assert 80 < number.mean() < 94


def test_its_graph_makes_its_collisions(shipped: TrainedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shipped.sample(128, seed=5, exact=True)
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = shipped.sample(128, seed=5)
    # Two particles of nearly the same transverse momentum may change their places.
    for name in ("particle_pt", "particle_eta"):
        assert (np.abs(quick[name].values - exact[name].values) > 1e-4).mean() < 2e-3
