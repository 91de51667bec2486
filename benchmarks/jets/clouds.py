"""Generators of jets as clouds of particles: judged as JetNet's are, by classifiers, and timed.

Jets of a model are compared with Pythia's, and Pythia's with Pythia's, always as many with as many: 10,000 of each
class, and 50,000 of all classes together. There are twice as many of each. Values are means over random divisions of
these into halves; errors are the spread of one comparison. A model's jets have classes and transverse momenta drawn as
in its training sample; all else is generated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.jets.clouds_figure import draw, histograms
from benchmarks.jets.clouds_speed import against_multiplicity, microseconds
from benchmarks.jets.distances import (
    JetSample,
    coverage_and_mmd,
    frechet,
    kernel,
    w1_energy_flow,
    w1_mass,
    w1_particles,
)
from benchmarks.jets.truth import Rows, divided, generated, simulated
from benchmarks.rows import Judged, NothingShippedError, Row
from benchmarks.stages import run_stage

import simulacra
from simulacra.statistics.classifiers.classifier import classify
from simulacra.statistics.classifiers.deep_sets import classify_clouds
from simulacra.trained import TrainedGenerator

__all__ = ["draw", "measure", "minutes_of", "models"]

#: shipped models, those that are there are judged
MODELS: Final = ("jets-epic", "jets-epic-fast", "jets-mpgan")
#: shipped students and their teachers, shipped too
TEACHERS: Final = {"jets-epic-fast": "jets-epic"}
#: distances by name, and the unit in which they are written
DISTANCES: Final[Mapping[str, tuple[Callable[[JetSample, JetSample], float], float]]] = {
    "W1 of mass [1e-3]": (w1_mass, 1e-3),
    "W1 of particles [1e-3]": (w1_particles, 1e-3),
    "W1 of energy flow [1e-5]": (w1_energy_flow, 1e-5),
    "FPD [1e-4]": (frechet, 1e-4),
}
KPD, COVERAGE, MMD = "KPD [1e-6]", "coverage", "MMD [1e-3]"
TREES, DEEP_SETS = "AUC, trees on observables", "AUC, deep sets on particles"
#: samples whose coverage and MMD are computed: an optimal transport takes milliseconds
MOVED: Final = ("top quark", "all")
#: jets of each sample that deep sets are trained on
MOST_CLOUDS: Final = 10_000
RATIOS: Final = {"W1 of mass [1e-3]": 2.0, "W1 of particles [1e-3]": 2.0, "FPD [1e-4]": 3.0}
MOST_AUC: Final = 0.60
MOST_MICROSECONDS: Final = 100.0


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Judge and time each model that is shipped, next to truth against truth."""
    judged = models()
    jets = simulated(folder, scale)
    truth, halves = JetSample.of(jets), divided(jets["jet_class"].values, scale)
    chance = run_stage(folder, "clouds-truth", lambda *_: {"numbers": _numbers(truth, truth, halves, 1.0)})
    found: dict[str, Any] = {"rows": [], "models": {}, "truth_seconds": float(jets.attrs["seconds_per_event"])}
    samples = {"truth": (truth, _whole(halves[0]))}
    for model in judged:
        made = generated(model, scale)
        other, own = JetSample.of(made), divided(made["jet_class"].values, scale, seed=2)
        samples[model.name] = other, _whole(own[0])
        pairs = [(one[0], two[0]) for one, two in zip(halves, own, strict=True)]
        stage = f"clouds-{model.name}-{model.weights_sha256[:8]}"

        def numbers(*_: Any, other: JetSample = other, pairs: list[tuple[Rows, Rows]] = pairs) -> dict[str, Any]:
            # Halves of one sample overlap, which makes their spread too small by this factor.
            return {"numbers": _numbers(truth, other, pairs, math.sqrt(2))}

        one = run_stage(folder, stage, numbers)
        one = one | run_stage(folder, f"{stage}-time", lambda *_, model=model: _times(model, scale))
        found["models"][model.name] = one | {"judged": _judged(one["numbers"], chance["numbers"])}
        found["rows"].append(asdict(_row(model, found["models"][model.name])))
    found["histograms"] = histograms(samples)
    return found


def _whole(halves: tuple[Rows, Rows]) -> Rows:
    """Return the rows of both halves."""
    return {name: np.concatenate([halves[0][name], halves[1][name]]) for name in halves[0]}


def models() -> list[TrainedGenerator]:
    """Return the models that are shipped.

    Raises
    ------
    NothingShippedError
        if there is none.
    """
    there = [simulacra.load(name) for name in MODELS if name in simulacra.shipped()]
    if not there:
        raise NothingShippedError(f"none of the models {', '.join(MODELS)} is shipped: there is nothing to judge")
    return there


