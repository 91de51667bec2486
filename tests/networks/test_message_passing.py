"""Messages between particles: any order of them, absent ones unseen, the first layer of pairs as in the paper."""

import pytest
import torch
from torch.nn import functional

from simulacra.networks.message_passing import SLOPE, CloudCritic, CloudGenerator, MessagePassing

PLACES, CONTEXT, LATENT, FEATURES = 6, 3, 5, 3


@pytest.fixture(scope="module")
def generator() -> CloudGenerator:
    torch.manual_seed(1)
    return CloudGenerator(LATENT, FEATURES, CONTEXT, (8, 7), 16, hidden=4)


@pytest.fixture(scope="module")
def critic() -> CloudCritic:
    torch.manual_seed(2)
    return CloudCritic(FEATURES, 2, CONTEXT, (8,), 16, hidden=4)


def inputs(features: int, n: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return particles (n, P, features), masks with 2 and more particles present in mixed places, and contexts."""
    rng = torch.Generator().manual_seed(3)
    place = torch.rand(n, PLACES, generator=rng).argsort(dim=1)
    there = (place < 2 + torch.arange(n)[:, None] % (PLACES - 1)).float()
    return torch.randn(n, PLACES, features, generator=rng), there, torch.randn(n, CONTEXT, generator=rng)


@pytest.mark.parametrize("edge_widths", [(8,), (8, 7, 5)])
def test_messages_are_those_of_a_network_on_pairs_of_particles(edge_widths: tuple[int, ...]) -> None:
    torch.manual_seed(4)
    layer = MessagePassing(4, 2, CONTEXT, edge_widths, 16)
    h, there, _ = inputs(4, n=2)
    weight = torch.cat([layer.receiver.weight, layer.sender.weight], dim=1)
    expected = torch.zeros(len(h), PLACES, edge_widths[-1])
    for n in range(len(h)):
        for i in range(PLACES):
            for j in range(PLACES):
                message = functional.linear(torch.cat([h[n, i], h[n, j]]), weight, layer.receiver.bias)
                message = functional.leaky_relu(message, SLOPE)
                for edge in layer.edges:
                    message = functional.leaky_relu(edge(message), SLOPE)
                expected[n, i] += there[n, j] * message / PLACES
    torch.testing.assert_close(layer.messages(h, there), expected)


def test_generated_particles_follow_the_order_of_the_noise(generator: CloudGenerator) -> None:
    noise, there, context = inputs(LATENT)
    order = torch.randperm(PLACES, generator=torch.Generator().manual_seed(5))
    expected = generator(noise, there, context)[:, order]
    torch.testing.assert_close(generator(noise[:, order], there[:, order], context), expected)


def test_the_critic_does_not_know_the_order_of_particles(critic: CloudCritic) -> None:
    cloud, there, context = inputs(FEATURES)
    order = torch.randperm(PLACES, generator=torch.Generator().manual_seed(5))
    logit = critic(cloud, there, context[:, :2], context)
    torch.testing.assert_close(critic(cloud[:, order], there[:, order], context[:, :2], context), logit)
    assert logit.shape == (5,)
    assert len(logit.unique()) == 5


def test_absent_particles_are_0_and_change_nothing(generator: CloudGenerator, critic: CloudCritic) -> None:
    noise, there, context = inputs(LATENT)
    other = torch.where(there[..., None] > 0, noise, 1e6 * noise.flip(0))
    cloud = generator(noise, there, context)
    assert not cloud[there == 0].any()
    assert cloud[there == 1].any(dim=1).all()
    # Equal to the last bit: a message times 0 is 0, whatever it is.
    assert torch.equal(generator(other, there, context), cloud)
    seen, unseen = (x[..., :FEATURES] for x in (noise, other))
    observables = context[:, :2]
    assert torch.equal(critic(seen, there, observables, context), critic(unseen, there, observables, context))


def test_particles_see_each_other_and_the_context(generator: CloudGenerator) -> None:
    noise, _, context = inputs(LATENT)
    there = torch.ones(len(noise), PLACES)
    cloud = generator(noise, there, context)
    moved = noise.clone()
    moved[:, -1] += 1.0
    assert (generator(moved, there, context) - cloud)[:, :-1].abs().amin(dim=(1, 2)).min() > 0
    assert (generator(noise, there, context + 1.0) - cloud).abs().amin(dim=(1, 2)).min() > 0


def test_the_critic_sees_how_many_particles_there_are(critic: CloudCritic) -> None:
    # of equal particles, whose mean does not depend on their number
    cloud, context = torch.ones(2, PLACES, FEATURES), torch.zeros(2, CONTEXT)
    there = (torch.arange(PLACES) < torch.tensor([[2], [5]])).float()
    first, second = critic(cloud, there, context[:, :2], context)
    assert first != second


def test_noise_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least as many noise numbers, not 2"):
        CloudGenerator(2, FEATURES, CONTEXT, (8,), 16, hidden=4)
