"""Calibration curves take out the bias of a ratio that is wrong in a known way."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from analytic_ratios import correlated_gaussian, gaussian, sample

from simulacra.fits.calibration_curve import CalibrationCurve, calibrate, calibration_curve
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision, fit

COVARIANCE = np.array([[1.0, 0.4], [0.4, 1.0]])


def test_a_scaled_and_shifted_ratio_is_corrected() -> None:
    # The ratio takes theta for 0.9 theta + 0.2, so the fit finds (truth - 0.2) / 0.9.
    rng = np.random.default_rng(1)
    wrong = gaussian(-3, 3, scale=0.9, shift=0.2)
    reference = sample(rng.normal(0, 1, 5000))
    truths = rng.uniform(-1, 1, 30)
    fits = [fit([wrong], sample(rng.normal(theta, 1, 1000)), reference) for theta in truths]
    curve = calibration_curve(["mean"], truths[:, None], np.array([one.estimates for one in fits]))
    assert abs(curve.slope[0, 0] - 1 / 0.9) < 4 * curve.slope_errors()[0, 0]
    assert abs(curve.intercept[0] + 0.2 / 0.9) < 0.06

    truth = 0.5
    pulls, plain = [], []
    for _ in range(40):
        one = fit([wrong], sample(rng.normal(truth, 1, 1000)), reference)
        better = calibrate(one, curve)
        plain.append((one.values["mean"] - truth) / one.errors["mean"])
        pulls.append((better.values["mean"] - truth) / better.errors["mean"])
        assert better.error_parts("mean")["events"] == pytest.approx(one.errors["mean"] * 0.9, rel=0.05)
    assert abs(np.mean(plain)) > 3  # a bias of 0.17 by a sigma of 0.04
    # The curve and the shared reference move all 40 together, by less than the error that each states.
    assert abs(np.mean(pulls)) < 4 * math.hypot(1 / math.sqrt(40), 0.5)
    assert np.std(pulls, ddof=1) == pytest.approx(1, abs=4 / math.sqrt(80))


def test_rotated_parameters_are_turned_back() -> None:
    rng = np.random.default_rng(2)
    slope, intercept = np.array([[0.9, 0.2], [-0.1, 1.1]]), np.array([0.05, -0.02])
    truths = rng.uniform(-1, 1, (60, 2))
    estimates = truths @ slope.T + intercept + rng.normal(0, 0.01, truths.shape)
    curve = calibration_curve(["first", "second"], truths, estimates)
    assert np.all(np.abs(curve.slope - slope) < 4 * curve.slope_errors())
    one = fit(
        [correlated_gaussian(COVARIANCE)],
        sample(rng.multivariate_normal([0.3, 0.1], COVARIANCE, 500)),
        sample(rng.multivariate_normal([0, 0], COVARIANCE, 5000)),
    )
    better = calibrate(one, curve)
    assert curve.at(better.estimates) == pytest.approx(one.estimates)
    inverse = np.linalg.inv(curve.slope)
    assert better.event_covariance == pytest.approx(inverse @ one.event_covariance @ inverse.T)
    assert better.calibrated


def test_the_curves_error_is_what_curves_scatter_by() -> None:
    # 400 curves know the scatter to 3.5 %; the scatter grows along the curve, which the error follows.
    rng = np.random.default_rng(3)
    truths = np.linspace(0, 1, 50)[:, None]
    at, curves = np.array([0.9]), []
    for _ in range(400):
        estimates = truths + rng.normal(0, 1, truths.shape) * (0.02 + 0.1 * truths)
        curves.append(calibration_curve(["a"], truths, estimates))
    scatter = np.std([curve.at(at)[0] for curve in curves])
    stated = np.mean([math.sqrt(curve.covariance_at(at)[0, 0]) for curve in curves])
    assert stated == pytest.approx(scatter, rel=0.15)


def test_network_error_is_counted_once() -> None:
    rng = np.random.default_rng(4)
    members = [gaussian(shift=0.03), gaussian(shift=-0.03)]
    one = fit(members, sample(rng.normal(0, 1, 500)), sample(rng.normal(0, 1, 5000)))
    truths = rng.uniform(-1, 1, (20, 1))
    curve = calibration_curve(["mean"], truths, 0.5 * truths + rng.normal(0, 0.01, truths.shape))
    assert calibrate(one, curve).error_parts("mean")["networks"] == 0
    kept = calibrate(one, curve, keep_network_error=True)
    assert kept.error_parts("mean")["networks"] == pytest.approx(2 * one.error_parts("mean")["networks"], rel=0.05)


def test_profiles_and_scans_are_stretched() -> None:
    rng = np.random.default_rng(5)
    precision = Precision(profile=True, scan_points=5)
    one = fit([gaussian()], sample(rng.normal(0, 1, 500)), sample(rng.normal(0, 1, 5000)), precision=precision)
    truths = rng.uniform(-1, 1, (20, 1))
    curve = calibration_curve(["mean"], truths, -2 * truths + 0.1 + rng.normal(0, 1e-3, truths.shape))
    better = calibrate(one, curve)
    low, high = better.profile_intervals["mean"]
    assert low < better.values["mean"] < high
    assert high - low == pytest.approx(np.ptp(one.profile_intervals["mean"]) / 2, rel=0.01)
    assert np.interp(0, [0], better.scans["mean"].rise[2:3]) == pytest.approx(0, abs=1e-6)


def test_extrapolation_is_warned() -> None:
    rng = np.random.default_rng(6)
    one = fit([gaussian()], sample(rng.normal(0.5, 1, 500)), sample(rng.normal(0, 1, 5000)))
    truths = rng.uniform(-1, 0, (20, 1))
    curve = calibration_curve(["mean"], truths, truths + rng.normal(0, 0.01, truths.shape))
    with pytest.warns(FitWarning, match=r"outside the pseudo-experiments'"):
        calibrate(one, curve)


def test_bad_curves_are_refused() -> None:
    rng = np.random.default_rng(7)
    truths = rng.uniform(0, 1, (20, 1))
    with pytest.raises(FitError, match="hardly respond"):
        calibration_curve(["a"], truths, rng.normal(0, 0.1, (20, 1)))
    with pytest.raises(FitError, match="same true a"):
        calibration_curve(["a"], np.ones((20, 1)), truths)
    with pytest.raises(FitError, match="are correlated"):
        calibration_curve(["a", "b"], np.hstack([truths, truths]), np.hstack([truths, truths]))
    with pytest.raises(ValueError, match="needs 4 pseudo-experiments, not 3"):
        calibration_curve(["a"], truths[:3], truths[:3])
    with pytest.raises(ValueError, match="estimate of pseudo-experiment 2 is NaN"):
        calibration_curve(["a"], truths, np.where(np.arange(20)[:, None] == 2, np.nan, truths))
    with pytest.raises(ValueError, match="not both"):
        calibration_curve(["a"], truths, truths[:, 0])


def test_misuse_is_refused() -> None:
    rng = np.random.default_rng(8)
    one = fit([gaussian()], sample(rng.normal(0, 1, 500)), sample(rng.normal(0, 1, 5000)))
    truths = rng.uniform(-1, 1, (20, 1))
    with pytest.raises(ValueError, match="the curve is for other, the fit for mean"):
        calibrate(one, calibration_curve(["other"], truths, truths))
    curve = calibration_curve(["mean"], truths, truths)
    with pytest.raises(ValueError, match="calibrated already"):
        calibrate(calibrate(one, curve), curve)


def test_a_curve_survives_json() -> None:
    rng = np.random.default_rng(9)
    truths = rng.uniform(-1, 1, (20, 1))
    curve = calibration_curve(["mean"], truths, truths + rng.normal(0, 0.1, truths.shape))
    again = CalibrationCurve.from_json(json.loads(json.dumps(curve.to_json(), allow_nan=False)))
    assert again.slope == pytest.approx(curve.slope, abs=0)
    assert again.covariance_at(np.zeros(1)) == pytest.approx(curve.covariance_at(np.zeros(1)), abs=0)
