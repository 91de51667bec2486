"""Learned likelihoods of random fields beside the exact ones: differences a pixel, information, coverage of fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from iminuit import Minuit

import simulacra
from simulacra.observables.power_spectra import power_spectra
from simulacra.simulators.random_fields import (
    RandomFieldSettings,
    fisher_information,
    log_likelihood,
    simulate_random_fields,
)
from simulacra.trained import TrainedGenerator

#: trainings used 6101
GAUSSIAN_SEED, SEED, BASELINE_SEED = 6111, 6112, 6113
PARAMETERS: Final = ("ln A", "s")
#: parameters of the fields that are fitted: inside the trained box, so that its edges do not cut intervals
INSIDE: Final[dict[str, Any]] = {"amplitude": "log:0.65:1.5", "spectral_index": "uniform:-1.8:-1.2"}
TRAINED: Final[dict[str, Any]] = {"amplitude": "log:0.5:2", "spectral_index": "uniform:-2:-1"}
BINS: Final = 12
#: first steps of a fit
STEPS: Final = (0.05, 0.03)

LogLikelihood = Callable[[np.ndarray], float]


def gaussian(folder: Path, scale: float) -> dict[str, Any]:
    """Train a flow on Gaussian fields, and return its likelihood and its fits beside the exact ones."""
    path = folder / "gaussian-fields.zarr"
    n = max(300, round(5_000 * scale))
    if not path.exists():
        simulate_random_fields(RandomFieldSettings(**TRAINED), seed=GAUSSIAN_SEED, n_events=n, path=path)
    experiment = {
        "name": "gaussian-fields",
        "data": {"path": str(path)},
        "system": {"kind": "trenf", "layers": 2},
        "training": {
            "steps": max(20, round(1_200 * scale)), "batch_size": 32, "learning_rate": 3e-3, "validate_every": 200,
            "checkpoint_every": 200, "final_learning_rate": 0.02, "threads": 1, "accelerator": "cpu",
        },
    }  # fmt: skip
    simulacra.train(experiment, folder / "gaussian-run", progress=False)
    model = simulacra.load(folder / "gaussian-run")
    assert isinstance(model, TrainedGenerator)
    fields = simulate_random_fields(RandomFieldSettings(**INSIDE), seed=SEED, n_events=max(20, round(400 * scale)))
    return {
        **differences(model, fields, "gaussian"),
        "fits": {
            "flow": fits_of_flow(model, fields),
            "exact": fits(fields, lambda row: _exact(fields, row, "gaussian")),
        },
        "fisher_error": np.sqrt(np.diag(np.linalg.inv(fisher_information((64, 64))))).tolist(),
        "training": model.metadata["training"],
    }


def lognormal(model: TrainedGenerator, scale: float) -> dict[str, Any]:
    """Return the likelihood and the fits of a model of lognormal fields beside the exact ones and the power spectrum's.

    The power spectrum is fitted as is usual: Gaussian in the logarithms of band powers, whose means are quadratic in
    the parameters and whose covariance is that of the residuals, of as many fields as the flow learned from.
    """
    settings = RandomFieldSettings(form="lognormal", **INSIDE)
    fields = simulate_random_fields(settings, seed=SEED, n_events=max(20, round(200 * scale)))
    others = RandomFieldSettings(form="lognormal", **TRAINED)
    learned = simulate_random_fields(others, seed=BASELINE_SEED, n_events=max(300, round(5_600 * scale)))
    spectrum = _PowerSpectrum(learned)
    bands = np.log(power_spectra(fields["field"].values, bins=BINS))
    return {
        **differences(model, fields, "lognormal"),
        "fits": {
            "flow": fits_of_flow(model, fields),
            "exact": fits(fields, lambda row: _exact(fields, row, "lognormal")),
            "power spectrum": fits(fields, lambda row: lambda theta: spectrum.log_likelihood(bands[row], theta)),
        },
        "n": fields.sizes["event"],
    }


def _parameters(fields: xr.Dataset) -> np.ndarray:
    """Return ln A and s of each field, (N, 2)."""
    return np.column_stack([np.log(fields["amplitude"].values), fields["spectral_index"].values]).astype(np.float64)


def fits_of_flow(model: TrainedGenerator, fields: xr.Dataset) -> dict[str, Any]:
    """Return what ``simulacra.fit_field`` finds minus the truth, and its errors, of ln A and s, (N, 2) each."""
    found = simulacra.fit_field(model, fields, progress=False)
    amplitude = found["amplitude"].values
    estimates = np.column_stack([np.log(amplitude), found["spectral_index"].values])
    errors = np.column_stack([found["amplitude_error"].values / amplitude, found["spectral_index_error"].values])
    return {
        "off": (estimates - _parameters(fields)).tolist(),
        "errors": errors.tolist(),
        "valid": int(found["valid"].sum()),
    }


def _exact(fields: xr.Dataset, row: int, form: str) -> LogLikelihood:
    field = fields["field"].values[row : row + 1]
    return lambda theta: float(log_likelihood(field, np.exp(theta[:1]), theta[1:], form=form)[0])


def fits(fields: xr.Dataset, likelihood: Callable[[int], LogLikelihood]) -> dict[str, Any]:
    """Return estimates of all fields' parameters minus the truth, and their errors, (N, 2) each."""
    off, errors = [], []
    for row, truth in enumerate(_parameters(fields)):
        of_row = likelihood(row)
        minuit = Minuit(lambda theta, f=of_row: -2 * f(theta), truth, name=PARAMETERS)
        minuit.errors = STEPS
        minuit.migrad()
        minuit.hesse()
        off.append(np.asarray(minuit.values) - truth)
        errors.append(np.asarray(minuit.errors))
    return {"off": np.array(off).tolist(), "errors": np.array(errors).tolist()}


