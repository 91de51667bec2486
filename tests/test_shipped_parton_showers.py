"""The shipped generators of parton showers: small, possible showers that conserve energy, and what they learned."""

import numpy as np
import pytest

import simulacra
from simulacra.observables.lund import light_cone
from simulacra.trained import TrainedGenerator

SHOWERS = [name for name in simulacra.shipped() if list(simulacra.load(name).trained_range) == ["parton_energy"]]


def test_the_promised_generators_are_shipped() -> None:
    assert "parton-shower-dglap" in SHOWERS


@pytest.fixture(params=SHOWERS)
def shipped(request: pytest.FixtureRequest) -> TrainedGenerator:
    return simulacra.load(request.param)


def test_its_showers_conserve_light_cone_energy(shipped: TrainedGenerator) -> None:
    low, high = shipped.trained_range["parton_energy"]
    asked = np.geomspace(low, high, 200).astype(np.float32)
    made = shipped.sample(200, seed=3, parton_energy=asked)
    simulacra.validate(made, conditions=["parton_energy"], features=["momentum", "energy"])
    there = made["present"].values.astype(bool)
    energy, _ = light_cone(made["momentum"].values, made["energy"].values, there)
    np.testing.assert_allclose((energy * there).sum(axis=1), asked, rtol=1e-4)
    number = there.sum(axis=1)
    assert number.min() >= 1
    assert number[100:].mean() > 1.3 * number[:100].mean()


def test_the_ordering_of_the_toy_was_found() -> None:
    kernel = simulacra.load("parton-shower-dglap").module.kernel
    # The toy is ordered in angle, of which the exponent is 0; training began at 0.5.
    assert abs(float(kernel.exponent)) < 0.1  # type: ignore[union-attr]
