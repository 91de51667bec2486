"""Minibatch discrimination by hand, and under what must not and what must change it."""

import math

import torch

from simulacra.networks.minibatch_discrimination import MinibatchDiscrimination


def test_closeness_by_hand() -> None:
    layer = MinibatchDiscrimination(2, kernels=1, dimensions=2)
    with torch.no_grad():
        layer.project.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        closeness = layer(torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.0, 3.0]]))
    # Mapped: (0, 0), (1, 1), (0, 6); L1 distances 2, 6 and 1 + 5.
    expected = [[math.exp(-2) + math.exp(-6)], [math.exp(-2) + math.exp(-6)], [2 * math.exp(-6)]]
    torch.testing.assert_close(closeness, torch.tensor(expected) / 2)


def test_events_in_another_order_are_as_close_in_that_order() -> None:
    torch.manual_seed(1)
    layer, features = MinibatchDiscrimination(4, 3, 2), torch.randn(7, 4)
    order = torch.randperm(7)
    torch.testing.assert_close(layer(features[order]), layer(features)[order])


def test_a_collapsed_batch_is_as_close_as_can_be() -> None:
    torch.manual_seed(2)
    layer = MinibatchDiscrimination(4, 3, 2)
    torch.testing.assert_close(layer(torch.randn(1, 4).expand(5, 4)), torch.ones(5, 3))
    assert bool((layer(torch.randn(5, 4)) < 1).all())


def test_one_event_alone_has_nobody_beside_it() -> None:
    torch.testing.assert_close(MinibatchDiscrimination(4, 3, 2)(torch.randn(1, 4)), torch.zeros(1, 3))
