"""How well classifiers tell generated events from truth, beside how well they tell truth from truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulacra.judges.classifiers.classifier import CELL_THRESHOLD, Classification, Kind, cell_features, classify
from simulacra.judges.finding import Finding
from simulacra.judges.progress import Progress, silent
from simulacra.judges.samples import Sample
from simulacra.judges.wording import with_error

NOUN: Final[dict[Kind, str]] = {"trees": "Boosted trees", "perceptron": "A multilayer perceptron"}
VERB: Final[dict[Kind, str]] = {"trees": "tell", "perceptron": "tells"}


@dataclass(frozen=True)
class Roc:
    """A classifier's view of the judged samples and of truth against truth."""

    observable: str
    judged: Classification
    truth: Classification


def judge_separability(
    truth: Sample,
    generated: Sample,
    second_truth: Sample | None = None,
    *,
    cell_threshold: float = CELL_THRESHOLD,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[Finding], tuple[Roc, ...]]:
    """Train classifiers on the observables and, for showers, on the cells.

    Equally many truth and generated events are taken. Truth against truth is measured between ``truth`` and
    ``second_truth``, at the same sizes if that has as many events; without it between the halves of ``truth``.
    """
    tell = progress or silent
    rng = np.random.default_rng(seed)
    n = min(len(truth), len(generated))
    judged = truth.take(rng.permutation(len(truth))[:n]), generated.take(rng.permutation(len(generated))[:n])
    if second_truth is None:
        halves = rng.permutation(len(truth))
        middle = len(halves) // 2
        chance = truth.take(halves[:middle]), truth.take(halves[middle : 2 * middle])
    else:
        m = min(n, len(second_truth))
        chance = judged[0].take(np.arange(m)), second_truth.take(rng.permutation(len(second_truth))[:m])

    plans: list[tuple[Kind, str]] = [("trees", "observables")]
    if truth.cells is not None:
        plans += [("perceptron", "cells"), ("trees", "cells")]
    findings: list[Finding] = []
    rocs: list[Roc] = []
    for number, (kind, what) in enumerate(plans):
        seeds = [int(s) for s in rng.integers(2**31, size=2)]
        results: list[Classification] = []
        for turn, (first, second) in enumerate((judged, chance)):
            against = "" if turn == 0 else ", truth against truth"
            tell(f"classifier ({kind}) on {what}{against}", (2 * number + turn) / (2 * len(plans)))
            results.append(
                classify(
                    _features(first, what, cell_threshold),
                    _features(second, what, cell_threshold),
                    kind,
                    truth_weights=first.weights,
                    generated_weights=second.weights,
                    seed=seeds[turn],
                )
            )
        roc = Roc(f"{what} ({kind})", *results)
        rocs.append(roc)
        findings.append(_finding(roc, kind, what, truth.label))
    return findings, tuple(rocs)


def _features(sample: Sample, what: str, cell_threshold: float) -> np.ndarray:
    """Return what a classifier sees, (N, F).

    Beside the logarithms of the cells stand the sums over the sections and over all cells: they are functions of the
    cells, but a total energy that is known to a part in a thousand is beyond what is learned from some thousand events.
    """
    if what == "cells" and sample.cells is not None:
        energy = sample.conditions["incident_energy"]
        columns = [cell_features(sample.cells, energy, threshold=cell_threshold), sample.observables["energy_response"]]
        for name, values in sample.observables.items():
            if name.startswith("energy_") and name.removeprefix("energy_").isdigit():
                columns.append(values / np.maximum(energy, 1e-6))
        columns += [values for name, values in sample.conditions.items() if name != "incident_energy"]
        return np.column_stack(columns)
    return np.column_stack([*sample.observables.values(), *sample.conditions.values()])


def _finding(roc: Roc, kind: Kind, what: str, truth_label: str) -> Finding:
    judged, chance = roc.judged, roc.truth
    return Finding(
        judge="classifier_auc",
        observable=roc.observable,
        value=judged.auc,
        uncertainty=judged.uncertainty,
        truth_value=chance.auc,
        truth_uncertainty=chance.uncertainty,
        n_truth=judged.n_truth,
        n_generated=judged.n_generated,
        sentence=(
            f"{NOUN[kind]} on the {what} {VERB[kind]} generated events from {truth_label} with an AUC of "
            f"{with_error(judged.auc, judged.uncertainty)} (0.5: not at all, 1: always), {truth_label} from itself "
            f"with {with_error(chance.auc, chance.uncertainty)}."
        ),
        details={
            "fold_aucs": judged.aucs.tolist(),
            "truth_fold_aucs": chance.aucs.tolist(),
            "truth_against_truth_sizes": [chance.n_truth, chance.n_generated],
        },
    )
