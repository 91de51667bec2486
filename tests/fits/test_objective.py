"""Objectives: slopes, curvatures and scores against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from analytic_ratios import Exact, correlated_gaussian, gamma, gaussian, sample

from simulacra.fits.derivatives import BATCH, log_ratios
from simulacra.fits.detector_level import NestedLoss
from simulacra.fits.discriminators import LogisticDiscriminator
from simulacra.fits.errors import FitError
from simulacra.fits.log_ratio import parameter_space
from simulacra.fits.objective import ClassifierLoss, LikelihoodRatio, Objective, Samples, objective_of

RATIO = correlated_gaussian(np.array([[1.0, 0.5], [0.5, 1.3]]))


def objective(kind: str, *, ratio: Exact = RATIO, seed: int = 1, n: int = 60, m: int = 90) -> Objective:
    rng = np.random.default_rng(seed)
    space = parameter_space([ratio])
    if ratio is RATIO:
        x, y = rng.normal(0.2, 1.5, (n, 2)), rng.normal(0, 1, (m, 2))
    else:
        x, y = rng.gamma(2.5, 1, n), rng.gamma(2.0, 1, m)
    data, reference = sample(x, rng.exponential(1, n)), sample(y, rng.exponential(1, m), "reference")
    if kind == "nested":
        # More features than parameters, so that g is not flat at the estimate.
        tables = [e.of_member(0).numpy() for e in (data, reference)]
        features = [np.column_stack([table, np.square(table), np.ones(len(table))]) for table in tables]
        weighted = log_ratios([ratio], reference, space)
        return NestedLoss(weighted, features[0], features[1], data.weights, LogisticDiscriminator(1e-3))
    return objective_of(kind, Samples([ratio], data, reference, space))  # type: ignore[arg-type]


def test_values_by_hand() -> None:
    data, reference = sample(np.array([1.0, 2.0]), np.array([1.0, 3.0])), sample(np.array([-1.0, 0.5]))
    samples = Samples([gaussian()], data, reference, parameter_space([gaussian()]))
    at = np.array([0.6])
    r = lambda x: 0.6 * x - 0.18  # noqa: E731
    expected = -(0.25 * r(1.0) + 0.75 * r(2.0)) + math.log((math.exp(r(-1.0)) + math.exp(r(0.5))) / 2)
    assert LikelihoodRatio(samples).value(at) == pytest.approx(expected)
    f = lambda x: 1 / (1 + math.exp(-r(x)))  # noqa: E731
    expected = -(0.25 * math.log(f(1.0)) + 0.75 * math.log(f(2.0)))
    expected -= (math.log(1 - f(-1.0)) + math.log(1 - f(0.5))) / 2
    assert ClassifierLoss(samples).value(at) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["likelihood_ratio", "classifier_loss", "nested"])
@pytest.mark.parametrize("ratio", [RATIO, gamma()], ids=["gaussian", "gamma"])
def test_derivatives(kind: str, ratio: Exact) -> None:
    one = objective(kind, ratio=ratio)
    at = np.array([0.3, -0.2]) if ratio is RATIO else np.array([1.2, 2.2])
    steps = 1e-4 * np.eye(2)
    slope = [(one.value(at + step) - one.value(at - step)) / 2e-4 for step in steps]
    assert one.gradient(at) == pytest.approx(slope, abs=1e-7)
    curvature = [(one.gradient(at + step) - one.gradient(at - step)) / 2e-4 for step in steps]
    assert one.linearise(at).hessian == pytest.approx(np.array(curvature), abs=2e-6)


@pytest.mark.parametrize("kind", ["likelihood_ratio", "classifier_loss", "nested"])
def test_scores_are_what_an_event_more_does(kind: str) -> None:
    # The estimate moves by -H^-1 s when an event counts 1.001 times.
    from simulacra.fits.minimise import minimise

    one = objective(kind, n=200, m=300)
    optimum = minimise(one).values
    around = one.linearise(optimum)
    assert around.data_scores.sum(axis=0) == pytest.approx(0, abs=1e-12)
    assert around.reference_scores.sum(axis=0) == pytest.approx(0, abs=1e-12)
    for event in (0, 7):
        counts, others = np.ones(200), np.ones(300)
        for which, scores in ((counts, around.data_scores), (others, around.reference_scores)):
            which[event] += 1e-3
            moved = one.resampled(counts, others)
            step = np.linalg.solve(moved.linearise(optimum).hessian, -moved.gradient(optimum))
            step -= np.linalg.solve(around.hessian, -one.gradient(optimum))
            expected = -np.linalg.solve(around.hessian, 1e-3 * scores[event])
            assert step == pytest.approx(expected, rel=0.01, abs=1e-2 * np.abs(expected).max())
            which[event] -= 1e-3


def test_batches_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    y = sample(rng.normal(0, 1, (BATCH + 5, 2)))
    space = parameter_space([RATIO])
    at = np.array([0.3, -0.2])
    whole = log_ratios([RATIO], y, space)
    expected = RATIO(y.of_member(0), torch.tensor(at)).numpy()
    assert whole.values(at) == pytest.approx(expected, abs=1e-12)
    values, slopes = whole.slopes(at)
    assert values == pytest.approx(expected, abs=1e-12)
    moved = RATIO(y.of_member(0), torch.tensor(at + np.array([1e-6, 0]))).numpy()
    assert slopes[-5:, 0] == pytest.approx((moved - expected)[-5:] / 1e-6, abs=1e-4)
    coefficients = rng.normal(0, 1, BATCH + 5)
    expected_curvature = -coefficients.sum() * np.linalg.inv(np.array([[1.0, 0.5], [0.5, 1.3]]))
    assert whole.curvature(at, coefficients) == pytest.approx(expected_curvature)


def test_networks_work_in_float32_and_keep_no_gradients() -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU(), torch.nn.Linear(8, 1))
    ratio = Exact(
        lambda z, theta: net(torch.cat([z, theta.expand(len(z), -1)], dim=1))[:, 0], {"a": (0.0, 1.0)}, {"a": 0.5}
    )
    z = torch.randn(50, 2)
    from simulacra.fits.embedded import embedded

    rows = log_ratios([ratio], embedded(z), parameter_space([ratio]))
    at = np.array([0.4])
    slope = rows.slopes(at)[1][:, 0]
    difference = (rows.values(at + 1e-2) - rows.values(at - 1e-2)) / 2e-2
    assert slope == pytest.approx(difference, abs=1e-3)
    coefficients = np.ones(50)
    expected = (rows.slopes(at + 1e-2)[1].sum() - rows.slopes(at - 1e-2)[1].sum()) / 2e-2
    assert rows.curvature(at, coefficients)[0, 0] == pytest.approx(expected, rel=0.02)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_large_log_ratios_do_not_overflow() -> None:
    steep = Exact(lambda z, theta: 2000 * z[:, 0] * theta[0], {"a": (-1.0, 1.0)}, {"a": 0.0})
    samples = Samples([steep], sample(np.array([1.0, -1.0])), sample(np.array([1.0, -1.0])), parameter_space([steep]))
    at = np.array([0.9])
    assert LikelihoodRatio(samples).value(at) == pytest.approx(1800 - math.log(2))
    assert ClassifierLoss(samples).value(at) == pytest.approx(1800)
    assert np.isfinite(LikelihoodRatio(samples).gradient(at)).all()
    assert np.isfinite(ClassifierLoss(samples).gradient(at)).all()


def test_negative_weights_that_take_over_are_refused() -> None:
    reference = sample(np.array([-1.0, 1.0]), np.array([2.0, -1.0]))
    samples = Samples([gaussian()], sample(np.array([1.0, 2.0])), reference, parameter_space([gaussian()]))
    assert np.isfinite(LikelihoodRatio(samples).value(np.array([0.1])))
    with pytest.raises(FitError, match="negative weights exceed"):
        LikelihoodRatio(samples).value(np.array([1.0]))
