"""How close a generator's showers are to Geant4's: classifiers, distances and memorisation, by the judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from benchmarks.showers.drawing import Job, drawn

from simulacra.judges.classifiers.separability import table_of
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.samples import features_of
from simulacra.judges.unpacking import sample_of
from simulacra.statistics.classifiers.classifier import Method, classify
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.frechet import frechet_physics_distance
from simulacra.statistics.distances.manifold import judge_manifold
from simulacra.statistics.distances.two_sample import effective_size

#: the classifiers' inputs, by the name of the AUC
LOOKED_AT: Final = {"low_level": "cells", "shapes": "observables"}
CLASSIFIERS: Final[tuple[Method, ...]] = ("trees", "perceptron")
FOLDS: Final = 5
BOOTSTRAPS: Final = 200


def area(_folder: Path, job: Job, which: str) -> dict[str, Any]:
    """Return the AUC of each classifier with its error, 5-fold, and the larger one of them."""
    samples = drawn(job)
    tables = table_of(samples.truth, samples.generated, LOOKED_AT[which], job.cell_threshold)
    found = {}
    for kind in CLASSIFIERS:
        told = classify(
            *tables,
            kind,
            truth_weights=samples.truth.weights,
            generated_weights=samples.generated.weights,
            folds=FOLDS,
            seed=job.seed,
        )
        found[kind] = {"auc": told.auc, "error": told.uncertainty, "p_value": told.p_value, "fold_aucs": told.aucs}
    larger = max(CLASSIFIERS, key=lambda kind: found[kind]["auc"])
    return {
        **found,
        "larger": larger,
        "auc": found[larger]["auc"],
        "error": found[larger]["error"],
        "n_truth": len(samples.truth),
        "n_generated": len(samples.generated),
    }


def distances(_folder: Path, job: Job) -> dict[str, Any]:
    """Return the Frechet physics distance, coverage, density and memorisation, each with truth against truth."""
    samples = drawn(job)
    features = features_of(samples.truth, samples.generated)
    rng = np.random.default_rng([job.seed, 1])
    replicates = Replicates.draw(features.truth_weights, features.generated_weights, rng)
    manifold = judge_manifold(features, rng)
    return {
        "frechet_physics_distance": frechet_physics_distance(features, replicates, rng),
        "coverage": manifold.coverage,
        "density": manifold.density,
        "events_of_coverage": manifold.events,
        "memorisation": _memorisation(job, samples.truth, samples.generated),
        **_effective_share(samples.generated.weights, np.random.default_rng([job.seed, 3])),
        "warnings": samples.warnings,
    }


def _effective_share(weights: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Return the effective number of showers over their number, and its error by the bootstrap."""
    n = len(weights)
    drawn_again = [effective_size(weights[rng.integers(n, size=n)]) / n for _ in range(BOOTSTRAPS)]
    return {
        "effective_share": effective_size(weights) / n,
        "effective_share_error": float(np.std(drawn_again, ddof=1)),
    }


def _memorisation(job: Job, truth: Any, generated: Any) -> dict[str, Any] | None:
    training = job.sources.training_events()
    if training is None:
        return None
    rng = np.random.default_rng([job.seed, 2])
    train = sample_of(training, "training", most_events=training.sizes["event"], rng=rng)
    findings, judged = judge_memorisation(truth, generated, train, rng)
    if judged is None:
        return None
    nearer, copies = findings[0], findings[1]
    return {
        "p_value": judged.nearness.p_value,
        "memorised": judged.memorised,
        "nearer": nearer.value,
        "nearer_error": nearer.uncertainty,
        "copies": copies.value,
        "copies_error": copies.uncertainty,
        "training_showers": len(train),
        "searched": judged.searched,
    }
