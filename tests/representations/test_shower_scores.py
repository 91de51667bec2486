"""Section energies and cells as normal scores: exact inverses, exact sums, empty cells and sections that stay empty."""

import pytest
import torch

from simulacra.representations.cell_shares import CellShares
from simulacra.representations.principal_axes import PrincipalAxes
from simulacra.representations.section_energies import SectionEnergies
from tiny_calogan import toy_showers

SIZES = (16, 16, 8)


def showers(n: int = 400, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    events = toy_showers(n, seed)
    shower = torch.from_numpy(events["shower"].values).double()
    # A fifth of the showers ends before the last section.
    shower[::5, -8:] = 0
    return shower, torch.from_numpy(events["incident_energy"].values).double()


def uniform(like: torch.Tensor) -> torch.Tensor:
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(3), dtype=like.dtype).clamp(1e-6, 1 - 1e-6)


def cells() -> CellShares:
    made = CellShares(SIZES, 4).double()
    made.fit(showers()[0])
    return made


def hits(shower: torch.Tensor) -> torch.Tensor:
    return torch.stack([(piece > 0).sum(dim=1) for piece in shower.split(SIZES, dim=1)], dim=1)


def sections() -> SectionEnergies:
    made = SectionEnergies(3, 4).double()
    shower, energy = showers()
    made.fit(cells().energies(shower), energy)
    return made


@pytest.mark.parametrize("seed", [3, 4])
def test_round_trips_restore_each_cell_and_each_section(seed: int) -> None:
    shower, energy = showers(seed=seed)
    shares, energies = cells(), cells().energies(shower)
    back = shares.inverse(shares(shower, uniform(shower)), energies, hits(shower).clamp(min=1))
    torch.testing.assert_close(back, shower, rtol=1e-5, atol=0)
    found = sections()
    back = found.inverse(found(energies, energy, uniform(energies)), energy)
    torch.testing.assert_close(back, energies, rtol=1e-9, atol=1e-9)
    assert bool(((back > 0) == (energies > 0)).all())


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_sums_are_exact_whatever_the_scores(spread: float) -> None:
    rng = torch.Generator().manual_seed(5)
    shower, energy = showers()
    energies = cells().energies(shower)
    scores = spread * torch.randn(shower.shape, generator=rng, dtype=torch.float64)
    made = cells().inverse(scores, energies, hits(shower).clamp(min=1))
    assert bool((made >= 0).all())
    torch.testing.assert_close(cells().energies(made), energies, rtol=1e-9, atol=0)
    scores = spread * torch.randn(energies.shape, generator=rng, dtype=torch.float64)
    made = sections().inverse(scores, energy)
    assert bool((made >= 0).all())
    response = sections().quantiles.inverse(scores, energy.log()[:, None])[:, 0]
    torch.testing.assert_close(made.sum(dim=1), 1000 * energy * response, rtol=1e-9, atol=0)


@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_as_many_cells_are_hit_as_is_asked_for(spread: float) -> None:
    shower, _ = showers()
    energies = cells().energies(shower)
    rng = torch.Generator().manual_seed(6)
    asked = torch.stack([torch.randint(1, size + 1, (len(shower),), generator=rng) for size in SIZES], dim=1)
    scores = spread * torch.randn(shower.shape, generator=rng, dtype=torch.float64)
    made = cells().inverse(scores, energies, asked)
    assert hits(made)[energies > 0].equal(asked[energies > 0])
    assert bool((hits(made)[energies == 0] == 0).all())
    # The hits are those that come nearest to their thresholds, or pass them by most.
    excess = cells().quantiles.excess(scores, energies.log())[:, :16]
    lit = made[:, :16] > 0
    some = (energies[:, 0] > 0) & ~lit.all(dim=1)
    least = excess.where(lit, torch.inf).amin(dim=1)[some]
    assert bool((least > excess.where(~lit, -torch.inf).amax(dim=1)[some]).all())


def test_cells_that_tie_do_not_lose_their_section_s_energy() -> None:
    shower, _ = showers()
    energies = cells().energies(shower)
    made = cells().inverse(torch.full_like(shower, -9.0), energies, torch.ones(len(shower), 3, dtype=torch.long))
    torch.testing.assert_close(cells().energies(made), energies, rtol=1e-9, atol=0)


