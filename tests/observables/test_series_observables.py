"""Observables of series with gaps and errors: against plain formulas per event, closed forms and planted harmonics."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr

from simulacra.events import EventsError, make_events, variable
from simulacra.observables import observe
from simulacra.observables.power_spectra import power_spectra
from simulacra.observables.series import FEWEST_FOLDED, LAGS

N = 6


def events_of(variables: dict[str, xr.Variable]) -> xr.Dataset:
    return make_events(variables, simulator="toy", simulator_version="1", seed=1, settings={}, seconds_per_event=1.0)


def series_of(
    values: np.ndarray,
    times: np.ndarray,
    there: np.ndarray,
    errors: np.ndarray | None = None,
    **conditions: tuple[np.ndarray, str],
) -> xr.Dataset:
    """Return series as events; what stands in places that are not there is left as it is given."""
    along: dict[str, Any] = {
        "flux": variable(values, "observation", units="mJy", long_name="flux", role="feature"),
        "time": variable(times, "observation", units="day", long_name="time", role="coordinate"),
        "observed": variable(there, "observation", units="1", long_name="observed", role="mask"),
    }
    if errors is not None:
        along["flux_error"] = variable(
            errors, "observation", units="mJy", long_name="error", role="uncertainty", of="flux"
        )
    asked = {
        name: variable(given, units=units, long_name=name, role="condition")
        for name, (given, units) in conditions.items()
    }
    return events_of(along | asked)


def drawn(seed: int, width: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return values, times, mask and errors whose order and gaps are random, with nonsense where nothing is."""
    rng = np.random.default_rng(seed)
    there = rng.random((N, width)) < 0.7
    values, times = rng.normal(5, 2, (N, width)), rng.uniform(0, 100, (N, width))
    errors = rng.uniform(0.1, 3, (N, width))
    for array in (values, times, errors):
        array[~there] = rng.choice([-1e9, 0.0, 1e9], size=int((~there).sum()))
    return values, times, there, errors


@pytest.mark.parametrize("seed", range(5))
def test_series_are_described_by_plain_formulas(seed: int) -> None:
    values, times, there, errors = drawn(seed)
    found = observe(series_of(values, times, there, errors))
    assert not {"flux_sum", "flux_mean", "flux_share_of_zeros", "flux_r21"} & set(found.data_vars)
    for i in range(N):
        order = np.argsort(times[i][there[i]])
        x, t, s = (array[i][there[i]][order] for array in (values, times, errors))
        n, mean, weights = len(x), x.mean(), 1 / s**2
        weighted = np.average(x, weights=weights)
        gaps = np.diff(t)
        expected = {
            "observed_number": n,
            "flux_weighted_mean": weighted,
            "flux_weighted_standard_deviation": np.sqrt(np.average((x - weighted) ** 2, weights=weights)),
            "flux_minimum": x.min(),
            "flux_maximum": x.max(),
            "flux_skewness": ((x - mean) ** 3).mean() / x.var() ** 1.5,
            "flux_von_neumann_ratio": (np.diff(x) ** 2).sum() / ((x - mean) ** 2).sum(),
            "flux_excess_variance": x.var(ddof=1) - (s**2).mean(),
            "flux_error_mean": s.mean(),
            "flux_error_standard_deviation": s.std(),
            "time_minimum": t[0],
            "time_span": t[-1] - t[0],
            "time_median_gap": np.median(gaps),
            "time_largest_gap": gaps.max(),
        }
        pairs = [(a, b) for a in range(n) for b in range(a + 1, n) if b - a in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)]
        low = 0.0
        for j, high in enumerate(LAGS):
            squares = [(x[b] - x[a]) ** 2 for a, b in pairs if low < (t[b] - t[a]) / (t[-1] - t[0]) <= high + 1e-12]
            expected[f"flux_structure_function_{j}"] = np.mean(squares) if squares else 0.0
            low = high
        for name, value in expected.items():
            assert float(found[name][i]) == pytest.approx(value), name
    assert found["flux_excess_variance"].attrs["units"] == "mJy²"
    assert found["time_median_gap"].attrs["units"] == "day"


def test_neither_order_nor_padding_nor_what_is_masked_counts() -> None:
    values, times, there, errors = drawn(7)
    period = np.random.default_rng(1).uniform(1, 30, N)
    whole = observe(series_of(values, times, there, errors, period=(period, "day")))
    order = np.random.default_rng(2).permutation(40)
    shuffled = [np.pad(array[:, order], ((0, 0), (0, 11))) for array in (values, times, there, errors)]
    again = observe(series_of(*shuffled, period=(period, "day")))  # type: ignore[arg-type]
    xr.testing.assert_allclose(again, whole, rtol=1e-9, atol=1e-9)


