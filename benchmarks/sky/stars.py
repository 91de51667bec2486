"""Cepheids: Fourier parameters, amplitudes and folded curves of generated stars, beside observed ones never trained on.

The truth is the test part of the OGLE-IV Cepheids. For each of its stars the model makes one at the same period, mean
magnitude, amplitude and colour, which is then measured at the star's own times and errors; both are fitted alike.
Truth against truth are as many stars of the training part, each the one of the nearest period that is not taken yet.
Distances are 1-Wasserstein, of phases on the circle; errors are those of bootstrap samples of the test stars.

* ``bins``: medians in bins of the period;
* ``progression``: the cycle of one and the same code while the period is scanned, and the other conditions follow the
  training stars' medians at that period (the Hertzsprung progression);
* ``interpolation``: a model that no star of 8 to 12 d was shown, on these stars, beside the model that was shown them
  and beside real stars of the nearest period outside of the band.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.rows import Judged, LeftOutError, NothingShippedError, Row
from benchmarks.sampling_time import microseconds
from benchmarks.sky.stars_figure import LABELS, draw
from benchmarks.wasserstein import on_circle
from scipy.stats import wasserstein_distance

import simulacra
from simulacra.events import take_part
from simulacra.observables import observe
from simulacra.observables.light_curves import measured_like
from simulacra.observables.periods import curve_of
from simulacra.systems import variable_star
from simulacra.trained import TrainedGenerator, shipped

__all__ = ["draw", "measure"]

MODEL: Final = "cepheids-vae"
DATA: Final = Path(__file__).parents[2].parent / "shared" / "data" / "cepheids" / "ogle4_lmc_cepheids.h5"
FOURIER: Final = ("r21", "phi21", "r31", "phi31")
#: edges of the bins of the period [d]
EDGES: Final = np.array([1.0, 2.5, 3.0, 3.5, 4.2, 5.2, 7.0, 9.0, 11.0, 15.0, 140.0])
BAND: Final = (8.0, 12.0)
#: of the model without the band
STEPS: Final = 3_000
#: generated samples over which distances are averaged
SAMPLES: Final = 5
#: stars of a call that is timed, and how long calls are timed [s]
BATCH, SECONDS = 1024, 3.0
RESAMPLED: Final = 100
SCAN: Final = np.geomspace(2.2, 32, 60)
#: cycles of the progression that are drawn
SHOWN: Final = (3.0, 4.5, 6.5, 8.0, 9.5, 11.0, 13.0, 16.0)
#: training stars whose conditions give the medians at a period
NEAR: Final = 60


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Measure everything on stars that the model did not learn from.

    Raises
    ------
    LeftOutError
        if the survey's data are absent, or the model is not shipped.
    """
    if not DATA.is_file():
        raise LeftOutError(f"there are no Cepheids in {DATA}")
    if MODEL not in shipped():
        raise NothingShippedError(f"the model {MODEL} is not shipped")
    with warnings.catch_warnings():
        # Stars without a value in the catalogue are left out, and told when the file is read by a user.
        warnings.simplefilter("ignore", UserWarning)
        stars = simulacra.read(DATA)
    training, test = take_part(stars, "train"), take_part(stars, "test")
    test = test.isel(event=slice(0, max(60, round(scale * test.sizes["event"]))))
    generator = simulacra.load(MODEL)
    assert isinstance(generator, TrainedGenerator)
    others = training.isel(event=nearest_stars(test["period"].values, training["period"].values))
    truth, null = fourier(test), fourier(others)
    cycles = [sampled(generator, test, seed) for seed in range(1, 1 + SAMPLES)]
    made = [fourier(measured_like(one, test, seed=10 + k)) for k, one in enumerate(cycles)]
    normal = [fourier(measured_like(_of_normal_codes(generator, test, k), test, seed=20 + k)) for k in range(SAMPLES)]
    distances = compared(truth, made, null)
    of_normal = compared(truth, normal, null)
    amplitude = _amplitudes(test, measured_like(cycles[0], test, seed=30))
    judged = _judged(test, scale)
    metadata = generator.metadata["training"]
    rows = [
        *(
            Judged(
                f"W1 of {LABELS[name]}",
                *distances[name]["model"],
                *distances[name]["truth"],
                test.sizes["event"],
            )
            for name in FOURIER
        ),
        Judged(
            "fitted over asked amplitude, half of the central 68 %",
            *amplitude["model"]["spread"],
            *amplitude["truth"]["spread"],
            test.sizes["event"],
        ),
        *judged,
    ]
    row = Row(
        "variable_star",
        MODEL,
        int(metadata["events"]),
        metadata["seconds"] / 60,
        tuple(rows),
        *microseconds(generator, BATCH, scale * SECONDS),
        weights_sha256=generator.weights_sha256,
    )
    bins, progression = _bins(test, truth, made, others, null), _progression(generator, training)
    return {
        "rows": [row.as_record()],
        "distances": distances,
        "normal_codes": of_normal,
        "divergence": _divergence(generator, training, test),
        "spread": {
            "truth": _spread(test, [truth]),
            "model": _spread(test, made),
            "normal_codes": _spread(test, normal),
        },
        "bins": bins,
        "amplitude": amplitude,
        "progression": progression | {"away": _away_from_medians(progression, bins)},
        "interpolation": _interpolation(folder / "without-band", stars, generator, scale),
    }


