"""Tabulated quantiles: the way back, the distribution of the scores, and their ends."""

import pytest
import torch

from simulacra.representations.class_quantiles import ClassQuantiles

NODES = torch.linspace(0, 1, 33, dtype=torch.float64)


def values(n: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Return exponential values of two classes, the second ten times as large."""
    rng = torch.Generator().manual_seed(1)
    kind = torch.arange(float(n)) % 2
    return -torch.rand(n, generator=rng).log() * (1 + 9 * kind), kind


def fitted() -> ClassQuantiles:
    made = ClassQuantiles(NODES, lowest=-2.0, spacing=0.125, classes=3)
    made.fit(*values())
    return made


def test_values_come_back_and_scores_have_their_distribution() -> None:
    value, kind = values()
    made = fitted()
    scores = made(value, kind)
    torch.testing.assert_close(made.inverse(scores, kind), value, rtol=1e-5, atol=1e-5)
    # The probabilities of the nodes are even, from a score of -2 to one of 2.
    for one in range(2):
        counts = torch.histc(scores[kind == one], bins=4, min=-2, max=2)
        assert (counts / counts.sum() - 0.25).abs().max() < 0.01


def test_nothing_is_made_beyond_the_sample() -> None:
    value, kind = values()
    for one in range(2):
        ends = fitted().inverse(torch.tensor([-100.0, 100.0]), torch.full((2,), float(one)))
        seen = value[kind == one]
        torch.testing.assert_close(ends, torch.stack([seen.min(), seen.max()]))


def test_equal_values_can_be_inverted() -> None:
    made = ClassQuantiles(NODES, lowest=0.0, spacing=1.0, classes=1)
    made.fit(torch.tensor([1.0] * 50 + [2.0] * 50), torch.zeros(100))
    assert bool((made.values.diff() > 0).all())
    scores = made(torch.tensor([1.0, 2.0]), torch.zeros(2))
    torch.testing.assert_close(made.inverse(scores, torch.zeros(2)), torch.tensor([1.0, 2.0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 5), (0,)])
def test_any_shape_is_inverted(shape: tuple[int, ...]) -> None:
    assert fitted().inverse(torch.zeros(shape), torch.zeros(shape)).shape == shape
