"""Shapes imposed on cells: those asked for come out, and sums, zeros and sparse sections stay as they are."""

import numpy as np
import pytest
import torch

from simulacra.geometry import CalorimeterGeometry
from simulacra.observables.showers import shower_shapes_of
from simulacra.representations.imposed_shapes import FEWEST_HITS, ImposedShapes
from simulacra.representations.nudged_shapes import NudgedShapes

GEOMETRY = CalorimeterGeometry.load("calogan")
SIZES = [section.n_cells for section in GEOMETRY.sections]


def showers(n: int = 200, *, share: float = 0.6) -> torch.Tensor:
    """Return showers of a Gaussian profile with fluctuations, of which ``share`` of the cells is hit."""
    rng = torch.Generator().manual_seed(1)
    x, y = (torch.tensor(centres, dtype=torch.float32) for centres in (GEOMETRY.cell_x, GEOMETRY.cell_y))
    width = 60 + 20 * torch.rand(n, 1, generator=rng)
    cells = torch.exp(-0.5 * (x**2 + y**2) / width**2 + 0.5 * torch.randn(n, len(x), generator=rng)) + 1e-3
    return 100 * cells * (torch.rand(cells.shape, generator=rng) < share)


def energies_of(cells: torch.Tensor) -> torch.Tensor:
    return torch.stack([part.sum(dim=1) for part in cells.split(SIZES, dim=1)], dim=1)


def shapes_of(cells: torch.Tensor) -> list[torch.Tensor]:
    known = shower_shapes_of(cells.numpy(), np.ones(len(cells)), GEOMETRY)
    names = ("eta_centre", "phi_centre", "eta_width", "phi_width")
    found = [[known[f"{name}_{i}"] for i in range(3)] for name in names]
    ratio = [[(1 - r) / (1 + r) for r in (known[f"energy_ratio_{i}"] for i in range(3))]]
    hits = torch.stack([(part > 0).sum(dim=1) for part in cells.split(SIZES, dim=1)], dim=1)
    return [hits, *(torch.tensor(np.stack(value, axis=1), dtype=torch.float32) for value in found + ratio)]


Kind = type[ImposedShapes] | type[NudgedShapes]
both = pytest.mark.parametrize("kind", [ImposedShapes, NudgedShapes])


@both
def test_the_shapes_asked_for_come_out(kind: Kind) -> None:
    cells = showers()
    hits, *shapes = shapes_of(cells)
    rng = torch.Generator().manual_seed(2)
    asked = [
        *(centre + 3 * torch.randn(centre.shape, generator=rng) for centre in shapes[:2]),
        *(width * (0.9 + 0.2 * torch.rand(width.shape, generator=rng)) for width in shapes[2:4]),
        (shapes[4] * (0.9 + 0.2 * torch.rand(shapes[4].shape, generator=rng))).clamp(max=1.0),
    ]
    made = kind(GEOMETRY)(cells, energies_of(cells), [hits, *asked])
    found = shapes_of(made)
    assert found[0].equal(hits)
    torch.testing.assert_close(energies_of(made), energies_of(cells), rtol=1e-5, atol=0)
    # A nudge moves both of the hottest pair half of the way, and leaves the rest to the generator.
    most = [0.25] * 4 + [0.25 if kind is ImposedShapes else 0.75]
    for before, wanted, after, limit in zip(shapes, asked, found[1:], most, strict=True):
        left = (after - wanted).abs().mean() / (before - wanted).abs().mean()
        assert float(left) < limit


@both
def test_cells_that_have_the_shapes_already_stay(kind: Kind) -> None:
    cells = showers()
    made = kind(GEOMETRY)(cells, energies_of(cells), shapes_of(cells))
    # A variance is taken a thousandth too large on purpose.
    torch.testing.assert_close(made, cells, rtol=5e-3, atol=1e-3)


@both
@pytest.mark.parametrize("wrong", [1e6, -1e6])
def test_shapes_that_cannot_be_had_leave_finite_cells_and_right_sums(wrong: float, kind: Kind) -> None:
    cells = showers(share=0.1)
    cells[:50] = 0
    hits, *shapes = shapes_of(cells)
    made = kind(GEOMETRY)(cells, energies_of(cells), [hits, *(shape + wrong for shape in shapes)])
    assert bool(torch.isfinite(made).all())
    assert bool(((made > 0) == (cells > 0)).all())
    torch.testing.assert_close(energies_of(made), energies_of(cells), rtol=1e-5, atol=0)


@both
def test_sections_with_few_hits_are_left_alone(kind: Kind) -> None:
    cells = showers(share=0.02)
    hits, *shapes = shapes_of(cells)
    made = kind(GEOMETRY)(cells, energies_of(cells), [hits, *(shape + 5.0 for shape in shapes)])
    few = (hits < FEWEST_HITS).repeat_interleave(torch.tensor(SIZES), dim=1)
    torch.testing.assert_close(made[few], cells[few], rtol=1e-5, atol=0)
    assert float((made[~few] - cells[~few]).abs().max()) > 0.1


def test_a_nudge_moves_the_core_and_not_the_soft_cells_around_it() -> None:
    cells = showers()
    hits, *shapes = shapes_of(cells)
    asked = [hits, shapes[0] + 3.0, *shapes[1:]]
    changes = []
    for kind in (ImposedShapes, NudgedShapes):
        made = kind(GEOMETRY)(cells, energies_of(cells), asked)
        factor = (made / cells).log()[:, 288:432]
        hit = cells[:, 288:432] > 0
        # The half of the hits with less energy than the others.
        soft = hit & (cells[:, 288:432] < cells[:, 288:432][hit].median())
        changes.append((float(factor[soft].abs().mean()), float(factor[hit & ~soft].abs().mean())))
    (soft_before, hard_before), (soft, hard) = changes
    assert soft < 0.6 * soft_before
    assert hard / soft > 2 * hard_before / soft_before
