"""Scores below a threshold drawn given the others: as correlated as those above it, and never above it themselves."""

import torch

from simulacra.representations.latent_scores import fitted, imputed

SIZE = 6


def correlated(n: int = 6000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return normal scores of cells in a row, the higher of which are seen, the thresholds, and their correlations."""
    rng = torch.Generator().manual_seed(1)
    distance = (torch.arange(SIZE)[:, None] - torch.arange(SIZE)).abs()
    moments = 0.7**distance
    scores = torch.randn(n, SIZE, generator=rng) @ torch.linalg.cholesky(moments).t()
    thresholds = torch.linspace(-0.5, 1.5, SIZE).expand(n, SIZE).contiguous()
    return torch.where(scores > thresholds, scores, -torch.inf), thresholds, moments


def test_the_correlations_of_what_is_censored_are_found() -> None:
    seen, thresholds, known = correlated()
    found, scores = fitted(seen, thresholds, torch.Generator().manual_seed(2), rounds=40)
    # 6000 events, of whose scores 7 to 69 % are seen: an error of about 0.02 to 0.05 of a moment.
    torch.testing.assert_close(found, known, atol=0.15, rtol=0)
    hits = torch.isfinite(seen)
    assert scores[hits].equal(seen[hits])
    assert bool((scores <= thresholds)[~hits].all())
    # Drawn at random below the thresholds, they would be much less correlated.
    rng = torch.Generator().manual_seed(3)
    below = torch.special.ndtri(torch.rand(seen.shape, generator=rng) * torch.special.ndtr(thresholds))
    alone = torch.where(hits, seen, below)
    assert float((alone.t() @ alone / len(alone) - known).abs().max()) > 0.3


def test_scores_given_their_moments_are_of_these_moments() -> None:
    seen, thresholds, known = correlated()
    seeds = torch.arange(len(seen))
    scores = imputed(seen, thresholds, known, seeds, sweeps=20)
    torch.testing.assert_close(scores.t() @ scores / len(scores), known, atol=0.06, rtol=0)
    # An event's scores do not depend on the others.
    some = imputed(seen[40:70], thresholds[40:70], known, seeds[40:70], sweeps=20)
    torch.testing.assert_close(some, scores[40:70], atol=1e-4, rtol=1e-4)


def test_cells_that_are_always_or_never_hit_stay_finite() -> None:
    seen, thresholds, _ = correlated(500)
    seen[:, 0], thresholds[:, 0] = 1.0, -9.0
    seen[:, 1], thresholds[:, 1] = -torch.inf, 9.0
    found, scores = fitted(seen, thresholds, torch.Generator().manual_seed(5))
    assert bool(torch.isfinite(found).all())
    assert bool(torch.isfinite(scores).all())
    assert scores[:, 0].equal(seen[:, 0])
