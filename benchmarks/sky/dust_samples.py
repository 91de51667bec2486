"""Samples of a generator of dust beside patches of test regions, and patches of training regions beside these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.sky.dust_regions import FIELD, RESAMPLED, resampled, standardised, with_error
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from simulacra.events import GROUP, take_part
from simulacra.observables.field_statistics import bispectra, minkowski_functionals, peak_counts
from simulacra.observables.power_spectra import power_spectra
from simulacra.trained import TrainedGenerator

SEED: Final = 20
#: samples for each test patch
SAMPLES: Final = 3
FOLDS: Final = 3
BINS: Final = 8
#: bins of the highest wave numbers, where an autoencoder's mean has too little power
FINE: Final = slice(5, 8)
PEAKS: Final = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0])
LEVELS: Final = np.linspace(-2, 3, 11)
EDGES: Final = np.linspace(-6, 9, 301)

Statistic = Callable[[np.ndarray], np.ndarray]
#: of standardised fields, (N, ...) each
STATISTICS: Final[Mapping[str, Statistic]] = {
    "power spectrum": lambda fields: power_spectra(fields, bins=BINS),
    "bispectrum": bispectra,
    "peaks": lambda fields: peak_counts(fields, PEAKS).astype(float),
    "Minkowski functionals": lambda fields: minkowski_functionals(fields, LEVELS).reshape(len(fields), -1),
}


def measure(model: TrainedGenerator, patches: xr.Dataset, scale: float) -> dict[str, Any]:
    """Return distances of samples from the test patches, beside those of training patches.

    The distance of a statistic is the sum of absolute differences of its means over the sum of their absolute values
    [%], that of pixels and of brightness and contrast a 1-Wasserstein distance in standard deviations.
    """
    test, training = take_part(patches, "test"), take_part(patches, "train")
    step = max(1, round(1 / scale))
    test = test.isel(event=slice(None, None, step))
    training = training.isel(event=slice(None, None, max(1, training.sizes["event"] // test.sizes["event"])))
    truth, other = test[FIELD].values, training[FIELD].values
    made = model.sample(SAMPLES * len(truth), seed=SEED)[FIELD].values
    regions, others = test[GROUP].values, training[GROUP].values
    standard = {name: standardised(one) for name, one in (("truth", truth), ("model", made), ("other", other))}
    statistics, means = {}, {}
    for name, statistic in STATISTICS.items():
        found = {key: statistic(one) for key, one in standard.items()}
        means[name] = {key: one.mean(axis=0).tolist() for key, one in found.items()}
        statistics[f"{name} [%]"] = _compared(found, regions, others, _relative)
    histograms = {
        key: np.stack([np.histogram(one, EDGES)[0] for one in fields]) / fields[0].size
        for key, fields in standard.items()
    }
    means["pixels"] = {key: one.mean(axis=0).tolist() for key, one in histograms.items()}
    statistics["W1 of pixels [σ]"] = _compared(histograms, regions, others, _earth_mover)
    for name, of in (("mean", np.mean), ("logarithm of the width", lambda x, axis: np.log(np.std(x, axis=axis)))):
        values = {key: of(one, axis=(1, 2)) for key, one in (("truth", truth), ("model", made), ("other", other))}
        width = float(values["truth"].std())
        edges = np.linspace(min(map(np.min, values.values())), max(map(np.max, values.values())), 301)
        step_of = float(np.diff(edges[:2])[0]) / width
        levels = {key: (edges[None, 1:] >= one[:, None]).astype(float) for key, one in values.items()}
        statistics[f"W1 of a patch's {name} [σ]"] = _compared(
            levels, regions, others, lambda a, b, step_of=step_of: float(np.abs(a - b).sum() * step_of)
        )
    fine = _fine_power(standard, regions, others)
    if hasattr(model.module, "decode"):
        fine["mean"] = _fine_power(standard | {"model": standardised(_means(model, len(truth)))}, regions, others)[
            "model"
        ]
    steps = {key: _features(one)[:, -1] for key, one in standard.items()}
    return {
        "statistics": statistics,
        "fine": fine,
        "auc": {
            "model": _area(standard["truth"], standard["model"][: len(truth)], regions, None),
            "truth": _area(standard["truth"], standard["other"], regions, others),
        },
        # Without the one statistic that tells most, the last column of what the trees see.
        "auc without steps": {
            "model": _area(standard["truth"], standard["model"][: len(truth)], regions, None, last=-1),
            "truth": _area(standard["truth"], standard["other"], regions, others, last=-1),
        },
        "steps": {
            "model": _mean_of(steps["model"]),
            "truth": with_error(lambda rows: float(steps["truth"][rows].mean()), regions),
            "other": with_error(lambda rows: float(steps["other"][rows].mean()), others),
        },
        "means": means,
        "shown": {
            "truth": truth[:: max(1, len(truth) // 4)][:3].round(3).tolist(),
            "model": made[:3].round(3).tolist(),
        },
        "n": len(truth),
        "regions": len(np.unique(regions)),
    }


def _compared(
    found: Mapping[str, np.ndarray],
    regions: np.ndarray,
    others: np.ndarray,
    distance: Callable[[np.ndarray, np.ndarray], float],
) -> dict[str, list[float]]:
    """Return the distances of means of the model and of other patches from the truth's, with errors by regions."""
    rng = np.random.default_rng(1)
    truth, model, other = (found[name] for name in ("truth", "model", "other"))
    drawn: dict[str, list[float]] = {"model": [], "truth": []}
    made = model.mean(axis=0)
    for _ in range(RESAMPLED):
        again = truth[resampled(regions, rng)].mean(axis=0)
        drawn["model"].append(distance(made, again))
        drawn["truth"].append(distance(other[resampled(others, rng)].mean(axis=0), again))
    centre = truth.mean(axis=0)
    return {
        "model": [distance(made, centre), float(np.std(drawn["model"]))],
        "truth": [distance(other.mean(axis=0), centre), float(np.std(drawn["truth"]))],
    }