def _numbers(
    truth: JetSample, other: JetSample, pairs: Sequence[tuple[Rows, Rows]], factor: float
) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Return each number by sample and name: value, error, number of jets of each sample.

    Parameters
    ----------
    pairs:
        rows of the truth and of the others that are compared.
    factor:
        error of one comparison over the spread of these.
    """
    found: dict[str, Any] = {}
    for sample in pairs[0][0]:
        taken = [(truth.take(one[sample]), other.take(two[sample])) for one, two in pairs]
        n = len(taken[0][0])
        here: dict[str, tuple[float, float, int]] = {}
        for name, (distance, unit) in DISTANCES.items():
            values = np.array([distance(*pair) for pair in taken]) / unit
            here[name] = float(values.mean()), factor * float(values.std(ddof=1)), n
        # The library's own error: half of the central interval of 68 % of the batches.
        low, median, high = np.percentile(kernel(*taken[0]) / 1e-6, [16.275, 50, 83.725])
        here[KPD] = float(median), float(high - low) / 2, n
        here[TREES] = *_told_by_trees(*taken[0]), n
        if sample in MOVED:
            coverage, moved = coverage_and_mmd(*taken[0])
            here[COVERAGE] = *_mean(coverage), n
            here[MMD] = *_mean(moved / 1e-3), n
        if sample == "all":
            # Rows are by class: evenly many of them keep the classes' shares.
            some = np.unique(np.linspace(0, n - 1, MOST_CLOUDS).astype(int))
            here[DEEP_SETS] = *_told_by_deep_sets(*(one.take(some) for one in taken[0])), len(some)
        found[sample] = here
    return found


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Return the mean and its error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def _told_by_trees(truth: JetSample, other: JetSample) -> tuple[float, float]:
    names = [name for name in truth.observables if name in other.observables]
    tables = [np.column_stack([*(one.observables[name] for name in names), one.conditions]) for one in (truth, other)]
    told = classify(*tables, "trees", seed=1)
    return told.auc, told.uncertainty


def _told_by_deep_sets(truth: JetSample, other: JetSample) -> tuple[float, float]:
    clouds = [(one.cloud, one.cloud[..., 2] > 0) for one in (truth, other)]
    told = classify_clouds(*clouds, truth_conditions=truth.conditions, generated_conditions=other.conditions, seed=1)
    return told.auc, told.uncertainty


def _times(model: TrainedGenerator, scale: float) -> dict[str, Any]:
    return {"microseconds": microseconds(model, scale), "multiplicity": against_multiplicity(model, scale)}


def _judged(numbers: Mapping[str, Any], chance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each number beside that of truth against truth, and their ratio."""
    found = []
    for sample, here in numbers.items():
        for name, (value, error, n) in here.items():
            truth, truth_error, n_truth = chance[sample][name]
            if n != n_truth:
                raise RuntimeError(f"{name} of {sample} is of {n} jets, and of {n_truth} for truth against truth")
            goal = ""
            if name in RATIOS:
                goal = f"at most {RATIOS[name]:g} times the truth's"
            elif name in (TREES, DEEP_SETS):
                goal = f"at most {MOST_AUC:.2f}"
            one = {"sample": sample, "name": name, "value": value, "error": error}
            more = {"truth": truth, "truth_error": truth_error, "events": n, "goal": goal}
            found.append(one | more | {"ratio": value / truth if truth > 0 else None})
    return found


def _row(model: TrainedGenerator, found: Mapping[str, Any]) -> Row:
    training, time = model.metadata["training"], found["microseconds"]["sample"]
    judged = tuple(
        Judged(
            f"{'all classes' if one['sample'] == 'all' else one['sample']}: {one['name']}",
            *(one[key] for key in ("value", "error", "truth", "truth_error", "events", "goal")),
        )
        for one in found["judged"]
    )
    return Row(
        system=model.kind,
        model=model.name,
        trained_events=int(training["events"]),
        training_minutes=minutes_of(model),
        judged=judged,
        microseconds=time["median"],
        microseconds_error=time["error"],
        weights_sha256=model.weights_sha256,
    )


def minutes_of(model: TrainedGenerator) -> float:
    """Return the minutes of the training, with those of the teacher of a student."""
    trained = [model]
    if model.name in TEACHERS:
        trained.append(simulacra.load(TEACHERS[model.name]))
    return sum(float(one.metadata["training"]["seconds"]) for one in trained) / 60
