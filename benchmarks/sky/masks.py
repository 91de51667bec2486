"""Likelihoods of masked fields: random ones whose likelihood is known, and how far that of N-body patches converges."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky import known_fields, nbody_fields
from benchmarks.sky.fields import DATA, coverage, ratio_of_variances
from benchmarks.stages import run_stage

import simulacra
from simulacra.events import take_part, variable
from simulacra.models.masked_fields import MaskedFields
from simulacra.simulators.random_fields import RandomFieldSettings, log_likelihood, simulate_random_fields
from simulacra.store import write_events
from simulacra.trained import TrainedGenerator, shipped

KNOWN, NBODY = "lognormal-fields", "nbody-density"
#: seeds of fields for training and for the comparisons, and of their masks
TRAINING_SEED, SEED = 6131, 6132
PIXELS, SHARE = 32, 0.15
FIELDS, LARGER, PATCHES = 110, 60, 8
#: samples of the hidden pixels
SAMPLES: Final = 4
MANY: Final = 64
ANNEALING: Final = (100, 300)
BATCH, SECONDS = 64, 3.0


def masked(fields: xr.Dataset, name: str, seed: int) -> xr.Dataset:
    """Return fields with a mask each: an edge along two sides, and discs until 15 % of the pixels are hidden."""
    rng = np.random.default_rng(seed)
    shape = fields[name].shape
    x, y = np.indices(shape[1:])
    observed = np.ones(shape, dtype=bool)
    for one in observed:
        one[0], one[:, 0] = False, False
        while one.mean() > 1 - SHARE:
            centre = rng.uniform(0, shape[1:])
            one[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < rng.uniform(1, 3) ** 2] = False
    dims = map(str, fields[name].dims[1:])
    mask = variable(observed, *dims, units="1", long_name="whether a pixel is observed", role="mask")
    hidden = fields.assign(observed=mask)
    # A likelihood that saw a hidden pixel would be far off.
    hidden[name] = fields[name].where(observed, 1e3).assign_attrs(fields[name].attrs)
    return hidden


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything, each part once; N-body planes are left out where the file is absent.

    Raises
    ------
    NothingShippedError
        if the models are not shipped.
    """
    if missing := {KNOWN, NBODY} - set(shipped()):
        raise NothingShippedError(f"the models {', '.join(sorted(missing))} are not shipped")
    found: dict[str, Any] = {"gaussian": run_stage(folder, "masks-gaussian", _gaussian, scale)}
    known, nbody = simulacra.load(KNOWN), simulacra.load(NBODY)
    trained = simulacra.load(folder / "masked-run")
    assert isinstance(known, TrainedGenerator)
    assert isinstance(nbody, TrainedGenerator)
    assert isinstance(trained, TrainedGenerator)
    found["lognormal"] = run_stage(
        folder, f"masks-lognormal-{known.weights_sha256[:8]}", lambda *_: _lognormal(known, scale)
    )
    if DATA.is_file():
        found["nbody"] = run_stage(folder, f"masks-nbody-{nbody.weights_sha256[:8]}", lambda *_: _patches(nbody))
    else:
        print(f"there are no N-body planes in {DATA}: they are left out")
    rows = [
        _row(trained, "masked gaussian fields", (*_differences(found["gaussian"]), *_fits(found["gaussian"])), scale),
        _row(known, KNOWN, _differences(found["lognormal"]), scale),
    ]
    return found | {"rows": [row.as_record() for row in rows]}


def _row(model: TrainedGenerator, name: str, judged: tuple[Judged, ...], scale: float) -> Row:
    training, time = model.metadata["training"], microseconds(model, BATCH, scale * SECONDS)
    minutes = training["seconds"] / 60
    return Row(
        model.kind,
        name,
        int(training["events"]),
        minutes,
        judged,
        *time,
        weights_sha256=model.weights_sha256,
    )


def _gaussian(folder: Path, scale: float) -> dict[str, Any]:
    """Train a flow on masked Gaussian fields; return its likelihood and its fits of others beside the exact ones."""
    path = folder / "masked-fields.zarr"
    if not path.exists():
        settings = RandomFieldSettings(pixels=PIXELS, **known_fields.TRAINED)
        fields = simulate_random_fields(settings, seed=TRAINING_SEED, n_events=max(300, round(3_000 * scale)))
        write_events(masked(fields, "field", TRAINING_SEED), path)
    experiment = {
        "name": "masked-fields",
        "data": {"path": str(path)},
        "system": {"kind": "trenf", "layers": 2},
        "training": {
            "steps": max(20, round(800 * scale)), "batch_size": 32, "learning_rate": 3e-3, "validate_every": 200,
            "checkpoint_every": 200, "final_learning_rate": 0.02, "threads": 1, "accelerator": "cpu",
        },
    }  # fmt: skip
    simulacra.train(experiment, folder / "masked-run", progress=False)
    model = simulacra.load(folder / "masked-run")
    assert isinstance(model, TrainedGenerator)
    settings = RandomFieldSettings(pixels=PIXELS, **known_fields.INSIDE)
    fields = simulate_random_fields(settings, seed=SEED, n_events=max(10, round(FIELDS * scale)))
    fields = masked(fields, "field", SEED)
    return {
        **_against_exact(model, fields, "gaussian"),
        "fits": {
            "flow": known_fields.fits_of_flow(model, fields),
            "exact": known_fields.fits(fields, lambda row: _exact(fields, row)),
        },
    }


