"""The mixture of logistic distributions on an interval: normalised, and drawn from its own density."""

import numpy as np
import torch
from scipy import stats

from simulacra.networks.logistic_mixture import components, draw, log_density

LOW, HIGH = torch.tensor(-2.0, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)


def raw_numbers(n: int, scale: float) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return scale * torch.randn(n, 12, generator=rng, dtype=torch.float64)


def test_the_density_is_normalised_on_the_interval() -> None:
    # The narrowest components are 0.01 wide: 20,000 points resolve them.
    x = torch.linspace(-2.0, 3.0, 20_001, dtype=torch.float64)
    for raw in raw_numbers(10, 3.0):
        density = torch.exp(log_density(x, raw.expand(len(x), -1), LOW, HIGH))
        assert abs(float(torch.trapezoid(density, x)) - 1) < 1e-4


def test_one_wide_component_is_scipys_truncated_logistic() -> None:
    raw = torch.tensor([0.0, 0.4, 0.7], dtype=torch.float64)
    _, mean, width = (float(one) for one in components(raw, LOW, HIGH))
    x = np.linspace(-1.9, 2.9, 7)
    plain = stats.logistic(mean, width)
    expected = plain.logpdf(x) - np.log(plain.cdf(3.0) - plain.cdf(-2.0))
    found = log_density(torch.tensor(x), raw.expand(len(x), -1), LOW, HIGH)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_draws_have_the_density() -> None:
    raw = raw_numbers(1, 1.5)
    uniform = np.random.default_rng(2).random((2, 20_000))
    x = draw(*torch.tensor(uniform), raw.expand(20_000, -1), LOW, HIGH).numpy()
    assert x.min() >= -2.0
    assert x.max() <= 3.0
    grid = torch.linspace(-2.0, 3.0, 20_001, dtype=torch.float64)
    density = torch.exp(log_density(grid, raw.expand(len(grid), -1), LOW, HIGH)).numpy()
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid.numpy()))])
    # False-alarm rate 1e-4, for one seed.
    assert stats.kstest(np.interp(x, grid.numpy(), cumulative), "uniform").pvalue > 1e-4


def test_the_ends_of_the_uniform_numbers_give_finite_draws() -> None:
    raw = raw_numbers(50, 5.0).float()
    for end in (0.0, 1.0):
        x = draw(torch.full((50,), end), torch.full((50,), end), raw, LOW.float(), HIGH.float())
        assert bool(((x >= -2.0) & (x <= 3.0)).all())