def _mean_of(values: np.ndarray) -> tuple[float, float]:
    """Return the mean of independent values and its error."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def _relative(one: np.ndarray, expected: np.ndarray) -> float:
    return float(100 * np.abs(one - expected).sum() / np.abs(expected).sum())


def _earth_mover(one: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(np.cumsum(one - expected)).sum() * np.diff(EDGES[:2])[0])


def _fine_power(
    standard: Mapping[str, np.ndarray], regions: np.ndarray, others: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Return the power at the shortest waves over that of the test patches, with its error by regions."""
    power = {key: power_spectra(one, bins=BINS)[:, FINE].mean(axis=1) for key, one in standard.items()}
    rng = np.random.default_rng(1)
    truth = [power["truth"][resampled(regions, rng)].mean() for _ in range(RESAMPLED)]
    again = [power["other"][resampled(others, rng)].mean() for _ in range(RESAMPLED)]
    model = power["model"].mean()
    return {
        "model": (float(model / power["truth"].mean()), float(np.std(model / np.array(truth)))),
        "truth": (float(power["other"].mean() / power["truth"].mean()), float(np.std(np.array(again) / truth))),
    }


def _means(model: TrainedGenerator, n: int) -> np.ndarray:
    """Return the decoded means of fields, without the scatter about them."""
    module: Any = model.module
    rng = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        none = torch.zeros(n, 0)
        code = module.prior(torch.randn(n, module.coded, generator=rng), none)
        return np.asarray(module.decode(code, none)[0].unflatten(1, module.shape))


def _features(fields: np.ndarray) -> np.ndarray:
    """Return what the trees see of standardised fields: their statistics, and moments of pixels and of differences."""
    flat = fields.reshape(len(fields), -1)
    steps = np.concatenate([np.diff(fields, axis=axis).reshape(len(fields), -1) for axis in (1, 2)], axis=1)
    columns = [statistic(fields) for statistic in STATISTICS.values()]
    moments = [skew(flat, axis=1), kurtosis(flat, axis=1), flat.min(axis=1), flat.max(axis=1), kurtosis(steps, axis=1)]
    return np.concatenate([*columns, np.stack(moments, axis=1)], axis=1)


def _area(
    truth: np.ndarray, made: np.ndarray, regions: np.ndarray, others: np.ndarray | None, last: int | None = None
) -> tuple[float, float]:
    """Return the AUC of trees that saw none of a patch's region, and its error by regions."""
    rng = np.random.default_rng(2)
    features = np.concatenate([_features(truth), _features(made)])[:, :last]
    label = np.repeat([0, 1], [len(truth), len(made)])
    # Samples have no regions, and are divided at random into as many groups.
    of_made = rng.integers(len(np.unique(regions)), size=len(made)) if others is None else others
    groups = np.concatenate([regions, 1000 + of_made])
    scores = np.empty(len(label))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=1).split(features, label, groups):
        trees = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, max_leaf_nodes=8, random_state=1)
        scores[test] = trees.fit(features[train], label[train]).predict_proba(features[test])[:, 1]
    return with_error(lambda rows: float(roc_auc_score(label[rows], scores[rows])), groups, 100)
