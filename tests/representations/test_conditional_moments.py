"""Points relative to what their context says of them: found from events, exactly invertible, not learned by heart."""

import torch

from simulacra.representations.conditional_moments import ConditionalMoments


def events(n: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points whose mean and width follow the context, but for the last, which does not."""
    rng = torch.Generator().manual_seed(seed)
    context = 2 * torch.rand(n, 2, generator=rng) - 1
    mean = torch.stack([2 * torch.sin(3 * context[:, 0]), context[:, 1], torch.zeros(n)], dim=1)
    width = torch.stack([torch.full((n,), 0.3), torch.exp(context[:, 0]), torch.ones(n)], dim=1)
    return mean + width * torch.randn(n, 3, generator=rng), context


def fitted(n: int = 8000) -> ConditionalMoments:
    torch.manual_seed(2)
    made = ConditionalMoments(3, 2, 32)
    points, context = events(n)
    made.fit(lambda rows: (points[rows], context[rows]), n, torch.Generator().manual_seed(3))
    return made


def test_what_is_left_is_standard_wherever_one_looks() -> None:
    points, context = events(8000, seed=5)
    found = fitted()(points, context)
    assert float(points[:, 0].std()) > 1.2
    for chosen in (context[:, 0] > 0.5, context[:, 0] < -0.5, context[:, 1].abs() < 0.3):
        # About 2000 events: an error of 0.022 of a mean and 0.016 of a width, and what the fit does not know.
        assert float(found[chosen].mean(dim=0).abs().max()) < 0.15
        assert float((found[chosen].std(dim=0) - 1).abs().max()) < 0.15


def test_points_come_back() -> None:
    points, context = events(500, seed=6)
    made = fitted(500)
    torch.testing.assert_close(made.inverse(made(points, context), context), points, rtol=1e-5, atol=1e-5)


def test_few_events_are_not_learned_by_heart() -> None:
    rng = torch.Generator().manual_seed(1)
    points, context = torch.randn(100, 200, generator=rng), torch.randn(100, 20, generator=rng)
    made = ConditionalMoments(200, 20)
    made.fit(lambda rows: (points[rows], context[rows]), 100, rng)
    others = torch.randn(1000, 200, generator=rng)
    found = made(others, torch.randn(1000, 20, generator=rng))
    assert float(found.square().mean()) < 1.15


def test_nothing_is_changed_before_the_fit_nor_trained_after_it() -> None:
    points, context = events(50)
    assert ConditionalMoments(3, 2)(points, context).equal(points)
    assert not any(parameter.requires_grad for parameter in fitted(200).parameters())
