"""How well classifiers tell generated events from truth, compared with truth from truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pydantic import JsonValue

from simulacra.judges.finding import Finding
from simulacra.judges.kinds.find import KINDS
from simulacra.judges.samples import Sample, features_of
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import (
    CELL_THRESHOLD,
    Classification,
    Method,
    TrainingProtocol,
    classify,
)
from simulacra.statistics.classifiers.deep_sets import classify_clouds
from simulacra.statistics.modes.strata import condition_table
from simulacra.wording import with_error

NOUN: Final[dict[Method, str]] = {
    "trees": "Boosted trees",
    "perceptron": "A multilayer perceptron",
    "deep_sets": "Deep sets",
}
VERB: Final[dict[Method, str]] = {"trees": "tell", "perceptron": "tells", "deep_sets": "tell"}
MOST_CLOUDS: Final = 20_000


@dataclass(frozen=True)
class Roc:
    """A classifier's results for the judged samples and for truth against truth (without single events)."""

    observable: str
    judged: Classification
    truth: Classification


def judge_separability(
    truth: Sample,
    generated: Sample,
    second_truth: Sample | None = None,
    *,
    cell_threshold: float = CELL_THRESHOLD,
    protocol: TrainingProtocol = "cross-validation",
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[Finding], tuple[Roc, ...]]:
    """Train classifiers on the observables, on values of fixed shape (such as showers' cells) and on clouds.

    Equal numbers of truth and generated events are used, pairs of equal conditions together (:func:`paired`). Truth
    against truth is measured between ``truth`` and ``second_truth``, at the same sizes if that has enough events;
    without it between the halves of ``truth``. The rows
    in the judged classifications refer to ``truth`` and ``generated``.

    Parameters
    ----------
    protocol:
        of the perceptrons (see :func:`classify`).
    """
    tell = progress or silent
    rng = np.random.default_rng(seed)
    n = min(len(truth), len(generated))
    rows = rng.permutation(len(truth))[:n], rng.permutation(len(generated))[:n]
    if paired(truth, generated):
        # Pairs stay together, here and in the folds.
        rows = rows[0], rows[0]
    judged = truth.take(rows[0]), generated.take(rows[1])
    if second_truth is None:
        halves = rng.permutation(len(truth))
        middle = len(halves) // 2
        chance = truth.take(halves[:middle]), truth.take(halves[middle : 2 * middle])
    else:
        m = min(n, len(second_truth))
        chance = judged[0].take(np.arange(m)), second_truth.take(rng.permutation(len(second_truth))[:m])

    findings, rocs = findings_of(*judged, chance, rng, cell_threshold=cell_threshold, protocol=protocol, progress=tell)
    return findings, tuple(
        replace(
            roc,
            judged=replace(
                roc.judged,
                truth_rows=rows[0][roc.judged.truth_rows],
                generated_rows=rows[1][roc.judged.generated_rows],
            ),
        )
        for roc in rocs
    )


def findings_of(
    truth: Sample,
    generated: Sample,
    chance: tuple[Sample, Sample],
    rng: np.random.Generator,
    *,
    cell_threshold: float = CELL_THRESHOLD,
    protocol: TrainingProtocol = "cross-validation",
    progress: Progress = silent,
) -> tuple[list[Finding], tuple[Roc, ...]]:
    """Return each classifier's results for two samples, and for the two samples of truth in ``chance``."""
    findings: list[Finding] = []
    rocs: list[Roc] = []
    plans = _plans(truth, signed=truth.signed or generated.signed or any(sample.signed for sample in chance))
    for number, (method, what) in enumerate(plans):
        seeds = [int(s) for s in rng.integers(2**31, size=2)]
        results: list[Classification] = []
        for turn, (first, second) in enumerate(((truth, generated), chance)):
            against = "" if turn == 0 else ", truth against truth"
            progress(f"classifier ({method}) on {what}{against}", (2 * number + turn) / (2 * len(plans)))
            results.append(
                _told(method, what, first, second, seeds[turn], cell_threshold=cell_threshold, protocol=protocol)
            )
        roc = Roc(f"{what} ({method})", results[0], results[1].without_events())
        rocs.append(roc)
        findings += _findings(roc, what, truth.label)
    return findings, tuple(rocs)