def test_a_folded_curve_has_the_harmonics_that_were_planted() -> None:
    rng = np.random.default_rng(3)
    n, width = 50, 60
    period = rng.uniform(2, 40, n)
    amplitudes, phases = rng.uniform(0.2, 1, (n, 4)), rng.uniform(0, 2 * np.pi, (n, 4))
    times = rng.uniform(0, 1000, (n, width))
    there = np.arange(width) < rng.integers(30, width + 1, n)[:, None]
    values = 12 + sum(
        amplitudes[:, [k]] * np.cos(2 * np.pi * (k + 1) * times / period[:, None] + phases[:, [k]]) for k in range(4)
    )
    for units, factor in (("day", 1.0), ("hour", 24.0)):
        events = series_of(np.where(there, values, 0), times, there, period=(period * factor, units))
        found = observe(events)
        np.testing.assert_allclose(found["flux_fourier_amplitude"], amplitudes[:, 0], rtol=1e-6)
        for k in (2, 3):
            np.testing.assert_allclose(found[f"flux_r{k}1"], amplitudes[:, k - 1] / amplitudes[:, 0], rtol=1e-6)
            phase = (phases[:, k - 1] - k * phases[:, 0]) % (2 * np.pi)
            np.testing.assert_allclose(found[f"flux_phi{k}1"], phase, atol=1e-6)
        assert "flux_fourier_chi_square" not in found
    folded = series_of(values, times, there).drop_vars("time")
    folded["phase"] = variable(
        (times / period[:, None]) % 1, "observation", units="1", long_name="phase", role="coordinate"
    )
    np.testing.assert_allclose(observe(folded)["flux_phi31"], found["flux_phi31"], atol=1e-6)


def test_the_folded_curve_is_fitted_with_the_errors() -> None:
    """Of entries with errors of 0.01 and 10 the second kind tells nothing; what the fit leaves over are the errors."""
    rng = np.random.default_rng(4)
    n, width = 400, 60
    times = rng.uniform(0, 100, (n, width))
    errors = np.where(rng.random((n, width)) < 0.5, 0.01, 10.0)
    values = (
        np.cos(2 * np.pi * times / 7) + 0.5 * np.cos(4 * np.pi * times / 7 + 1) + errors * rng.normal(size=(n, width))
    )
    period = np.full(n, 7.0)
    there = np.ones((n, width), bool)
    found = observe(series_of(values, times, there, errors, period=(period, "day")))
    np.testing.assert_allclose(found["flux_r21"], 0.5, atol=0.2)
    assert np.abs(found["flux_r21"].values - 0.5).mean() < 0.01
    # of 51 degrees of freedom and 400 series: the mean of chi^2 / ndf has the standard deviation 0.01
    assert found["flux_fourier_chi_square"].values.mean() == pytest.approx(1, abs=0.05)
    # without the errors the noise of the second kind drowns the curve
    plain = observe(series_of(values, times, there, period=(period, "day")))
    assert np.abs(plain["flux_r21"].values - 0.5).mean() > 0.3


def test_noise_alone_has_no_excess_and_a_von_neumann_ratio_of_2() -> None:
    rng = np.random.default_rng(5)
    n, width = 500, 50
    errors = rng.uniform(0.5, 2, (n, width))
    found = observe(
        series_of(
            errors * rng.normal(size=(n, width)), rng.uniform(0, 9, (n, width)), np.ones((n, width), bool), errors
        )
    )
    # five standard deviations of the mean
    for name, value in (("flux_excess_variance", 0.0), ("flux_von_neumann_ratio", 2.0), ("flux_skewness", 0.0)):
        values = found[name].values
        assert abs(values.mean() - value) < 5 * values.std() / np.sqrt(n), name


def test_series_of_few_or_equal_entries_are_0_and_never_nan() -> None:
    times = np.random.default_rng(6).uniform(0, 9, (4, 20))
    there = np.arange(20) < np.array([0, 1, 2, FEWEST_FOLDED - 1])[:, None]
    errors = np.ones((4, 20))
    period = (np.full(4, 2.0), "day")
    for values in (np.zeros((4, 20)), np.full((4, 20), 3.3)):
        found = observe(series_of(values, times, there, errors, period=period))
        for name, array in found.data_vars.items():
            assert np.isfinite(array.values).all(), name
        for name in ("skewness", "von_neumann_ratio", "r21", "phi31", "fourier_chi_square"):
            assert (found[f"flux_{name}"].values == 0).all(), name
        assert found["time_span"].values[:2].tolist() == [0, 0]
    # all at one time, and no slots at all
    same = observe(series_of(np.ones((4, 20)), np.ones((4, 20)), there, errors, period=period))
    assert np.isfinite(same.to_array().values).all()
    empty = observe(series_of(*(np.zeros((3, 0), dtype) for dtype in (float, float, bool, float))))
    assert (empty.to_array().values == 0).all()


