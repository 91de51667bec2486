"""Splines as distributions on the unit interval."""

from __future__ import annotations

import torch

from simulacra.networks.unit_spline import UnitSpline


def test_zeros_are_the_uniform_distribution() -> None:
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    spline = UnitSpline.of(torch.zeros(11, 13, dtype=torch.float64))
    torch.testing.assert_close(spline.cumulative(x), x)
    torch.testing.assert_close(spline.log_density(x), torch.zeros_like(x), atol=1e-6, rtol=0)


def test_quantiles_invert_the_cumulative_function_whose_slope_is_the_density() -> None:
    free = 2 * torch.randn(500, 25, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    spline = UnitSpline.of(free)
    x = torch.rand(500, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    u = spline.cumulative(x)
    (slope,) = torch.autograd.grad(u.sum(), x)
    torch.testing.assert_close(slope.log(), spline.log_density(x), atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(spline.quantile(u), x, atol=1e-8, rtol=0)
    for end in (0.0, 1.0):
        torch.testing.assert_close(spline.cumulative(torch.full_like(x, end)), torch.full_like(x, end))
        torch.testing.assert_close(spline.quantile(torch.full_like(x, end)), torch.full_like(x, end))
