"""The time of each judge on 50,000 truth and 50,000 generated events of 40 features, with nulls and errors.

Run: ``python -m benchmarks.judges.speed``. Processor time is the sum over all threads; on an
otherwise idle machine, its ratio to the wall time is the number of working threads. The features are correlated
Gaussians with the same distribution in both samples. Only the classifiers' time depends on the result, because they
stop when they no longer improve.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from benchmarks.records import write_record
from rich.console import Console
from rich.table import Table

import simulacra
from simulacra.events import make_events, variable
from simulacra.judges.classifiers.failures import judge_failures
from simulacra.judges.classifiers.separability import judge_separability
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.distances.multivariate import judge_correlations
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.generalisation.statistical_power import judge_statistical_power
from simulacra.judges.samples import Sample
from simulacra.judges.unpacking import sample_of
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.frechet import frechet_physics_distance
from simulacra.statistics.distances.kernels import kernel_physics_distance, maximum_mean_discrepancy
from simulacra.statistics.distances.likelihood_ratio import learned_likelihood_ratio
from simulacra.statistics.distances.manifold import judge_manifold
from simulacra.statistics.distances.slices import slice_distances
from simulacra.statistics.features import standardised

EVENTS, FEATURES = 50_000, 40
CORRELATION = 0.3


def table(n: int, n_features: int, seed: int, stream: int) -> xr.Dataset:
    """Return n events of correlated Gaussian features and one condition."""
    rng = np.random.default_rng([seed, stream])
    common = np.sqrt(CORRELATION) * rng.normal(size=(n, 1))
    values = common + np.sqrt(1 - CORRELATION) * rng.normal(size=(n, n_features))
    variables = {
        f"feature_{k}": variable(column.astype("f4"), units="1", long_name=f"feature {k}", role="feature")
        for k, column in enumerate(values.T)
    }
    energy = rng.uniform(1, 100, n).astype("f4")
    variables["incident_energy"] = variable(energy, units="GeV", long_name="incident energy", role="condition")
    return make_events(
        variables,
        simulator="correlated Gaussians",
        simulator_version="1",
        seed=seed,
        settings={},
        seconds_per_event=0.0,
        first_event=stream * n,
    )


def judges(n: int, n_features: int, seed: int) -> dict[str, Callable[[], Any]]:
    """Return a call for each judge."""
    rng = np.random.default_rng(seed)
    samples: list[Sample] = [
        sample_of(table(n, n_features, seed, stream), label, most_events=n, rng=rng)
        for stream, label in enumerate(("truth", "generated", "training"))
    ]
    truth, generated, training = samples
    names = list(truth.observables)
    first, second = (np.column_stack([s.observables[name] for name in names]) for s in (truth, generated))
    features = standardised(first, second, names=names)
    weights = features.truth_weights, features.generated_weights
    divided = Replicates.draw(*weights, rng)
    found: dict[str, Any] = {}

    def separability() -> None:
        found["rocs"] = judge_separability(truth, generated, training, seed=seed)[1]

    def failures() -> None:
        best = max(found["rocs"], key=lambda roc: roc.judged.ensemble_auc)
        judge_failures(truth, generated, best.judged, rng)

    return {
        "divisions for errors and nulls": lambda: Replicates.draw(*weights, rng),
        "W1, Kolmogorov-Smirnov, separation power": lambda: judge_distributions(truth, generated, truth, divided),
        "Frechet physics distance": lambda: frechet_physics_distance(features, divided, rng),
        "kernel physics distance": lambda: kernel_physics_distance(features, rng),
        "Gaussian MMD": lambda: maximum_mean_discrepancy(features, rng),
        "learned likelihood ratio (NPLM)": lambda: learned_likelihood_ratio(features, rng),
        "precision, recall, density, coverage": lambda: judge_manifold(features, rng),
        "sliced distances, energy distance": lambda: slice_distances(features, divided, rng),
        "correlations, rank correlations": lambda: judge_correlations(features, divided),
        "boosted trees and perceptron, truth against truth too": separability,
        "where it fails": failures,
        "in bins of the condition": lambda: judge_conditional(truth, generated, rng),
        "modes": lambda: judge_modes(truth, generated, rng),
        "memorisation": lambda: judge_memorisation(truth, generated, training, rng),
        "statistical power": lambda: judge_statistical_power(truth, generated, n, rng=rng),
    }


def measure(
    n: int = EVENTS, n_features: int = FEATURES, seed: int = 1, threads: int = 2, only: str | None = None
) -> dict[str, Any]:
    """Return wall and processor seconds of each judge, or of one, and the machine and sizes."""
    torch.set_num_threads(threads)
    before = os.getloadavg()[0]
    times = {}
    for name, judge in judges(n, n_features, seed).items():
        if only not in (None, name):
            continue
        wall, processor = time.perf_counter(), time.process_time()
        judge()
        times[name] = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
        print(f"{name}: {times[name]['seconds']:.1f} s", flush=True)
    return {
        "events": n,
        "features": n_features,
        "seed": seed,
        "threads": threads,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "simulacra": simulacra.__version__,
        "load_average": os.getloadavg()[0],
        "load_average_before": before,
        "judges": times,
    }


def print_table(result: dict[str, Any]) -> None:
    """Print the times."""
    title = f"{result['events']:,} + {result['events']:,} events, {result['features']} features"
    shown = Table("judge", "wall [s]", "processor [s]", title=f"{title}, {result['threads']} threads")
    for name, one in result["judges"].items():
        shown.add_row(name, f"{one['seconds']:.1f}", f"{one['processor_seconds']:.1f}")
    sums = [sum(one[key] for one in result["judges"].values()) for key in ("seconds", "processor_seconds")]
    shown.add_section()
    shown.add_row("all", *(f"{total:.1f}" for total in sums))
    Console().print(shown)


def main() -> dict[str, Any]:
    """Measure and print; optionally write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help="of each sample")
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of torch; OMP_NUM_THREADS decides for the others")
    parser.add_argument("--output", type=Path, help="JSON file")
    given = parser.parse_args()
    result = measure(given.events, given.features, given.seed, given.threads)
    print_table(result)
    if given.output is not None:
        write_record(given.output, result)
    return result


if __name__ == "__main__":
    main()
