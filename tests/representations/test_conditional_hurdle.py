"""Cells given their context: the right share of hits, scores that are normal at each, and cells that come back."""

import math

import torch

from simulacra.representations.conditional_hurdle import ConditionalHurdle
from simulacra.representations.conditional_quantiles import ConditionalQuantiles, open_uniform


def events(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return values of a rare and of a frequent cell, a coordinate, and a context on which both hang."""
    rng = torch.Generator().manual_seed(seed)
    coordinate, context = torch.rand(n, 1, generator=rng), 2 * torch.rand(n, 1, generator=rng) - 1
    hit = torch.rand(n, 2, generator=rng) < torch.sigmoid(torch.cat([-3 + 2 * context, 1 - context], dim=1))
    energy = torch.exp(0.5 * torch.randn(n, 2, generator=rng) + coordinate + torch.cat([context, -context], dim=1))
    return energy * hit, coordinate, context


def fitted() -> tuple[ConditionalQuantiles, ConditionalHurdle]:
    torch.manual_seed(1)
    values, coordinate, context = events(12000, 2)
    quantiles = ConditionalQuantiles(torch.tensor([0, 0]), 4)
    quantiles.fit(values, coordinate)
    logits, thresholds = quantiles.hit_logits(values, coordinate), quantiles.thresholds(coordinate)
    made = ConditionalHurdle(2, 1, 32)
    made.fit(
        lambda rows: (logits[rows], thresholds[rows], context[rows]), len(values), torch.Generator().manual_seed(3)
    )
    return quantiles, made


def scores_of(made: ConditionalHurdle, *arguments: torch.Tensor) -> torch.Tensor:
    """Return scores with those of zeros drawn at random."""
    found, most = made.censored(*arguments)
    uniform = open_uniform(found, torch.Generator().manual_seed(7))
    return torch.where(
        torch.isfinite(found), found, torch.special.ndtri(uniform * torch.special.ndtr(most)).clamp(-6, 6)
    )


def test_scores_are_standard_normal_at_each_context() -> None:
    quantiles, made = fitted()
    values, coordinate, context = events(12000, 4)
    rng = torch.Generator().manual_seed(5)
    logits, thresholds = quantiles.hit_logits(values, coordinate), quantiles.thresholds(coordinate)
    found = scores_of(made, logits, thresholds, context)
    plain = quantiles(values, coordinate, torch.rand(values.shape, generator=rng).clamp(1e-6, 1 - 1e-6))
    for low in (-1.0, -0.2, 0.6):
        chosen = ((context > low) & (context < low + 0.4)).flatten()
        # 2400 events: an error of 0.02 of a mean and 0.015 of a width.
        assert float(found[chosen].mean(dim=0).abs().max()) < 0.1
        assert float((found[chosen].std(dim=0) - 1).abs().max()) < 0.1
    assert float(plain[(context > 0.6).flatten()].mean(dim=0).abs().max()) > 0.3


def test_the_probability_of_a_hit_is_that_of_the_context() -> None:
    quantiles, made = fitted()
    context = torch.tensor([[-0.8], [0.0], [0.8]])
    empty, _, width = made(context, quantiles.thresholds(torch.full((3, 1), 0.5)))
    for column, logit in ((0, -3 + 2 * context), (1, 1 - context)):
        # Of 12,000 events 2 to 80 % are hits.
        torch.testing.assert_close(
            torch.sigmoid(-empty[:, column : column + 1]), torch.sigmoid(logit), atol=0.03, rtol=0
        )
    assert float(width.max()) < 0.95


def test_cells_come_back_from_their_scores() -> None:
    quantiles, made = fitted()
    values, coordinate, context = events(500, 6)
    thresholds = quantiles.thresholds(coordinate)
    scores = scores_of(made, quantiles.hit_logits(values, coordinate), thresholds, context)
    empty, mean, width = made(context, thresholds)
    excess = made.excess(scores, empty)
    assert (excess > 0).equal(values > 0)
    inner = made.logits(excess.where(excess > 0, 1e-3), empty, mean, width)
    back = torch.where(excess > 0, quantiles.values_of_logits(inner, coordinate), 0.0)
    torch.testing.assert_close(back, values, rtol=2e-3, atol=1e-4)


def test_before_the_fit_the_quantiles_stay_as_they_are() -> None:
    values, coordinate, context = events(300, 8)
    quantiles = ConditionalQuantiles(torch.tensor([0, 0]), 4)
    quantiles.fit(values, coordinate)
    thresholds = quantiles.thresholds(coordinate)
    empty, mean, width = ConditionalHurdle(2, 1)(context, thresholds)
    assert empty.equal(thresholds)
    assert float(mean.abs().max()) == 0.0
    assert width.equal(torch.ones_like(width))
    scores = scores_of(ConditionalHurdle(2, 1), quantiles.hit_logits(values, coordinate), thresholds, context)
    known = quantiles.scores(values, coordinate)
    torch.testing.assert_close(scores[values > 0], known[values > 0])
    assert math.isfinite(float(scores.sum()))
