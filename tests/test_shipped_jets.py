"""The shipped generators of jets: small, of five classes, possible jets, and a graph that does what the module does."""

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.observables.relative_jets import JET_CLASS
from simulacra.trained import TrainedGenerator, TrainedModel
from simulacra.trained.find import WEIGHTS

JETS = [name for name in simulacra.shipped() if "jet_class" in simulacra.load(name).trained_range]
WITH_GRAPH = [name for name in JETS if graph_beside(WEIGHTS / f"{name}.safetensors").exists()]


def test_the_promised_generators_are_shipped() -> None:
    assert {"jets-epic", "jets-epic-fast"} <= set(JETS)
    assert "jets-epic-fast" in WITH_GRAPH


@pytest.fixture(params=JETS)
def shipped(request: pytest.FixtureRequest) -> TrainedGenerator:
    return simulacra.load(request.param)


def test_it_is_small(shipped: TrainedGenerator) -> None:
    assert shipped.path.stat().st_size < 20_000_000


def test_it_makes_jets_of_all_classes(shipped: TrainedGenerator) -> None:
    multiplicity, mass = [], []
    for name in JET_CLASS.choices:
        jets = shipped.sample(200, seed=3, jet_class=name, jet_pt=1000.0)
        simulacra.validate(jets, conditions=["jet_class", "jet_pt"], features=["eta_rel", "phi_rel", "pt_rel"])
        there = jets["present"].values
        assert (there == (jets["pt_rel"].values > 0)).all()
        assert not jets["eta_rel"].values[~there].any()
        multiplicity.append(there.sum(axis=1).mean())
        mass.append(float(jets["jet_mass"].median()))
    gluon, quark, top, w, z = mass
    # In GeV; medians of Pythia's are 151, 96, 187 and, near their masses, 96 and 105.
    assert 130 < gluon < 170
    assert 80 < quark < 115
    assert 170 < top < 205
    assert 80 < w < z < 120
    # Those of light quarks and of bosons have fewer particles.
    assert min(multiplicity[0], multiplicity[2]) > max(multiplicity[1], multiplicity[3])


@pytest.mark.parametrize("name", WITH_GRAPH)
def test_its_graph_makes_its_jets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = simulacra.load(name)
    exact = generator.sample(300, seed=5, exact=True)
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = generator.sample(300, seed=5)
    for variable in ("eta_rel", "phi_rel", "pt_rel"):
        # Two particles of nearly the same transverse momentum may change their places.
        assert (np.abs(quick[variable].values - exact[variable].values) > 1e-5).mean() < 2e-3
