"""The generator and the critic of stacks of images: attention, sparsity, gradients, invariances."""

import pytest
import torch
from torch import nn

from simulacra.networks.layered_images import (
    THRESHOLD,
    InpaintingAttention,
    LayeredImageCritic,
    LayeredImageGenerator,
    soft_hits,
    sparse,
)

SIZES = [(2, 8), (4, 4), (4, 2)]
CELLS = 40


def generator(n_conditions: int = 2) -> LayeredImageGenerator:
    torch.manual_seed(5)
    carries = [torch.rand(16, 16), torch.rand(8, 16)]
    return LayeredImageGenerator(SIZES, carries, n_conditions, latent=5, channels=(3, 4, 2))


def critic() -> LayeredImageCritic:
    torch.manual_seed(6)
    return LayeredImageCritic(SIZES, n_observables=7, n_conditions=2, channels=(3, 2, 4))


def without_gradient(module: nn.Module) -> list[str]:
    return [n for n, p in module.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]


def test_attention_mixes_with_weights_that_add_up_to_one() -> None:
    torch.manual_seed(1)
    attention = InpaintingAttention((4, 4), torch.rand(16, 16))
    before = torch.rand(2, 8, 1, 6)
    carried = (attention.carry @ before.reshape(16, 6)).reshape(4, 4, 1, 6)
    # What is equal to the carried image stays so, whatever the weights.
    torch.testing.assert_close(attention(carried, before), carried)
    image = torch.rand(4, 4, 1, 6)
    mixed = attention(image, before)
    low, high = torch.minimum(image, carried), torch.maximum(image, carried)
    assert bool(((mixed >= low - 1e-6) & (mixed <= high + 1e-6)).all())
    share = (mixed - carried) / (image - carried)
    assert float(share.detach().std()) > 0.01, "the weights must depend on the image"


def test_attention_prefers_what_its_weights_prefer() -> None:
    attention = InpaintingAttention((4, 4), torch.eye(16))
    with torch.no_grad():
        attention.weights.weight.zero_()
        attention.weights.bias[:, 0] = 50.0
    own, before = torch.rand(4, 4, 1, 3), torch.rand(4, 4, 1, 3)
    torch.testing.assert_close(attention(own, before), own)
    with torch.no_grad():
        attention.weights.bias[:, 0] = -50.0
    torch.testing.assert_close(attention(own, before), before)


def test_images_are_empty_or_above_the_threshold() -> None:
    network = generator().eval()
    before, image, score = network(torch.randn(64, network.latent), torch.randn(64, 2))
    assert before.shape == image.shape == (64, CELLS)
    assert score.shape == (64,)
    hit = image != 0
    assert 0.05 < float(hit.float().mean()) < 0.95
    assert bool((image[hit] > THRESHOLD).all())
    torch.testing.assert_close(image[hit], before[hit])
    assert bool((before[~hit] <= THRESHOLD).all())


def test_an_event_does_not_depend_on_the_others_of_its_batch() -> None:
    network = generator().eval()
    noise, conditions = torch.randn(9, network.latent), torch.randn(9, 2)
    whole = network(noise, conditions)
    part = network(noise[3:5], conditions[3:5])
    for a, b in zip(whole, part, strict=True):
        torch.testing.assert_close(a[3:5], b)


def test_conditions_and_noise_both_matter() -> None:
    network = generator().eval().requires_grad_(False)
    noise, conditions = torch.randn(4, network.latent), torch.randn(4, 2)
    here = network(noise, conditions)[0]
    for column in range(network.latent):
        moved = noise.clone()
        moved[:, column] += 1
        assert float((network(moved, conditions)[0] - here).abs().max()) > 1e-6, column
    for column in range(2):
        moved = conditions.clone()
        moved[:, column] += 0.5
        assert float((network(noise, moved)[0] - here).abs().max()) > 1e-3


def test_gradient_reaches_each_parameter_of_the_generator() -> None:
    network = generator()
    before, _, score = network(torch.randn(32, network.latent), torch.randn(32, 2))
    (sparse(before).square().sum() + soft_hits(before).sum() + score.sum()).backward()
    assert without_gradient(network) == []


def test_gradient_reaches_each_parameter_of_the_critic() -> None:
    network = critic()
    network(torch.rand(16, CELLS), torch.randn(16, 7), torch.randn(16, 2)).sum().backward()
    assert without_gradient(network) == []


def test_gradient_reaches_each_input_of_the_critic() -> None:
    inputs = [x.requires_grad_() for x in (torch.rand(16, CELLS), torch.randn(16, 7), torch.randn(16, 2))]
    logit = critic()(*inputs)
    assert logit.shape == (16,)
    logit.sum().backward()
    for x in inputs:
        assert bool((x.grad.abs().sum(dim=0) > 0).all()), "an input that the critic is blind to"


def test_the_critic_sees_events_in_any_order() -> None:
    network, images = critic(), torch.rand(8, CELLS)
    observables, conditions, order = torch.randn(8, 7), torch.randn(8, 2), torch.randperm(8)
    torch.testing.assert_close(
        network(images[order], observables[order], conditions[order]), network(images, observables, conditions)[order]
    )


def test_soft_hits_count_exactly_and_have_the_gradient_of_a_sigmoid() -> None:
    before = torch.tensor([[-1.0, 0.0, THRESHOLD, THRESHOLD + 1e-3, 2.0]], requires_grad=True)
    hits = soft_hits(before)
    torch.testing.assert_close(hits.detach(), torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]))
    hits.sum().backward()
    smooth = before.detach().clone().requires_grad_()
    torch.sigmoid((smooth - THRESHOLD) / 0.1).sum().backward()
    torch.testing.assert_close(before.grad, smooth.grad)
    torch.testing.assert_close(sparse(before).detach(), torch.tensor([[0.0, 0.0, 0.0, THRESHOLD + 1e-3, 2.0]]))


def test_there_must_be_a_carry_between_each_two_sections() -> None:
    with pytest.raises(ValueError, match="zip"):
        LayeredImageGenerator(SIZES, [torch.eye(16)], 1, 5, (3, 4, 2))
