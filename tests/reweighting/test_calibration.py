"""Calibration gives back the ratio of densities that a monotone distortion has hidden."""

from __future__ import annotations

import numpy as np
import pytest

from gaussian_shift import exact_weights, log_ratio, samples, signed
from simulacra.reweighting.calibration import (
    IsotonicMap,
    TemperatureMap,
    fit_isotonic,
    fit_temperature,
    judge_reliability,
    map_from_arrays,
)


def labelled(n: int, m: int, seed: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return exact log-odds, (n + m,), and labels of shifted Gaussians."""
    source, target = samples(n, m, seed, shift)
    return log_ratio(np.concatenate([source, target]), shift), np.repeat([0, 1], [n, m])


@pytest.mark.parametrize(("n", "m"), [(20_000, 20_000), (200_000, 2_000)])
def test_temperature_undoes_a_line_whatever_the_sizes(n: int, m: int) -> None:
    """Within 5 standard errors (about 0.01 and 0.03 here): false alarms below 1e-5."""
    log_odds, labels = labelled(n, m, 1)
    found = fit_temperature(2.5 * log_odds - 0.7, labels)
    tolerance = 5 * 1.6 / np.sqrt(min(n, m))
    assert 2.5 * found.slope == pytest.approx(1, abs=tolerance)
    assert found.offset - 0.7 * found.slope == pytest.approx(0, abs=tolerance)


def test_temperature_without_offset_has_none() -> None:
    log_odds, labels = labelled(5000, 5000, 2)
    found = fit_temperature(0.5 * log_odds, labels, with_offset=False)
    assert found.offset == 0
    assert found.slope == pytest.approx(2, abs=0.25)


def test_isotonic_undoes_any_increasing_function() -> None:
    """In the bulk the curve is within 0.15 of the truth: 5 standard errors of a bin of a tenth of the events."""
    log_odds, labels = labelled(20_000, 20_000, 3)
    found = fit_isotonic(np.sinh(log_odds) + 3, labels)
    grid = np.linspace(-1.5, 1.5, 13)
    np.testing.assert_allclose(found(np.sinh(grid) + 3), grid, atol=0.15)


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
def test_own_weights_and_signed_weights_count(fit: object) -> None:
    """A target drawn like the source, weighted by the ratio, calibrates like the target; 5 standard errors."""
    source, _ = samples(60_000, 1, 4)
    other, _ = samples(60_000, 1, 5)
    x = np.concatenate([source, other])
    weights = np.concatenate([np.ones(60_000), exact_weights(other)]) * signed(120_000, 6, 0.1)
    found = fit(3 * log_ratio(x), np.repeat([0, 1], 60_000), weights)  # type: ignore[operator]
    grid = log_ratio(np.linspace(-1, 1.5, 6))
    np.testing.assert_allclose(found(3 * grid), grid, atol=0.12)


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic])
def test_a_map_increases_is_finite_and_survives_as_arrays(fit: object) -> None:
    log_odds, labels = labelled(3000, 3000, 7)
    found = fit(log_odds, labels)  # type: ignore[operator]
    far = np.linspace(-100, 100, 2001)
    assert np.isfinite(found(far)).all()
    assert (np.diff(found(far)) >= 0).all()
    again = map_from_arrays(found.arrays())
    np.testing.assert_array_equal(again(far.reshape(3, 667)), found(far).reshape(3, 667))


def test_ends_have_the_stated_pseudo_counts() -> None:
    """Three source events below, three target events above: 0.5 / 3.5 at the one end, 3 / 3.5 at the other."""
    found = fit_isotonic(np.arange(6.0), np.array([0, 0, 0, 1, 1, 1]))
    odds = 0.5 / 3.0
    np.testing.assert_allclose(found.values, [np.log(odds), -np.log(odds)])
    assert found(np.array([-50.0]))[0] == pytest.approx(np.log(odds))


def test_a_classifier_that_learned_nothing_gives_weights_near_one() -> None:
    rng = np.random.default_rng(8)
    labels = np.repeat([0, 1], 5000)
    for fit in (fit_temperature, fit_isotonic):
        found = fit(1e-3 * rng.normal(size=10_000), labels)
        assert np.quantile(np.abs(found(1e-3 * rng.normal(size=1000))), 0.9) < 0.5
    assert fit_temperature(np.zeros(10_000), labels)(np.zeros(2)) == pytest.approx(np.zeros(2))


def test_log_odds_that_hardly_differ_get_no_steep_map() -> None:
    rng = np.random.default_rng(11)
    log_odds, labels = 0.3 + 1e-6 * rng.normal(size=60), np.repeat([0, 1], 30)
    if np.corrcoef(log_odds, labels)[0, 1] < 0:
        log_odds = 0.6 - log_odds
    found = fit_temperature(log_odds, labels)
    assert found.slope == 100
    assert np.abs(found(log_odds)).max() < 0.01


def test_negative_weights_that_leave_no_map_are_refused() -> None:
    log_odds = np.concatenate([np.linspace(-1, 1, 50), np.linspace(-1, 1, 50)])
    labels = np.repeat([0, 1], 50)
    weights = np.where(np.abs(log_odds) > 0.7, -1.0, 1.0)
    with pytest.raises(ValueError, match="negative weights outweigh"):
        fit_temperature(log_odds, labels, weights)


def test_reliability_of_true_odds_is_flat() -> None:
    """Over 100 samples, p-values below 0.05 in 5 % of them: at most 14 but in 1e-4 of runs; so with unequal classes."""
    p_values = []
    for seed in range(100):
        log_odds, labels = labelled(2000, 2000 if seed % 2 else 300, 200 + seed)
        found = judge_reliability(log_odds, labels, seed=seed)
        p_values.append(found.p_value)
    assert sum(p < 0.05 for p in p_values) <= 14
    assert sum(p > 0.5 for p in p_values) >= 25
    np.testing.assert_array_less(np.abs(found.observed - found.predicted), 5 * found.error)


def test_reliability_finds_overconfidence() -> None:
    log_odds, labels = labelled(5000, 5000, 9)
    found = judge_reliability(2 * log_odds, labels)
    assert found.p_value < 0.01
    assert found.expected_calibration_error > found.null + 5 * found.null_spread
    assert "off by" in found.sentence
    assert len(found.predicted) == 20


@pytest.mark.parametrize(
    ("log_odds", "labels", "weights", "message"),
    [
        (np.array([0.0, np.nan]), np.array([0, 1]), None, "1 log-odds are not finite"),
        (np.zeros(2), np.array([0, 2]), None, "labels must be 0"),
        (np.zeros(2), np.zeros(2), None, "the target holds no events"),
        (np.zeros(2), np.ones(2), None, "the source holds no events"),
        (np.zeros(2), np.zeros(3), None, "one of each per event"),
        (np.zeros(2), np.array([0, 1]), np.ones(3), "give one per event"),
        (np.zeros(3), np.array([0, 1, 1]), np.array([1.0, 0, 0]), "all 2 weights of the target are zero"),
        (np.zeros(3), np.array([0, 0, 1]), np.array([1.0, -2, 1]), "of the source add up to -1"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray | None, message: str
) -> None:
    for fit in (fit_temperature, fit_isotonic, judge_reliability):
        with pytest.raises(ValueError, match=message):
            fit(log_odds, labels, weights)


def test_temperature_refuses_wrong_and_perfect_classifiers() -> None:
    log_odds, labels = labelled(2000, 2000, 10)
    with pytest.raises(ValueError, match="the wrong way"):
        fit_temperature(-log_odds, labels)
    with pytest.raises(ValueError, match="separates these events perfectly"):
        fit_temperature(np.repeat([-1.0, 1.0], 2000), labels)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"slope": np.ones(1)}, "are not a calibration"),
        ({"slope": -np.ones(1), "offset": np.zeros(1)}, "slope is -1.0"),
        ({"slope": np.array([np.nan]), "offset": np.zeros(1)}, "damaged"),
        ({"knots": np.array([1.0, 0.0]), "values": np.zeros(2)}, "do not increase"),
        ({"knots": np.array([0.0, 1.0]), "values": np.array([1.0, 0.0])}, "do not increase"),
        ({"knots": np.zeros(0), "values": np.zeros(0)}, "do not increase"),
    ],
)
def test_damaged_maps_are_refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        map_from_arrays(arrays)


def test_maps_are_what_they_say() -> None:
    assert TemperatureMap(2.0, 1.0)(np.array([3.0])) == pytest.approx(7.0)
    assert IsotonicMap(np.array([0.0, 2.0]), np.array([0.0, 1.0]))(np.array([1.0, 9.0])) == pytest.approx([0.5, 1.0])
