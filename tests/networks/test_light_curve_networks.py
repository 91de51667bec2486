"""Networks of folded curves: circular, and blind to observations that are not there."""

from __future__ import annotations

import pytest
import torch

from simulacra.networks.light_curves import Architecture, CircularBlock, CurveAutoencoder


def autoencoder(architecture: Architecture = "convolutional") -> CurveAutoencoder:
    torch.manual_seed(1)
    return CurveAutoencoder(3, code=2, points=32, width=8, blocks=3, architecture=architecture).double()


def observations(n: int, length: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(2)
    phase, magnitude, error = torch.rand(3, n, length, generator=rng, dtype=torch.float64)
    return torch.stack([phase, magnitude, 0.01 + 0.05 * error, torch.ones_like(phase)], dim=2)


def test_a_block_does_not_know_where_a_cycle_begins() -> None:
    torch.manual_seed(1)
    block = CircularBlock(4, 2, dilation=4).double()
    hidden, numbers = torch.randn(3, 32, 4, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    turned = block(hidden.roll(5, dims=1), numbers)
    torch.testing.assert_close(turned, block(hidden, numbers).roll(5, dims=1))


@pytest.mark.parametrize("architecture", ["convolutional", "recurrent"])
def test_absent_observations_and_their_order_change_nothing(architecture: Architecture) -> None:
    network, context = autoencoder(architecture), torch.randn(4, 3, dtype=torch.float64)
    points = observations(4, 20)
    absent = torch.tensor([0.3, 77.0, 1.0, 0.0], dtype=torch.float64).expand(4, 5, 4)
    longer = torch.cat([points, absent], dim=1)[:, torch.randperm(25)]
    code = network.encode(points, context)[0]
    torch.testing.assert_close(network.encode(longer, context)[0], code)
    found = network.log_likelihood(longer, code, context)
    torch.testing.assert_close(found, network.log_likelihood(points, code, context))


def test_the_likelihood_is_that_of_gaussian_errors_about_a_curve_that_is_linear_between_its_points() -> None:
    network, context = autoencoder(), torch.randn(1, 3, dtype=torch.float64)
    code = torch.randn(1, 2, dtype=torch.float64)
    curve, scatter = network.decode(code, context)
    # Half way between the last point and the first one, which follows it.
    between = (curve[0, -1] + curve[0, 0]) / 2
    point = torch.tensor([[[31.5 / 32, 0.7, 0.02, 1.0]]], dtype=torch.float64)
    width = (0.02**2 + scatter[0] ** 2).sqrt()
    expected = torch.distributions.Normal(between, width).log_prob(torch.tensor(0.7, dtype=torch.float64))
    torch.testing.assert_close(network.log_likelihood(point, code, context)[0], expected)


def test_a_regression_knows_the_usual_curve_of_a_period_before_anything_is_learned() -> None:
    rng = torch.Generator().manual_seed(3)
    context = torch.randn(200, 3, generator=rng, dtype=torch.float64)
    phase = torch.arange(32, dtype=torch.float64) / 32
    third = 0.1 * torch.sin(context[:, :1])
    magnitude = 0.3 * torch.cos(2 * torch.pi * phase) + third * torch.cos(2 * torch.pi * 3 * phase)
    magnitude = magnitude + 0.01 * torch.randn(200, 1, generator=rng, dtype=torch.float64)
    rest = [torch.full_like(magnitude, 1e-6), torch.ones_like(magnitude)]
    stars = torch.stack([phase.expand(200, -1), magnitude, *rest], dim=2)
    network = autoencoder()
    network.fit(stars, context)
    torch.nn.init.zeros_(network.to_harmonics.weight)
    torch.nn.init.zeros_(network.to_harmonics.bias)
    torch.nn.init.zeros_(network.curve.weight)
    torch.nn.init.zeros_(network.curve.bias)
    with torch.no_grad():
        curve, _ = network.decode(torch.zeros(200, 2, dtype=torch.float64), context)
    inner = context[:, 0].abs() < 2
    assert float((curve - magnitude)[inner].std()) == pytest.approx(0.01, rel=0.2)
    # The mean is what the regression cannot know.
    assert float(network.left_over[0]) == pytest.approx(0.01, rel=0.2)
    assert float(network.left_over[1:].max()) < 0.004