def sampled(generator: TrainedGenerator, stars: xr.Dataset, seed: int) -> xr.Dataset:
    """Return a generated cycle at the conditions of each star."""
    asked = {name: stars[name].values for name in generator.trained_range}
    with warnings.catch_warnings():
        # Test stars may lie a little beyond the training ones.
        warnings.simplefilter("ignore", UserWarning)
        return generator.sample(stars.sizes["event"], seed=seed, **asked)


def fourier(stars: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the Fourier parameters of measured stars, (N,) each."""
    found = observe(stars[["time", "magnitude", "magnitude_error", "observed", "period"]])
    return {name: found[f"magnitude_{name}"].values for name in FOURIER}


def distance(name: str, first: np.ndarray, second: np.ndarray) -> float:
    """Return the 1-Wasserstein distance of a Fourier parameter of two samples."""
    return on_circle(first, second) if name.startswith("phi") else float(wasserstein_distance(first, second))


def compared(
    truth: Mapping[str, np.ndarray], made: list[dict[str, np.ndarray]], null: Mapping[str, np.ndarray]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the distance of each parameter from the truth, of the model (mean over samples) and of the null."""
    rng = np.random.default_rng(1)
    n = len(truth["r21"])
    found = {}
    for name in FOURIER:
        both: dict[str, tuple[float, float]] = {}
        for which, samples in (("model", made), ("truth", [null])):
            value = float(np.mean([distance(name, truth[name], one[name]) for one in samples]))
            again = []
            for k in range(RESAMPLED):
                rows = rng.integers(n, size=n)
                one = samples[k % len(samples)][name]
                again.append(distance(name, truth[name][rows], one[rng.integers(len(one), size=len(one))]))
            both[which] = value, float(np.std(again, ddof=1))
        found[name] = both
    return found


def nearest_stars(wanted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the row of the nearest period not taken yet for each wanted one, (N,), rarest periods first."""
    logs, free = np.log(there), np.ones(len(there), bool)
    rows = np.empty(len(wanted), np.int64)
    for k in np.argsort(-wanted):
        apart = np.where(free, np.abs(logs - np.log(wanted[k])), np.inf)
        rows[k] = int(np.argmin(apart))
        free[rows[k]] = False
    return rows


def _of_normal_codes(generator: TrainedGenerator, stars: xr.Dataset, seed: int) -> xr.Dataset:
    """Return cycles whose codes are normal at any conditions, as an autoencoder alone would have them."""
    columns = {name: stars[name].values.astype(np.float32) for name in generator.trained_range}
    rows = torch.as_tensor(np.stack(list(columns.values()), axis=1))
    module: Any = generator.module
    code = torch.randn(len(rows), module.latent, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        output = module.curves(code, rows).numpy()
    attributes: dict[str, Any] = {"settings": {}, "seed": seed, "first_event": 0, "seconds_per_event": 0.0}
    return generator.to_events(output, columns, {}, **attributes)


def _divergence(generator: TrainedGenerator, training: xr.Dataset, stars: xr.Dataset) -> dict[str, float]:
    """Return how far the codes of observed stars are from those of the flow, and from normal ones [nat per star]."""
    settings = variable_star.Settings.model_validate(generator.metadata["experiment"]["system"])
    tensors = variable_star.Trainer(settings, training).tensors(stars)
    module: Any = generator.module
    context = module.context(tensors["conditions"])
    with torch.no_grad():
        mean, log_width = module.autoencoder.encode(tensors["observations"], context)
        noise = torch.randn(50, *mean.shape, generator=torch.Generator().manual_seed(1))
        code = mean + log_width.exp() * noise
        own = torch.distributions.Normal(mean, log_width.exp()).log_prob(code).sum(dim=2)
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(code).sum(dim=2)
        flow = torch.stack([module.prior.log_prob(one, context) for one in code])
    return {"flow": float((own - flow).mean()), "normal": float((own - normal).mean())}


def _amplitudes(stars: xr.Dataset, made: xr.Dataset) -> dict[str, Any]:
    """Return mean and spread of the amplitude of four fitted harmonics over the asked one, with their errors."""
    found: dict[str, Any] = {}
    for name, events in (("truth", stars), ("model", made)):
        ratio = []
        for k in range(events.sizes["event"]):
            there = events["observed"].values[k].astype(bool)
            columns = (events[one].values[k][there].astype(float) for one in ("time", "magnitude", "magnitude_error"))
            time_, magnitude, error = columns
            period, asked = float(stars["period"][k]), float(stars["amplitude"][k])
            ratio.append(curve_of(time_, magnitude, error, period).amplitude / asked)
        low, median, high = np.quantile(ratio, [0.16, 0.5, 0.84])
        error = (high - low) / 2 / np.sqrt(len(ratio))
        # The central half width: a star of few observations may be fitted by any amplitude.
        found[name] = {
            "median": (float(median), float(1.25 * error)),
            "spread": (float((high - low) / 2), float(error)),
        }
    return found


def _judged(test: xr.Dataset, scale: float) -> list[Judged]:
    """Return the areas under the curve of the classifiers of ``simulacra judge``."""
    if scale < 1.0 and test.sizes["event"] < 200:
        return []
    verdict = simulacra.judge(test, MODEL, seed=1, progress=False)
    return [
        Judged(
            f"AUC, {one.observable}",
            one.value,
            one.uncertainty,
            one.truth_value or 0.0,
            one.truth_uncertainty or 0.0,
            one.n_generated,
        )
        for one in verdict.findings
        if one.judge == "classifier_auc" and not one.region
    ]


def _spread(stars: xr.Dataset, samples: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Return the median distance of a parameter from its median in the bin of the period."""
    place = np.searchsorted(EDGES, stars["period"].values) - 1
    found = {}
    for name in FOURIER:
        apart = []
        for one in samples:
            for k in np.unique(place):
                values = one[name][place == k]
                apart.append(np.abs(_away(name, values, _middle(name, values))))
        found[name] = float(np.median(np.concatenate(apart)))
    return found


def _middle(name: str, values: np.ndarray) -> float:
    """Return the median, of phases about their mean direction."""
    if not name.startswith("phi"):
        return float(np.median(values))
    mean = np.angle(np.exp(1j * values).mean())
    return float((mean + np.median(_away(name, values, mean))) % (2 * np.pi))


def _away(name: str, values: np.ndarray, middle: float) -> np.ndarray:
    apart = values - middle
    return (apart + np.pi) % (2 * np.pi) - np.pi if name.startswith("phi") else apart


def _bins(
    stars: xr.Dataset,
    truth: Mapping[str, np.ndarray],
    made: list[dict[str, np.ndarray]],
    others: xr.Dataset,
    null: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    """Return medians and central 68 % in bins of the period, and distances there."""
    place = np.searchsorted(EDGES, stars["period"].values) - 1
    other = np.searchsorted(EDGES, others["period"].values) - 1
    rows = []
    for k in range(len(EDGES) - 1):
        here, there = place == k, other == k
        if here.sum() < 8 or there.sum() < 8:
            continue
        row: dict[str, Any] = {
            "low": EDGES[k],
            "high": EDGES[k + 1],
            "stars": int(here.sum()),
            "period": float(np.median(stars["period"].values[here])),
        }
        for name in FOURIER:
            whole = np.concatenate([one[name][here] for one in made])
            row[name] = {
                "truth": _quantiles(name, truth[name][here]),
                "model": _quantiles(name, whole),
                "distance": float(np.mean([distance(name, truth[name][here], one[name][here]) for one in made])),
                "null": distance(name, truth[name][here], null[name][there]),
            }
        rows.append(row)
    return rows


def _quantiles(name: str, values: np.ndarray) -> tuple[float, float, float]:
    middle = _middle(name, values)
    low, high = np.quantile(_away(name, values, middle), [0.16, 0.84])
    return float(low), middle, float(high)


def _progression(generator: TrainedGenerator, training: xr.Dataset) -> dict[str, Any]:
    """Return Fourier parameters of cycles of one code over the periods, and some of the cycles."""
    order = np.argsort(np.abs(np.log(training["period"].values)[None] - np.log(SCAN)[:, None]), axis=1)[:, :NEAR]
    asked = {
        name: np.median(training[name].values[order], axis=1) for name in generator.trained_range if name != "period"
    }
    cycles = generator.sample(len(SCAN), seed=3, fixed_noise=True, period=SCAN, **asked)
    module: Any = generator.module
    rows = torch.as_tensor(np.stack([cycles[name].values for name in generator.trained_range], axis=1))
    with torch.no_grad():
        # The centre of the codes of stars of 5 d, and no other than this one.
        five = int(np.argmin(np.abs(SCAN - 5)))
        middle = module.prior(torch.zeros(1, module.latent), module.context(rows[five : five + 1]))
        output = module.curves(middle.expand(len(rows), -1), rows).numpy()
    found = cycles.assign(magnitude=(cycles["magnitude"].dims, output[:, 0], cycles["magnitude"].attrs))
    parameters = fourier(found)
    shown = [int(np.argmin(np.abs(SCAN - one))) for one in SHOWN]
    return {
        "period": SCAN.tolist(),
        **{name: values.tolist() for name, values in parameters.items()},
        "cycles": [
            {"period": float(SCAN[k]), "magnitude": (output[k, 0] - output[k, 0].mean()).tolist()} for k in shown
        ],
    }


def _away_from_medians(progression: Mapping[str, Any], bins: list[dict[str, Any]]) -> dict[str, float]:
    """Return how far one code's parameters are from the medians of test stars, in their half widths, over the bins."""
    found = {}
    for name in FOURIER:
        apart = []
        for row in bins:
            if not SCAN[0] <= row["period"] <= SCAN[-1]:
                continue
            low, middle, high = row[name]["truth"]
            scanned = progression[name][int(np.argmin(np.abs(SCAN - row["period"])))]
            apart.append(float(np.abs(_away(name, np.array([scanned]), middle))[0]) / ((high - low) / 2))
        found[name] = float(np.median(apart))
    return found


def _interpolation(folder: Path, stars: xr.Dataset, whole: TrainedGenerator, scale: float) -> dict[str, Any]:
    """Return distances in a band of periods for a model that saw none of its stars, and for others."""
    run = folder / "run"
    if not (run / "record.json").exists():
        steps = max(50, round(STEPS * scale))
        options = [f"data.path={DATA}", f"training.steps={steps}", f"training.validate_every={max(10, steps // 10)}"]
        band = f"period:{BAND[0]:g}:{BAND[1]:g}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            simulacra.train(f"experiments/{MODEL}.toml", run, overrides=options, hold_out=[band], progress=False)
    model = simulacra.load(run)
    assert isinstance(model, TrainedGenerator)
    period = stars["period"].values
    inside = (period >= BAND[0]) & (period <= BAND[1])
    band = stars.isel(event=np.flatnonzero(inside))
    edges = stars.isel(event=np.flatnonzero(~inside))
    outside = edges.isel(event=nearest_stars(band["period"].values, edges["period"].values))
    truth = fourier(band)
    halves = np.random.default_rng(1).permutation(band.sizes["event"])
    first, second = ({name: one[half] for name, one in truth.items()} for half in np.array_split(halves, 2))
    found: dict[str, Any] = {"stars": int(inside.sum()), "band": BAND, "distances": {}}
    of_model = [fourier(measured_like(sampled(model, band, k), band, seed=40 + k)) for k in range(SAMPLES)]
    of_whole = [fourier(measured_like(sampled(whole, band, k), band, seed=50 + k)) for k in range(SAMPLES)]
    for name in ("without", "shown", "outside"):
        samples = {"without": of_model, "shown": of_whole, "outside": [fourier(outside)]}[name]
        found["distances"][name] = {key: both["model"] for key, both in compared(truth, samples, truth).items()}
    found["distances"]["halves"] = {key: both["model"] for key, both in compared(first, [second], first).items()}
    return found
