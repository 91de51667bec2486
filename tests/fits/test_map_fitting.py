"""A map over the box makes fits with a biased ratio right, at every point and with every choice of free parameters."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from analytic_ratios import gaussian
from biased_gaussian import BOX, BentGaussian, at, drawn

from simulacra.fits.coverage import clopper_pearson
from simulacra.fits.default_fit import projected, with_calibration
from simulacra.fits.embedded import EmbeddedEvents
from simulacra.fits.errors import FitError
from simulacra.fits.fit import fit
from simulacra.fits.log_ratio import parameter_space
from simulacra.fits.map_fitting import Drawn, fit_parameter_map
from simulacra.fits.objective import Method, Samples, objective_of
from simulacra.fits.parameter_map import MapError, ParameterMap, mapped

POINTS = np.array([[0.6, 0.1], [-0.7, -0.15], [0.2, 0.2], [0.5, -0.2]])


def made(seed: int, method: Method = "likelihood_ratio", *, bend: float = 1.0, n: int = 10_000) -> ParameterMap:
    rng = np.random.default_rng(seed)
    return fit_parameter_map(
        [BentGaussian(bend)], drawn(n, rng), at(0.0, 0.0, rng, n, "reference"), method=method, highest_degree=3
    )


@pytest.mark.parametrize("method", ["likelihood_ratio", "classifier_loss"])
def test_the_map_leads_where_the_ratio_is_of_the_truth_within_its_own_error(method: Method) -> None:
    """6 maps at four points and two parameters: a pull beyond 4.5 comes once in 3,000 times."""
    pulls = []
    for seed in range(6):
        found = made(seed, method)
        for point in POINTS:
            asked = found.at(point)
            really = BentGaussian().truth_of(torch.from_numpy(asked)).numpy()
            pulls.append((really - point) / np.sqrt(np.diag(found.theta_covariance_at(point))))
    assert np.abs(pulls).max() < 4.5
    # 6 independent maps of some 6 coefficients know a width to 12 %; a factor of 1.6 is 4 errors away.
    assert 1 / 1.6 < np.sqrt(np.mean(np.square(pulls))) < 1.6


def test_the_shift_is_nothing_at_the_reference() -> None:
    """Data and reference are the same there, whatever the network has learned."""
    found = made(1)
    np.testing.assert_allclose(found.at(np.zeros(2)), 0.0, atol=1e-12)
    np.testing.assert_allclose(found.covariance_at(np.zeros(2)), 0.0, atol=1e-15)


def test_the_order_is_as_high_as_the_events_ask_for() -> None:
    """A criterion of expected loss takes an order too many now and then: most of five maps need none."""
    assert made(1).degree >= 2
    assert sum(made(seed, bend=0.0, n=3000).degree == 1 for seed in range(5)) >= 3


@pytest.mark.parametrize("free", [["mean"], ["mean", "width"]], ids=["one", "both"])
def test_intervals_cover_with_the_map_and_miss_without(free: list[str]) -> None:
    """40 fits of a truth: coverage is within 4 binomial errors, which a right one fails once in 10,000."""
    ratio, rng = BentGaussian(), np.random.default_rng(5)
    over_box = made(3)
    truth = {"mean": 0.6, "width": 0.15}
    fixed = {name: value for name, value in truth.items() if name not in free}
    covered = {"plain": 0, "mapped": 0}
    for _ in range(40):
        data, reference = at(0.6, 0.15, rng, 2000), at(0.0, 0.0, rng, 8000, "reference")
        plain = fit([ratio], data, reference, free=free, fixed=fixed)
        found = fit(mapped([ratio], over_box), data, reference, free=free, fixed=fixed)

        def information(theta: np.ndarray, reference: EmbeddedEvents = reference) -> np.ndarray:
            members = mapped([ratio], over_box)
            objective = objective_of(
                "likelihood_ratio", Samples(members, reference, reference, parameter_space(members))
            )
            hessian = objective.expected_hessian(theta)
            assert hessian is not None
            return hessian

        better = with_calibration(found, over_box, information)
        assert better.calibrated == "over the box"
        assert better.errors["mean"] > found.errors["mean"]
        for label, one in (("plain", plain), ("mapped", better)):
            low, high = one.intervals["mean"]
            covered[label] += low <= truth["mean"] <= high
    low, high = clopper_pearson(covered["mapped"], 40, content=0.9999)
    assert low < 0.683 < high
    assert covered["plain"] < 17


def test_the_maps_covariance_enters_the_interval() -> None:
    over_box, rng = made(4), np.random.default_rng(6)
    found = fit(mapped([BentGaussian()], over_box), at(0.3, 0.0, rng, 500), at(0.0, 0.0, rng, 5000, "reference"))
    wider = dataclasses.replace(over_box, covariance=100 * over_box.covariance)
    parts = [with_calibration(found, one, lambda _: np.eye(2)).error_parts("mean") for one in (over_box, wider)]
    assert parts[0]["calibration"] > 0
    assert parts[1]["calibration"] == pytest.approx(10 * parts[0]["calibration"])
    # With all parameters free it is the map's own, whatever the information.
    own = np.sqrt(over_box.theta_covariance_at(found.estimates)[0, 0])
    assert parts[0]["calibration"] == pytest.approx(own)


def test_a_held_parameters_shift_pulls_by_the_information() -> None:
    """The optimum of a quadratic form along one axis, a closed form."""
    information = np.array([[4.0, 1.0], [1.0, 2.0]])
    shift = np.array([0.1, -0.3])
    moved = projected(np.outer(shift, shift), information, ("a", "b"), ("a",))
    assert moved == pytest.approx(np.array([[(0.1 + 1.0 / 4.0 * -0.3) ** 2]]))


def test_a_map_is_the_same_after_a_file_and_a_damaged_one_is_refused() -> None:
    found = made(2)
    told = json.loads(json.dumps(found.to_json()))
    again = ParameterMap.from_json(told)
    for point in POINTS:
        np.testing.assert_array_equal(again.at(point), found.at(point))
        np.testing.assert_allclose(again.covariance_at(point), found.covariance_at(point), rtol=1e-5)
    for change, message in (
        ({"coefficients": [[0.0, 0.0]]}, "coefficients is"),
        ({"covariance": [float("nan")]}, "covariance"),
        ({"powers": [[1, -1]]}, "powers"),
        ({"low": "banana"}, "low"),
    ):
        with pytest.raises(MapError, match=message):
            ParameterMap.from_json(told | change)
    with pytest.raises(MapError, match="damaged"):
        ParameterMap.from_json(["banana"])
    with pytest.raises(MapError, match="the calibration is for mean, width"):
        mapped([gaussian()], found)


def test_events_that_make_no_map_are_refused() -> None:
    rng = np.random.default_rng(8)
    ratio, reference = BentGaussian(), at(0.0, 0.0, rng, 1000, "reference")
    some = drawn(1000, rng)
    with pytest.raises(FitError, match="50 drawn events are too few"):
        fit_parameter_map([ratio], drawn(50, rng), reference)
    with pytest.raises(FitError, match="20 reference events are too few"):
        fit_parameter_map([ratio], some, at(0.0, 0.0, rng, 20, "reference"))
    outside = some.theta.copy()
    outside[7, 0] = 1.5
    with pytest.raises(ValueError, match=r"drawn event 7 has mean = 1.5, outside the trained box, -1 to 1"):
        fit_parameter_map([ratio], Drawn(some.events, outside), reference)
    with pytest.raises(ValueError, match="have the shape"):
        fit_parameter_map([ratio], Drawn(some.events, some.theta[:, :1]), reference)
    assert set(BOX) == set(ratio.parameters)
