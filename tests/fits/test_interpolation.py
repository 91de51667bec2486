"""Log ratios as polynomials of the parameters, against what they were made from."""

import numpy as np
import pytest
import torch
from torch import Tensor

from simulacra.fits.embedded import embedded
from simulacra.fits.errors import FitError
from simulacra.fits.fit import fit
from simulacra.fits.interpolation import Interpolation


class GaussianRatio:
    """Independent Gaussians of unit width with means theta, against means 0."""

    parameters = ("a", "b", "c")
    bounds = {"a": (-1.0, 1.0), "b": (-2.0, 1.0), "c": (0.0, 0.5)}  # noqa: RUF012
    reference = {"a": 0.0, "b": 0.0, "c": 0.0}  # noqa: RUF012

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        return z @ theta - 0.5 * (theta @ theta)


class BentRatio(GaussianRatio):
    """One that no polynomial of low degree follows."""

    def __call__(self, z: Tensor, theta: Tensor) -> Tensor:
        return torch.sin(40.0 * theta[0]) * z[:, 0]


def events(n: int, mean: tuple[float, float, float], seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.normal(size=(n, 3)) + mean).astype(np.float32))


@pytest.mark.parametrize("free", [("a",), ("b", "a"), ("a", "b", "c")])
def test_a_quadratic_ratio_is_met_exactly(free: tuple[str, ...]) -> None:
    sample = embedded(events(500, (0, 0, 0), 1))
    fixed = {name: 0.25 for name in ("a", "b", "c") if name not in free}
    turned = Interpolation([GaussianRatio()], free=free, fixed=fixed)
    coefficients = turned(sample)
    theta = torch.tensor([0.3, -1.1, 0.4], dtype=torch.float64)
    for p, name in enumerate(("a", "b", "c")):
        if name not in free:
            theta[p] = 0.25
    expected = GaussianRatio()(sample.of_member(0).double(), theta)
    assert torch.allclose(turned.ratios[0](coefficients.of_member(0), theta), expected, atol=1e-4)


def test_a_fit_with_polynomials_is_that_with_the_ratio() -> None:
    data, reference = embedded(events(2000, (0.3, -0.5, 0.2), 2)), embedded(events(20_000, (0, 0, 0), 3))
    members = [GaussianRatio(), GaussianRatio()]
    direct = fit(members, data, reference)
    turned = Interpolation(members)
    quick = fit(turned.ratios, turned(data), turned(reference))
    assert np.allclose(quick.estimates, direct.estimates, atol=1e-4)
    assert np.allclose(quick.covariance, direct.covariance, rtol=1e-2)


def test_a_ratio_that_no_polynomial_follows_is_refused() -> None:
    turned = Interpolation([BentRatio()], free=["a"])
    with pytest.raises(FitError, match=r"off by .* in the log ratio of data .* higher degree"):
        turned(embedded(events(100, (0, 0, 0), 4)))


def test_a_degree_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="degree must be at least 1, not 0"):
        Interpolation([GaussianRatio()], degree=0)
