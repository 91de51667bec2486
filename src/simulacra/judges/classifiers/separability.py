"""How well classifiers tell generated events from truth, beside how well they tell truth from truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from simulacra.judges.finding import Finding
from simulacra.judges.samples import Cloud, Sample, features_of
from simulacra.progress import Progress, silent
from simulacra.statistics.classifiers.classifier import (
    CELL_THRESHOLD,
    Classification,
    Kind,
    Protocol,
    cell_features,
    classify,
)
from simulacra.statistics.classifiers.deep_sets import classify_clouds
from simulacra.statistics.outliers import reined
from simulacra.wording import with_error

NOUN: Final[dict[Kind, str]] = {
    "trees": "Boosted trees",
    "perceptron": "A multilayer perceptron",
    "deep_sets": "Deep sets",
}
VERB: Final[dict[Kind, str]] = {"trees": "tell", "perceptron": "tells", "deep_sets": "tell"}
MOST_CLOUDS: Final = 20_000
MOST_COLUMNS: Final = 2_000
PROJECTIONS: Final = 500


@dataclass(frozen=True)
class Roc:
    """A classifier's view of the judged samples and of truth against truth (without single events)."""

    observable: str
    judged: Classification
    truth: Classification

    def without_events(self) -> Roc:
        """Return the same without what belongs to single events: what a record holds."""
        return replace(self, judged=self.judged.without_events())


def judge_separability(
    truth: Sample,
    generated: Sample,
    second_truth: Sample | None = None,
    *,
    cell_threshold: float = CELL_THRESHOLD,
    protocol: Protocol = "cross-validation",
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[Finding], tuple[Roc, ...]]:
    """Train classifiers on the observables, on values of fixed shape (such as showers' cells) and on clouds.

    Equally many truth and generated events are taken. Truth against truth is measured between ``truth`` and
    ``second_truth``, at the same sizes if that has as many events; without it between the halves of ``truth``. The rows
    in the judged classifications are those of ``truth`` and ``generated``.

    Parameters
    ----------
    protocol:
        of the perceptrons (see :func:`classify`).
    """
    tell = progress or silent
    rng = np.random.default_rng(seed)
    n = min(len(truth), len(generated))
    rows = rng.permutation(len(truth))[:n], rng.permutation(len(generated))[:n]
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
    protocol: Protocol = "cross-validation",
    progress: Progress = silent,
) -> tuple[list[Finding], tuple[Roc, ...]]:
    """Return what each classifier says of two samples, and of the two samples of truth in ``chance``."""
    findings: list[Finding] = []
    rocs: list[Roc] = []
    plans = _plans(truth, signed=truth.signed or generated.signed or any(sample.signed for sample in chance))
    for number, (kind, what) in enumerate(plans):
        seeds = [int(s) for s in rng.integers(2**31, size=2)]
        results: list[Classification] = []
        for turn, (first, second) in enumerate(((truth, generated), chance)):
            against = "" if turn == 0 else ", truth against truth"
            progress(f"classifier ({kind}) on {what}{against}", (2 * number + turn) / (2 * len(plans)))
            told = _classifier(kind, what, first, second, cell_threshold, protocol)
            results.append(told(truth_weights=first.weights, generated_weights=second.weights, seed=seeds[turn]))
        roc = Roc(f"{what} ({kind})", results[0], results[1].without_events())
        rocs.append(roc)
        findings += [_area(roc, what, truth.label), _information(roc, what, truth.label)]
    return findings, tuple(rocs)


