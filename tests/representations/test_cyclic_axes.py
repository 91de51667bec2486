"""Principal axes of points on rings: symmetric, orthogonal, and right with values below a threshold unknown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from simulacra.representations import cyclic_axes
from simulacra.representations.cyclic_axes import CyclicAxes


def correlated(n: int, bins: int = 6, size: int = 3, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Return points (n, bins, size), correlated with their neighbours around the ring, and their correlations."""
    distance = torch.arange(bins)
    distance = (distance[:, None] - distance).abs()
    around = 0.6 ** torch.minimum(distance, bins - distance).double()
    along = 0.5 ** (torch.arange(size)[:, None] - torch.arange(size)).abs().double()
    moments = torch.kron(around, along)
    root = torch.linalg.cholesky(moments)
    noise = torch.randn(n, bins * size, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    return (noise @ root.t()).float().reshape(n, bins, size), moments


def moments_of(axes: CyclicAxes) -> Tensor:
    """Return the moments (A K, A K) that axes stand for."""
    points = torch.eye(axes.bins * axes.size).reshape(-1, axes.bins, axes.size)
    return axes.inverse(axes(points) * axes.variances()).flatten(1)


@pytest.mark.parametrize("bins", [1, 2, 5, 6])
def test_the_map_is_orthogonal(bins: int) -> None:
    points, _ = correlated(50, bins)
    axes = CyclicAxes(bins, 1, 2)
    axes.fit(points)
    components = axes(points)
    torch.testing.assert_close(axes.inverse(components), points, rtol=0, atol=1e-5)
    torch.testing.assert_close(components.square().sum((1, 2)), points.square().sum((1, 2)), rtol=1e-5, atol=1e-5)


def test_the_fit_finds_the_moments_and_makes_components_uncorrelated() -> None:
    points, true = correlated(20_000)
    axes = CyclicAxes(6, 3)
    axes.fit(points)
    torch.testing.assert_close(moments_of(axes), true.float(), rtol=0, atol=0.03)
    components = axes(points).flatten(1)
    found = components.t() @ components / len(components)
    torch.testing.assert_close(found, torch.diag(axes.variances().flatten()), rtol=0, atol=0.06)


def test_moments_are_those_of_turned_and_of_reflected_points() -> None:
    points, _ = correlated(30)
    images = [points, points.roll(2, dims=1), points.flip(1)]
    found = []
    for image in images:
        axes = CyclicAxes(6, 3)
        axes.fit(image)
        found.append(moments_of(axes))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=1e-5)


def test_moments_of_scores_of_which_many_are_unknown() -> None:
    points, true = correlated(8000)
    most = torch.full((len(points), 1, 3), 0.8)
    scores = torch.where(points > most, points, -torch.inf)
    assert float(torch.isinf(scores).float().mean()) > 0.75
    axes = CyclicAxes(6, 3)
    axes.fit_censored(scores, most, torch.Generator().manual_seed(1))
    torch.testing.assert_close(moments_of(axes), true.float(), rtol=0, atol=0.08)
    # Drawn independently, they would have a third of the correlation of neighbours.
    uniform = torch.rand(scores.shape, generator=torch.Generator().manual_seed(1))
    independent = cyclic_axes._begun(scores, most, uniform)
    assert float((independent[:, 0] * independent[:, 1]).mean()) < 0.35


def test_unknown_scores_stay_below_and_depend_on_their_seed_only() -> None:
    points, _ = correlated(100)
    most = torch.full((len(points), 1, 3), 0.2)
    scores = torch.where(points > most, points, -torch.inf)
    axes = CyclicAxes(6, 3)
    axes.fit(points)
    seeds = torch.arange(100)
    drawn = axes.imputed(scores, most, seeds)
    hit = torch.isfinite(scores)
    assert bool((drawn[~hit] <= 0.2).all())
    torch.testing.assert_close(drawn[hit], points[hit], rtol=0, atol=0)
    some = torch.tensor([70, 3])
    torch.testing.assert_close(axes.imputed(scores[some], most[some], seeds[some]), drawn[some], rtol=0, atol=1e-5)
    further = axes.refreshed(drawn, scores, most, torch.Generator().manual_seed(5))
    assert bool((further[~hit] <= 0.2).all())
    assert bool((further[~hit] != drawn[~hit]).any())


def test_many_components_are_rotated_by_neighbouring_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyclic_axes, "MOST_TOGETHER", 4)
    axes = CyclicAxes(6, 2, 2, 2, 2, 1)
    assert sum(axes.blocks) == 9
    assert max(axes.blocks) <= 4
    points, _ = correlated(200, size=9)
    axes.fit(points)
    torch.testing.assert_close(axes.inverse(axes(points)), points, rtol=0, atol=1e-5)
