"""The parametrised shower against its own closed forms: integrals, moments, a fit of what it made itself."""

import numpy as np
import pytest
import torch
from scipy.special import gammainc

from simulacra.geometry import CalorimeterGeometry
from simulacra.models.longitudinal_fit import fit_longitudinal, profiles
from simulacra.models.parametrised_shower import ParametrisedShower, _corners

GEOMETRY = CalorimeterGeometry.load("calogan")


@pytest.fixture(scope="module")
def shower() -> ParametrisedShower:
    module = ParametrisedShower(GEOMETRY, "e+").eval().requires_grad_(False)
    module.spots.copy_(torch.tensor([[-6.3, -0.9]] * 3))
    return module


def cells_of(module: ParametrisedShower, energy: np.ndarray, seed: int = 1) -> np.ndarray:
    rng = torch.Generator().manual_seed(seed)
    parts = torch.from_numpy(energy.astype(np.float32))[:, None].split(200)
    with torch.inference_mode():
        pieces = [module(torch.randn(len(part), module.latent, generator=rng), part) for part in parts]
    return torch.cat(pieces).numpy()


def test_the_integral_over_a_rectangle_is_that_of_the_density() -> None:
    radius = torch.tensor([[0.7]], dtype=torch.float64)
    x, y = torch.tensor([-0.3, 1.1], dtype=torch.float64), torch.tensor([0.2, 2.0], dtype=torch.float64)
    corners = _corners(radius, y, x)[0, 0]
    closed = float(corners[1, 1] - corners[1, 0] - corners[0, 1] + corners[0, 0])
    grid = [torch.linspace(float(a), float(b), 2001, dtype=torch.float64) for a, b in (y, x)]
    square = grid[0][:, None] ** 2 + grid[1][None] ** 2
    density = 0.49 / np.pi / (square + 0.49) ** 2
    assert closed == pytest.approx(float(torch.trapezoid(torch.trapezoid(density, grid[1], dim=1), grid[0])), rel=1e-6)
    far = torch.tensor([0.0, 1e6], dtype=torch.float64)
    assert float(_corners(radius, far, far)[0, 0, 1, 1]) == pytest.approx(0.25, abs=1e-5)


def test_slices_are_those_of_the_gamma_distribution(shower: ParametrisedShower) -> None:
    log_t, log_alpha = torch.tensor([1.2, 2.1]), torch.tensor([0.9, 1.7])
    alpha, t = np.exp(log_alpha.double().numpy()), np.exp(log_t.double().numpy())
    below = gammainc(alpha[:, None], (alpha - 1)[:, None] / t[:, None] * shower.edges_t.double().numpy())
    made = shower.slices(log_t, log_alpha, torch.zeros(2)).numpy()
    np.testing.assert_allclose(made[:, :-1], np.diff(below, axis=1), atol=3e-4)
    np.testing.assert_allclose(made[:, -1], 1 - below[:, -1], atol=3e-4)


def test_a_photon_starts_its_shower_where_it_converts() -> None:
    photon = ParametrisedShower(GEOMETRY, "gamma").eval().requires_grad_(False)
    log_t, log_alpha, start = torch.tensor([1.5, 1.5]), torch.tensor([1.2, 1.2]), torch.tensor([0.0, 4.0])
    early, late = photon.slices(log_t, log_alpha, start)
    assert float(late[0]) == 0
    assert float((late[:-1] * photon.edges_t[1:]).sum() - (early[:-1] * photon.edges_t[1:]).sum()) == pytest.approx(
        4, abs=0.1
    )
    energy = np.full(400, 20.0)
    first = sections_of(cells_of(photon, energy))[:, 0] / 20_000
    other = sections_of(cells_of(ParametrisedShower(GEOMETRY, "e-").requires_grad_(False), energy))[:, 0] / 20_000
    assert first.mean() < other.mean() - 0.05
    # The chance that none of 400 converts behind three radiation lengths is 1e-17.
    assert first.min() < 0.03


def test_energy_is_conserved_and_nothing_is_negative(shower: ParametrisedShower) -> None:
    energy = np.geomspace(1, 100, 400)
    cells = cells_of(shower, energy)
    assert cells.shape == (400, GEOMETRY.n_cells)
    assert np.isfinite(cells).all()
    assert (cells >= 0).all()
    assert (cells == 0).any()
    assert (cells.sum(axis=1) <= 1000 * energy + 1.0221).all()


