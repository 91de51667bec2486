"""Fields given noisy maps with holes: a Gaussian posterior that is known, calibration, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import simulacra
from simulacra.events import EventsError, variable
from simulacra.models.field_codes import CodedFields
from simulacra.trained import TrainedGenerator
from simulacra.workflows.constrained_fields import UnconvergedWarning

NAME, SIDE, CODE = "log_intensity", 8, 3
ABOUT = {"units": "1", "long_name": "of the test"}


class Normal(torch.nn.Module):
    """Codes that are standard normal."""

    def forward(self, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return noise

    def log_prob(self, points: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return -0.5 * points.square().sum(dim=1)


@pytest.fixture
def linear() -> tuple[TrainedGenerator, np.ndarray, np.ndarray]:
    """Return a generator of Gaussian fields with their mean (D,) and covariance (D, D)."""
    generator = simulacra.load("dust-vae")
    assert isinstance(generator, TrainedGenerator)
    torch.manual_seed(1)
    module = CodedFields((SIDE, SIDE), 0, code=CODE, width=4, levels=2, scatter="waves")
    module.prior = Normal()  # type: ignore[assignment]
    with torch.no_grad():
        # The mean is 0.5 + 2 times a level, the width 0.8; the mean of a field is linear in its code.
        module.levels.centre.copy_(torch.tensor([0.5, np.log(0.8)]))
        module.levels.scale.copy_(torch.tensor([2.0, 1e-3]))
        for layer in (module.autoencoder.last, module.autoencoder.log_amplitude[-1]):
            layer.weight.zero_()
            layer.bias.zero_()
        module.autoencoder.linear.bias.zero_()
        module.autoencoder.linear.weight.normal_()
        module.autoencoder.log_scatter.copy_(torch.linspace(-0.5, -3, len(module.autoencoder.log_scatter)))
        ways = module.autoencoder.linear.weight - module.autoencoder.linear.weight.mean(dim=0)
        root = module.autoencoder.from_waves(torch.diag(module.autoencoder.scatter()))
        covariance = 4.0 + 0.64 * (ways @ ways.T + root.T @ root)
    generator.module = module
    return generator, np.full(SIDE**2, 0.5), covariance.double().numpy()


def seen(values: np.ndarray, noise: float | np.ndarray, there: np.ndarray) -> xr.Dataset:
    """Return fields (N, n, n) with noise, where they are there."""
    blank = simulacra.load("dust-vae").sample(len(values), seed=1).isel(y=slice(SIDE), x=slice(SIDE))  # type: ignore[union-attr]
    blank[NAME].values[:] = values
    noise, there = (np.broadcast_to(one, values.shape).copy() for one in (noise, there))
    return blank.assign(
        noise=variable(noise.astype("f4"), "y", "x", role="uncertainty", of=NAME, **ABOUT),
        seen=variable(there, "y", "x", role="mask", **ABOUT),
    )


def test_a_gaussian_posterior_is_found(linear: tuple[TrainedGenerator, np.ndarray, np.ndarray]) -> None:
    generator, mean, covariance = linear
    rng = np.random.default_rng(2)
    values = rng.multivariate_normal(mean, covariance, 3).reshape(3, SIDE, SIDE)
    there = np.ones((3, SIDE, SIDE), bool)
    there[:2, 2:5, 1:6] = False
    there[2, :, 5:] = False
    noise = np.broadcast_to(np.linspace(0.1, 0.5, SIDE), there.shape)
    observed = seen(values + noise * rng.normal(size=values.shape), noise, there)
    shares: list[float] = []
    found = simulacra.constrained_fields(
        generator, observed, draws=150, chains=3, warm_up=50, progress=lambda _step, share: shares.append(share)
    )
    assert found[NAME].dims == ("event", "draw", "y", "x")
    assert found[NAME].attrs["units"] == "1"
    assert (found["r_hat"] < 1.1).all()
    assert (found["acceptance"] > 0.6).all()
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    for row in range(3):
        pixels = np.flatnonzero(there[row])
        gain = covariance[:, pixels] @ np.linalg.inv(
            covariance[np.ix_(pixels, pixels)] + np.diag(noise[row].ravel()[pixels] ** 2)
        )
        y = observed[NAME].values[row].ravel()[pixels]
        expected = mean + gain @ (y - mean[pixels])
        left = covariance - gain @ covariance[pixels]
        drawn = found[NAME].values[row].reshape(450, -1)
        width = np.sqrt(np.diag(left))
        assert np.abs((drawn.mean(axis=0) - expected) / width).max() < 0.25
        np.testing.assert_allclose(drawn.std(axis=0) / width, 1, atol=0.15)
        np.testing.assert_allclose(np.cov(drawn.T) / np.outer(width, width), left / np.outer(width, width), atol=0.25)


# Of so few draws, those of a patch may seem not to agree.
@pytest.mark.filterwarnings("ignore::simulacra.workflows.constrained_fields.UnconvergedWarning")
def test_intervals_hold_fields_of_the_model_as_often_as_they_say() -> None:
    model = simulacra.load("dust-vae")
    assert isinstance(model, TrainedGenerator)
    truth = model.sample(8, seed=3)
    rng = np.random.default_rng(4)
    there = np.ones((32, 32), bool)
    there[10:22, 8:20] = False
    values = truth[NAME].values
    about = {"units": "1", "long_name": "of the test"}
    observed = truth.assign(
        noise=variable(np.full(values.shape, 0.05, "f4"), "y", "x", role="uncertainty", of=NAME, **about),
        seen=variable(np.broadcast_to(there, values.shape).copy(), "y", "x", role="mask", **about),
    )
    observed[NAME] = observed[NAME] + rng.normal(scale=0.05, size=values.shape).astype("f4")
    observed[NAME].attrs = truth[NAME].attrs
    found = simulacra.constrained_fields(model, observed, draws=24, chains=2, warm_up=30, progress=False)
    assert float(found["r_hat"].median()) < 1.1
    low, high = np.quantile(found[NAME].values, [0.16, 0.84], axis=1)
    inside = (values > low) & (values < high)
    # The pixels of one hole hang together: 8 of them.
    assert inside[:, ~there].mean() == pytest.approx(0.68, abs=0.15)
    assert inside[:, there].mean() == pytest.approx(0.68, abs=0.04)
    off = found[NAME].values.mean(axis=1) - values
    assert np.sqrt((off[:, there] ** 2).mean()) < 0.047
    assert np.sqrt((off[:, ~there] ** 2).mean()) < 0.8 * values.std(axis=(1, 2)).mean()


def test_chains_that_do_not_agree_are_told(
    linear: tuple[TrainedGenerator, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = linear[0]
    monkeypatch.setattr("simulacra.workflows.constrained_fields.LARGEST_R_HAT", 0.1)
    observed = seen(np.zeros((1, SIDE, SIDE)), 0.5, np.ones((SIDE, SIDE), bool))
    with pytest.warns(UnconvergedWarning, match=r"the chains of 1 of 1 events do not agree \(r_hat up to"):
        simulacra.constrained_fields(generator, observed, draws=4, chains=2, warm_up=1, progress=False)


def test_what_cannot_be_constrained_is_refused(linear: tuple[TrainedGenerator, np.ndarray, np.ndarray]) -> None:
    generator = linear[0]
    observed = seen(np.zeros((2, SIDE, SIDE)), 0.5, np.ones((SIDE, SIDE), bool))

    def refused(model: Any, events: xr.Dataset, said: str, **options: int) -> None:
        with pytest.raises((ValueError, EventsError), match=said):
            simulacra.constrained_fields(model, events, progress=False, **options)

    refused("nbody-density", observed, r"'nbody-density' \(trenf\) has no codes of fields")
    refused("dust-vae", observed, r"learned fields of \(32, 32\) pixels; 'log_intensity' has \(8, 8\)")
    refused(generator, observed.drop_vars("noise"), "the noise of 'log_intensity' is not given")
    refused(generator, observed.drop_vars(NAME), "missing feature 'log_intensity'|must name a condition")
    refused(generator, observed, "3 draws of a chain tell nothing", draws=3)
    hidden = observed.copy(deep=True)
    hidden["seen"].values[1] = False
    refused(generator, hidden, "the mask 'seen' hides all pixels of event 1")
