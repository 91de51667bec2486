"""The folded generator is the same function as the one that was trained."""

import math

import pytest
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.models.folded_shower_generator import FoldedShowerGenerator
from simulacra.models.shower_gan import ShowerGenerator
from tiny_calogan import FIVE, toy_geometry

RANGES = {
    "incident_energy": (1.0, 100.0),
    "impact_x": (-50.0, 50.0),
    "impact_y": (-50.0, 50.0),
    "polar_angle": (0.0, 0.35),
    "azimuthal_angle": (0.0, 2 * math.pi),
}


def as_if_trained(geometry: CalorimeterGeometry, names: list[str], power: int) -> ShowerGenerator:
    """Random weights and moments, none at the value that it starts from, for a fold must not rely on that."""
    torch.manual_seed(7)
    generator = ShowerGenerator(geometry, {name: RANGES[name] for name in names}, 6, (4, 3, 2), power)
    rng = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=rng))
        for name, buffer in generator.named_buffers():
            if "running" in name or name.endswith("scale"):
                buffer.copy_(buffer.abs() * (0.5 + torch.rand(buffer.shape, generator=rng)))
                buffer.add_(0.3 * torch.rand(buffer.shape, generator=rng))
        generator.images.centre.fill_(0.82)
        generator.images.width.fill_(0.03)
    return generator.eval().requires_grad_(False)


def inputs(generator: ShowerGenerator, names: list[str], n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(9)
    bounds = torch.tensor([RANGES[name] for name in names])
    conditions = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * torch.rand(n, len(names), generator=rng)
    return torch.randn(n, generator.latent, generator=rng), conditions


@pytest.mark.parametrize("names", [FIVE[:1], FIVE], ids=["energy", "five conditions"])
@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("detector", ["toy", "calogan"])
def test_folded_showers_are_the_same(detector: str, power: int, names: list[str]) -> None:
    geometry = toy_geometry() if detector == "toy" else CalorimeterGeometry.load(detector)
    generator = as_if_trained(geometry, names, power)
    noise, conditions = inputs(generator, names, 64)
    expected, folded = generator(noise, conditions), FoldedShowerGenerator(generator).eval()(noise, conditions)
    assert expected.shape == (64, geometry.n_cells)
    hits = (expected > 0).float().mean()
    assert 0.1 < float(hits) < 0.95, "a test of empty showers would test nothing"
    assert float(expected.std(dim=0).max()) > 1, "showers must differ from each other"
    difference = (folded - expected).abs().amax(dim=1) / expected.amax(dim=1)
    # A cell right at the threshold may be lit in one and not in the other: it must then be a small one.
    assert float(difference.max()) < 1e-2
    assert float((difference < 1e-5).float().mean()) > 0.95
    torch.testing.assert_close(folded.sum(dim=1), expected.sum(dim=1), rtol=1e-4, atol=0)


def test_a_generator_in_training_is_not_folded() -> None:
    generator = as_if_trained(toy_geometry(), FIVE[:1], 2).train()
    with pytest.raises(ValueError, match="evaluation mode"):
        FoldedShowerGenerator(generator)


def test_folding_leaves_the_generator_as_it_was() -> None:
    generator = as_if_trained(toy_geometry(), FIVE, 2)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    FoldedShowerGenerator(generator)
    for name, tensor in generator.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0, msg=name)
