"""Fits behind a detector: SRGN, the exact likelihood and the naive fit, on smeared Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from analytic_ratios import Exact, correlated_gaussian, gaussian, sample

from simulacra.fits.detector_level import SimulatedPairs, fit_detector_level
from simulacra.fits.discriminators import LogisticDiscriminator, PerceptronDiscriminator
from simulacra.fits.errors import FitError, FitWarning
from simulacra.fits.fit import Precision, fit

SCALE, OFFSET, SMEARING = 0.8, 0.3, 0.5
WIDTH = math.sqrt(SCALE**2 + SMEARING**2)


def detect(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return SCALE * x + OFFSET + rng.normal(0, SMEARING, x.shape)


def pairs(m: int, rng: np.random.Generator, weights: np.ndarray | None = None) -> SimulatedPairs:
    x = rng.normal(0, 1, m)
    return SimulatedPairs(sample(x, weights, "particles"), sample(detect(x, rng), None, "simulation"))


def likelihood_estimate(y: np.ndarray) -> float:
    """The exact detector-level maximum: y ~ N(SCALE theta + OFFSET, WIDTH^2)."""
    return float((y.mean() - OFFSET) / SCALE)


def detector_ratio() -> Exact:
    """The exact log ratio behind the detector, as a perfect one-classifier form learns it."""

    def formula(z: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        moved = SCALE * theta[0]
        return ((z[:, 0] - OFFSET) * moved - moved**2 / 2) / WIDTH**2

    return Exact(formula, {"mean": (-2.0, 2.0)}, {"mean": 0.0})


def test_nested_form_is_unbiased_and_as_good_as_the_likelihood() -> None:
    # 80 experiments of their own data and simulation; each statement's false alarm 6e-5.
    rng = np.random.default_rng(1)
    theta, n, m = 0.4, 600, 3000
    off, pulls, apart, naive, inside = [], [], [], [], 0
    for _ in range(80):
        y, simulation = detect(rng.normal(theta, 1, n), rng), pairs(m, rng)
        one = fit_detector_level([gaussian()], sample(y), simulation)
        off.append(one.values["mean"] - theta)
        pulls.append(off[-1] / one.errors["mean"])
        apart.append(one.values["mean"] - likelihood_estimate(y))
        low, high = one.intervals["mean"]
        inside += low <= theta <= high
        naive.append(fit([gaussian()], sample(y), simulation.particles).values["mean"] - theta)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(80)
    assert abs(np.std(pulls, ddof=1) - 1) < 4 / math.sqrt(160)
    assert abs(inside / 80 - 0.683) < 4 * math.sqrt(0.683 * 0.317 / 80)
    # The likelihood's error, and the simulation's share of about WIDTH^2 exp(theta^2) / m.
    exact, added = WIDTH / SCALE / math.sqrt(n), WIDTH / SCALE * math.sqrt(math.exp(theta**2) / m)
    assert np.std(off, ddof=1) < math.hypot(exact, added) * (1 + 4 / math.sqrt(160))
    assert np.std(apart) < 1.4 * added
    # The naive fit takes the mean behind the detector for the particles'.
    bias = (SCALE - 1) * theta + OFFSET
    assert np.mean(naive) == pytest.approx(bias, abs=4 * 1.2 * WIDTH / math.sqrt(80 * n))
    assert bias > 4 * np.std(naive)


def test_one_classifier_form_is_unbiased() -> None:
    rng = np.random.default_rng(2)
    theta, pulls = 0.4, []
    for _ in range(80):
        y, simulation = detect(rng.normal(theta, 1, 600), rng), pairs(3000, rng)
        one = fit([detector_ratio()], sample(y), simulation.detector, method="classifier_loss")
        pulls.append((one.values["mean"] - theta) / one.errors["mean"])
    assert abs(np.mean(pulls)) < 4 / math.sqrt(80)
    assert abs(np.std(pulls, ddof=1) - 1) < 4 / math.sqrt(160)


def test_overfitting_lowers_the_loss_and_moves_nothing() -> None:
    # Features of pure noise: the loss falls by D / 4 (1/N + 1/M) below 2 log 2, and the estimates keep their mean.
    rng = np.random.default_rng(3)
    n, m, noise, off, fall = 400, 1500, 20, [], []
    for _ in range(40):
        x = rng.normal(0, 1, m)
        simulated = np.column_stack([detect(x, rng), rng.normal(0, 1, (m, noise))])
        y = np.column_stack([detect(rng.normal(0.3, 1, n), rng), rng.normal(0, 1, (n, noise))])
        simulation = SimulatedPairs(sample(x), sample(simulated))
        one = fit_detector_level([gaussian()], sample(y), simulation, squares=False)
        off.append(one.values["mean"] - 0.3)
        fall.append(2 * math.log(2) + one.objective)
        assert one.errors["mean"] == pytest.approx(WIDTH / SCALE * math.sqrt(1 / n + 1.1 / m), rel=0.35)
    expected = noise / 4 * (1 / n + math.exp(0.09) / m)
    assert np.mean(fall) == pytest.approx(expected, rel=0.15)
    assert abs(np.mean(off)) < 4 * np.std(off, ddof=1) / math.sqrt(40)


def test_bootstrap_agrees_with_the_sandwich() -> None:
    # 80 replicates know the error to 8 %: 4 of these are 32 %.
    rng = np.random.default_rng(4)
    data = sample(detect(rng.normal(0.4, 1, 300), rng), rng.exponential(1, 300))
    simulation = pairs(900, rng, rng.exponential(1, 900))
    plain = fit_detector_level([gaussian()], data, simulation)
    precision = Precision(errors="bootstrap", replicates=80)
    again = fit_detector_level([gaussian()], data, simulation, precision=precision)
    assert again.errors["mean"] == pytest.approx(plain.errors["mean"], rel=0.32)
    assert again.values == plain.values


def test_two_parameters() -> None:
    rng = np.random.default_rng(5)
    covariance = np.array([[1.0, 0.5], [0.5, 1.2]])
    response = np.array([[0.9, 0.1], [0.0, 0.8]])
    truth = np.array([0.2, -0.3])
    x, p = rng.multivariate_normal(truth, covariance, 3000), rng.multivariate_normal([0, 0], covariance, 12_000)
    y, q = (events @ response.T + rng.normal(0, 0.4, events.shape) for events in (x, p))
    one = fit_detector_level([correlated_gaussian(covariance)], sample(y), SimulatedPairs(sample(p), sample(q)))
    pull = one.estimates - truth
    assert pull @ np.linalg.solve(one.covariance, pull) < 18.4  # chi2 of 2: 1e-4
    inverse = np.linalg.inv(response)
    exact = inverse @ (response @ covariance @ response.T + 0.16 * np.eye(2)) @ inverse.T / 3000
    assert one.event_covariance == pytest.approx(exact * 1.3, abs=0.25 * exact.max())


def test_an_ensemble_spreads() -> None:
    rng = np.random.default_rng(6)
    data, simulation = sample(detect(rng.normal(0.4, 1, 500), rng)), pairs(3000, rng)
    shifts = np.array([-0.05, 0.0, 0.05])
    one = fit_detector_level([gaussian(shift=shift) for shift in shifts], data, simulation)
    assert one.members[:, 0] == pytest.approx(one.values["mean"] - shifts, abs=1e-3)
    assert one.error_parts("mean")["networks"] == pytest.approx(1.321 * 0.05 / math.sqrt(3), rel=0.02)


def test_a_general_discriminator_finds_the_same() -> None:
    rng = np.random.default_rng(7)
    y, simulation = detect(rng.normal(0.4, 1, 300), rng), pairs(900, rng)
    logistic = fit_detector_level([gaussian()], sample(y), simulation)
    network = PerceptronDiscriminator(hidden=4, ridge=1e-3)
    precision = Precision(errors="bootstrap", replicates=8)
    general = fit_detector_level([gaussian()], sample(y), simulation, discriminator=network, precision=precision)
    assert general.values["mean"] == pytest.approx(logistic.values["mean"], abs=logistic.errors["mean"])
    assert general.errors["mean"] == pytest.approx(logistic.errors["mean"], rel=0.9)
    assert general.reference_effective is None
    with pytest.raises(FitError, match="cannot be linearised; choose"):
        fit_detector_level([gaussian()], sample(y), simulation, discriminator=network)


def test_the_perceptrons_slope() -> None:
    rng = np.random.default_rng(8)
    data, simulation = (np.column_stack([rng.normal(0, 1, (n, 2)), np.ones(n)]) for n in (40, 50))
    shares = [np.full(n, 1 / n) for n in (40, 50)]
    found = PerceptronDiscriminator(hidden=3).separate(data, shares[0], simulation, shares[1], None)

    def loss(parameters: np.ndarray) -> float:
        # With no step allowed the minimiser tells the loss where it starts.
        halted = PerceptronDiscriminator(hidden=3, steps=0)
        return halted.separate(data, shares[0], simulation, shares[1], parameters).loss

    slope = [(loss(found.parameters + step) - loss(found.parameters - step)) / 2e-4 for step in 1e-4 * np.eye(13)]
    assert slope == pytest.approx(np.zeros(13), abs=1e-5)
    assert found.loss < 2 * math.log(2)


def test_repeated_and_constant_features_do_no_harm() -> None:
    rng = np.random.default_rng(9)
    y, simulation = detect(rng.normal(0.4, 1, 500), rng), pairs(3000, rng)
    q = simulation.detector.of_member(0).numpy()[:, 0]
    plain = fit_detector_level([gaussian()], sample(y), simulation)
    padded = SimulatedPairs(simulation.particles, sample(np.column_stack([q, q, np.full(3000, 7.0)])))
    again = fit_detector_level([gaussian()], sample(np.column_stack([y, y, np.full(500, 7.0)])), padded)
    assert again.values["mean"] == pytest.approx(plain.values["mean"], abs=1e-3)
    assert again.errors["mean"] == pytest.approx(plain.errors["mean"], rel=0.01)


def test_beyond_the_box_is_warned() -> None:
    rng = np.random.default_rng(10)
    y, simulation = detect(rng.normal(1.0, 1, 500), rng), pairs(3000, rng)
    with pytest.warns(FitWarning, match="upper edge of the trained box"):
        fit_detector_level([gaussian(-0.4, 0.4)], sample(y), simulation)


def test_imbalance_does_not_move_the_answer() -> None:
    rng = np.random.default_rng(11)
    y, simulation = detect(rng.normal(0.2, 1, 300), rng), pairs(400, rng)
    even = fit_detector_level([gaussian()], sample(y), simulation)
    often = [sample(np.tile(e.of_member(0).numpy(), (100, 1))) for e in (simulation.particles, simulation.detector)]
    hundredfold = fit_detector_level([gaussian()], sample(y), SimulatedPairs(*often))
    assert hundredfold.values["mean"] == pytest.approx(even.values["mean"], abs=1e-4)
    assert hundredfold.errors["mean"] < even.errors["mean"]


def test_bad_input_is_refused() -> None:
    rng = np.random.default_rng(12)
    y, simulation = sample(detect(rng.normal(0.4, 1, 50), rng)), pairs(100, rng)
    with pytest.raises(ValueError, match="100 events at particle level, 50 behind the detector"):
        SimulatedPairs(simulation.particles, y)
    with pytest.raises(ValueError, match="data have 2 features, the simulation behind the detector 1"):
        fit_detector_level([gaussian()], sample(rng.normal(0, 1, (50, 2))), simulation)
    blind = SimulatedPairs(simulation.particles, sample(np.ones(100)))
    with pytest.raises(ValueError, match="features of the simulation are constant"):
        fit_detector_level([gaussian()], sample(np.ones(50)), blind)
    with pytest.raises(ValueError, match="effective number 1"):
        fit_detector_level([gaussian()], sample(np.array([0.2])), simulation)


def test_a_detector_that_sees_nothing_is_found_out() -> None:
    # Features that do not depend on the particles: no theta is better than another.
    rng = np.random.default_rng(13)
    simulation = SimulatedPairs(sample(rng.normal(0, 1, 4000)), sample(rng.normal(0, 1, 4000)))
    with pytest.warns(FitWarning, match="trained box"):
        fit_detector_level([gaussian(-0.5, 0.5)], sample(rng.normal(0, 1, 400)), simulation)


def test_separable_samples_without_a_penalty_are_refused() -> None:
    x, beyond = (np.column_stack([np.arange(4.0) + shift, np.ones(4)]) for shift in (0, 10))
    quarter = np.full(4, 0.25)
    with pytest.raises(FitError, match="separable"):
        LogisticDiscriminator(ridge=0.0).separate(beyond, quarter, x, quarter, None)
    found = LogisticDiscriminator(ridge=1e-2).separate(beyond, quarter, x, quarter, None)
    assert found.loss < 0.5
