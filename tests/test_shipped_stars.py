"""The shipped generator of Cepheids: small, with the Hertzsprung progression, and a graph that does what it does."""

from __future__ import annotations

import numpy as np
import pytest

import simulacra
from simulacra.deploy.graphs import graph_beside
from simulacra.observables.light_curves import is_cycle, measured
from simulacra.trained import TrainedGenerator, TrainedModel


@pytest.fixture(scope="module")
def shipped() -> TrainedGenerator:
    return simulacra.load("cepheids-vae")


def parameters(stars: object) -> dict[str, np.ndarray]:
    found = simulacra.observe(stars)  # type: ignore[arg-type]
    return {name: found[f"magnitude_{name}"].values for name in ("r21", "phi21")}


def test_it_makes_cepheids_of_a_period(shipped: TrainedGenerator) -> None:
    assert shipped.path.stat().st_size + graph_beside(shipped.path).stat().st_size < 1_000_000
    made = shipped.sample(400, seed=3, period=4.0)
    simulacra.validate(made, features=["magnitude"])
    assert is_cycle(made)
    # The period-luminosity relation of these stars: I = 16.84 - 2.91 log P.
    assert made["mean_magnitude"].values.mean() == pytest.approx(16.84 - 2.91 * np.log10(4.0), abs=0.1)
    extent = np.ptp(made["magnitude"].values, axis=1) / made["amplitude"].values
    assert np.median(extent) == pytest.approx(1, abs=0.03)
    assert np.abs(made["magnitude"].values.mean(axis=1) - made["mean_magnitude"].values).max() < 0.05


def test_the_bump_moves_with_the_period(shipped: TrainedGenerator) -> None:
    short, long = (parameters(shipped.sample(200, seed=4, period=period)) for period in (3.0, 7.5))
    # OGLE-IV's medians: phi21 rises from 4.50 to 5.32, and R21 falls from 0.43 to 0.31, as the bump nears the maximum.
    middle = [np.angle(np.exp(1j * one["phi21"]).mean()) % (2 * np.pi) for one in (short, long)]
    assert middle[0] == pytest.approx(4.50, abs=0.1)
    assert middle[1] == pytest.approx(5.32, abs=0.2)
    assert np.median(short["r21"]) == pytest.approx(0.43, abs=0.04)
    assert np.median(long["r21"]) == pytest.approx(0.31, abs=0.06)


def test_stars_are_measured_at_given_times(shipped: TrainedGenerator) -> None:
    stars = shipped.sample(50, seed=5)
    seen = measured(stars, np.sort(np.random.default_rng(1).uniform(0, 900, 150)), np.full(150, 0.01), seed=6)
    simulacra.validate(seen)
    found, curve = parameters(seen), parameters(stars)
    assert np.median(np.abs(found["r21"] - curve["r21"])) < 0.03


def test_its_graph_makes_its_stars(shipped: TrainedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = shipped.sample(128, seed=5, exact=True)
    monkeypatch.delattr(TrainedModel, "_by_torch")
    quick = shipped.sample(128, seed=5)
    np.testing.assert_allclose(quick["magnitude"].values, exact["magnitude"].values, atol=2e-4)
