"""The velocity of clouds: any order of the particles, absent ones unseen, noise paired with data."""

import pytest
import torch

from simulacra.networks.equivariant_pooling import CloudVelocity

PLACES, FEATURES = 6, 3


@pytest.fixture(scope="module")
def network() -> CloudVelocity:
    torch.manual_seed(1)
    made = CloudVelocity(PLACES, FEATURES, context=3, width=16, blocks=3, pooled=8)
    torch.nn.init.normal_(made.last.weight)
    return made.eval()


def inputs(n: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    number = torch.arange(n) % PLACES + 1
    context = torch.cat([torch.randn(n, 2, generator=rng), number[:, None] / PLACES], dim=1)
    return torch.randn(n, PLACES * FEATURES, generator=rng), torch.rand(n, 1, generator=rng), context


def test_the_order_of_particles_does_not_matter(network: CloudVelocity) -> None:
    x, angle, context = inputs()
    context[:, -1] = 1.0
    order = torch.randperm(PLACES, generator=torch.Generator().manual_seed(3))
    cloud = x.unflatten(1, (PLACES, FEATURES))
    expected = network(x, angle, context).unflatten(1, (PLACES, FEATURES))[:, order]
    found = network(cloud[:, order].flatten(1), angle, context).unflatten(1, (PLACES, FEATURES))
    torch.testing.assert_close(found, expected)


def test_absent_particles_have_no_velocity_and_no_influence(network: CloudVelocity) -> None:
    x, angle, context = inputs()
    there = torch.arange(PLACES) < (context[:, -1:] * PLACES).round()
    velocity = network(x, angle, context)
    clouds = velocity.unflatten(1, (PLACES, FEATURES))
    assert not clouds[~there].any()
    assert clouds[there].any(dim=1).all()
    other = torch.where(there[..., None], x.unflatten(1, (PLACES, FEATURES)), 7.0).flatten(1)
    torch.testing.assert_close(network(other, angle, context), velocity)


def test_a_cloud_without_particles_has_no_velocity(network: CloudVelocity) -> None:
    x, angle, context = inputs()
    context[:, -1] = 0.0
    assert not network(x, angle, context).any()


def test_particles_see_each_other(network: CloudVelocity) -> None:
    x, angle, context = inputs()
    context[:, -1] = 1.0
    moved = x.clone()
    moved[:, -FEATURES:] += 1.0
    assert (network(moved, angle, context) - network(x, angle, context))[:, :FEATURES].abs().min() > 1e-6


def test_noise_is_paired_in_order_of_its_first_feature(network: CloudVelocity) -> None:
    noise, _, context = inputs()
    paired = network.paired(noise, context).unflatten(1, (PLACES, FEATURES))
    plain = noise.unflatten(1, (PLACES, FEATURES))
    for row, number in enumerate((context[:, -1] * PLACES).round().int().tolist()):
        expected = plain[row, :number][plain[row, :number, 0].argsort(descending=True)]
        torch.testing.assert_close(paired[row, :number], expected)
        assert not paired[row, number:].any()


def test_hard_particles_count_more_if_asked() -> None:
    angle = torch.zeros(2, 1)
    even = CloudVelocity(PLACES, FEATURES, context=3, width=8, blocks=1).precision(angle)
    assert even.shape == (2, PLACES * FEATURES)
    assert bool((even == 1).all())
    weights = CloudVelocity(PLACES, FEATURES, context=3, width=8, blocks=1, emphasis=0.5).precision(angle)
    assert float(weights.mean()) == pytest.approx(1)
    by_place = weights[0].unflatten(0, (PLACES, FEATURES))[:, 0]
    torch.testing.assert_close(by_place / by_place[0], torch.arange(1.0, PLACES + 1) ** -0.5)
