"""Fits against closed forms: the estimate, its covariance, and what makes a fit refuse or warn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from analytic_ratios import Exact, correlated_gaussian, gamma, gaussian, sample

from simulacra.fits.embedded import embedded
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision, fit
from simulacra.fits.objective import Method

METHODS: tuple[Method, ...] = ("likelihood_ratio", "classifier_loss")
COVARIANCE = np.array([[1.0, 0.6, 0.2], [0.6, 1.5, -0.3], [0.2, -0.3, 0.8]])


@pytest.mark.filterwarnings("ignore:there are only 1.8.. effective reference:simulacra.fits.errors.FitWarning")
def test_gaussian_likelihood_fit_is_the_mean() -> None:
    # -theta xbar + log <exp(theta y)> over a symmetric reference: with y = +-a, exp-mean is cosh(theta a).
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 1, 2000)
    one = fit([gaussian()], sample(x), sample(np.array([-1.0, 1.0])), precision=Precision())
    assert one.values["mean"] == pytest.approx(math.atanh(x.mean()), abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_covariance_of_the_gaussian_mean(method: Method) -> None:
    # With M = infinity the likelihood's variance is 1 / N; a finite reference adds at theta = 0 the same with M.
    rng = np.random.default_rng(2)
    n, m = 4000, 8000
    one = fit([gaussian()], sample(rng.normal(0, 1, n)), sample(rng.normal(0, 1, m), label="reference"), method=method)
    # At theta = 0 the classifier's f is 1/2 for all events: it is as efficient.
    assert one.errors["mean"] == pytest.approx(math.sqrt(1 / n + 1 / m), rel=0.05)
    assert abs(one.values["mean"]) < 4 * one.errors["mean"]
    if method == "likelihood_ratio":
        assert one.likelihood_covariance is not None
        assert one.likelihood_covariance[0, 0] == pytest.approx(1 / n, rel=0.08)
    else:
        assert one.likelihood_covariance is None


@pytest.mark.parametrize("method", METHODS)
def test_unbiased_with_unit_pulls(method: Method) -> None:
    # 120 experiments: mean pull, width and coverage within 4 standard errors: false alarm 2e-4 a method.
    rng = np.random.default_rng(3)
    theta, pulls, inside = 0.5, [], 0
    for _ in range(120):
        one = fit([gaussian()], sample(rng.normal(theta, 1, 400)), sample(rng.normal(0, 1, 2000)), method=method)
        pulls.append((one.values["mean"] - theta) / one.errors["mean"])
        low, high = one.intervals["mean"]
        inside += low <= theta <= high
    assert abs(np.mean(pulls)) < 4 / math.sqrt(120)
    assert abs(np.std(pulls, ddof=1) - 1) < 4 / math.sqrt(240)
    assert abs(inside / 120 - 0.683) < 4 * math.sqrt(0.683 * 0.317 / 120)


@pytest.mark.filterwarnings("ignore:there are only .* effective reference:simulacra.fits.errors.FitWarning")
def test_pulls_need_the_references_share() -> None:
    # Half as much reference as data: without its share pulls are sqrt(1 + 500 / 250) wide.
    rng = np.random.default_rng(4)
    with_reference, without = [], []
    for _ in range(80):
        one = fit([gaussian()], sample(rng.normal(0, 1, 500)), sample(rng.normal(0, 1, 250)), method="classifier_loss")
        with_reference.append(one.values["mean"] / one.errors["mean"])
        without.append(one.values["mean"] * math.sqrt(500))
    assert abs(np.std(with_reference) - 1) < 4 / math.sqrt(160)
    assert np.std(without) - 1 > 4 / math.sqrt(160)


@pytest.mark.parametrize("method", METHODS)
def test_three_correlated_parameters(method: Method) -> None:
    rng = np.random.default_rng(5)
    truth = np.array([0.1, -0.2, 0.05])
    n, m = 5000, 20_000
    data, reference = rng.multivariate_normal(truth, COVARIANCE, n), rng.multivariate_normal(np.zeros(3), COVARIANCE, m)
    one = fit([correlated_gaussian(COVARIANCE)], sample(data), sample(reference), method=method)
    expected = COVARIANCE * (1 / n + 1 / m)
    assert one.covariance == pytest.approx(expected, abs=0.12 * expected.max())
    pull = one.estimates - truth
    assert pull @ np.linalg.solve(one.covariance, pull) < 21.1  # chi2 of 3: 1e-4
    assert one.correlation[0, 1] == pytest.approx(
        COVARIANCE[0, 1] / math.sqrt(COVARIANCE[0, 0] * COVARIANCE[1, 1]), abs=0.05
    )


def test_a_subset_of_parameters_with_others_fixed() -> None:
    rng = np.random.default_rng(6)
    data = rng.multivariate_normal([0.3, 0.2, 0.0], COVARIANCE, 4000)
    reference = rng.multivariate_normal(np.zeros(3), COVARIANCE, 20_000)
    ratio = correlated_gaussian(COVARIANCE)
    one = fit([ratio], sample(data), sample(reference), free=["third"], fixed={"first": 0.3, "second": 0.2})
    assert one.parameters == ("third",)
    assert one.fixed == {"first": 0.3, "second": 0.2}
    # Knowing the others leaves 1 / (C^-1)_33 of the variance.
    assert one.likelihood_covariance is not None
    assert one.likelihood_covariance[0, 0] == pytest.approx(1 / np.linalg.inv(COVARIANCE)[2, 2] / 4000, rel=0.1)
    assert abs(one.values["third"]) < 4 * one.errors["third"]
    other = fit([ratio], sample(data), sample(reference), free=["first"])
    assert other.fixed == {"second": 0.0, "third": 0.0}


def test_exponential_family_with_a_nuisance() -> None:
    from scipy.special import polygamma

    rng = np.random.default_rng(7)
    n, m = 4000, 40_000
    data, reference = rng.gamma(2.3, 1 / 1.2, n), rng.gamma(2.0, 1.0, m)
    both = fit([gamma()], sample(data), sample(reference))
    alone = fit([gamma()], sample(data), sample(reference), fixed={"shape": 2.3})
    information = np.array([[2.3 / 1.2**2, -1 / 1.2], [-1 / 1.2, float(polygamma(1, 2.3))]])
    assert both.likelihood_covariance is not None
    assert both.likelihood_covariance * n == pytest.approx(np.linalg.inv(information), rel=0.15)
    pull = both.estimates - [1.2, 2.3]
    assert pull @ np.linalg.solve(both.covariance, pull) < 18.4  # chi2 of 2: 1e-4
    assert alone.errors["rate"] < 0.8 * both.errors["rate"]


@pytest.mark.parametrize("method", METHODS)
def test_bootstraps_agree_with_the_sandwich(method: Method) -> None:
    # 150 replicates know a standard deviation to 6 %: 4 of these are 23 %; weights make the events unequal.
    rng = np.random.default_rng(8)
    data = sample(rng.normal(0.4, 1, 300), rng.exponential(1, 300))
    reference = sample(rng.normal(0, 1, 600), rng.exponential(1, 600))
    plain = fit([gaussian()], data, reference, method=method)
    for errors in ("one_step_bootstrap", "bootstrap"):
        other = fit([gaussian()], data, reference, method=method, precision=Precision(errors=errors, replicates=150))
        assert other.values == plain.values
        assert other.errors["mean"] == pytest.approx(plain.errors["mean"], rel=0.23)


def test_weights_count_as_events() -> None:
    rng = np.random.default_rng(9)
    x, y = rng.normal(0.2, 1, 500), rng.normal(0, 1, 2000)
    twice = fit([gaussian()], sample(np.concatenate([x, x[:100]])), sample(y))
    weighted = fit([gaussian()], sample(x, np.where(np.arange(500) < 100, 2.0, 1.0)), sample(y))
    assert weighted.values["mean"] == pytest.approx(twice.values["mean"], abs=1e-5)
    scaled = fit([gaussian()], sample(x, np.full(500, 7.0)), sample(y, np.full(2000, 0.01)))
    plain = fit([gaussian()], sample(x), sample(y))
    assert scaled.values["mean"] == pytest.approx(plain.values["mean"], abs=1e-6)
    assert scaled.errors["mean"] == pytest.approx(plain.errors["mean"], rel=1e-4)


def test_negative_weights_are_carried() -> None:
    # A fifth of the events has weight -1 and lies where the positive ones have a surplus: the sum is N(0.3, 1).
    rng = np.random.default_rng(10)
    extra = rng.normal(1.5, 0.5, 500)
    x = np.concatenate([rng.normal(0.3, 1, 3000), extra, rng.normal(1.5, 0.5, 500)])
    weights = np.concatenate([np.ones(3500), -np.ones(500)])
    one = fit([gaussian()], sample(x, weights), sample(rng.normal(0, 1, 20_000)))
    assert abs(one.values["mean"] - 0.3) < 4 * one.errors["mean"]
    assert one.errors["mean"] > 1.2 / math.sqrt(3000)


@pytest.mark.parametrize("method", METHODS)
def test_imbalance_does_not_move_the_answer(method: Method) -> None:
    rng = np.random.default_rng(11)
    x, y = rng.normal(0.3, 1, 500), rng.normal(0, 1, 700)
    even = fit([gaussian()], sample(x), sample(y), method=method)
    hundredfold = fit([gaussian()], sample(x), sample(np.tile(y, 100)), method=method)
    assert hundredfold.values["mean"] == pytest.approx(even.values["mean"], abs=1e-5)
    assert hundredfold.errors["mean"] < even.errors["mean"]


def test_float32_is_precise_enough() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.normal(0.3, 1, 3000), rng.normal(0, 1, 20_000)
    double = fit([gaussian()], sample(x), sample(y))
    single = fit(
        [gaussian()],
        embedded(torch.tensor(x[:, None], dtype=torch.float32)),
        embedded(torch.tensor(y[:, None], dtype=torch.float32)),
    )
    assert single.values["mean"] == pytest.approx(double.values["mean"], abs=0.02 * double.errors["mean"])
    assert single.errors["mean"] == pytest.approx(double.errors["mean"], rel=1e-3)


def test_ensemble_fits_the_mean_log_ratio() -> None:
    rng = np.random.default_rng(13)
    x, y = rng.normal(0.3, 1, 2000), rng.normal(0, 1, 20_000)
    shifts = np.array([-0.06, 0.0, 0.03, 0.05])
    members = [gaussian(shift=shift) for shift in shifts]
    one = fit(members, sample(x), sample(y))
    plain = fit([gaussian()], sample(x), sample(y))
    # A member whose means are shifted by s finds theta - s; the mean of quadratics finds the mean.
    assert one.members[:, 0] == pytest.approx(plain.values["mean"] - shifts, abs=1e-3)
    assert one.values["mean"] == pytest.approx(one.members.mean(), abs=1e-3)
    parts = one.error_parts("mean")
    factor = 1.197  # Student's t of 3 degrees of freedom for 68.3 %
    assert parts["networks"] == pytest.approx(factor * one.members.std(ddof=1) / 2, rel=1e-3)
    assert one.errors["mean"] == pytest.approx(math.hypot(parts["events"], parts["networks"]))
    whole = fit(members, sample(x), sample(y), precision=Precision(training="resampled"))
    assert whole.error_parts("mean")["networks"] == pytest.approx(2 * parts["networks"], rel=1e-3)
    assert plain.error_parts("mean")["networks"] == 0


def test_the_interval_of_few_members_covers() -> None:
    # Means of K = 3 normal numbers with +- t s / sqrt(3) cover 68.3 %; false alarm 6e-5.
    from simulacra.fits.uncertainty import network_covariance

    rng = np.random.default_rng(14)
    draws = rng.normal(0, 1, (4000, 3, 1))
    inside = [abs(d.mean()) < math.sqrt(network_covariance(d, "independent")[0, 0]) for d in draws]
    assert abs(np.mean(inside) - 0.683) < 4 * math.sqrt(0.683 * 0.317 / 4000)


def test_members_may_embed_for_themselves() -> None:
    rng = np.random.default_rng(15)
    x, y = torch.tensor(rng.normal(0.3, 1, (500, 1))), torch.tensor(rng.normal(0, 1, (2000, 1)))

    def halved(z: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return 2 * z[:, 1] * theta[0] - theta[0] ** 2 / 2

    other = Exact(halved, {"mean": (-2.0, 2.0)}, {"mean": 0.0})
    pairs = [(s, torch.cat([torch.zeros_like(s), s / 2], dim=1)) for s in (x, y)]
    one = fit([gaussian(), other], embedded(pairs[0]), embedded(pairs[1]))
    assert one.members[0] == pytest.approx(one.members[1], abs=1e-5)
    assert one.values["mean"] == pytest.approx(one.members[0, 0], abs=1e-5)
    with pytest.raises(ValueError, match="2 embeddings for 3 members"):
        fit([gaussian(), other, other], embedded(pairs[0]), embedded(pairs[1]))


def test_profile_and_scan_of_a_gaussian() -> None:
    rng = np.random.default_rng(16)
    one = fit(
        [gaussian()],
        sample(rng.normal(0.1, 1, 1000)),
        sample(rng.normal(0, 1, 50_000)),
        precision=Precision(profile=True, scan_points=13),
    )
    low, high = one.profile_intervals["mean"]
    assert (low, high) == pytest.approx(one.intervals["mean"], abs=0.05 * one.errors["mean"])
    scan = one.scans["mean"]
    assert len(scan.values) == 13
    assert scan.rise.min() >= 0
    assert one.likelihood_covariance is not None
    parabola = (scan.values - one.values["mean"]) ** 2 / one.likelihood_covariance[0, 0]
    assert scan.rise == pytest.approx(parabola, abs=0.3)


def test_profile_follows_skewness() -> None:
    rng = np.random.default_rng(17)
    one = fit(
        [gamma()],
        sample(rng.gamma(2.0, 1.0, 60)),
        sample(rng.gamma(2.0, 1.0, 30_000)),
        fixed={"shape": 2.0},
        precision=Precision(profile=True),
    )
    low, high = one.profile_intervals["rate"]
    # -log L = n (xbar rate - 2 log rate) rises more steeply below its minimum than above.
    assert high - one.values["rate"] > 1.02 * (one.values["rate"] - low)


@pytest.mark.parametrize("method", METHODS)
def test_beyond_the_box_is_warned(method: Method) -> None:
    rng = np.random.default_rng(18)
    with pytest.warns(FitWarning, match="mean = .* is at the upper edge .* may be outside the trained box"):
        one = fit(
            [gaussian(-0.5, 0.5)], sample(rng.normal(1, 1, 2000)), sample(rng.normal(0, 1, 20_000)), method=method
        )
    assert one.values["mean"] == pytest.approx(0.5, abs=1e-3)
    assert any("trained box" in sentence for sentence in one.warnings)


def test_an_interval_that_leaves_the_box_is_warned() -> None:
    rng = np.random.default_rng(19)
    x = rng.normal(0, 1, 50)
    with pytest.warns(FitWarning, match="reaches beyond the trained box"):
        fit([gaussian(-2, 0.55)], sample(x - x.mean() + 0.5), sample(rng.normal(0, 1, 20_000)))


def test_a_poor_reference_is_warned() -> None:
    rng = np.random.default_rng(20)
    with pytest.warns(FitWarning, match="effective reference events"):
        fit([gaussian(-3, 3)], sample(rng.normal(1.5, 1, 1000)), sample(rng.normal(0, 1, 3000)))


def test_a_parameter_without_influence_is_refused() -> None:
    rng = np.random.default_rng(21)

    def blind(z: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return z[:, 0] * theta[0] - theta[0] ** 2 / 2 + 0 * theta[1]

    ratio = Exact(blind, {"mean": (-1.0, 1.0), "idle": (0.0, 2.0)}, {"mean": 0.0, "idle": 1.0})
    data, reference = sample(rng.normal(0.1, 1, 500)), sample(rng.normal(0, 1, 2000))
    with pytest.raises(FitError, match="no curvature in idle"):
        fit([ratio], data, reference)
    assert fit([ratio], data, reference, fixed={"idle": 1.5}).parameters == ("mean",)


def test_nan_of_the_network_is_named() -> None:
    def broken(z: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return torch.where(z[:, 0] == 7, torch.nan, z[:, 0] * theta[0])

    ratio = Exact(broken, {"mean": (-1.0, 1.0)}, {"mean": 0.0})
    with pytest.raises(FitError, match=r"log ratio of data event 2, .* NaN"):
        fit([ratio], sample(np.array([0.0, 1.0, 7.0])), sample(np.arange(5.0)))


def test_wrong_shape_of_the_network_is_named() -> None:
    ratio = Exact(lambda z, theta: z * theta[0], {"mean": (-1.0, 1.0)}, {"mean": 0.0})
    with pytest.raises(ValueError, match=r"shape \(3, 1\) for 3 events"):
        fit([ratio], sample(np.arange(3.0)), sample(np.arange(5.0)))


def test_one_event_is_refused() -> None:
    rng = np.random.default_rng(22)
    with pytest.raises(ValueError, match="effective number 1"):
        fit([gaussian()], sample(np.array([0.3])), sample(rng.normal(0, 1, 100)))
    lopsided = sample(np.array([0.3, 0.2]), np.array([1.0, 1e-6]))
    with pytest.raises(ValueError, match="effective number 1"):
        fit([gaussian()], lopsided, sample(rng.normal(0, 1, 100)))


def test_parameters_are_checked() -> None:
    data, reference = sample(np.arange(3.0)), sample(np.arange(5.0))

    def go(**settings: object) -> None:
        fit([gaussian()], data, reference, **settings)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=r"mean = 3 .* outside the trained box, -2 to 2"):
        go(start={"mean": 3.0})
    with pytest.raises(ValueError, match="'alphaS' is not a parameter; the parameters are mean"):
        go(free=["alphaS"])
    with pytest.raises(ValueError, match="no parameter is free"):
        go(fixed={"mean": 0.0})
    with pytest.raises(ValueError, match="both free and fixed"):
        go(free=["mean"], fixed={"mean": 0.0})
    with pytest.raises(ValueError, match="named twice"):
        go(free=["mean", "mean"])
    with pytest.raises(ValueError, match="no method 'chi2'"):
        go(method="chi2")
    with pytest.raises(ValueError, match="at least one member"):
        fit([], data, reference)
    moved = Exact(gaussian().formula, {"mean": (-2.0, 2.0)}, {"mean": 0.1})
    with pytest.raises(ValueError, match="member 1 was trained against the reference"):
        fit([gaussian(), moved], data, reference)
    renamed = Exact(gaussian().formula, {"mu": (-2.0, 2.0)}, {"mu": 0.0})
    with pytest.raises(ValueError, match="member 1 has parameters"):
        fit([gaussian(), renamed], data, reference)


def test_an_edge_rounded_to_float32_is_inside() -> None:
    low = float(np.float32(0.1))
    rng = np.random.default_rng(24)
    ratio = Exact(lambda z, t: z[:, 0] * t[0] + t[1], {"mean": (-2.0, 2.0), "b": (low, 0.2)}, {"mean": 0.0, "b": 0.15})
    one = fit([ratio], sample(rng.normal(0, 1, 99)), sample(rng.normal(0, 1, 999)), fixed={"b": 0.1})
    assert one.fixed["b"] == low


def test_to_json_is_plain() -> None:
    import json

    rng = np.random.default_rng(23)
    one = fit(
        [gaussian(), gaussian()],
        sample(rng.normal(0, 1, 100)),
        sample(rng.normal(0, 1, 1000)),
        precision=Precision(scan_points=3),
    )
    told = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert told["values"] == one.values
    assert told["n_data"] == 100
