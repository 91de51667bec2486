"""Scores of empty cells, as correlated with their neighbours as hits are: a Gaussian copula of censored values."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

#: events at once, so that a block stays in the processor's cache
AT_ONCE: Final = 1024
#: share of the unit matrix that is added to correlations, so that they can be inverted
RIDGE: Final = 1e-3
#: of a probability, so that no quantile is infinite
LEAST: Final = 1e-6
SWEEPS: Final = 12


def imputed(scores: Tensor, thresholds: Tensor, moments: Tensor, seeds: Tensor, sweeps: int = SWEEPS) -> Tensor:
    """Return scores (N, D) with the censored ones drawn given all others, by Gibbs sampling of a normal distribution.

    An empty cell only says that its score is below a threshold. Drawn at random below it, it is independent of its
    neighbours, and the second moments of such scores are smaller than those that make hits come in groups. Drawn given
    the neighbours, as a Gaussian copula is estimated from censored values (Hoff, Ann. Appl. Stat. 1 (2007) 265),
    scores are nearly normal together.

    Parameters
    ----------
    scores:
        minus infinity where censored.
    thresholds:
        largest value of a censored score, (N, D).
    moments:
        second moments about 0, (D, D).
    seeds:
        an integer for each row, (N,), which decides its random numbers whatever the other rows are.
    """
    precision = _inverted(moments)
    parts = zip(*(each.split(AT_ONCE) for each in (scores, thresholds, seeds)), strict=True)
    return torch.cat([_sampled(seen, most, precision, rows, sweeps) for seen, most, rows in parts])


def fitted(scores: Tensor, thresholds: Tensor, rng: torch.Generator, rounds: int = SWEEPS) -> tuple[Tensor, Tensor]:
    """Return the second moments (D, D) about 0 of scores whose censored ones are drawn given them, and these scores."""
    hits = torch.isfinite(scores)
    current = torch.where(hits, scores, below(thresholds, 0.0 * thresholds, 1.0, torch.rand(hits.shape, generator=rng)))
    for _ in range(rounds):
        precision = _inverted(current.t() @ current / len(current))
        uniform = torch.rand(hits.shape, generator=rng)
        parts = zip(*(each.split(AT_ONCE) for each in (current, scores, thresholds, uniform)), strict=True)
        current = torch.cat([_swept(x, seen, most, precision, u) for x, seen, most, u in parts])
    return current.t() @ current / len(current), current


def _inverted(moments: Tensor) -> Tensor:
    inverse: Tensor = torch.linalg.inv(moments.double() + RIDGE * torch.eye(len(moments)))
    return inverse.to(moments)


def _sampled(scores: Tensor, thresholds: Tensor, precision: Tensor, seeds: Tensor, sweeps: int) -> Tensor:
    shape = (sweeps + 1, scores.shape[1])
    each = [torch.rand(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds.tolist()]
    first, *further = torch.stack(each, dim=1).to(scores).unbind(0)
    current = torch.where(torch.isfinite(scores), scores, below(thresholds, 0.0 * thresholds, 1.0, first))
    for uniform in further:
        current = _swept(current, scores, thresholds, precision, uniform)
    return current


def _swept(current: Tensor, scores: Tensor, thresholds: Tensor, precision: Tensor, uniform: Tensor) -> Tensor:
    """Return scores after each censored one was drawn once given all others."""
    # The columns are drawn one after the other: (D, N) keeps each together.
    x, most, censored = current.t().contiguous(), thresholds.t().contiguous(), torch.isinf(scores).t().contiguous()
    uniform = uniform.t().contiguous()
    for i in range(len(x)):
        if not bool(censored[i].any()):
            continue
        inverse = 1.0 / float(precision[i, i])
        mean = x[i] - (precision[i] @ x) * inverse
        x[i] = torch.where(censored[i], below(most[i], mean, inverse**0.5, uniform[i]), x[i])
    return x.t().contiguous()


def below(most: Tensor, mean: Tensor, width: float, uniform: Tensor) -> Tensor:
    """Draw from normal distributions below ``most`` by uniform numbers."""
    share = torch.special.ndtr((most - mean) / width)
    drawn = mean + width * torch.special.ndtri((uniform * share).clamp(LEAST, 1.0 - LEAST))
    return torch.minimum(drawn, most)