def table_of(first: Sample, second: Sample, what: str, cell_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what a classifier sees of two samples' "observables", "cells" or "values", (N, F) and (M, F).

    "cells" are a shower's, and beside their logarithms stand the sums over the sections and over all cells: they are
    functions of the cells, but a total energy that is known to a part in a thousand is beyond what is learned from some
    thousand events. "values" are those of arrays of fixed shape; where there are more than ``MOST_COLUMNS``, random
    projections of them (Gaussian, always the same ones) stand for them. They are in standard deviations of ``first``;
    of both samples where masks leave out values.
    """
    if what == "observables":
        features = features_of(first, second)
        return features.truth, features.generated
    if first.cells is None or second.cells is None:
        raise ValueError("these events have no values of fixed shape to train a classifier on")
    if what == "cells":
        return _shower(first, cell_threshold), _shower(second, cell_threshold)
    one, two = (
        np.asarray(values, dtype=np.float32)
        for values in reined(np.asarray(first.cells, dtype=np.float32), np.asarray(second.cells, dtype=np.float32))
    )
    # where few events fill a slot, one sample's mean and spread would tell which of the two it is
    scaled_by = np.concatenate([one, two]) if first.mask else one
    centre, spread = scaled_by.mean(axis=0), scaled_by.std(axis=0)
    scale = np.where(spread > 0, spread, np.float32(1))
    one, two = (one - centre) / scale, (two - centre) / scale
    if one.shape[1] > MOST_COLUMNS:
        directions = np.random.default_rng(one.shape[1]).normal(0, one.shape[1] ** -0.5, (one.shape[1], PROJECTIONS))
        one, two = one @ directions.astype(np.float32), two @ directions.astype(np.float32)
    conditions = [name for name in first.conditions if name in second.conditions]
    tables = [np.column_stack([t, *(s.conditions[c] for c in conditions)]) for t, s in ((one, first), (two, second))]
    return tables[0], tables[1]


def _plans(truth: Sample, *, signed: bool) -> list[tuple[Kind, str]]:
    """Return which classifiers look at what; trees learn from positive weights alone."""
    plans: list[tuple[Kind, str]] = []
    if truth.observables:
        plans += [("trees", "observables"), ("perceptron", "observables")]
    if truth.kind == "showers":
        plans += [("perceptron", "cells"), ("trees", "cells")]
    elif truth.cells is not None:
        plans += [("perceptron", "values"), ("trees", "values")]
    if truth.cloud is not None:
        plans.append(("deep_sets", "particles"))
    return [(kind, what) for kind, what in plans if not (signed and kind == "trees")]


def _classifier(
    kind: Kind, what: str, first: Sample, second: Sample, cell_threshold: float, protocol: Protocol
) -> Callable[..., Classification]:
    if kind != "deep_sets":
        tables = table_of(first, second, what, cell_threshold)
        return partial(classify, *tables, kind, protocol=protocol if kind == "perceptron" else "cross-validation")

    def told(*, truth_weights: np.ndarray, generated_weights: np.ndarray, seed: int) -> Classification:
        # Sets of particles are slow to train on; beyond this the error is small.
        most = slice(MOST_CLOUDS)
        conditions = [name for name in first.conditions if name in second.conditions]
        here, there = (
            np.column_stack([np.empty((len(s), 0)), *(s.conditions[c] for c in conditions)])[most]
            for s in (first, second)
        )
        return classify_clouds(
            _arrays(first.cloud, most),
            _arrays(second.cloud, most),
            truth_conditions=here,
            generated_conditions=there,
            truth_weights=truth_weights[most],
            generated_weights=generated_weights[most],
            seed=seed,
        )

    return told


def _arrays(cloud: Cloud | None, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    if cloud is None:
        raise ValueError("these events are no clouds of particles")
    return cloud.features[rows], cloud.present[rows]


def _shower(sample: Sample, cell_threshold: float) -> np.ndarray:
    energy = sample.conditions["incident_energy"]
    cells = np.asarray(sample.cells)
    columns = [cell_features(cells, energy, threshold=cell_threshold), sample.observables["energy_response"]]
    for name, values in sample.observables.items():
        if name.startswith("energy_") and name.removeprefix("energy_").isdigit():
            columns.append(values / np.maximum(energy, 1e-6))
    columns += [values for name, values in sample.conditions.items() if name != "incident_energy"]
    return np.column_stack(columns)


def _area(roc: Roc, what: str, truth_label: str) -> Finding:
    judged, chance = roc.judged, roc.truth
    return _finding(
        roc,
        judge="classifier_auc",
        value=judged.auc,
        uncertainty=judged.uncertainty,
        truth_value=chance.auc,
        truth_uncertainty=chance.uncertainty,
        sentence=(
            f"{NOUN[judged.kind]} on the {what} {VERB[judged.kind]} generated events from {truth_label} with an AUC of "
            f"{with_error(judged.auc, judged.uncertainty)} (0.5: not at all, 1: always), {truth_label} from itself "
            f"with {with_error(chance.auc, chance.uncertainty)}."
        ),
        details={
            "fold_aucs": judged.aucs.tolist(),
            "truth_fold_aucs": chance.aucs.tolist(),
            "ensemble_auc": judged.ensemble_auc,
            "ensemble_uncertainty": judged.ensemble_uncertainty,
            "truth_against_truth_sizes": [chance.n_truth, chance.n_generated],
        },
    )


def _information(roc: Roc, what: str, truth_label: str) -> Finding:
    judged, chance = roc.judged, roc.truth
    return _finding(
        roc,
        judge="classifier_information",
        value=judged.information,
        uncertainty=judged.information_uncertainty,
        truth_value=chance.information,
        truth_uncertainty=chance.information_uncertainty,
        units="bit",
        sentence=(
            f"An event's {what} tell {NOUN[judged.kind].lower()} "
            f"{with_error(judged.information, judged.information_uncertainty, 'bit')} of the one bit whether it is "
            f"generated, and {with_error(chance.information, chance.information_uncertainty, 'bit')} where "
            f"{truth_label} is compared with itself."
        ),
        details={"truth_against_truth_sizes": [chance.n_truth, chance.n_generated]},
    )


def _finding(roc: Roc, **values: Any) -> Finding:
    judged = roc.judged
    return Finding(
        observable=roc.observable,
        p_value=judged.p_value,
        n_truth=judged.n_truth,
        n_generated=judged.n_generated,
        **values,
    )
