"""The velocity of points on rings: equivariant, and that of a normal distribution before training."""

from __future__ import annotations

import torch

from simulacra.generators.flow_matching import QUARTER
from simulacra.networks.ring_velocity import RingVelocity
from simulacra.representations.cyclic_axes import CyclicAxes


def network() -> RingVelocity:
    torch.manual_seed(1)
    made = RingVelocity(CyclicAxes(8, 2, 3), context=3, width=16, blocks=2)
    made.axes.fit(torch.randn(400, 8, 5) * torch.tensor([0.3, 1.0, 1.0, 2.0, 0.5]))
    return made


def test_a_turned_point_has_the_turned_velocity() -> None:
    made = network()
    torch.nn.init.normal_(made.last.weight)
    points, context, angle = torch.randn(4, 8, 5), torch.randn(4, 3), torch.full((4, 1), 0.7)

    def velocity(x: torch.Tensor) -> torch.Tensor:
        return made.axes.inverse(made(made.axes(x).flatten(1), angle, context).reshape(x.shape))

    for bins in (1, 3):
        turned = velocity(points.roll(bins, dims=1))
        torch.testing.assert_close(turned, velocity(points).roll(bins, dims=1), rtol=1e-4, atol=1e-4)
    reflected = velocity(points.flip(1)).flip(1)
    assert float((velocity(points) - reflected).detach().abs().max()) > 1e-2


def test_it_begins_as_the_velocity_of_a_normal_distribution() -> None:
    made = network()
    variance = made.axes.variances().flatten()
    x, context = torch.randn(3, 40), torch.randn(3, 3)
    for angle in (0.0, 0.4, QUARTER):
        at = torch.tensor(angle)
        total = at.cos() ** 2 + at.sin() ** 2 * variance
        expected = at.cos() * at.sin() * (variance - 1.0) / total * x
        torch.testing.assert_close(made(x, torch.full((3, 1), angle), context), expected, rtol=0, atol=1e-2)


def test_one_bin_has_no_neighbours() -> None:
    made = RingVelocity(CyclicAxes(1, 4), context=1, width=8, blocks=1)
    assert made(torch.randn(2, 4), torch.zeros(2, 1), torch.zeros(2, 1)).shape == (2, 4)
