"""Observables of images, fields, light curves, lists and tables against plain formulas, waves and white noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from simulacra.events import Role, make_events, variable
from simulacra.observables import observe
from simulacra.observables.power_spectra import power_spectra, wave_number_edges


def events_of(variables: dict[str, xr.Variable], **coordinates: Any) -> xr.Dataset:
    events = make_events(
        variables, simulator="toy", simulator_version="1", seed=1, settings={}, seconds_per_event=1.0, first_event=40
    )
    return events.assign_coords(coordinates)


def feature(values: np.ndarray, *dimensions: str, units: str = "1", role: Role = "feature", **more: Any) -> xr.Variable:
    return variable(values, *dimensions, units=units, long_name="brightness", role=role, **more)


def test_an_image_is_described_by_plain_formulas() -> None:
    image = np.random.default_rng(1).poisson(0.8, (5, 3, 4)).astype("f4")
    image[4] = 0
    found = observe(events_of({"image": feature(image, "row", "column", units="MeV")}, row=[10.0, 20.0, 30.0]))
    assert found["event"].values.tolist() == [40, 41, 42, 43, 44]
    for i, one in enumerate(image.astype(float)):
        assert float(found["image_sum"][i]) == one.sum()
        assert float(found["image_mean"][i]) == pytest.approx(one.mean())
        assert float(found["image_standard_deviation"][i]) == pytest.approx(one.std())
        assert (float(found["image_minimum"][i]), float(found["image_maximum"][i])) == (one.min(), one.max())
        assert float(found["image_share_of_zeros"][i]) == pytest.approx((one == 0).mean())
        if one.sum() == 0:
            assert float(found["image_centre_row"][i]) == 0
            continue
        rows = np.average([10, 20, 30], weights=one.sum(1))
        columns = np.average(np.arange(4), weights=one.sum(0))
        assert float(found["image_centre_row"][i]) == pytest.approx(rows)
        assert float(found["image_centre_column"][i]) == pytest.approx(columns)
        spread = np.average((np.arange(4) - columns) ** 2, weights=one.sum(0)) ** 0.5
        assert float(found["image_width_column"][i]) == pytest.approx(spread)
    assert {key: found[f"image_{key}"].attrs["units"] for key in ("sum", "share_of_zeros", "width_row")} == {
        "sum": "MeV",
        "share_of_zeros": "1",
        "width_row": "1",
    }
    assert found["image_maximum"].attrs["long_name"] == "brightness: maximum"
    assert not any(str(name).startswith("image_power") for name in found.data_vars)


def test_the_sign_of_values_does_not_change_which_observables_there_are() -> None:
    rng = np.random.default_rng(2)
    field = rng.normal(size=(3, 8, 8))
    signed = observe(events_of({"field": feature(field, "x", "y")}))
    positive = observe(events_of({"field": feature(np.abs(field), "x", "y")}))
    assert list(signed.data_vars) == list(positive.data_vars)
    np.testing.assert_allclose(signed["field_centre_x"], positive["field_centre_x"])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_wave_has_its_power_where_its_wave_number_is(dimensions: int) -> None:
    n, number = 16, 3
    x = np.arange(n) / n
    wave = 2.0 * np.cos(2 * np.pi * number * x + 0.4)
    field = np.broadcast_to(wave.reshape(1, -1, *[1] * (dimensions - 1)), (1,) + (n,) * dimensions) + 5.0
    edges = wave_number_edges(n, dimensions)
    spectrum = power_spectra(field)[0]
    assert spectrum.shape == (len(edges),)
    holds = [low <= number < high for low, high in edges]
    assert sum(holds) == 1
    # half the amplitude squared in each of two modes, of as many as the shell holds
    axis = np.fft.fftfreq(n, 1 / n)
    radius = np.sqrt(sum(k**2 for k in np.meshgrid(*[axis] * dimensions, indexing="ij")))
    low, high = edges[holds.index(True)]
    modes = ((radius >= low) & (radius < high)).sum()
    assert spectrum[holds.index(True)] == pytest.approx(2 * n**dimensions / modes)
    assert spectrum[~np.array(holds)] == pytest.approx(0, abs=1e-18 * n**dimensions)


def test_white_noise_has_its_variance_at_every_wave_number() -> None:
    field = np.random.default_rng(3).normal(0, 3.0, (400, 16, 16))
    found = observe(events_of({"field": feature(field, "x", "y", units="K")}))
    names = [str(name) for name in found.data_vars if str(name).startswith("field_power")]
    assert 5 <= len(names) <= 8
    for name in names:
        assert found[name].attrs["units"] == "K²"
        values = found[name].values
        # a false alarm in one of 15,000 seeds per bin
        assert abs(values.mean() - 9.0) < 4 * values.std() / 20
    # Parseval: all modes together have the variance; the bins leave out the corners beyond n/2
    transform = np.abs(np.fft.fft2(field[0])) ** 2 / 256
    assert (transform.sum() - transform[0, 0]) / 256 == pytest.approx(field[0].var())


def test_power_spectra_of_other_grids_are_refused() -> None:
    for shape in ((2, 8, 9), (2, 3, 3), (2, 8), (2, 4, 4, 4, 4)):
        with pytest.raises(ValueError, match="square or cubic grids"):
            power_spectra(np.zeros(shape))


def test_a_light_curve_has_its_time_and_autocorrelation() -> None:
    time = np.array([0.0, 1.0, 2.5, 7.0, 9.0, 12.0])
    flux = np.random.default_rng(4).exponential(size=(6, 6))
    flux[0] = 2.0
    flux[1] = [1, -1, 1, -1, 1, -1]
    events = events_of({"flux": feature(flux, "time")}, time=xr.Variable("time", time, attrs={"units": "day"}))
    found = observe(events)
    assert found["flux_centre_time"].attrs["units"] == "day"
    assert found["flux_centre_time"].values[0] == pytest.approx(time.mean())
    assert found["flux_width_time"].values[0] == pytest.approx(time.std())
    assert found["flux_autocorrelation"].values[:2].tolist() == pytest.approx([0.0, -5 / 6])
    one = flux[3] - flux[3].mean()
    assert found["flux_autocorrelation"].values[3] == pytest.approx((one[1:] * one[:-1]).sum() / (one**2).sum())

    # gaps: what is masked counts for nothing, whatever stands there
    observed = np.ones((6, 6), dtype=bool)
    observed[:, 2] = False
    spoilt = flux.copy()
    spoilt[:, 2] = 1e9
    gaps = observe(
        events.assign(
            flux=feature(spoilt, "time"),
            observed=variable(observed, "time", units="1", long_name="whether it was observed", role="mask"),
        )
    )
    np.testing.assert_allclose(gaps["flux_mean"], np.delete(flux, 2, axis=1).mean(1))
    assert gaps["flux_centre_time"].values[0] == pytest.approx(np.delete(time, 2).mean())
    assert gaps["observed_number"].values.tolist() == [5.0] * 6


def test_a_list_of_objects_is_described_without_its_order() -> None:
    rng = np.random.default_rng(5)
    present = np.arange(7) < np.array([3, 7, 0])[:, None]
    mass = np.where(present, rng.exponential(size=(3, 7)), 99.0)
    colour = rng.normal(size=(3, 7, 2))
    there = variable(present, "star", units="1", long_name="whether there is a star", role="mask")
    found = observe(
        events_of({"mass": feature(mass, "star"), "colour": feature(colour, "star", "band"), "star_there": there})
    )
    assert found["star_there_number"].values.tolist() == [3, 7, 0]
    assert found["mass_maximum"].values[0] == mass[0, :3].max()
    assert found["colour_mean"].values[0] == pytest.approx(colour[0, :3].mean())
    assert found["mass_minimum"].values[2] == 0
    assert not {"mass_centre_star", "mass_autocorrelation", "colour_centre_star"} & set(found.data_vars)
    assert "colour_centre_band" in found


def test_a_table_is_its_own_observables_and_several_kinds_get_them_all() -> None:
    rng = np.random.default_rng(6)
    n = 4
    pt = rng.exponential(0.1, (n, 3)).astype("f4")
    events = events_of(
        {
            "eta_rel": feature(pt, "particle"),
            "phi_rel": feature(pt, "particle", units="rad"),
            "pt_rel": feature(pt, "particle"),
            "present": variable(np.ones((n, 3), bool), "particle", units="1", long_name="is there", role="mask"),
            "multiplicity": feature(np.arange(n, dtype="i4")),
            "magnitude": feature(rng.normal(size=n).astype("f4"), units="mag"),
            "image": feature(rng.random((n, 4, 4)), "x", "y"),
            "flag": feature(np.array([True, False, True, True])),
            "asked": feature(np.ones(n), role="condition"),
            "weight": feature(np.ones(n), role="weight"),
        }
    )
    found = observe(events)
    assert {"width", "magnitude", "image_power_0", "flag"} <= set(found.data_vars)
    assert found["multiplicity"].values.tolist() == [3.0] * n
    assert found["stated_multiplicity"].values.tolist() == [0, 1, 2, 3]
    assert found["magnitude"].attrs == {"units": "mag", "long_name": "brightness", "role": "feature"}
    assert not {"asked", "weight", "present", "pt_rel_mean"} & set(found.data_vars)
    for name, array in found.data_vars.items():
        assert array.dims == ("event",), name
        assert array.dtype == np.float64, name
        assert isinstance(array.attrs["units"], str), name
        assert array.attrs["long_name"], name


def test_events_without_a_feature_and_what_is_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no observables are known for events that hold \['asked'\]"):
        observe(events_of({"asked": feature(np.ones(2), role="condition")}))
    events = events_of({"image": feature(np.ones((2, 3, 3)), "x", "y")})
    events["image"][1, 2, 0] = np.nan
    with pytest.raises(ValueError, match=r"'image' is nan in event number 1 at \[2, 0\]"):
        observe(events)
    events = events_of({"image": feature(np.ones((2, 3)), "x")}, x=[0.0, np.inf, 1.0])
    with pytest.raises(ValueError, match="the coordinate 'x' of 'image' holds a value that is not finite"):
        observe(events)


def test_blocks_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    events = events_of({"image": feature(np.random.default_rng(7).normal(size=(11, 8, 8)), "x", "y")})
    whole = observe(events)
    monkeypatch.setattr("simulacra.observables.arrays.BLOCK", 3 * 64)
    xr.testing.assert_allclose(observe(events), whole, rtol=1e-12)


def test_no_events_have_no_observables() -> None:
    fields = events_of({"field": feature(np.ones((3, 8, 8)), "y", "x")})
    none = observe(fields.isel(event=slice(0)))
    assert none.sizes["event"] == 0
    assert set(none.data_vars) == set(observe(fields).data_vars)