def test_a_shower_is_a_function_of_its_noise(shower: ParametrisedShower) -> None:
    noise, energy = torch.randn(4, shower.latent, generator=torch.Generator().manual_seed(3)), torch.full((4, 1), 20.0)
    both = shower(noise, energy)
    np.testing.assert_allclose(shower(noise[1:2], energy[:1]).numpy(), both[1:2].numpy(), rtol=1e-4, atol=1e-3)


def test_cells_have_the_means_that_the_profile_says(shower: ParametrisedShower) -> None:
    n = 3000
    energy = torch.full((n, 1), 30.0)
    noise = torch.randn(n, shower.latent, generator=torch.Generator().manual_seed(4))
    noise[:, :3] = 0.0  # one profile; the spots alone fluctuate
    cells = shower(noise, energy).double().mean(dim=0)
    mean = shower(torch.zeros(1, shower.latent), energy[:1]).sum()
    log_t, log_alpha = (value[:1] for value in profile_at(shower, 30.0))
    start = torch.zeros(1)
    slices = shower.slices(log_t, log_alpha, start)
    share = shower.cell_shares(energy[:1, 0], log_t, start, slices)[0]
    expected = (share * shower.section_shares(slices)[0].index_select(0, shower.section) * mean).double()
    bright = expected > 0.01 * expected.sum()
    np.testing.assert_allclose(cells[bright].numpy(), expected[bright].numpy(), rtol=0.03)


def profile_at(shower: ParametrisedShower, energy: float) -> tuple[torch.Tensor, torch.Tensor]:
    from simulacra.models.parametrised_shower import means_and_deviations

    mean_t, mean_a, *_ = means_and_deviations(shower.longitudinal, shower.log_y(torch.tensor([energy])))
    return mean_t, mean_a


def test_the_fit_makes_the_showers_that_it_was_fitted_to(shower: ParametrisedShower) -> None:
    # ln T and ln alpha themselves are told apart weakly where the last section is empty: what they make is compared.
    energy = np.exp(np.random.default_rng(2).uniform(0, np.log(100), 600))
    sections = sections_of(cells_of(shower, energy, seed=7))
    other = ParametrisedShower(GEOMETRY, "e+").requires_grad_(False)
    other.longitudinal.copy_(other.longitudinal + 0.1)  # not from where it should end
    before = shares_at(other, 10.0)
    fit = fit_longitudinal(other, sections, energy)
    other.longitudinal.copy_(torch.from_numpy(fit.longitudinal))
    other.spots.copy_(torch.from_numpy(fit.last_spot).expand(3, 2))
    for e in (3.0, 15.0, 70.0):
        ours, theirs = shares_at(other, e), shares_at(shower, e)
        # 600 showers of a spread of 0.1 and less: five standard errors of the mean, and of the width.
        assert ours[:, 0].mean() == pytest.approx(theirs[:, 0].mean(), abs=0.02)
        assert ours[:, 0].std() == pytest.approx(theirs[:, 0].std(), abs=0.02)
        assert ours[:, 2].mean() == pytest.approx(theirs[:, 2].mean(), rel=0.4)
    assert abs(before[:, 0].mean() - shares_at(shower, 10.0)[:, 0].mean()) > 0.02
    found = profiles(other, sections, energy)
    assert found.shape == (600, 3)
    assert (found[:, 2] == 0).all()
    assert np.isfinite(found).all()


def sections_of(cells: np.ndarray) -> np.ndarray:
    return np.stack([cells[:, GEOMETRY.section_slice(i)].sum(axis=1, dtype=float) for i in range(3)], axis=1)


def shares_at(shower: ParametrisedShower, energy: float) -> np.ndarray:
    sections = sections_of(cells_of(shower, np.full(1500, energy), seed=9))
    return sections / sections.sum(axis=1, keepdims=True)


def test_a_geometry_that_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="three cartesian sections or more, unlike 'calochallenge'"):
        ParametrisedShower(CalorimeterGeometry.load("calochallenge"), "e+")
