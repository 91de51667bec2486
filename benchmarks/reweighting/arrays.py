"""Fields and series reweighted where the log ratio is known: closure, distance to the exact ratio, and fits.

Gaussian random fields of 16 x 16 cells whose power spectrum falls as k^-2 become such of k^-2.07, autoregressive series
of 64 times and memory 0.70 such of memory 0.73. A third reweighter is continuous in the memory from 0.65 to 0.75, and
fits it. Settings are those that ``simulacra reweight`` chooses for the events, on 20,000 of each sample; the fields are
told that they are periodic. Run: ``python -m benchmarks.reweighting.arrays``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from benchmarks.documents.reweighting import arrays_closing, arrays_continuous
from benchmarks.machine import processor
from benchmarks.reweighting.known_arrays import field_log_likelihood, fields, series, series_log_likelihood

from simulacra.fits.box_calibration import calibrate_over_box
from simulacra.fits.coverage import pseudo_experiments
from simulacra.fits.default_fit import RatioFit
from simulacra.fits.errors import FitWarning
from simulacra.fits.from_events import embed_events
from simulacra.pages.plain import plain
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import judge_reweighter
from simulacra.reweighting.settings import settings_for
from simulacra.training.checkpoint import versions
from simulacra.whole_files import write_whole

NAME: Final = "reweighted-arrays"
EVENTS: Final = 20_000
#: that neither training nor calibration has seen, for the distance to the exact ratio
FRESH: Final = 5_000
LENGTH: Final = 64
REFERENCE, BOX, AT = 0.7, (0.65, 0.75), (0.66, 0.68, 0.72, 0.74)
#: series per fit, fits per truth; how many times as many events the reference and the calibration have as the training
FITTED, FITS, TIMES = 1_000, 40, 5


@dataclass(frozen=True)
class Case:
    """Events of known likelihood, what of their network is not left at its default, and source and target."""

    make: Callable[..., xr.Dataset]
    log_likelihood: Callable[[xr.Dataset, float], np.ndarray]
    network: dict[str, Any]
    source: float
    target: float


CASES: Final = {
    "field": Case(fields, field_log_likelihood, {"padding": "periodic"}, 2.0, 2.07),
    "series": Case(series, series_log_likelihood, {}, REFERENCE, 0.73),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help="of each sample")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        closures = {name: closure_of(case, Path(folder) / name, arguments.events) for name, case in CASES.items()}
        continuous = in_the_memory(Path(folder) / "continuous", arguments.events)
    record = {
        "events": arguments.events,
        "fresh": FRESH,
        "machine": {"processor": processor(), "threads": 1},
        "versions": versions(),
        "core_seconds": time.process_time() - began,
        "closures": closures,
        "continuous": continuous,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"{NAME}.json"
    write_whole(path, json.dumps(plain(record, "reweighted arrays"), indent=1) + "\n")
    found = {NAME: json.loads(path.read_text(encoding="utf-8"))}
    print(arrays_closing(found), arrays_continuous(found), sep="\n\n")
    print(f"{record['core_seconds'] / 60:.1f} minutes of one core, written to {path}")


def closure_of(case: Case, run: Path, n: int) -> dict[str, Any]:
    """Train a reweighter between the two samples, judge it, and compare it with the exact log ratio."""
    source, target, fresh = (
        case.make(size, value, seed)
        for size, value, seed in ((n, case.source, 1), (n, case.target, 2), (FRESH, case.source, 3))
    )
    settings = settings_for(source)
    network = settings.network.model_copy(update=case.network)
    began = time.process_time()
    reweighter = fit_reweighter(
        source, target, settings.model_copy(update={"network": network}), run, seed=1, progress=False
    )
    seconds = time.process_time() - began
    judgement = judge_reweighter(reweighter, source, target, trees=False, seed=1)
    exact = case.log_likelihood(fresh, case.target) - case.log_likelihood(fresh, case.source)
    worst = max(judgement.closures, key=lambda closure: closure.before.reduced)
    (second,) = judgement.second
    return {
        "source": case.source,
        "target": case.target,
        **against(exact, np.log(reweighter.weights(fresh, normalise=False))),
        "worst": {"observable": worst.observable, "before": worst.before.reduced, "after": worst.after.reduced},
        "observables": len(judgement.closures),
        "closing": sum(closure.closes for closure in judgement.closures),
        "effective_share": judgement.summary.effective_share,
        "exact_effective_share": float(np.exp(exact).sum() ** 2 / np.exp(2 * exact).sum() / len(exact)),
        "second": {
            name: getattr(second, name)
            for name in ("auc", "uncertainty", "truth_auc", "truth_uncertainty", "auc_before")
        },
        "training_core_seconds": seconds,
        "steps": settings.training.steps,
    }


def against(exact: np.ndarray, learned: np.ndarray) -> dict[str, float]:
    """Return how learned log ratios, (N,), compare with the exact ones."""
    return {
        "exact_width": float(exact.std()),
        "correlation": float(np.corrcoef(exact, learned)[0, 1]),
        "slope": float(np.polyfit(exact, learned, 1)[0]),
        "rms": float(np.sqrt(np.mean((learned - exact) ** 2))),
    }


def in_the_memory(run: Path, n: int) -> dict[str, Any]:
    """Train a reweighter continuous in the memory, compare it with the exact ratios, and fit the memory with it."""
    target, source = over_the_box(n, 11), series(n, REFERENCE, 13)
    settings = settings_for(source, ("memory",), reference={"memory": REFERENCE})
    reweighter = fit_reweighter(source, target, settings, run, seed=1, progress=False)
    fresh = series(FRESH, REFERENCE, 14)
    embedded = reweighter.embed(fresh)
    calibrated = calibrate_over_box(reweighter, over_the_box(TIMES * n, 15), series(TIMES * n, REFERENCE, 17))
    reference = embed_events(calibrated, series(TIMES * n, REFERENCE, 18), label="reference")
    fits = {
        "as fitted": RatioFit(calibrated, reference, calibrated=False),
        "calibrated": RatioFit(calibrated, reference),
    }
    rows = {}
    for value in AT:
        exact = series_log_likelihood(fresh, value) - series_log_likelihood(fresh, REFERENCE)
        learned = np.log(reweighter.weights_of(embedded, {"memory": value}, normalise=False))
        rows[f"{value:g}"] = {**against(exact, learned), **fitted(fits, value)}
    return {"reference": REFERENCE, "box": BOX, "series_per_fit": FITTED, "times": TIMES, "rows": rows}


def over_the_box(n: int, seed: int) -> xr.Dataset:
    """Return series whose memories were drawn over the box."""
    memory = np.random.default_rng(seed).uniform(*BOX, n)
    return series(n, memory, seed + 1, vary={"memory": f"uniform:{BOX[0]}:{BOX[1]}"})


def fitted(fits: dict[str, RatioFit], value: float) -> dict[str, Any]:
    """Return bias, scatter and coverage of fits of the memory, each to its own series."""
    information = (LENGTH - 1) * (1 + value**2) / (1 - value**2) ** 2
    found: dict[str, Any] = {"fits": FITS, "least_error": float((information * FITTED) ** -0.5)}
    data = series(FITTED * FITS, value, round(1e4 * value), length=LENGTH)
    for name, fit in fits.items():
        events = embed_events(fit.reweighter, data, label="data")
        samples = [events.select(np.arange(FITTED) + FITTED * number) for number in range(FITS)]
        with warnings.catch_warnings():
            # Without a calibration it says that the interval is of statistics alone.
            warnings.simplefilter("ignore", FitWarning)
            summary = vars(pseudo_experiments(fit, samples, {"memory": value}).of("memory"))
        kept = ("bias", "bias_error", "scatter", "mean_error", "coverage", "coverage_low", "coverage_high", "failed")
        found[name] = {key: summary[key] for key in kept}
    return found


if __name__ == "__main__":
    main()