def differences(model: TrainedGenerator, fields: xr.Dataset, form: str) -> dict[str, Any]:
    """Return the learned minus the exact log-likelihood per pixel: mean, its error, and mean absolute value."""
    conditions = np.column_stack([fields[name].values for name in ("amplitude", "spectral_index")])
    with torch.inference_mode():
        found = torch.cat(
            [
                model.module.log_prob(x, c)  # type: ignore[operator]
                for x, c in zip(
                    torch.as_tensor(fields["field"].values).split(32),
                    torch.as_tensor(conditions.astype(np.float32)).split(32),
                    strict=True,
                )
            ]
        ).numpy()
    exact = log_likelihood(fields["field"].values, *conditions.T.astype(np.float64), form=form)
    pixels = fields["field"][0].size
    off = (found - exact) / pixels
    return {
        "difference": [float(off.mean()), float(off.std() / np.sqrt(len(off)))],
        "absolute": [float(np.abs(off).mean()), float(np.abs(off).std() / np.sqrt(len(off)))],
        "likelihoods": {"exact": (exact / pixels).tolist(), "flow": (found / pixels).tolist()},
        "n": len(off),
    }


class _PowerSpectrum:
    """Band powers as functions of the parameters, and their covariance."""

    def __init__(self, fields: xr.Dataset) -> None:
        theta = _parameters(fields)
        self.centre, self.spread = theta.mean(axis=0), theta.std(axis=0)
        bands = np.log(power_spectra(fields["field"].values, bins=BINS))
        self.weights, *_ = np.linalg.lstsq(self._terms(theta), bands, rcond=None)
        self.inverse = np.linalg.inv(np.cov((bands - self._terms(theta) @ self.weights).T))

    def _terms(self, theta: np.ndarray) -> np.ndarray:
        a, s = ((np.atleast_2d(theta) - self.centre) / self.spread).T
        return np.column_stack([np.ones_like(a), a, s, a * a, a * s, s * s])

    def log_likelihood(self, bands: np.ndarray, theta: np.ndarray) -> float:
        off = bands - (self._terms(theta) @ self.weights)[0]
        return float(-0.5 * off @ self.inverse @ off)