def test_times_in_common_with_gaps_make_a_series_too() -> None:
    rng = np.random.default_rng(8)
    values, there = rng.normal(size=(N, 12)), rng.random((N, 12)) < 0.8
    grid = np.cumsum(rng.exponential(size=12))
    own = series_of(values, np.broadcast_to(grid, (N, 12)), there, period=(np.full(N, 3.0), "day"))
    shared = own.drop_vars("time").assign_coords(observation=("observation", grid, {"units": "day"}))
    one, two = observe(own), observe(shared)
    for name in ("flux_skewness", "flux_von_neumann_ratio", "flux_structure_function_2", "flux_r21"):
        np.testing.assert_array_equal(one[name], two[name])
    assert "flux_centre_observation" in two
    assert "flux_von_neumann_ratio" not in observe(shared.drop_vars("observed"))


def test_a_wrong_period_and_an_uncertainty_of_nothing_are_refused() -> None:
    values, times, there, errors = drawn(9)
    with pytest.raises(ValueError, match=r"the period of event number 2 is 0\.0: a period must be positive"):
        observe(series_of(values, times, there, period=(np.array([1.0, 1, 0, 1, 1, 1]), "day")))
    with pytest.raises(EventsError, match="variable 'period' has the unit 'km', which cannot be converted to 'day'"):
        observe(series_of(values, times, there, period=(np.ones(N), "km")))
    events = series_of(values, times, there, errors)
    place = tuple(np.argwhere(there)[4])
    events["flux_error"][place] = 0
    with pytest.raises(ValueError, match=rf"'flux_error' is 0\.0 in event number {place[0]} at \[{place[1]}\]"):
        observe(events)


def masked_field(values: np.ndarray, there: np.ndarray, **more: xr.Variable) -> xr.Dataset:
    return events_of(
        {
            "field": variable(values, "x", "y", units="K", long_name="field", role="feature"),
            "seen": variable(there, "x", "y", units="1", long_name="seen", role="mask"),
            **more,
        }
    )


def test_masked_pixels_of_a_field_count_for_nothing() -> None:
    rng = np.random.default_rng(10)
    values, there = rng.exponential(size=(5, 8, 8)), rng.random((5, 8, 8)) < 0.8
    one, two = (observe(masked_field(np.where(there, values, fill), there)) for fill in (0.0, 1e9))
    xr.testing.assert_identical(one, two)
    assert {"field_centre_x", "field_width_y", "field_power_0", "seen_number"} <= set(one.data_vars)
    x, y = np.nonzero(there[0])
    pixels = values[0][there[0]]
    centre = np.average(x, weights=pixels)
    assert float(one["field_mean"][0]) == pytest.approx(pixels.mean())
    assert float(one["field_centre_x"][0]) == pytest.approx(centre)
    assert float(one["field_width_x"][0]) == pytest.approx(np.average((x - centre) ** 2, weights=pixels) ** 0.5)
    assert float(one["field_centre_y"][0]) == pytest.approx(np.average(y, weights=pixels))
    errors = variable(
        rng.uniform(1, 2, (5, 8, 8)), "x", "y", units="K", long_name="error", role="uncertainty", of="field"
    )
    found = observe(masked_field(values, there, error=errors))
    weights = 1 / errors.values[0][there[0]] ** 2
    assert float(found["field_weighted_mean"][0]) == pytest.approx(np.average(pixels, weights=weights))
    assert float(found["error_mean"][0]) == pytest.approx(errors.values[0][there[0]].mean())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_white_noise_behind_a_mask_has_its_variance_at_every_wave_number(dimensions: int) -> None:
    rng = np.random.default_rng(11)
    shape = (600, *[8] * dimensions)
    there = rng.random(shape) < 0.6
    field = rng.normal(50, 3.0, shape)
    spectra = power_spectra(np.where(there, field, -1e9), there)
    # the mean that is taken off is of the n pixels that are there: a share of 1 / n of the power goes with it
    expected = 9 * (1 - 1 / (0.6 * 8**dimensions))
    for values in spectra.T:
        # five standard deviations, and one part in a hundred for what the masks leak from the wave number 0
        assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(600) + 0.09
    # a mask that leaves out nothing changes nothing
    np.testing.assert_allclose(power_spectra(field, np.ones(shape, bool)), power_spectra(field), rtol=1e-9)
    assert (power_spectra(field, np.zeros(shape, bool)) == 0).all()


@pytest.mark.parametrize(("changed", "size"), [("flux", 1e200), ("flux_error", 1e200), ("flux_error", 1e-200)])
def test_what_is_too_large_or_small_to_be_squared_is_refused_with_its_event(changed: str, size: float) -> None:
    values, times, _, errors = drawn(1)
    events = series_of(values, times, np.ones(values.shape, bool), np.abs(errors) + 1, period=(np.full(N, 3.0), "day"))
    events = events.assign_coords(event=10 + np.arange(N))
    assert all(np.isfinite(array).all() for array in observe(events).data_vars.values())
    events[changed].values[2] *= size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="is not finite in event 12: 'flux' or its uncertainty is too"):
            observe(events)
