"""Normal scores by quantiles: exact inverses, zeros that stay zeros, and right distributions at each coordinate."""

import math

import numpy as np
import pytest
import torch

from simulacra.representations.conditional_quantiles import ConditionalQuantiles, logit_of_score, score_of_logit


def mixture(n: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Two values: 0 with a probability that falls with the coordinate, else log-normal about it; and one never 0."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-2, 2, n)
    hit = rng.random(n) < 1 / (1 + np.exp(-t))
    values = np.stack([np.where(hit, np.exp(rng.normal(t, 0.5)), 0), np.exp(rng.normal(-t, 1.0))], axis=1)
    return torch.from_numpy(values), torch.from_numpy(t[:, None])


def fitted(n: int = 8000) -> ConditionalQuantiles:
    quantiles = ConditionalQuantiles(torch.zeros(2, dtype=torch.long)).double()
    quantiles.fit(*mixture(n))
    return quantiles


def uniform(like: torch.Tensor, seed: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(like.shape, generator=rng, dtype=like.dtype).clamp(1e-6, 1 - 1e-6)


def test_logit_of_scores_is_nearly_that_of_the_normal_distribution() -> None:
    z = torch.linspace(-4, 4, 801, dtype=torch.float64)
    assert float((torch.sigmoid(logit_of_score(z)) - torch.special.ndtr(z)).abs().max()) < 1.5e-4
    torch.testing.assert_close(score_of_logit(logit_of_score(8 * z)), 8 * z, rtol=1e-10, atol=1e-12)


def test_round_trip_is_exact_in_and_outside_the_sample_it_was_fitted_to() -> None:
    quantiles = fitted()
    for seed in (1, 2):
        values, coordinate = mixture(3000, seed)
        values[:5, 0] = torch.tensor([0.02, 0.7, 30.0, 60.0, 0.0])
        coordinate[:2] = torch.tensor([[-9.0], [9.0]])
        back = quantiles.inverse(quantiles(values, coordinate, uniform(values)), coordinate)
        torch.testing.assert_close(back, values, rtol=1e-7, atol=0)


def test_round_trip_in_single_precision_keeps_every_hit() -> None:
    quantiles = fitted().float()
    values, coordinate = (x.float() for x in mixture(8000, 2))
    back = quantiles.inverse(quantiles(values, coordinate, uniform(values)), coordinate)
    assert bool(((back > 0) == (values > 0)).all())
    assert float((back / values - 1)[values > 0].abs().quantile(0.999)) < 1e-4


def test_scores_of_new_values_are_standard_normal_at_each_coordinate() -> None:
    values, coordinate = mixture(16_000, 2)
    scores = fitted(16_000)(values, coordinate, uniform(values))
    assert bool(torch.isfinite(scores).all())
    for low in np.arange(-2, 2, 0.5):
        inside = (coordinate[:, 0] >= low) & (coordinate[:, 0] < low + 0.5)
        for d in range(2):
            p = torch.special.ndtr(scores[inside, d]).sort().values
            n = len(p)
            distance = (p - (torch.arange(n) + 0.5) / n).abs().max() * math.sqrt(n)
            # Kolmogorov's 2.0 has a false-alarm rate of 7e-4, and the fit of 1,000 events a knot errs as much again.
            assert float(distance) < 2.8, (low, d, float(distance))


def test_standard_normal_scores_give_the_fitted_distribution() -> None:
    quantiles = fitted()
    coordinate = torch.full((20_000, 1), 0.7, dtype=torch.float64)
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    made = quantiles.inverse(noise, coordinate)
    share = float((made[:, 0] > 0).double().mean())
    # From 1,500 events a knot and 20,000 made: 0.016 is four standard deviations of either.
    assert share == pytest.approx(1 / (1 + math.exp(-0.7)), abs=0.05)
    logarithm = made[:, 0][made[:, 0] > 0].log()
    assert float(logarithm.mean()) == pytest.approx(0.7, abs=0.08)
    assert float(logarithm.std()) == pytest.approx(0.5, abs=0.06)
    assert bool((made[:, 1] > 0).all())


def test_zeros_are_dequantised_below_their_threshold_only() -> None:
    quantiles = fitted()
    values, coordinate = mixture(500)
    first, second = (quantiles(values, coordinate, uniform(values, seed)) for seed in (1, 2))
    empty = values == 0
    assert bool((first[empty] != second[empty]).all())
    assert bool((first[~empty] == second[~empty]).all())
    assert bool((quantiles.excess(first, coordinate)[empty] < 0).all())


def test_what_was_never_seen_is_never_made() -> None:
    quantiles = ConditionalQuantiles(torch.zeros(2, dtype=torch.long)).double()
    values, coordinate = mixture(2000)
    values[:, 0] = 0
    quantiles.fit(values, coordinate)
    made = quantiles.inverse(torch.randn(20_000, 2).double() * 1.2, coordinate[:1].expand(20_000, 1))
    assert bool((made[:, 0] == 0).all())
    assert bool((made[:, 1] > 0).all())


def test_a_coordinate_of_few_values_has_a_knot_at_each() -> None:
    values, coordinate = mixture(4000)
    steps = (coordinate / coordinate.max() * 2.999).floor()
    made = ConditionalQuantiles(torch.zeros(2, dtype=torch.long), 8).double()
    made.fit(values, steps)
    distinct = steps.unique()
    torch.testing.assert_close(made.places[0, : len(distinct)], distinct.to(made.places.dtype))
    assert bool((made.places.diff(dim=1) > 0).all())
    uniform = torch.rand(values.shape, generator=torch.Generator().manual_seed(1)).to(values).clamp(1e-6, 1 - 1e-6)
    scores = made(values, steps, uniform)
    torch.testing.assert_close(made.inverse(scores, steps), values, rtol=1e-4, atol=0)
    for step in distinct:
        some = scores[steps[:, 0] == step]
        # Three times the error of a mean, and what nodes and rounding of the logit leave.
        assert float(some.mean(dim=0).abs().max()) < 3 / len(some) ** 0.5 + 0.02


def test_a_coordinate_that_is_seldom_there_is_fitted_to_what_there_is() -> None:
    values, coordinate = mixture(300)
    coordinates = torch.cat([coordinate, coordinate, coordinate], dim=1)
    coordinates[40:, 1] = -torch.inf
    coordinates[:, 2] = -torch.inf
    made = ConditionalQuantiles(torch.tensor([0, 1, 2]), 4).double()
    made.fit(torch.cat([values, values], dim=1)[:, :3], coordinates)
    assert all(bool(torch.isfinite(buffer).all()) for buffer in made.buffers())


def test_too_few_events_or_knots_are_refused() -> None:
    values, coordinate = mixture(30)
    with pytest.raises(ValueError, match="more than 30 finite values"):
        ConditionalQuantiles(torch.zeros(2, dtype=torch.long)).fit(values, coordinate)
    values, coordinate = mixture(300)
    with pytest.raises(ValueError, match="more than 0 finite values"):
        ConditionalQuantiles(torch.zeros(2, dtype=torch.long)).fit(values, 0 * coordinate)
    with pytest.raises(ValueError, match="at least 2 knots"):
        ConditionalQuantiles(torch.zeros(2, dtype=torch.long), 1)
