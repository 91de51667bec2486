"""Log ratios as polynomials of the parameters, against what they were made from."""

import numpy as np
import pytest
import torch
from biased_gaussian import BOX, BentGaussian, at, drawn
from torch import Tensor

from simulacra.fits.embedded import embedded
from simulacra.fits.errors import FitError
from simulacra.fits.fit import fit
from simulacra.fits.interpolation import Interpolation
from simulacra.fits.map_fitting import fit_parameter_map
from simulacra.fits.parameter_map import mapped


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


def test_the_mean_of_members_is_one_polynomial() -> None:
    first, second = embedded(events(300, (0, 0, 0), 5)), embedded(events(300, (1, 0, 0), 6))
    both = embedded([first.of_member(0), second.of_member(0)])
    members = [GaussianRatio(), GaussianRatio()]
    turned = Interpolation(members, mean=True)
    assert len(turned.ratios) == 1
    theta = torch.tensor([0.3, -1.1, 0.4], dtype=torch.float64)
    mean = torch.stack([m(both.of_member(k).double(), theta) for k, m in enumerate(members)]).mean(dim=0)
    assert torch.allclose(turned.ratios[0](turned(both).of_member(0), theta), mean, atol=1e-4)


def test_a_map_on_top_of_polynomials_gives_the_fit_of_the_mapped_networks() -> None:
    """Polynomials run in the networks' own parameters: a map that needs high degrees costs them nothing."""
    rng = np.random.default_rng(7)
    ratio = BentGaussian()
    reference = at(0.0, 0.0, rng, 40_000, "reference")
    over_box = fit_parameter_map([ratio], drawn(20_000, rng), reference)
    region = over_box.region()
    corners = over_box.at(np.array([[a, b] for a in BOX["mean"] for b in BOX["width"]]))
    box = np.array([BOX["mean"], BOX["width"]])
    assert np.all(region[:, 0] <= np.minimum(corners.min(axis=0), box[:, 0]) + 1e-12)
    assert np.all(region[:, 1] >= np.maximum(corners.max(axis=0), box[:, 1]) - 1e-12)
    data = at(0.7, 0.2, rng, 5_000)
    turned = Interpolation([ratio], region=region, degree=8, mean=True)
    quick = fit(mapped(turned.ratios, over_box), turned(data), turned(reference))
    direct = fit(mapped([ratio], over_box), data, reference)
    assert np.allclose(quick.estimates, direct.estimates, atol=0.03 * np.sqrt(np.diag(direct.covariance)).min())
    assert np.allclose(quick.covariance, direct.covariance, rtol=2e-2)


def test_a_ratio_that_no_polynomial_follows_is_refused() -> None:
    turned = Interpolation([BentRatio()], free=["a"])
    with pytest.raises(FitError, match=r"off by .* in the log ratio of data .* higher degree"):
        turned(embedded(events(100, (0, 0, 0), 4)))


def test_a_degree_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="degree must be at least 1, not 0"):
        Interpolation([GaussianRatio()], degree=0)
