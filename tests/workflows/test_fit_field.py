"""Fits of fields by a learned likelihood: the truth within errors, limits, and what cannot be fitted."""

import numpy as np
import pytest
import xarray as xr

import simulacra
from simulacra.simulators.random_fields import RandomFieldSettings, simulate_random_fields

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


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'calo-eplus' \(showerflow\) has no likelihood of fields"):
        simulacra.fit_field("calo-eplus", fields(1))
    small = simulate_random_fields(RandomFieldSettings(pixels=16), seed=1, n_events=1)
    with pytest.raises(ValueError, match=r"learned fields of \(64, 64\) pixels; 'field' has \(16, 16\)"):
        simulacra.fit_field(MODEL, small)
