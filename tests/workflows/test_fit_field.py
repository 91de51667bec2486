"""Fits of fields by a learned likelihood: the truth within errors, limits, and what cannot be fitted."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.events import variable
from simulacra.simulators.random_fields import (
    RandomFieldSettings,
    fisher_information,
    log_likelihood,
    simulate_random_fields,
)
from simulacra.systems import multiscale_field

MODEL = "lognormal-fields"


def fields(n: int, **settings: str) -> xr.Dataset:
    return simulate_random_fields(RandomFieldSettings(form="lognormal", **settings), seed=7, n_events=n)  # type: ignore[arg-type]


def test_the_truth_is_within_the_errors() -> None:
    truth = fields(6, amplitude="log:0.8:1.2", spectral_index="uniform:-1.7:-1.3")
    shares: list[float] = []
    found = simulacra.fit_field(MODEL, truth, progress=lambda _step, share: shares.append(share))
    assert bool(found["valid"].all())
    assert shares == pytest.approx(np.arange(1, 7) / 6)
    for name in ("amplitude", "spectral_index"):
        pull = (found[name].values - truth[name].values) / found[f"{name}_error"].values
        assert (np.abs(pull) < 4).all()
        assert pull.std() > 0.2
    # The same fields without their own conditions give the same.
    again = simulacra.fit_field(MODEL, truth[["field"]].isel(event=[2]), progress=False)
    assert float(again["amplitude"][0]) == pytest.approx(float(found["amplitude"][2]))


def test_a_fit_at_the_end_of_the_trained_range_is_not_valid() -> None:
    found = simulacra.fit_field(MODEL, fields(1, amplitude="8"), progress=False)
    assert not bool(found["valid"][0])
    assert float(found["amplitude"][0]) <= 2.0


def test_masked_fields_are_fitted_by_their_observed_pixels() -> None:
    truth = fields(1, amplitude="1")
    observed = np.ones((1, 64, 64), bool)
    observed[:, :, :3] = observed[:, 20:30, 20:32] = False
    hidden = truth["field"].where(observed, 100.0).assign_attrs(truth["field"].attrs)
    mask = variable(observed, "x", "y", units="1", long_name="observed", role="mask")
    found = simulacra.fit_field(MODEL, truth.assign(field=hidden, observed=mask), progress=False)
    assert bool(found["valid"].all())
    # Fisher's errors of ln A and s, of as many pixels as are observed.
    expected = np.sqrt(np.diag(np.linalg.inv(fisher_information((64, 64)))) / observed.mean())
    for name, error in zip(("amplitude", "spectral_index"), expected * [float(found["amplitude"][0]), 1], strict=True):
        pull = float(found[name][0] - truth[name][0]) / error
        assert abs(pull) < 4
        assert float(found[f"{name}_error"][0]) == pytest.approx(error, rel=0.2)
    at_best = [found[name].values for name in ("amplitude", "spectral_index")]
    exact = log_likelihood(truth["field"].values, *at_best, form="lognormal", observed=observed)
    assert float(found["log_likelihood"][0]) == pytest.approx(float(exact[0]), abs=2)
    assert 0 < float(found["log_likelihood_error"][0]) < 0.2


def test_masked_fields_need_the_flow_that_fills_them(tmp_path: Path) -> None:
    experiment = multiscale_field.example(tmp_path) | {"name": "multiscale"}
    simulacra.train(experiment, tmp_path / "run", progress=False)
    events = simulacra.open_events(experiment["data"]["path"]).load().isel(event=slice(2))
    mask = variable(np.ones((2, 8, 8), bool), "x", "y", units="1", long_name="observed", role="mask")
    with pytest.raises(ValueError, match=r"\(multiscale_field\) has no likelihood of masked fields: a model of trenf"):
        simulacra.fit_field(tmp_path / "run", events.assign(observed=mask))
    found = simulacra.fit_field(tmp_path / "run", events, progress=False)
    assert bool(np.isfinite(found["log_likelihood"]).all())


def test_impossible_lognormal_fields_are_refused() -> None:
    truth = fields(2)
    wrong = truth["field"].copy(deep=True)
    wrong[1, 5, 7] = -1.5
    with pytest.raises(ValueError, match=r"field 1 is -1\.5 in pixel \(5, 7\): a lognormal field is above -1"):
        simulacra.fit_field(MODEL, truth.assign(field=wrong), progress=False)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'calo-eplus' \(showerflow\) has no likelihood of fields"):
        simulacra.fit_field("calo-eplus", fields(1))
    small = simulate_random_fields(RandomFieldSettings(pixels=16), seed=1, n_events=1)
    with pytest.raises(ValueError, match=r"learned fields of \(64, 64\) pixels; 'field' has \(16, 16\)"):
        simulacra.fit_field(MODEL, small)