def _lognormal(model: TrainedGenerator, scale: float) -> dict[str, Any]:
    """Return the likelihood of masked lognormal fields, by a model that saw no mask, beside the exact one."""
    settings = RandomFieldSettings(form="lognormal", **known_fields.INSIDE)
    fields = simulate_random_fields(settings, seed=SEED, n_events=max(5, round(LARGER * scale)))
    return _against_exact(model, masked(fields, "field", SEED), "lognormal")


def _exact(fields: xr.Dataset, row: int) -> known_fields.LogLikelihood:
    field, observed = (fields[name].values[row : row + 1] for name in ("field", "observed"))
    return lambda theta: float(log_likelihood(field, np.exp(theta[:1]), theta[1:], observed=observed)[0])


def _learned(
    model: TrainedGenerator, fields: xr.Dataset, name: str, conditions: np.ndarray, samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-likelihoods of the observed pixels and their statistical errors, (N,) each."""
    flow: Any = model.module.double().requires_grad_(False)
    rng, found = torch.Generator().manual_seed(1), []
    for row in range(len(conditions)):
        field, observed = (torch.as_tensor(fields[one].values[row : row + 1]) for one in (name, "observed"))
        noise = torch.randn(samples, *field.shape, generator=rng).double()
        given = torch.as_tensor(conditions[row : row + 1])
        value, error = MaskedFields(flow, field.double(), observed).log_prob(given, noise)
        found.append((float(value), float(error)))
    model.module.float()
    values, errors = np.array(found).T
    return values, errors


def _against_exact(model: TrainedGenerator, fields: xr.Dataset, form: str) -> dict[str, Any]:
    """Return the learned minus the exact log-likelihood per observed pixel: mean, its error, mean absolute value."""
    names = ("amplitude", "spectral_index")
    conditions = np.column_stack([fields[name].values for name in names]).astype(np.float64)
    values, errors = _learned(model, fields, "field", conditions, SAMPLES)
    seen = fields["observed"].values
    exact = log_likelihood(fields["field"].values, *conditions.T, form=form, observed=seen)
    pixels = seen.reshape(len(seen), -1).sum(axis=1)
    off, n = (values - exact) / pixels, len(seen)
    return {
        "difference": [float(off.mean()), float(off.std() / np.sqrt(n))],
        "absolute": [float(np.abs(off).mean()), float(np.abs(off).std() / np.sqrt(n))],
        "statistical": float((errors / pixels).mean()),
        "hidden": float(1 - seen.mean()),
        "n": n,
    }


def _patches(model: TrainedGenerator) -> dict[str, Any]:
    """Return how the log-likelihood a pixel of masked N-body patches rises with the work that is spent on it.

    The estimate of a logarithm is too low on average, and less so with more steps: there is no exact value, and what it
    still rises is what may be missing.
    """
    test = take_part(nbody_fields.patches_of(DATA), "test")
    test = masked(test.isel(event=slice(None, None, test.sizes["event"] // PATCHES)), "density", SEED)
    field, observed = (torch.as_tensor(test[name].values) for name in ("density", "observed"))
    given = torch.as_tensor(test["redshift"].values.astype(np.float32))[:, None]
    pixels = observed.flatten(1).sum(dim=1)
    fields = MaskedFields(model.module.requires_grad_(False), field, observed)  # type: ignore[arg-type]
    rng = torch.Generator().manual_seed(1)
    noise = torch.randn(MANY, *field.shape, generator=rng)
    ways = {f"importance sampling, {MANY} samples": lambda: fields.log_prob(given, noise)}
    for steps in ANNEALING:
        ways[f"annealing, {steps} steps"] = lambda steps=steps: fields.annealed_log_prob(given, rng, steps=steps)
    estimates, before = {}, None
    for name, way in ways.items():
        began = time.monotonic()
        each = way()[0] / pixels
        estimates[name] = {
            "mean": _mean(each),
            "risen": None if before is None else _mean(each - before),
            "seconds": (time.monotonic() - began) / len(field),
        }
        before = each
    return {"estimates": estimates, "n": len(field)}


def _mean(values: torch.Tensor) -> list[float]:
    """Return the mean and its error."""
    return [float(values.mean()), float(values.std() / len(values) ** 0.5)]


def _differences(found: dict[str, Any]) -> tuple[Judged, ...]:
    n = int(found["n"])
    mean, absolute = ([1e3 * one for one in found[key]] for key in ("difference", "absolute"))
    return (
        Judged("log-likelihood an observed pixel minus the exact one [1e-3]", *mean, 0.0, 0.0, n),
        Judged("absolute difference of log-likelihoods an observed pixel [1e-3]", *absolute, 0.0, 0.0, n, "at most 1"),
    )


def _fits(found: dict[str, Any]) -> tuple[Judged, ...]:
    n, judged = int(found["n"]), []
    for k, name in enumerate(known_fields.PARAMETERS):
        ratio, error = ratio_of_variances(found["fits"], "flow", k)
        judged.append(Judged(f"variance of {name} over the exact fit's", ratio, error, 1.0, 0.0, n, "at most 1.02"))
        both = (coverage(found["fits"][which], k) for which in ("flow", "exact"))
        judged.append(Judged(f"coverage of {name} [%]", *next(both), *next(both), n, "68"))
    return tuple(judged)
