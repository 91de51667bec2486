"""Samples and likelihoods of N-body surface densities, on a place of the planes that no training saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.sky.convolutional_flow import trained as trained_convolutions
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata, wasserstein_distance
from torch import Tensor

import simulacra
from simulacra.events import take_part
from simulacra.models.equivariant_field_flow import EquivariantFieldFlow
from simulacra.observables.field_statistics import bispectra, minkowski_functionals, peak_counts
from simulacra.observables.power_spectra import power_spectra
from simulacra.trained import TrainedGenerator

#: as in experiments/nbody-density.toml
SIZE, COARSEN, BORDER = 56, 3, 3
#: samples of each test patch's redshift
SAMPLES: Final = 4
RESAMPLED: Final = 200
#: planes in a block
BLOCK: Final = 8
PEAKS: Final = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0])
LEVELS: Final = np.array([-0.5, 0.0, 0.5, 1.0, 2.0])
BINS: Final = 8
STEPS_OF_OTHERS: Final = 1_500

Statistic = Callable[[np.ndarray], np.ndarray]
STATISTICS: Final[Mapping[str, Statistic]] = {
    "power spectrum": lambda fields: power_spectra(fields, bins=BINS),
    "bispectrum": bispectra,
    "peaks": lambda fields: peak_counts(fields, PEAKS).astype(float),
    "Minkowski functionals": lambda fields: minkowski_functionals(fields, LEVELS).reshape(len(fields), -1),
}


def patches_of(path: Path) -> xr.Dataset:
    """Return the patches of the survey's file, as the shipped model learned them."""
    return simulacra.patches(simulacra.read(path), SIZE, coarsen=COARSEN, border=BORDER, by="place")


def measure(model: TrainedGenerator, path: Path, scale: float) -> dict[str, Any]:
    """Return statistics of samples, likelihoods and anomalies, of patches of a place that no training saw."""
    patches = patches_of(path)
    training, validation, test = (take_part(patches, part) for part in ("train", "validation", "test"))  # type: ignore[arg-type]
    flows = _flows(model, tensors(training), tensors(validation), scale)
    return {
        **samples(model, training, test),
        "likelihoods": likelihoods(flows, test),
        "anomalies": anomalies(flows, validation, test),
    }


def samples(model: TrainedGenerator, training: xr.Dataset, test: xr.Dataset) -> dict[str, Any]:
    """Return the statistics of a model's samples beside those of the test patches and of other places' patches."""
    truth, planes = test["density"].values, blocks_of(test)
    made = np.stack(
        [
            model.sample(len(truth), seed=seed, redshift=test["redshift"].values)["density"].values
            for seed in range(1, 1 + SAMPLES)
        ]
    )
    other = _of_the_same_planes(training, test)
    rng = np.random.default_rng(1)
    statistics = {name: _compared(statistic, truth, made, other, planes, rng) for name, statistic in STATISTICS.items()}
    width = float(truth.std())
    pixels = {
        which: float(wasserstein_distance(truth.ravel(), values.ravel())) / width
        for which, values in (("model", made), ("truth", other))
    }
    spread = [_resampled_distance(truth, values, planes, rng) / width for values in (made[0], other)]
    return {
        "statistics": statistics,
        "pixels": {"model": [pixels["model"], spread[0]], "truth": [pixels["truth"], spread[1]]},
        "drawn": {
            "truth": truth[30].tolist(),
            "model": made[0, 30].tolist(),
            "histogram": _histograms(truth, made, other),
        },
        "n": len(truth),
        "planes": len(np.unique(planes)),
    }


def tensors(patches: xr.Dataset) -> tuple[Tensor, Tensor]:
    redshift = patches["redshift"].values.astype(np.float32)
    return torch.as_tensor(patches["density"].values), torch.as_tensor(redshift)[:, None]


