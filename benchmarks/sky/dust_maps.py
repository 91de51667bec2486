"""Hidden and noisy pixels of patches of test regions, by the autoencoder's posterior and by a Wiener filter."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.sky.dust_regions import FIELD, apart, with_error
from scipy.stats import norm

import simulacra
from simulacra.events import GROUP, take_part, variable
from simulacra.trained import TrainedGenerator

#: standard deviation of the noise, 5 % of the intensity
NOISE: Final = 0.05
#: pixels of the radius of a hole, and share of others that are hidden
RADIUS, SCATTERED = 6, 0.1
#: least distance of the patches [deg], and how many of them
APART, MOST = 4.0, 120
CHAINS: Final = {"draws": 40, "chains": 3, "warm_up": 60}
INTERVALS: Final = {"68": 0.6827, "95": 0.95}


def measure(model: TrainedGenerator, patches: xr.Dataset, scale: float) -> dict[str, Any]:
    """Return coverage of intervals, errors and widths of hidden and of seen pixels, with errors by regions."""
    test = apart(take_part(patches, "test"), APART)
    n = min(test.sizes["event"], max(8, round(MOST * scale)))
    test = test.isel(event=np.linspace(0, test.sizes["event"] - 1, n).astype(int))
    truth, regions = test[FIELD].values, test[GROUP].values
    there = _there(truth.shape[1:])
    observed = _observed(test, there)
    drawn = simulacra.constrained_fields(model, observed, **CHAINS)
    fields = drawn[FIELD].values
    mean, covariance = _moments(take_part(patches, "train")[FIELD].values)
    linear, width = _wiener(observed[FIELD].values, there, mean, covariance)
    # Between the ranks q (n + 1) of n draws, the method of Weibull, the next one lies as often as is wanted.
    intervals = {
        "dust-vae": {
            level: np.quantile(fields, [(1 - share) / 2, (1 + share) / 2], axis=1, method="weibull")
            for level, share in INTERVALS.items()
        },
        "Wiener filter": {
            level: (linear - norm.ppf((1 + share) / 2) * width, linear + norm.ppf((1 + share) / 2) * width)
            for level, share in INTERVALS.items()
        },
    }
    centres = {"dust-vae": fields.mean(axis=1), "Wiener filter": linear}
    # Patches of low, middle and high contrast.
    by_contrast = np.argsort(truth.std(axis=(1, 2)))
    found: dict[str, Any] = {}
    for which, of in intervals.items():
        found[which] = {}
        for where, some in (("hidden", ~there), ("seen", there)):
            square = ((centres[which] - truth)[:, some] ** 2).mean(axis=1)
            one: dict[str, Any] = {"rms": with_error(lambda rows, s=square: float(np.sqrt(s[rows].mean())), regions)}
            for level, (low, high) in of.items():
                inside = ((truth > low) & (truth < high))[:, some].mean(axis=1)
                one[f"coverage {level}"] = with_error(lambda rows, i=inside: float(100 * i[rows].mean()), regions)
                one[f"width {level}"] = float((high - low)[..., some].mean() / 2)
                one[f"thirds {level}"] = [
                    with_error(lambda rows, i=inside[third]: float(100 * i[rows].mean()), regions[third])
                    for third in np.array_split(by_contrast, 3)
                ]
            found[which][where] = one
    return found | {
        "n": n,
        "regions": len(np.unique(regions)),
        "r_hat": [float(drawn["r_hat"].median()), float(drawn["r_hat"].max())],
        "acceptance": float(drawn["acceptance"].mean()),
        "shown": _shown(truth, observed[FIELD].values, fields, linear, there),
    }


def _there(shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels are seen: not those in a disc about the centre, nor some of the others."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    return np.asarray((away > RADIUS) & (np.random.default_rng(3).random(shape) > SCATTERED))


def _observed(test: xr.Dataset, there: np.ndarray) -> xr.Dataset:
    noise = np.random.default_rng(4).normal(scale=NOISE, size=test[FIELD].shape)
    field = xr.Variable(test[FIELD].dims, (test[FIELD].values + noise).astype("f4"), test[FIELD].attrs)
    about = {"units": "1", "long_name": "of the benchmark"}
    width = np.full(noise.shape, NOISE, "f4")
    seen = np.broadcast_to(there, noise.shape).copy()
    return test.assign(
        {
            FIELD: field,
            "noise": variable(width, "y", "x", role="uncertainty", of=FIELD, **about),
            "seen": variable(seen, "y", "x", role="mask", **about),
        }
    )


def _moments(fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (D,) and covariance (D, D) of training patches, turned and mirrored."""
    turned = [np.rot90(one, k, (1, 2)) for one in (fields, fields[:, ::-1]) for k in range(4)]
    flat = np.concatenate(turned).reshape(8 * len(fields), -1).astype(np.float64)
    return flat.mean(axis=0), np.cov(flat.T)


def _wiener(
    values: np.ndarray, there: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (N, n, n) and standard deviation (n, n) of Gaussian fields given the seen pixels of values."""
    seen = np.flatnonzero(there)
    total = covariance[np.ix_(seen, seen)] + NOISE**2 * np.eye(len(seen))
    gain = np.linalg.solve(total, covariance[seen]).T
    found = mean + (values.reshape(len(values), -1)[:, seen] - mean[seen]) @ gain.T
    left = np.diag(covariance) - (gain * covariance[:, seen]).sum(axis=1)
    return found.reshape(values.shape), np.sqrt(left).reshape(values.shape[1:])


def _shown(
    truth: np.ndarray, observed: np.ndarray, fields: np.ndarray, linear: np.ndarray, there: np.ndarray
) -> dict[str, Any]:
    """Return one patch as it is, as it is seen, and as it is drawn."""
    row = len(truth) // 3
    shown = {
        "truth": truth[row],
        "seen": np.where(there, observed[row], -99.0),
        "draws": fields[row, [0, 60]],
        "mean": fields[row].mean(axis=0),
        "width": fields[row].std(axis=0),
        "Wiener filter": linear[row],
    }
    return {name: np.round(values.astype(float), 3).tolist() for name, values in shown.items()}