def test_what_is_fitted_travels_with_the_weights() -> None:
    shower, energy = showers()
    other, further = CellShares(SIZES, 4).double(), SectionEnergies(3, 4).double()
    other.load_state_dict(cells().state_dict())
    further.load_state_dict(sections().state_dict())
    assert other(shower, uniform(shower)).equal(cells()(shower, uniform(shower)))
    energies = other.energies(shower)
    assert further(energies, energy, uniform(energies)).equal(sections()(energies, energy, uniform(energies)))


def test_sections_are_taken_by_rising_energy() -> None:
    found = sections()
    shower, _ = showers()
    mean = (cells().energies(shower) / shower.sum(dim=1, keepdim=True)).mean(dim=0)
    assert bool((mean[found.order].diff() >= 0).all())


def test_showers_without_energy_come_back_without() -> None:
    shower, energy = showers()
    energies = cells().energies(shower)
    energies[::7] = 0
    made = SectionEnergies(3, 4).double()
    made.fit(energies, energy)
    back = made.inverse(made(energies, energy, uniform(energies)), energy)
    torch.testing.assert_close(back, energies, rtol=1e-9, atol=1e-9)
    assert bool((back[::7] == 0).all())


def test_many_components_are_turned_section_by_section() -> None:
    rng = torch.Generator().manual_seed(1)
    axes = PrincipalAxes(*[600] * 4)
    assert axes.blocks == [200] * 12
    points = torch.randn(400, 2400, generator=rng)
    points[:, 1] += points[:, 0]
    points[:, 201] += 2 * points[:, 200]
    axes.fit(points.split(100))
    assert axes.axes.numel() == 12 * 200 * 200
    found = axes(points)
    torch.testing.assert_close(axes.inverse(found), points, rtol=1e-3, atol=1e-4)
    moments = found[:, 200:400].t() @ found[:, 200:400] / 400
    torch.testing.assert_close(moments, torch.diag(axes.variance[200:400]), rtol=1e-3, atol=2e-3)
    assert PrincipalAxes(*[512] * 4).axes.shape == (2048, 2048)


def test_principal_axes_are_a_rotation_that_makes_components_uncorrelated() -> None:
    rng = torch.Generator().manual_seed(1)
    points = torch.randn(500, 4, generator=rng, dtype=torch.float64) @ torch.randn(4, 4, generator=rng).double()
    axes = PrincipalAxes(4).double()
    axes.fit([points])
    found = axes(points)
    torch.testing.assert_close(found.t() @ found / 500, torch.diag(axes.variance), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(axes.inverse(found), points)


def test_showers_that_are_contained_stay_contained_and_no_others() -> None:
    shower, energy = showers()
    energies = cells().energies(shower)
    released = 1000 * energy + 1.022
    # A twentieth leaves nothing; the others leave what they leave.
    scale = torch.where(torch.arange(len(energy)) % 20 == 0, released / energies.sum(dim=1), 1.0)
    energies = energies * scale[:, None]
    made = SectionEnergies(3, 4, annihilation=1.022, bounded=True).double()
    made.fit(energies, energy)
    back = made.inverse(made(energies, energy, uniform(energies)), energy)
    torch.testing.assert_close(back, energies, rtol=1e-6, atol=1e-6)
    whole = (back.sum(dim=1) / released - 1).abs() < 1e-9
    assert whole.equal(torch.arange(len(energy)) % 20 == 0)
    drawn = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    asked = energy[torch.arange(20_000) % len(energy)]
    contained = (made.inverse(drawn, asked).sum(dim=1) / (1000 * asked + 1.022) - 1).abs() < 1e-9
    # 5 %, of which 400 events are a sample: 1.1 %.
    assert 0.02 < float(contained.double().mean()) < 0.09
    assert float((made.inverse(drawn, asked).sum(dim=1) / (1000 * asked + 1.022)).max()) <= 1 + 1e-9
    # However far out a score is, no more leaks than a quarter more than ever before.
    largest = float((1 - energies.sum(dim=1) / released).max())
    furthest = made.inverse(torch.full((400, 3), 30.0, dtype=torch.float64), energy).sum(dim=1) / released
    torch.testing.assert_close(1 - furthest, torch.full_like(furthest, min(1.25 * largest, 1.0)), rtol=1e-4, atol=1e-6)
