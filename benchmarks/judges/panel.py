"""All judges with a p-value, on the same two samples: one p-value each, corrected for several observables.

Several judges test each observable separately. The smallest of their p-values is multiplied by their number
(Bonferroni). To allow values below 5 %, they divide the events 999 times (the smallest p-value is then 1 in 1000, times
eight observables). The others give one p-value for all observables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from benchmarks.judges.planted import draw

from simulacra.judges.classifiers.failures import judge_failures
from simulacra.judges.distances.conditional import judge_conditional
from simulacra.judges.distances.distributions import judge_distributions
from simulacra.judges.distances.multivariate import compare_all
from simulacra.judges.finding import Finding
from simulacra.judges.generalisation.memorisation import judge_memorisation
from simulacra.judges.generalisation.mode_coverage import judge_modes
from simulacra.judges.samples import Sample, features_of
from simulacra.judges.unpacking import sample_of
from simulacra.statistics.classifiers.classifier import classify
from simulacra.statistics.distances.divisions import Replicates
from simulacra.statistics.distances.likelihood_ratio import learned_likelihood_ratio
from simulacra.statistics.features import Features

LEVEL: Final = 0.05
REPLICATES: Final = 999
FEW: Final = 20


@dataclass(frozen=True)
class Judge:
    """The name of a judge in tables, its table, and its nominal rate of false alarms."""

    title: str
    group: str
    level: float = LEVEL


_ONE, _CONDITION, _ALL, _NEAR, _CLASSIFIER, _MODES = (
    "each observable by itself",
    "each observable in bins of the energy",
    "all observables and the energy at once",
    "neighbours and correlations",
    "classifiers",
    "modes and memorisation",
)
_SLICES, _CONDITIONS = "sliced distances, energy distance", "in bins of the condition"
#: by judge, what is timed (:mod:`benchmarks.judges.speed`): several judges share their work
TIMED: Final[Mapping[str, str]] = {
    "wasserstein_distance": "W1, Kolmogorov-Smirnov, separation power",
    "kolmogorov_smirnov": "W1, Kolmogorov-Smirnov, separation power",
    "separation_power": "W1, Kolmogorov-Smirnov, separation power",
    "conditional_wasserstein_distance": _CONDITIONS,
    "conditional_mean": _CONDITIONS,
    "conditional_width": _CONDITIONS,
    "conditional_auc": _CONDITIONS,
    "frechet_physics_distance": "Frechet physics distance",
    "kernel_physics_distance": "kernel physics distance",
    "maximum_mean_discrepancy": "Gaussian MMD",
    "learned_likelihood_ratio": "learned likelihood ratio (NPLM)",
    "energy_distance": _SLICES,
    "mean_kolmogorov_smirnov": _SLICES,
    "mean_wasserstein": _SLICES,
    "sliced_kolmogorov_smirnov": _SLICES,
    "sliced_wasserstein": _SLICES,
    "max_sliced_wasserstein": _SLICES,
    "precision": "precision, recall, density, coverage",
    "recall": "precision, recall, density, coverage",
    "density": "precision, recall, density, coverage",
    "coverage": "precision, recall, density, coverage",
    "correlations": "correlations, rank correlations",
    "rank_correlations": "correlations, rank correlations",
    "classifier_trees": "boosted trees and perceptron, truth against truth too",
    "classifier_perceptron": "boosted trees and perceptron, truth against truth too",
    "important_feature": "where it fails",
    "worst_region": "where it fails",
    "lost_modes": "modes",
    "missing_modes": "modes",
    "missing_diversity": "modes",
    "mode_alarm": "modes",
    "memorisation": "memorisation",
    "far_from_training": "memorisation",
}
JUDGES: Final[Mapping[str, Judge]] = {
    "wasserstein_distance": Judge("W1", _ONE),
    "kolmogorov_smirnov": Judge("KS", _ONE),
    "separation_power": Judge("separation power", _ONE),
    "conditional_wasserstein_distance": Judge("W1 in bins", _CONDITION),
    "conditional_mean": Judge("mean in bins", _CONDITION),
    "conditional_width": Judge("width in bins", _CONDITION),
    "conditional_auc": Judge("AUC in bins", _CONDITION),
    "frechet_physics_distance": Judge("FPD", _ALL),
    "kernel_physics_distance": Judge("KPD", _ALL),
    "maximum_mean_discrepancy": Judge("MMD", _ALL),
    "learned_likelihood_ratio": Judge("NPLM", _ALL),
    "energy_distance": Judge("energy distance", _ALL),
    "mean_kolmogorov_smirnov": Judge("mean KS", _ALL),
    "mean_wasserstein": Judge("mean W1", _ALL),
    "sliced_kolmogorov_smirnov": Judge("sliced KS", _ALL),
    "sliced_wasserstein": Judge("sliced W1", _ALL),
    "max_sliced_wasserstein": Judge("max-sliced W1", _ALL),
    "precision": Judge("precision", _NEAR),
    "recall": Judge("recall", _NEAR),
    "density": Judge("density", _NEAR),
    "coverage": Judge("coverage", _NEAR),
    "correlations": Judge("correlations", _NEAR),
    "rank_correlations": Judge("rank correlations", _NEAR),
    "classifier_trees": Judge("boosted trees", _CLASSIFIER),
    "classifier_perceptron": Judge("perceptron", _CLASSIFIER),
    "important_feature": Judge("important feature", _CLASSIFIER),
    "worst_region": Judge("worst region", _CLASSIFIER),
    "lost_modes": Judge("lost modes", _MODES),
    "missing_modes": Judge("missing modes", _MODES),
    "missing_diversity": Judge("missing diversity", _MODES),
    "mode_alarm": Judge("alarm of modes", _MODES, 0.01),
    "memorisation": Judge("memorisation", _MODES, 0.05),
    "far_from_training": Judge("far from training", _MODES),
}


#: judges that can be added to the numbers of the others (``--judge``)
ALONE: Final[Mapping[str, Callable[[Features, np.random.Generator], float]]] = {
    "learned_likelihood_ratio": lambda features, rng: learned_likelihood_ratio(features, rng).distance.p_value,
}


def judged(failure: str, n: int, seed: int, only: str | None = None) -> dict[str, float]:
    """Return the p-value of each judge, or of only one, on n truth, n generated and n training events of a failure.

    The alarm of modes has no p-value: 0 means an alarm, 1 none.
    """
    one_thread()
    drawn = draw(failure, n, seed)
    rng = np.random.default_rng([seed, n])
    truth, generated, training = (
        sample_of(events, label, most_events=n, rng=rng)
        for events, label in zip(drawn, ("truth", "generated", "training"), strict=True)
    )
    if only is not None:
        return {only: ALONE[only](features_of(truth, generated), np.random.default_rng(seed))}
    return p_values(truth, generated, training, seed)


def p_values(truth: Sample, generated: Sample, training: Sample, seed: int) -> dict[str, float]:
    """Return the p-value of each judge, by name, in the order of ``JUDGES``."""
    rng = np.random.default_rng(seed)
    weights = truth.weights, generated.weights
    features = features_of(truth, generated)
    replicates = _for_p_values(Replicates.draw(*weights, rng, replicates=REPLICATES))
    findings = judge_distributions(truth, generated, truth, replicates)[0]
    corrected: dict[str, float] = {}
    for name in ("wasserstein_distance", "kolmogorov_smirnov", "separation_power"):
        each = [_p_value(f) for f in findings if f.judge == name]
        corrected[name] = min(1.0, len(each) * min(each))
    findings = list(compare_all(features, rng).findings)
    trees, perceptron = (
        classify(features.truth, features.generated, kind, seed=seed) for kind in ("trees", "perceptron")
    )
    findings += judge_failures(truth, generated, trees, rng)[0]
    findings += judge_conditional(truth, generated, rng, trees.in_order(len(truth), len(generated)))[0]
    found, modes = judge_modes(truth, generated, rng)
    findings += found
    found, memorisation = judge_memorisation(truth, generated, training, rng)
    findings += [f for f in found if f.judge == "far_from_training"]
    if memorisation is None:
        raise ValueError("without training events nothing is said on memorisation")
    one = {finding.judge: _p_value(finding) for finding in findings}
    one |= corrected
    one["classifier_trees"], one["classifier_perceptron"] = trees.p_value, perceptron.p_value
    one["mode_alarm"] = 0.0 if modes.report.alarm else 1.0
    one["memorisation"] = memorisation.nearness.p_value
    return {name: float(one[name]) for name in JUDGES}


def _for_p_values(replicates: Replicates) -> Replicates:
    """Return few replicates for errors and truth against truth, because only p-values are used."""
    few = slice(FEW)
    bootstrap, halves = (
        replace(divisions, first=divisions.first[few], second=divisions.second[few])
        for divisions in (replicates.bootstrap, replicates.halves)
    )
    return replace(replicates, bootstrap=bootstrap, halves=halves)


def _p_value(finding: Finding) -> float:
    if finding.p_value is None:
        raise ValueError(f"{finding.judge} on {finding.observable} gives no p-value")
    return finding.p_value


def one_thread() -> None:
    """Restrict this process to one thread, because there is one process per core."""
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