def blocks_of(patches: xr.Dataset) -> np.ndarray:
    """Return the block of successive planes of each patch: planes farther apart have hardly any structure in common."""
    redshift = patches["redshift"].values
    return np.asarray(np.unique(-redshift, return_inverse=True)[1] // BLOCK)


def _of_the_same_planes(training: xr.Dataset, test: xr.Dataset) -> np.ndarray:
    """Return as many real patches as the test part has, each of the same plane at another place."""
    rows = [int(np.flatnonzero(training["redshift"].values == one)[0]) for one in test["redshift"].values]
    return np.asarray(training["density"].values[rows])


def _compared(
    statistic: Statistic,
    truth: np.ndarray,
    made: np.ndarray,
    other: np.ndarray,
    planes: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return mean statistics, and how far those of samples and of other planes are from the truth's.

    The distance is the sum of absolute differences over the sum of absolute values [%]. Successive planes
    are not independent: errors are those of bootstrap samples of blocks of them.
    """
    real, second = statistic(truth), statistic(other)
    drawn = np.mean([statistic(one) for one in made], axis=0)

    def off(one: np.ndarray, rows: np.ndarray) -> float:
        expected = real[rows].mean(axis=0)
        return float(100 * np.abs(one[rows].mean(axis=0) - expected).sum() / np.abs(expected).sum())

    every = np.arange(len(real))
    samples = [_planes_again(planes, rng) for _ in range(RESAMPLED)]
    return {
        "mean": {
            name: values.mean(axis=0).tolist()
            for name, values in (("truth", real), ("model", drawn), ("other", second))
        },
        "model": [off(drawn, every), float(np.std([off(drawn, rows) for rows in samples]))],
        "truth": [off(second, every), float(np.std([off(second, rows) for rows in samples]))],
    }


def _planes_again(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of a bootstrap sample of planes."""
    names = np.unique(planes)
    return np.concatenate([np.flatnonzero(planes == one) for one in rng.choice(names, len(names))])


def _resampled_distance(truth: np.ndarray, made: np.ndarray, planes: np.ndarray, rng: np.random.Generator) -> float:
    found = []
    for _ in range(20):
        rows = _planes_again(planes, rng)
        found.append(wasserstein_distance(truth[rows].ravel(), made[rows].ravel()))
    return float(np.std(found))


def _flows(
    model: TrainedGenerator, training: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], scale: float
) -> dict[str, Any]:
    """Return the likelihoods that are compared, by name: functions of fields and conditions."""
    steps = max(20, round(STEPS_OF_OTHERS * scale))
    return {
        "equivariant flow": model.module.log_prob,
        "Gaussian": _gaussian(training, max(20, steps // 3)).log_prob,
        "convolutional flow": trained_convolutions(training, validation, steps).log_prob,
    }


def _gaussian(training: tuple[Tensor, Tensor], steps: int) -> EquivariantFieldFlow:
    """Return the Gaussian model: one filter, given redshift, and a straight line in place of the spline."""
    torch.manual_seed(1)
    field, conditions = training
    flow = EquivariantFieldFlow(field.shape[1:], 1, layers=1, boundary="open")
    flow.fit(field, conditions)
    middle, width = field.mean(), field.std()
    with torch.no_grad():
        flow.low[0], flow.high[0] = middle - 6 * width, middle + 6 * width
        flow.base[0, flow.knots + 1 :] = 0
    waves = flow.knots + 1
    assert flow.control is not None
    last = flow.control[-1]
    # No gradient, and no dependence on redshift, of the spline.
    with torch.no_grad():
        last.weight[waves:] = 0  # type: ignore[index, operator]
        last.bias[waves:] = 0  # type: ignore[index, operator]

    def kernels_only(gradient: Tensor) -> Tensor:
        kept = torch.zeros_like(gradient)
        if gradient.shape[0] == 1:
            kept[:, :waves] = gradient[:, :waves]
        else:
            kept[:waves] = gradient[:waves]
        return kept

    for parameter in (flow.base, last.weight, last.bias):
        parameter.register_hook(kernels_only)  # type: ignore[union-attr, operator, arg-type]
    optimizer = torch.optim.Adam(flow.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(field), (16,))
        loss = -flow.log_prob(field[rows], conditions[rows]).mean() / field[0].numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return flow.eval()


def log_density(flow: Any, field: Tensor, conditions: Tensor) -> np.ndarray:
    """Return log-densities per pixel, (N,), or their parts if the flow returns parts, (N, parts)."""
    with torch.inference_mode():
        pieces = [flow(x, c) for x, c in zip(field.split(32), conditions.split(32), strict=True)]
    return np.asarray(torch.cat(pieces).double()) / math.prod(field.shape[1:])


def likelihoods(flows: Mapping[str, Any], test: xr.Dataset) -> dict[str, list[float]]:
    """Return the mean log-density per pixel and its error, from the spread over planes."""
    found = {}
    for name, flow in flows.items():
        each = log_density(flow, *tensors(test))
        of_planes = [each[blocks_of(test) == one].mean() for one in np.unique(blocks_of(test))]
        found[name] = [float(each.mean()), float(np.std(of_planes, ddof=1) / np.sqrt(len(of_planes)))]
    return found


def planted(fields: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return fields with systematics, by their names: each is small beside the field's own spread."""
    n = fields.shape[1]
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    width = fields.std(axis=(1, 2), keepdims=True)
    centre = rng.uniform(6, n - 6, (2, len(fields), 1, 1))
    star = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 9
    return {
        "white noise of 5 %": fields + 0.05 * width * rng.normal(size=fields.shape),
        "smoothed by 0.5 pixels": np.stack([gaussian_filter(field, 0.5) for field in fields]),
        "a star's mask of 3 pixels": np.where(star, fields.mean(axis=(1, 2), keepdims=True), fields),
        "stripes of 5 %": fields + 0.05 * width * np.sign(np.sin(2 * np.pi * x / 8)),
    }


def anomalies(flows: Mapping[str, Any], validation: xr.Dataset, test: xr.Dataset) -> dict[str, dict[str, list[float]]]:
    """Return how often a patch with a systematic is odder than one without: areas under the curve, and their errors.

    Odd is a log-density far from what the redshift leads to expect, a parabola through the validation patches. Of a
    log-density in parts it is the sum of their squared distances, each in units of its spread over the validation
    patches.
    """
    rng = np.random.default_rng(2)
    changed = planted(test["density"].values, rng)
    found: dict[str, dict[str, list[float]]] = {}
    for name, flow in flows.items():
        field, redshift = tensors(validation)
        terms = np.vander(redshift[:, 0].numpy().astype(np.float64), 3)
        parts = log_density(flow, field, redshift).reshape(len(field), -1)
        line = np.linalg.lstsq(terms, parts, rcond=None)[0]
        spread = (parts - terms @ line).std(axis=0)
        conditions = tensors(test)[1]
        expected = np.vander(conditions[:, 0].numpy().astype(np.float64), 3) @ line

        def odd(
            values: np.ndarray, flow: Any = flow, given: Any = conditions, mean: Any = expected, width: Any = spread
        ) -> np.ndarray:
            density = log_density(flow, torch.as_tensor(values.astype(np.float32)), given).reshape(mean.shape)
            return np.asarray((((density - mean) / width) ** 2).sum(axis=1))

        clean = odd(test["density"].values)
        found[name] = {kind: _area(odd(values), clean) for kind, values in changed.items()}
    return found


def _area(high: np.ndarray, low: np.ndarray) -> list[float]:
    """Return the area under the curve and its error (Hanley and McNeil, Radiology 143 (1982) 29)."""
    n, m = len(high), len(low)
    area = (rankdata(np.concatenate([high, low]))[:n].sum() - n * (n + 1) / 2) / (n * m)
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (one - area**2) + (m - 1) * (two - area**2)) / (n * m)
    return [float(area), float(np.sqrt(max(variance, 0)))]


def _histograms(truth: np.ndarray, made: np.ndarray, other: np.ndarray) -> dict[str, list[float]]:
    edges = np.linspace(-2, 8, 51)
    density = {"truth": truth, "model": made, "other": other}
    found = {name: np.histogram(values, edges, density=True)[0].tolist() for name, values in density.items()}
    return found | {"edges": edges.tolist()}
