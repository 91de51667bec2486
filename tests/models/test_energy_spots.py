"""Energy spots: quantiles and densities against scipy's, the closed form against spots thrown one by one."""

import numpy as np
import pytest
import torch
from scipy import stats

from simulacra.models.energy_spots import COUNTED, energy_of_spots, log_likelihood, poisson_number, upper_tail


@pytest.mark.parametrize("mean", [1e-3, 0.05, 0.7, 3.0, 7.9, 8.1, 40.0, 500.0])
def test_the_poisson_number_is_the_quantile(mean: float) -> None:
    z = np.linspace(-3.9, 3.9, 2001)
    made = poisson_number(torch.full((len(z),), mean, dtype=torch.float64), torch.from_numpy(z)).numpy()
    exact = stats.poisson.ppf(stats.norm.cdf(z), mean)
    if mean < COUNTED:
        np.testing.assert_array_equal(made, exact)
    else:  # the expansion may be off by one next to a step
        assert np.abs(made - exact).max() <= 1
        assert (made != exact).mean() < 0.1


def test_single_precision_counts_as_double_does() -> None:
    rng = np.random.default_rng(1)
    mean, z = torch.from_numpy(10 ** rng.uniform(-5, 2, 100_000)), torch.from_numpy(rng.standard_normal(100_000))
    assert (poisson_number(mean.float(), z.float()) != poisson_number(mean, z)).double().mean() < 1e-4


@pytest.mark.parametrize("number", [1, 2, 3, 10, 100])
def test_the_energy_of_spots_is_gamma_distributed(number: int) -> None:
    z = torch.from_numpy(np.random.default_rng(number).standard_normal((2, 40_000)))
    energy = energy_of_spots(torch.full((40_000,), float(number), dtype=torch.float64), *z).numpy()
    # A Kolmogorov-Smirnov distance; 0.012 has a false-alarm rate below 1e-4 for an exact one.
    assert stats.kstest(energy, stats.gamma(number).cdf).statistic < 0.012
    assert (energy_of_spots(torch.zeros(3), *torch.ones(2, 3)) == 0).all()


def test_the_likelihood_is_normalised_and_has_the_right_mean() -> None:
    energy = torch.linspace(1e-6, 60.0, 400_001, dtype=torch.float64)
    for mean, spot in ((0.3, 0.7), (5.0, 1.1), (9.0, 0.2)):
        log_p = log_likelihood(energy, torch.full_like(energy, mean), torch.full_like(energy, spot))
        # Up to the energy, which the function leaves out.
        density = torch.exp(log_p) / energy
        empty = float(torch.exp(log_likelihood(torch.zeros(1), torch.tensor([mean]), torch.tensor([spot]))))
        assert empty == pytest.approx(np.exp(-mean / spot), rel=1e-5)
        assert float(torch.trapezoid(density, energy)) + empty == pytest.approx(1, abs=1e-4)
        assert float(torch.trapezoid(density * energy, energy)) == pytest.approx(mean, rel=1e-3)


def test_the_likelihood_finds_the_energy_of_spots_thrown_one_by_one() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.poisson(3.0, 20_000)
    energy = torch.tensor([rng.exponential(0.4, n).sum() for n in numbers])
    spots = torch.linspace(0.3, 0.5, 41, dtype=torch.float64)
    total = [
        float(log_likelihood(energy, torch.full_like(energy, 1.2), torch.full_like(energy, s)).sum()) for s in spots
    ]
    assert float(spots[int(np.argmax(total))]) == pytest.approx(0.4, abs=0.016)  # 4 sigma


def test_tails_never_vanish() -> None:
    assert float(upper_tail(torch.tensor(40.0))) > 0
    assert float(upper_tail(torch.tensor(0.0))) == 0.5
