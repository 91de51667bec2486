"""Random fields: their spectrum, the likelihood against a dense covariance, and chunks that do not matter."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from simulacra.simulators.random_fields import (
    RandomFieldSettings,
    fisher_information,
    log_likelihood,
    power_of,
    simulate_random_fields,
    write_random_fields,
)
from simulacra.store import open_events


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_power_is_the_one_that_was_asked_for(axes: int) -> None:
    settings = RandomFieldSettings(pixels=8, axes=axes, amplitude="0.2", spectral_index="-1")
    events = simulate_random_fields(settings, seed=1, n_events=2000)
    field = events["field"].values
    assert events["field"].dims == ("event", "x", "y", "z")[: axes + 1]
    along = tuple(range(1, axes + 1))
    power = (np.abs(np.fft.fftn(field, axes=along)) ** 2 / 8**axes).mean(axis=0)
    expected = power_of((8,) * axes, np.array([0.2]), np.array([-1.0]))[0]
    assert power / expected == pytest.approx(np.ones(expected.shape), abs=6 * np.sqrt(2 / 2000))


@pytest.mark.parametrize("form", ["gaussian", "lognormal"])
def test_the_likelihood_is_that_of_the_dense_covariance(form: str) -> None:
    settings = RandomFieldSettings(form=form, pixels=5, amplitude="uniform:0.1:0.4")  # type: ignore[arg-type]
    events = simulate_random_fields(settings, seed=2, n_events=3)
    parameters = [events[name].values.astype(np.float64) for name in ("amplitude", "spectral_index")]
    found = log_likelihood(events["field"].values, *parameters, form=form)
    observed = np.random.default_rng(1).random((3, 5, 5)) > 0.3
    # What hidden pixels hold has no meaning.
    masked = np.where(observed, events["field"].values, -7.0)
    found_masked = log_likelihood(masked, *parameters, form=form, observed=observed)
    for row, field in enumerate(events["field"].values.astype(np.float64)):
        power = power_of((5, 5), *(column[row : row + 1] for column in parameters))[0]
        correlation = np.fft.ifft2(power).real
        place = np.indices((5, 5)).reshape(2, -1)
        apart = (place[:, :, None] - place[:, None, :]) % 5
        covariance = correlation[apart[0], apart[1]]
        gaussian = field if form == "gaussian" else np.log1p(field) + correlation[0, 0] / 2
        volume = 0 if form == "gaussian" else -np.log1p(field).sum()
        expected = multivariate_normal(np.zeros(25), covariance).logpdf(gaussian.ravel()) + volume
        assert found[row] == pytest.approx(expected, rel=1e-6)
        seen = observed[row].ravel()
        of_seen = multivariate_normal(np.zeros(seen.sum()), covariance[np.ix_(seen, seen)])
        volume = 0 if form == "gaussian" else -np.log1p(field.ravel()[seen]).sum()
        assert found_masked[row] == pytest.approx(of_seen.logpdf(gaussian.ravel()[seen]) + volume, rel=1e-6)


def test_fisher_information_is_the_variance_of_the_slope() -> None:
    settings = RandomFieldSettings(pixels=16)
    field = simulate_random_fields(settings, seed=3, n_events=4000)["field"].values
    step, n = 1e-3, len(field)

    def at(log_amplitude: float, index: float) -> np.ndarray:
        return log_likelihood(field, np.full(n, 0.3 * np.exp(log_amplitude)), np.full(n, -1.5 + index))

    slopes = [(at(step, 0) - at(-step, 0)) / (2 * step), (at(0, step) - at(0, -step)) / (2 * step)]
    expected = fisher_information((16, 16))
    assert np.cov(slopes) / expected == pytest.approx(np.ones((2, 2)), abs=0.12)


def test_fields_do_not_depend_on_chunks_and_workers(tmp_path: Path) -> None:
    settings = RandomFieldSettings(pixels=6, amplitude="log:0.1:1")
    one = simulate_random_fields(settings, seed=4, n_events=20)
    write_random_fields(tmp_path / "f.zarr", settings, seed=4, n_events=20, chunk_size=7, workers=2, progress=False)
    other = open_events(tmp_path / "f.zarr").load()
    for name in ("field", "amplitude"):
        np.testing.assert_array_equal(one[name].values, other[name].values)
    assert (simulate_random_fields(settings, seed=5, n_events=2)["field"].values != one["field"].values[:2]).all()


def test_what_makes_no_sense_is_refused() -> None:
    for wrong, said in (
        ({"amplitude": 0}, "the amplitude must be above 0"),
        ({"pixels": 3}, "pixels"),
        ({"axes": 4}, "axes"),
        ({"form": "poisson"}, "form"),
        ({"spectral_index": "steep"}, "neither a number"),
    ):
        with pytest.raises(ValueError, match=said):
            RandomFieldSettings.model_validate(wrong)
    with pytest.raises(ValueError, match="the seed"):
        simulate_random_fields(RandomFieldSettings(), seed=-1, n_events=1)


def test_values_that_no_lognormal_field_has_are_refused_with_their_place() -> None:
    field = np.zeros((2, 4, 4))
    field[1, 2, 3] = -1
    with pytest.raises(ValueError, match=r"field 1 is -1 in pixel \(2, 3\): a lognormal field is above -1 everywhere"):
        log_likelihood(field, np.ones(2), np.full(2, -1.5), "lognormal")
    assert np.isfinite(log_likelihood(field, np.ones(2), np.full(2, -1.5), "lognormal", field > -1)).all()
    assert np.isfinite(log_likelihood(field, np.ones(2), np.full(2, -1.5))).all()
