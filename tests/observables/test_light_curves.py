"""Light curves of stars: phases from the first harmonic on, and generated cycles measured at a survey's times."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, make_events, validate
from simulacra.observables import observe
from simulacra.observables.light_curves import (
    first_harmonic,
    is_cycle,
    is_light_curve,
    measured,
    measured_like,
    phases,
    star_variable,
)
from simulacra.observables.periods import curve_of, lomb_scargle_period

POINTS = 64


def stars(n: int = 5, observations: int = 60, *, epoch: float = 3.0, seed: int = 1) -> xr.Dataset:
    """Return stars of two harmonics whose first one is brightest at ``epoch``, without noise, with gaps."""
    rng = np.random.default_rng(seed)
    period = rng.uniform(2, 9, n)
    time = rng.uniform(1000, 1400, (n, observations))
    there = rng.random((n, observations)) < 0.8
    columns = {
        "time": np.where(there, time, 0),
        "magnitude": np.where(there, curve((time - epoch) / period[:, None]), 0),
        "magnitude_error": np.where(there, 0.01, 0),
        "observed": there,
        "period": period,
    }
    return events_of(columns)


def curve(cycle: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * cycle
    return 15 - 0.3 * np.cos(angle) + 0.1 * np.cos(2 * angle + 1.0)


def cycles(period: np.ndarray, scatter: float = 0.0) -> xr.Dataset:
    """Return generated stars of :func:`curve`, whose errors may not be 0."""
    phase = np.arange(POINTS) / POINTS
    columns = {
        "time": period[:, None] * phase,
        "magnitude": np.repeat(curve(phase)[None], len(period), axis=0),
        "magnitude_error": np.full((len(period), POINTS), max(scatter, 1e-9)),
        "observed": np.ones((len(period), POINTS), bool),
        "period": period,
    }
    return events_of(columns)


def events_of(columns: dict[str, np.ndarray]) -> xr.Dataset:
    return make_events(
        {name: star_variable(values, name) for name, values in columns.items()},
        simulator="toy",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=0.0,
    )


def test_the_first_harmonic_is_found_whatever_the_sampling() -> None:
    events = stars(epoch=3.0)
    period = events["period"].values
    assert is_light_curve(events)
    assert not is_cycle(events)
    away = (first_harmonic(events) - 3.0) / period
    np.testing.assert_allclose(away - np.round(away), 0, atol=1e-9)
    expected = np.where(events["observed"], (events["time"].values - 3.0) / period[:, None] % 1.0, 0.0)
    np.testing.assert_allclose(phases(events), expected, atol=1e-8)


def test_too_few_observations_to_fold_are_told() -> None:
    events = stars()
    events["observed"][3, 5:] = False
    with pytest.raises(EventsError, match=r"event 3 has [0-5] observations, and 1 stars in all have fewer than 18"):
        phases(events)


def test_a_cycle_that_is_measured_without_noise_is_the_curve_at_the_times() -> None:
    events = stars()
    made = measured_like(cycles(events["period"].values), events, seed=1)
    validate(made)
    assert made["magnitude"].dims == events["magnitude"].dims
    np.testing.assert_array_equal(made["time"], events["time"])
    np.testing.assert_array_equal(made["observed"], events["observed"])
    # The errors are the survey's 0.01; between 64 points the curve is linear, to 0.001.
    difference = (made["magnitude"] - events["magnitude"]).values[events["observed"].values]
    assert abs(difference.mean()) < 0.005
    assert difference.std() == pytest.approx(0.01, rel=0.25)
    found, truth = observe(made), observe(events)
    np.testing.assert_allclose(found["magnitude_r21"], truth["magnitude_r21"], atol=0.04)


def test_noise_is_that_of_the_survey_and_of_the_star_in_quadrature() -> None:
    period = np.full(200, 5.0)
    time = np.sort(np.random.default_rng(2).uniform(0, 300, 100))
    made = measured(cycles(period, scatter=0.03), time, np.full(100, 0.04), epoch=np.zeros(200), seed=3)
    residual = made["magnitude"].values - curve(time / 5.0)
    assert residual.std() == pytest.approx(0.05, rel=0.03)
    np.testing.assert_array_equal(made["magnitude_error"].values, np.float32(0.04))
    again = measured(cycles(period, scatter=0.03), time, np.full(100, 0.04), epoch=np.zeros(200), seed=3)
    np.testing.assert_array_equal(again["magnitude"].values, made["magnitude"].values)
    # Without an epoch, each star is met at a phase of its own.
    start = first_harmonic(measured(cycles(period), time, np.full(100, 0.001), seed=3)) / 5.0
    assert np.histogram(start, np.linspace(0, 1, 5))[0].min() > 25


@pytest.mark.parametrize(
    ("events", "time", "error", "message"),
    [
        (stars(), np.arange(20.0), 0.01, "already measured"),
        (xr.Dataset(), np.arange(20.0), 0.01, "no light curves"),
        (cycles(np.full(5, 3.0)), np.array([1.0, np.nan]), 0.01, "'time' is nan for star 0, observation 1"),
        (
            cycles(np.full(5, 3.0)),
            np.arange(3.0),
            0.0,
            "'magnitude_error' is 0.0 for star 0, observation 0: .* above 0",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(events: xr.Dataset, time: np.ndarray, error: float, message: str) -> None:
    with pytest.raises(EventsError, match=message):
        measured(events, time, np.full(len(time), error), seed=1)


def test_a_curve_has_the_mean_over_its_cycle_and_its_extremes() -> None:
    time = np.random.default_rng(4).uniform(0, 100, 80)
    found = curve_of(time, curve(time / 3.7), np.full(80, 0.01), 3.7)
    fine = curve(np.linspace(0, 1, 10_000))
    assert found.mean == pytest.approx(15, abs=1e-9)
    assert found.amplitude == pytest.approx(np.ptp(fine), abs=1e-3)


def test_a_period_is_found_and_one_that_cannot_be_is_told() -> None:
    pytest.importorskip("astropy", reason="periods need astropy: pip install 'simulacra[sky]'")
    time = np.sort(np.random.default_rng(5).uniform(0, 500, 200))
    values = 12 + 0.2 * np.cos(2 * np.pi * time / 0.7312)
    assert lomb_scargle_period(time, values, np.full(200, 0.02)) == pytest.approx(0.7312, rel=1e-4)
    with pytest.raises(ValueError, match=r"there are no periods from 0\.1 to 0\.0\d+ d"):
        lomb_scargle_period(time / 5000, values, np.full(200, 0.02))