def table_of(first: Sample, second: Sample, what: str, cell_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs of a classifier for two samples, (N, F) and (M, F).

    Parameters
    ----------
    what:
        "observables", or a table of this kind of events, such as "cells" or "values".
    cell_threshold:
        energy up to which a cell counts as empty [MeV].
    """
    if what == "observables":
        features = features_of(first, second)
        return features.truth, features.generated
    tables = KINDS[first.kind].tables
    if what not in tables:
        raise ValueError(f"{first.kind} have no {what} to train a classifier on")
    return tables[what](first, second, cell_threshold)


def tables_of(first: Sample, second: Sample, cell_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return all inputs of the classifiers of tables for two samples, joined."""
    whats = [*(["observables"] if first.observables else []), *KINDS[first.kind].tables]
    one, two = zip(*(table_of(first, second, what, cell_threshold) for what in whats), strict=True)
    return np.column_stack(one), np.column_stack(two)


def _plans(truth: Sample, *, signed: bool) -> list[tuple[Method, str]]:
    """Return the classifiers and their inputs; trees accept only positive weights."""
    observables: tuple[Method, ...] = ("trees", "perceptron") if truth.observables else ()
    plans = [*((method, "observables") for method in observables), *KINDS[truth.kind].classifiers]
    return [(method, what) for method, what in plans if not (signed and method == "trees")]


def _told(
    method: Method,
    what: str,
    first: Sample,
    second: Sample,
    seed: int,
    *,
    cell_threshold: float,
    protocol: TrainingProtocol,
) -> Classification:
    """Return how well a classifier tells the samples apart by its inputs."""
    if method != "deep_sets":
        return classify(
            *table_of(first, second, what, cell_threshold),
            method,
            truth_weights=first.weights,
            generated_weights=second.weights,
            seed=seed,
            protocol=protocol if method == "perceptron" else "cross-validation",
            paired=paired(first, second),
        )
    # Sets of particles are slow to train on; beyond this the error is small.
    one, two = (sample.take(np.arange(min(len(sample), MOST_CLOUDS))) for sample in (first, second))
    if one.cloud is None or two.cloud is None:
        raise ValueError("these events are not clouds of particles")
    conditions = [name for name in one.conditions if name in two.conditions]
    return classify_clouds(
        (one.cloud.features, one.cloud.present),
        (two.cloud.features, two.cloud.present),
        truth_conditions=condition_table(one.conditions, conditions),
        generated_conditions=condition_table(two.conditions, conditions),
        truth_weights=one.weights,
        generated_weights=two.weights,
        seed=seed,
        paired=paired(one, two),
    )


def paired(first: Sample, second: Sample) -> bool:
    """Return whether events at equal places have equal conditions that vary, as a generator's at those of the truth."""
    names = [name for name in first.moving if name in second.conditions]
    # In single precision, in which generators are given them.
    both = [[one.conditions[name].astype(np.float32) for name in names] for one in (first, second)]
    return bool(names) and all(np.array_equal(one, two) for one, two in zip(*both, strict=True))


def _findings(roc: Roc, what: str, truth_label: str) -> list[Finding]:
    """Return the area under the ROC curve, and the classifier's information on an event."""
    judged, chance = roc.judged, roc.truth
    noun, sizes = NOUN[judged.method], (judged.n_truth, judged.n_generated)
    by_chance: dict[str, JsonValue] = {"truth_against_truth_sizes": [chance.n_truth, chance.n_generated]}
    areas = [(one.auc, one.uncertainty) for one in (judged, chance)]
    told = [(one.information, one.information_uncertainty) for one in (judged, chance)]
    return [
        Finding.of(
            "classifier_auc",
            roc.observable,
            (*areas[0], *areas[1], judged.p_value),
            sizes,
            f"{noun} on the {what} {VERB[judged.method]} generated events from {truth_label} with an AUC of "
            f"{with_error(*areas[0])} (0.5: not at all, 1: always), {truth_label} from itself with "
            f"{with_error(*areas[1])}.",
            details={
                "fold_aucs": judged.aucs.tolist(),
                "truth_fold_aucs": chance.aucs.tolist(),
                "ensemble_auc": judged.ensemble_auc,
                "ensemble_uncertainty": judged.ensemble_uncertainty,
                **by_chance,
            },
        ),
        Finding.of(
            "classifier_information",
            roc.observable,
            (*told[0], *told[1], judged.p_value),
            sizes,
            f"From an event's {what}, {noun.lower()} learn {with_error(*told[0], 'bit')} of the one bit whether it is "
            f"generated, and {with_error(*told[1], 'bit')} for {truth_label} against itself.",
            units="bit",
            details=by_chance,
        ),
    ]
